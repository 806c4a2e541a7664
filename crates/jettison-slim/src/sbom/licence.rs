//! Names of licences: Debian's and SPDX's.

use std::collections::{BTreeMap, BTreeSet};

use super::identity::identifier;

/// SPDX's identifiers for what Debian's copyright files write (Debian's copyright-format 1.0, "License short name"), where
/// both mean one text.
const SHORT_NAMES: &[(&str, &str)] = &[
    ("apache-1.0", "Apache-1.0"),
    ("apache-1.1", "Apache-1.1"),
    ("apache-2", "Apache-2.0"),
    ("apache-2.0", "Apache-2.0"),
    ("artistic", "Artistic-1.0-Perl"),
    ("artistic-2", "Artistic-2.0"),
    ("artistic-2.0", "Artistic-2.0"),
    ("bsd-2-clause", "BSD-2-Clause"),
    ("bsd-3-clause", "BSD-3-Clause"),
    ("bsd-4-clause", "BSD-4-Clause"),
    ("bsl-1.0", "BSL-1.0"),
    ("cc0", "CC0-1.0"),
    ("cc0-1.0", "CC0-1.0"),
    ("cc-by-3", "CC-BY-3.0"),
    ("cc-by-4", "CC-BY-4.0"),
    ("cc-by-4.0", "CC-BY-4.0"),
    ("cc-by-sa-3", "CC-BY-SA-3.0"),
    ("cc-by-sa-4", "CC-BY-SA-4.0"),
    ("cc-by-sa-4.0", "CC-BY-SA-4.0"),
    ("cddl-1.0", "CDDL-1.0"),
    ("cddl-1.1", "CDDL-1.1"),
    ("cpl-1.0", "CPL-1.0"),
    ("epl-1.0", "EPL-1.0"),
    ("epl-2.0", "EPL-2.0"),
    ("expat", "MIT"),
    ("gfdl-1.1", "GFDL-1.1-only"),
    ("gfdl-1.1+", "GFDL-1.1-or-later"),
    ("gfdl-1.2", "GFDL-1.2-only"),
    ("gfdl-1.2+", "GFDL-1.2-or-later"),
    ("gfdl-1.3", "GFDL-1.3-only"),
    ("gfdl-1.3+", "GFDL-1.3-or-later"),
    ("gpl-1", "GPL-1.0-only"),
    ("gpl-1+", "GPL-1.0-or-later"),
    ("gpl-2", "GPL-2.0-only"),
    ("gpl-2+", "GPL-2.0-or-later"),
    ("gpl-2.0", "GPL-2.0-only"),
    ("gpl-2.0+", "GPL-2.0-or-later"),
    ("gpl-3", "GPL-3.0-only"),
    ("gpl-3+", "GPL-3.0-or-later"),
    ("gpl-3.0", "GPL-3.0-only"),
    ("gpl-3.0+", "GPL-3.0-or-later"),
    ("isc", "ISC"),
    ("lgpl-2", "LGPL-2.0-only"),
    ("lgpl-2+", "LGPL-2.0-or-later"),
    ("lgpl-2.0", "LGPL-2.0-only"),
    ("lgpl-2.0+", "LGPL-2.0-or-later"),
    ("lgpl-2.1", "LGPL-2.1-only"),
    ("lgpl-2.1+", "LGPL-2.1-or-later"),
    ("lgpl-3", "LGPL-3.0-only"),
    ("lgpl-3+", "LGPL-3.0-or-later"),
    ("lgpl-3.0", "LGPL-3.0-only"),
    ("lgpl-3.0+", "LGPL-3.0-or-later"),
    ("lppl-1.3c", "LPPL-1.3c"),
    ("mit", "MIT"),
    ("mpl-1.1", "MPL-1.1"),
    ("mpl-2.0", "MPL-2.0"),
    ("openssl", "OpenSSL"),
    ("psf-2", "PSF-2.0"),
    ("unlicense", "Unlicense"),
    ("w3c", "W3C"),
    ("zlib", "Zlib"),
];

/// SPDX's identifier for the licence that Debian or SPDX calls `name`, if it is known here.
pub(super) fn spdx_identifier(name: &str) -> Option<&'static str> {
    let name = name.trim();
    let found = |pick: fn(&'static (&str, &str)) -> &'static str| {
        let mut all = SHORT_NAMES.iter();
        all.find(|entry| pick(entry).eq_ignore_ascii_case(name))
    };
    let by_short_name = found(|entry| entry.0);
    let entry = by_short_name.or_else(|| found(|entry| entry.1))?;
    Some(entry.1)
}

/// Licences that apply together, as SPDX writes them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Licences {
    /// All of them as one expression; empty if there are none.
    pub(super) expression: String,
    /// Those without an identifier of SPDX's, by the one that stands for them.
    pub(super) references: BTreeMap<String, String>,
}

