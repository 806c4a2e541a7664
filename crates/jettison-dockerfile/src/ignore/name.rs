//! A pattern, prepared for all the names in one directory.
//!
//! Nearly every pattern is a directory's part and a name's part that cannot match a `/`. The directory's part is
//! asked once for each directory, and what is left for the names is mostly the comparison of two short texts.

use crate::ignore::pattern::Pattern;
use crate::ignore::regex::{Assertion, Atom, Regex, Unit};

/// What is left of a pattern in a directory: it says whether a name in there matches.
#[derive(Debug, Clone)]
pub(super) enum NameTest<'a> {
    Always,
    Exact(&'a str),
    /// The name starts with the first text and ends with the second, which do not overlap.
    Ends(&'a str, &'a str),
    /// An expression for the name.
    Name(&'a Regex),
    /// An expression for the whole path.
    Path(&'a Regex),
}

impl NameTest<'_> {
    /// The byte that every name that matches ends with, if it is known.
    pub(super) fn last_byte(&self) -> Option<u8> {
        match self {
            NameTest::Exact(text) | NameTest::Ends(_, text) => text.as_bytes().last().copied(),
            NameTest::Always | NameTest::Name(_) | NameTest::Path(_) => None,
        }
    }

    /// Says whether the name matches; the directory is empty or ends with a slash.
    pub(super) fn matches(&self, directory: &str, name: &str) -> bool {
        match self {
            NameTest::Always => true,
            NameTest::Exact(text) => name == *text,
            NameTest::Ends(prefix, suffix) => {
                name.len() >= prefix.len() + suffix.len()
                    && name.ends_with(suffix)
                    && name.starts_with(prefix)
            }
            NameTest::Name(regex) => regex.matches(name),
            NameTest::Path(regex) => regex.matches(&[directory, name].concat()),
        }
    }
}

/// A regular expression that has been taken apart.
#[derive(Debug, Clone)]
pub(super) struct Split {
    directory: DirectoryPart,
    name: NamePart,
}

/// What a path's directory must be. It is empty or ends with a slash.
#[derive(Debug, Clone)]
enum DirectoryPart {
    Any,
    Exact(String),
    Regex(Regex),
}

#[derive(Debug, Clone)]
enum NamePart {
    Exact(String),
    Ends(String, String),
    Regex(Regex),
}

impl Split {
    /// Takes `regex` apart; `None` if it may match a name only together with its directory.
    pub(super) fn of(regex: &Regex) -> Option<Split> {
        let [units] = regex.alternatives.as_slice() else {
            return None;
        };
        let [first, inner @ .., last] = units.as_slice() else {
            return None;
        };
        if !is_assertion(first, Assertion::Start) || !is_assertion(last, Assertion::End) {
            return None;
        }
        let ends_directory = |unit: &Unit| match unit.atom {
            Atom::Literal(literal) => literal == '/' && is_once(unit),
            Atom::Directories => true,
            Atom::Class(_) | Atom::Dot | Atom::Assertion(_) => false,
        };
        let split = inner.iter().rposition(ends_directory);
        let (directory, name) = inner.split_at(split.map_or(0, |at| at + 1));
        // In `a(.*/)?b` there may be nothing between the two.
        let certain = directory.iter().rposition(|unit| !unit.is_optional);
        let is_bounded = match certain {
            Some(at) => directory[at..].iter().all(ends_directory),
            None => directory.iter().all(ends_directory),
        };
        // A boundary looks at the characters on both sides, which may be in different parts.
        let has_assertion = inner
            .iter()
            .any(|unit| matches!(unit.atom, Atom::Assertion(_)));
        let may_be_slash = |unit: &Unit| match &unit.atom {
            Atom::Literal(literal) => *literal == '/',
            Atom::Class(class) => class.contains('/'),
            Atom::Dot | Atom::Directories | Atom::Assertion(_) => true,
        };
        if !is_bounded || has_assertion || name.iter().any(may_be_slash) {
            return None;
        }
        Some(Split {
            directory: DirectoryPart::of(directory),
            name: NamePart::of(name),
        })
    }

    fn name_test(&self, directory: &str) -> Option<NameTest<'_>> {
        let is_here = match &self.directory {
            DirectoryPart::Any => !directory.contains('\n'),
            DirectoryPart::Exact(text) => directory == text,
            DirectoryPart::Regex(regex) => regex.matches(directory),
        };
        is_here.then(|| match &self.name {
            NamePart::Exact(text) => NameTest::Exact(text),
            NamePart::Ends(prefix, suffix) => NameTest::Ends(prefix, suffix),
            NamePart::Regex(regex) => NameTest::Name(regex),
        })
    }
}

