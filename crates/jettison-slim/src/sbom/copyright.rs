//! The licences that a package's copyright file names.

use std::collections::BTreeSet;

/// Where Debian keeps the texts of common licences.
const COMMON: &str = "/usr/share/common-licenses/";

/// The licences in the text of `/usr/share/doc/PACKAGE/copyright`, sorted, each once: Debian's names, or expressions of
/// them with `and` and `or`.
///
/// A file in the machine-readable format (copyright-format 1.0) names them for the package and for its files. Of others,
/// the common licences are taken whose texts they refer to; who refers to the text of a version of GNU's licences may
/// permit later ones or not, so that these are called after the text, as in `common-licenses/GPL-2`.
pub fn copyright_licences(text: &str) -> Vec<String> {
    let is_machine_readable = text.lines().any(|line| {
        value(line, "Format").is_some_and(|format| format.contains("copyright-format"))
    });
    let found: BTreeSet<String> = if is_machine_readable {
        stated(text)
    } else {
        referred(text)
    };
    found.into_iter().collect()
}

/// The licences of the header and of stanzas about files. Those of other stanzas only give the texts.
fn stated(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let lines: Vec<&str> = text.lines().collect();
    for stanza in lines.split(|line| line.trim().is_empty()) {
        let has = |field| stanza.iter().any(|line| value(line, field).is_some());
        if !has("Files") && !has("Format") {
            continue;
        }
        let names = stanza.iter().filter_map(|line| value(line, "License"));
        found.extend(names.filter(|name| !name.is_empty()).map(str::to_owned));
    }
    found
}

fn referred(text: &str) -> BTreeSet<String> {
    let places = text.split(COMMON).skip(1);
    let names = places.map(|rest| {
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || "+-.".contains(letter);
        let end = rest.find(|letter| !is_name(letter)).unwrap_or(rest.len());
        rest[..end].trim_end_matches(['.', '-'])
    });
    let is_gnu = |name: &str| {
        ["GPL", "LGPL", "GFDL"]
            .iter()
            .any(|family| name.starts_with(family))
    };
    let names = names.filter(|name| !name.is_empty());
    names
        .map(|name| {
            if is_gnu(name) {
                format!("common-licenses/{name}")
            } else {
                name.to_owned()
            }
        })
        .collect()
}

/// The rest of `line` after this field's name, which may be written in any case.
fn value<'a>(line: &'a str, field: &str) -> Option<&'a str> {
    let (name, value) = line.split_once(':')?;
    name.eq_ignore_ascii_case(field).then(|| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(copyright_licences(text), expected);
    }

    #[test]
    fn a_machine_readable_file_states_licences() {
        check(
            "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n\
             Files: *\nCopyright: me\nLicense: GPL-2+ or Artistic\n the text\n License: none\n\n\
             files: debian/*\nlicense:  Expat\n \nFiles: x\nLicense:\n\n\
             License: GPL-2+\n See /usr/share/common-licenses/GPL-2.\n",
            &["Expat", "GPL-2+ or Artistic"],
        );
    }

    #[test]
    fn another_file_refers_to_common_licences() {
        check(
            "It is in `/usr/share/common-licenses/GPL-2', and in /usr/share/common-licenses/LGPL-2.1.\n\
             License: free\n/usr/share/common-licenses/GPL-2 /usr/share/common-licenses/Apache-2.0",
            &[
                "Apache-2.0",
                "common-licenses/GPL-2",
                "common-licenses/LGPL-2.1",
            ],
        );
        check("", &[]);
    }
}