/// Reads `names`, each of which may be an expression of Debian's with `and` and `or`.
pub(super) fn licences(names: &[String]) -> Licences {
    let mut licences = Licences::default();
    let mut parts = BTreeSet::new();
    for name in names.iter().filter(|name| !name.trim().is_empty()) {
        parts.insert(translated(name, &mut licences.references));
    }
    let alone = parts.len() == 1;
    let parts = parts.into_iter();
    let parts: Vec<String> = parts
        .map(|part| if alone { part } else { in_brackets(part) })
        .collect();
    licences.expression = parts.join(" AND ");
    licences
}

/// Whether `name` is an expression of several licences.
pub(super) fn is_compound(name: &str) -> bool {
    name.split_whitespace().any(|word| operator(word).is_some())
}

/// One expression of Debian's: `and` binds closer than `or`, as in SPDX, and a comma before them ends what is bound
/// (copyright-format 1.0, 7.2).
fn translated(text: &str, references: &mut BTreeMap<String, String>) -> String {
    // Each group is an expression without commas, each operator that before it.
    let mut groups: Vec<(Option<&str>, String)> = vec![(None, String::new())];
    let mut name: Vec<&str> = Vec::new();
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let ends_group = word.strip_suffix(',').filter(|_| {
            let next = words.peek().copied();
            next.is_some_and(|next| operator(next).is_some())
        });
        let Some((_, group)) = groups.last_mut() else {
            continue;
        };
        match operator(word) {
            // An operator without a licence before it is a part of a name.
            Some(operator) if !name.is_empty() && words.peek().is_some() => {
                group.push_str(&atom(&name.join(" "), references));
                group.push_str(operator);
                name.clear();
            }
            _ => name.push(ends_group.unwrap_or(word)),
        }
        if ends_group.is_some() {
            group.push_str(&atom(&name.join(" "), references));
            name.clear();
            let operator = words.next().and_then(operator);
            groups.push((operator, String::new()));
        }
    }
    if let Some((_, group)) = groups.last_mut() {
        group.push_str(&atom(&name.join(" "), references));
    }
    if let [(_, group)] = groups.as_slice() {
        return group.clone();
    }
    let mut expression = String::new();
    for (operator, group) in groups {
        expression.push_str(operator.unwrap_or_default());
        expression.push_str(&in_brackets(group));
    }
    expression
}

fn operator(word: &str) -> Option<&'static str> {
    match word {
        "and" | "AND" => Some(" AND "),
        "or" | "OR" => Some(" OR "),
        _ => None,
    }
}

fn in_brackets(expression: String) -> String {
    if expression.contains(' ') {
        format!("({expression})")
    } else {
        expression
    }
}

fn atom(name: &str, references: &mut BTreeMap<String, String>) -> String {
    if let Some(identifier) = spdx_identifier(name) {
        return identifier.to_owned();
    }
    let reference = format!("LicenseRef-{}", identifier(name));
    references.insert(reference.clone(), name.to_owned());
    reference
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_both_kinds_are_known() {
        assert_eq!(spdx_identifier("GPL-2+"), Some("GPL-2.0-or-later"));
        assert_eq!(spdx_identifier("gpl-2.0-ONLY"), Some("GPL-2.0-only"));
        assert_eq!(spdx_identifier("Expat"), Some("MIT"));
        assert_eq!(spdx_identifier("GPL-2+ with OpenSSL exception"), None);
        assert_eq!(spdx_identifier("public-domain"), None);
    }

    #[track_caller]
    fn check(names: &[&str], expected: &str) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(licences(&names).expression, expected);
    }

    #[test]
    fn expressions_become_those_of_spdx() {
        check(&[], "");
        check(&[" "], "");
        check(&["Expat", "mit"], "MIT");
        check(&["Expat", "ISC"], "ISC AND MIT");
        check(
            &["GPL-2+ or Artistic"],
            "GPL-2.0-or-later OR Artistic-1.0-Perl",
        );
        check(
            &["ISC", "GPL-2+ or Artistic"],
            "(GPL-2.0-or-later OR Artistic-1.0-Perl) AND ISC",
        );
        check(
            &["GPL-2+ or Artistic-2.0, and BSD-3-clause"],
            "(GPL-2.0-or-later OR Artistic-2.0) AND BSD-3-Clause",
        );
        check(
            &["GPL-2+ with X exception"],
            "LicenseRef-GPL-2.2B.20with.20X.20exception",
        );
        check(
            &["Expat,", "and", "Expat and"],
            "LicenseRef-Expat.20and AND LicenseRef-Expat.2C AND LicenseRef-and",
        );
        check(&["a, b"], "LicenseRef-a.2C.20b");
    }
}
