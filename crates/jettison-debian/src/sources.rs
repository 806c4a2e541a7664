//! Where apt looks for packages: `sources.list` and `*.sources`.
//!
//! See <https://manpages.debian.org/sources.list.5>.

use std::collections::BTreeMap;

use crate::archive::Archive;
use crate::deb822::{Deb822Error, Stanza, parse_stanzas, value_lines};

/// In which of apt's two formats sources are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourcesFormat {
    /// `deb [arch=amd64] http://ftp.debian.org/debian trixie main`
    OneLine,
    /// Stanzas with `Types`, `URIs`, `Suites` and `Components`.
    Deb822,
}

/// One suite that apt looks into, or would, if it were enabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AptSource {
    /// Where the suite is.
    pub archive: Archive,
    /// What it is used for: `deb` for binary packages, `deb-src` for source packages.
    pub types: Vec<String>,
    /// Which keys may sign it; any key that apt knows, where nothing is said.
    pub signed_by: Option<SignedBy>,
    /// Whether apt looks into it.
    pub enabled: bool,
    /// Everything else that is said of it, by lower-case option name as it stands in one-line files.
    pub options: BTreeMap<String, Vec<String>>,
}

/// Which keys may sign a suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedBy {
    /// Keyring files and fingerprints.
    Named(Vec<String>),
    /// The certificate itself, in armor.
    Inline(String),
}

/// Why a file of sources cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourcesError {
    /// A file of the newer format is not control data.
    #[error("cannot read apt sources")]
    Syntax {
        /// What is wrong with it.
        source: Deb822Error,
    },
    /// A line of the older format is wrong.
    #[error("cannot read line {line} of apt sources: {problem}")]
    Line {
        /// Its number, counted from one.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A stanza of the newer format is wrong.
    #[error("cannot read stanza {stanza} of apt sources: {problem}")]
    Stanza {
        /// Its number, counted from one.
        stanza: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// Reads a file of apt sources: one result for each suite, disabled ones included.
pub fn apt_sources(text: &str, format: SourcesFormat) -> Result<Vec<AptSource>, SourcesError> {
    match format {
        SourcesFormat::OneLine => one_line_sources(text),
        SourcesFormat::Deb822 => deb822_sources(text),
    }
}

fn one_line_sources(text: &str) -> Result<Vec<AptSource>, SourcesError> {
    let mut sources = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let text = text.split('#').next().unwrap_or_default().trim();
        if !text.is_empty() {
            let source = one_line_source(text);
            sources.push(source.map_err(|problem| SourcesError::Line { line, problem })?);
        }
    }
    Ok(sources)
}

fn one_line_source(text: &str) -> Result<AptSource, &'static str> {
    let (kind, rest) = text.split_once([' ', '\t']).ok_or("it names no archive")?;
    check_type(kind)?;
    let (options, rest) = match rest.trim_start().strip_prefix('[') {
        Some(bracket) => bracket.split_once(']').ok_or("`[` without `]`")?,
        None => ("", rest),
    };
    let mut options = parse_options(options)?;
    let mut words = rest.split_ascii_whitespace().map(str::to_owned);
    let uri = words.next().ok_or("it names no archive")?;
    let suite = words.next().ok_or("it names no suite")?;
    let archive = Archive {
        uri,
        suite,
        components: words.collect(),
    };
    check_archive(&archive)?;
    let is_enabled = is_not_no(options.remove("enabled"));
    Ok(AptSource {
        archive,
        types: vec![kind.to_owned()],
        signed_by: options.remove("signed-by").map(SignedBy::Named),
        enabled: is_enabled,
        options,
    })
}

fn parse_options(text: &str) -> Result<BTreeMap<String, Vec<String>>, &'static str> {
    let mut options = BTreeMap::new();
    for word in text.split_ascii_whitespace() {
        let (name, values) = word.split_once('=').ok_or("an option has no `=`")?;
        let values = values.split(',').map(str::to_owned).collect();
        options.insert(name.to_ascii_lowercase(), values);
    }
    Ok(options)
}