impl DirectoryPart {
    fn of(units: &[Unit]) -> DirectoryPart {
        if let [unit] = units
            && matches!(unit.atom, Atom::Directories)
            && unit.is_optional
        {
            return DirectoryPart::Any;
        }
        match text(units) {
            Some(text) => DirectoryPart::Exact(text),
            None => DirectoryPart::Regex(whole(units)),
        }
    }
}

impl NamePart {
    fn of(units: &[Unit]) -> NamePart {
        if let Some(text) = text(units) {
            return NamePart::Exact(text);
        }
        let star = units.iter().position(is_star);
        let ends = star.and_then(|at| Some((text(&units[..at])?, text(&units[at + 1..])?)));
        match ends {
            Some((prefix, suffix)) => NamePart::Ends(prefix, suffix),
            None => NamePart::Regex(whole(units)),
        }
    }
}

/// What is left of `pattern` for the names in a directory, which is empty or ends with a slash. `None` if no name
/// matches.
pub(super) fn name_test<'a>(pattern: &'a Pattern, directory: &str) -> Option<NameTest<'a>> {
    match pattern {
        Pattern::Exact(text) => {
            let name = text.strip_prefix(directory)?;
            (!name.contains('/')).then_some(NameTest::Exact(name))
        }
        Pattern::Prefix(prefix) if directory.starts_with(prefix) => Some(NameTest::Always),
        Pattern::Prefix(prefix) => {
            let name = prefix.strip_prefix(directory)?;
            (!name.contains('/')).then_some(NameTest::Ends(name, ""))
        }
        Pattern::Suffix(suffix) => {
            let Some(slash) = suffix.rfind('/') else {
                return Some(NameTest::Ends("", suffix));
            };
            let (end, name) = suffix.split_at(slash + 1);
            let is_whole = end.strip_prefix('/') == Some(directory);
            (directory.ends_with(end) || is_whole).then_some(NameTest::Exact(name))
        }
        Pattern::Regex(_, Some(split)) => split.name_test(directory),
        Pattern::Regex(regex, None) => Some(NameTest::Path(regex)),
    }
}

/// The text that the units are, if they are one.
fn text(units: &[Unit]) -> Option<String> {
    let character = |unit: &Unit| match unit.atom {
        Atom::Literal(literal) if is_once(unit) => Some(literal),
        Atom::Literal(_) | Atom::Class(_) | Atom::Dot | Atom::Directories | Atom::Assertion(_) => {
            None
        }
    };
    units.iter().map(character).collect()
}

/// Says whether the unit is a pattern's `*`.
fn is_star(unit: &Unit) -> bool {
    let is_no_slash = match &unit.atom {
        Atom::Class(class) => class.is_all_but_slash(),
        Atom::Literal(_) | Atom::Dot | Atom::Directories | Atom::Assertion(_) => false,
    };
    is_no_slash && unit.is_optional && unit.is_repeated
}

fn is_once(unit: &Unit) -> bool {
    !unit.is_optional && !unit.is_repeated
}

fn is_assertion(unit: &Unit, assertion: Assertion) -> bool {
    matches!(unit.atom, Atom::Assertion(found) if found == assertion) && is_once(unit)
}

/// An expression that matches all of a text.
fn whole(units: &[Unit]) -> Regex {
    let assertion = |assertion| Unit {
        atom: Atom::Assertion(assertion),
        is_optional: false,
        is_repeated: false,
    };
    let start = std::iter::once(assertion(Assertion::Start));
    let units = start
        .chain(units.iter().cloned())
        .chain([assertion(Assertion::End)]);
    Regex {
        alternatives: vec![units.collect()],
    }
}