fn check_type(kind: &str) -> Result<(), &'static str> {
    match kind {
        "deb" | "deb-src" => Ok(()),
        _ => Err("its type is neither `deb` nor `deb-src`"),
    }
}

/// A suite that ends in a slash is a directory and has no components; any other has some.
fn check_archive(archive: &Archive) -> Result<(), &'static str> {
    match (archive.suite.ends_with('/'), archive.components.is_empty()) {
        (true, true) | (false, false) => Ok(()),
        (true, false) => Err("a suite that is a directory has no components"),
        (false, true) => Err("it names no component"),
    }
}

fn is_not_no(values: Option<Vec<String>>) -> bool {
    let value = values.and_then(|values| values.into_iter().next());
    !matches!(
        value.as_deref(),
        Some("no" | "false" | "off" | "0" | "without" | "disable")
    )
}

fn deb822_sources(text: &str) -> Result<Vec<AptSource>, SourcesError> {
    let stanzas = parse_stanzas(text).map_err(|source| SourcesError::Syntax { source })?;
    let mut sources = Vec::new();
    for (number, stanza) in (1..).zip(&stanzas) {
        let of_stanza = stanza_sources(stanza).map_err(|problem| SourcesError::Stanza {
            stanza: number,
            problem,
        })?;
        sources.extend(of_stanza);
    }
    Ok(sources)
}

fn stanza_sources(stanza: &Stanza<'_>) -> Result<Vec<AptSource>, &'static str> {
    let words = |name| words_of(stanza.get(name).unwrap_or_default());
    let (types, uris, suites) = (words("Types"), words("URIs"), words("Suites"));
    if types.is_empty() || uris.is_empty() || suites.is_empty() {
        return Err("it lacks `Types`, `URIs` or `Suites`");
    }
    types.iter().try_for_each(|kind| check_type(kind))?;
    let enabled = is_not_no(stanza.get("Enabled").map(words_of));
    let signed_by = stanza.get("Signed-By").map(parse_signed_by);
    let options = other_options(stanza);
    let mut sources = Vec::new();
    for (uri, suite) in uris
        .iter()
        .flat_map(|uri| suites.iter().map(move |suite| (uri, suite)))
    {
        let archive = Archive {
            uri: uri.clone(),
            suite: suite.clone(),
            components: words("Components"),
        };
        check_archive(&archive)?;
        sources.push(AptSource {
            archive,
            types: types.clone(),
            signed_by: signed_by.clone(),
            enabled,
            options: options.clone(),
        });
    }
    Ok(sources)
}

fn words_of(value: &str) -> Vec<String> {
    value_lines(value)
        .flat_map(str::split_ascii_whitespace)
        .map(str::to_owned)
        .collect()
}

fn parse_signed_by(value: &str) -> SignedBy {
    if !value.contains("-----BEGIN") {
        return SignedBy::Named(words_of(&value.replace(',', " ")));
    }
    let line = |line| {
        if line == "." {
            "\n".to_owned()
        } else {
            format!("{line}\n")
        }
    };
    SignedBy::Inline(
        value_lines(value)
            .skip_while(|line| line.is_empty())
            .map(line)
            .collect(),
    )
}

fn other_options(stanza: &Stanza<'_>) -> BTreeMap<String, Vec<String>> {
    let known = [
        "types",
        "uris",
        "suites",
        "components",
        "enabled",
        "signed-by",
    ];
    let mut options = BTreeMap::new();
    for field in stanza.fields() {
        let name = match field.name.to_ascii_lowercase().as_str() {
            name if known.contains(&name) || name.starts_with("x-") => continue,
            "architectures" => "arch".to_owned(),
            "languages" => "lang".to_owned(),
            "targets" => "target".to_owned(),
            name => name.to_owned(),
        };
        options.insert(name, words_of(field.value));
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(text: &str, format: SourcesFormat, expected: Expect) {
        let show = |source: &AptSource| {
            format!(
                "{} {} {} {} {:?} {} {:?}\n",
                source.types.join(","),
                source.archive.uri,
                source.archive.suite,
                source.archive.components.join(","),
                source.signed_by,
                source.enabled,
                source.options
            )
        };
        let got = match apt_sources(text, format) {
            Ok(sources) => sources.iter().map(show).collect(),
            Err(error) => format!("error: {error}\n"),
        };
        expected.assert_eq(&got);
    }

    #[test]
    fn a_line_is_one_suite() {
        check(
            "# comment\n\ndeb http://ftp.debian.org/debian trixie main contrib # more\n\
             deb-src\t[ arch=amd64,arm64 signed-by=/a.gpg,/b.gpg ] http://ftp.debian.org/debian  sid main\n\
             deb [trusted=yes] file:/srv/flat ./\n",
            SourcesFormat::OneLine,
            expect![[r#"
                deb http://ftp.debian.org/debian trixie main,contrib None true {}
                deb-src http://ftp.debian.org/debian sid main Some(Named(["/a.gpg", "/b.gpg"])) true {"arch": ["amd64", "arm64"]}
                deb file:/srv/flat ./  None true {"trusted": ["yes"]}
            "#]],
        );
    }

    #[test]
    fn a_wrong_line_is_named() {
        let format = SourcesFormat::OneLine;
        check(
            "rpm http://x y z",
            format,
            expect![[r"
            error: cannot read line 1 of apt sources: its type is neither `deb` nor `deb-src`
        "]],
        );
        check(
            "\ndeb http://x trixie",
            format,
            expect![[r"
            error: cannot read line 2 of apt sources: it names no component
        "]],
        );
        check(
            "deb [a=b http://x trixie main",
            format,
            expect![[r"
            error: cannot read line 1 of apt sources: `[` without `]`
        "]],
        );
        check(
            "deb http://x ./ main",
            format,
            expect![[r"
            error: cannot read line 1 of apt sources: a suite that is a directory has no components
        "]],
        );
        check(
            "deb",
            format,
            expect![[r"
            error: cannot read line 1 of apt sources: it names no archive
        "]],
        );
    }

    #[test]
    fn a_stanza_is_a_suite_for_each_pair_of_uri_and_suite() {
        check(
            "Types: deb deb-src\nURIs: http://ftp.debian.org/debian\nSuites: trixie trixie-updates\n\
             Components:\n main\n# no\n contrib\nArchitectures: amd64\nSigned-By: /k.gpg\n\n\
             Types: deb\nURIs: http://ftp.debian.org/debian\nSuites: sid\nComponents: main\nEnabled: no\n",
            SourcesFormat::Deb822,
            expect![[r#"
                deb,deb-src http://ftp.debian.org/debian trixie main,contrib Some(Named(["/k.gpg"])) true {"arch": ["amd64"]}
                deb,deb-src http://ftp.debian.org/debian trixie-updates main,contrib Some(Named(["/k.gpg"])) true {"arch": ["amd64"]}
                deb http://ftp.debian.org/debian sid main None false {}
            "#]],
        );
    }

    #[test]
    fn a_stanza_may_hold_its_key() {
        let text = "Types: deb\nURIs: http://x\nSuites: ./\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n -----END PGP PUBLIC KEY BLOCK-----\n";
        let sources = apt_sources(text, SourcesFormat::Deb822).unwrap();
        let key =
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabc\n-----END PGP PUBLIC KEY BLOCK-----\n";
        assert_eq!(sources[0].signed_by, Some(SignedBy::Inline(key.to_owned())));
    }

    #[test]
    fn a_wrong_stanza_is_named() {
        check(
            "Types: deb\nSuites: sid\n",
            SourcesFormat::Deb822,
            expect![[r"
            error: cannot read stanza 1 of apt sources: it lacks `Types`, `URIs` or `Suites`
        "]],
        );
        check(
            "nonsense\n",
            SourcesFormat::Deb822,
            expect![[r"
            error: cannot read apt sources
        "]],
        );
    }
}
