//! Reading relations.

use std::str::FromStr;

use crate::arch::Architecture;
use crate::deb822::value_lines;
use crate::relation::{
    Alternative, ArchitectureQualifier, ArchitectureRestriction, Operator, Relation, RelationError,
    VersionConstraint,
};

/// Reads the value of a relationship field: relations separated by commas.
pub fn parse_relations(text: &str) -> Result<Vec<Relation>, RelationError> {
    let joined;
    let text = if text.contains('\n') {
        joined = value_lines(text).collect::<Vec<_>>().join(" ");
        &joined
    } else {
        text
    };
    text.split(',')
        .map(str::trim)
        .filter(|relation| !relation.is_empty())
        .map(Relation::from_str)
        .collect()
}

impl FromStr for Relation {
    type Err = RelationError;

    fn from_str(text: &str) -> Result<Relation, RelationError> {
        let alternatives = text
            .split('|')
            .map(Alternative::from_str)
            .collect::<Result<_, _>>()?;
        Ok(Relation { alternatives })
    }
}

impl FromStr for Alternative {
    type Err = RelationError;

    fn from_str(text: &str) -> Result<Alternative, RelationError> {
        let text = text.trim();
        parse_alternative(text).map_err(|problem| RelationError {
            text: text.to_owned(),
            problem,
        })
    }
}

fn parse_alternative(text: &str) -> Result<Alternative, String> {
    let name_end = text.find(|c: char| c.is_whitespace() || "([<".contains(c));
    let (name, mut rest) = text.split_at(name_end.unwrap_or(text.len()));
    let (name, qualifier) = match name.split_once(':') {
        Some((name, qualifier)) => (name, Some(parse_qualifier(qualifier)?)),
        None => (name, None),
    };
    check_package_name(name)?;
    let mut alternative = Alternative {
        name: name.to_owned(),
        qualifier,
        constraint: None,
        architectures: Vec::new(),
        profiles: Vec::new(),
    };
    loop {
        rest = rest.trim_start();
        let Some(open) = rest.chars().next() else {
            return Ok(alternative);
        };
        let inner;
        (inner, rest) = bracketed(rest, open)?;
        match open {
            '(' if alternative.constraint.is_none() => {
                alternative.constraint = Some(parse_constraint(inner)?);
            }
            '[' if alternative.architectures.is_empty() => {
                alternative.architectures = parse_restrictions(inner)?;
            }
            '<' => alternative.profiles.push(inner.trim().to_owned()),
            _ => return Err(format!("it has two parts in `{open}`")),
        }
    }
}

/// What stands between the bracket `open` that `text` starts with and its partner, and what stands behind.
fn bracketed(text: &str, open: char) -> Result<(&str, &str), String> {
    let close = match open {
        '(' => ')',
        '[' => ']',
        '<' => '>',
        _ => return Err("something else follows the package name".to_owned()),
    };
    match text[1..].split_once(close) {
        Some((inner, _)) if inner.contains(['(', '[', '\n']) => {
            Err(format!("`{open}` stands inside of brackets"))
        }
        Some((inner, rest)) => Ok((inner, rest)),
        None => Err(format!("`{open}` without `{close}`")),
    }
}

/// Checks that `name` can name a package, and nothing else: neither a path nor an option.
pub(crate) fn check_package_name(name: &str) -> Result<(), String> {
    let is_ok =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'_');
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts_well && name.bytes().all(is_ok) {
        return Ok(());
    }
    Err(format!("`{name}` cannot be the name of a package"))
}

fn parse_qualifier(text: &str) -> Result<ArchitectureQualifier, String> {
    match text {
        "any" => Ok(ArchitectureQualifier::Any),
        "native" => Ok(ArchitectureQualifier::Native),
        other => Architecture::from_str(other)
            .map(ArchitectureQualifier::Named)
            .map_err(|_| format!("`{other}` is not an architecture")),
    }
}

fn parse_constraint(text: &str) -> Result<VersionConstraint, String> {
    let text = text.trim();
    let version_start = text.find(|c: char| !"<>=".contains(c));
    let (operator, version) = text.split_at(version_start.unwrap_or(text.len()));
    let operator = match operator {
        "<<" => Operator::Earlier,
        // `<` and `>` once meant what `<=` and `>=` mean; dpkg still reads them so.
        "<=" | "<" => Operator::EarlierOrEqual,
        "=" => Operator::Equal,
        ">=" | ">" => Operator::LaterOrEqual,
        ">>" => Operator::Later,
        _ => return Err(format!("`{text}` does not compare with a version")),
    };
    let version = version.trim().parse().map_err(|error| format!("{error}"))?;
    Ok(VersionConstraint { operator, version })
}

fn parse_restrictions(text: &str) -> Result<Vec<ArchitectureRestriction>, String> {
    let restriction = |word: &str| {
        let pattern = word.strip_prefix('!').unwrap_or(word);
        Architecture::from_str(pattern)
            .map(|_| ArchitectureRestriction {
                is_negated: word.starts_with('!'),
                pattern: pattern.to_owned(),
            })
            .map_err(|_| format!("`{pattern}` is not an architecture"))
    };
    let restrictions = text
        .split_ascii_whitespace()
        .map(restriction)
        .collect::<Result<Vec<_>, _>>()?;
    match restrictions.first() {
        None => Err("`[]` names no architecture".to_owned()),
        Some(first)
            if restrictions
                .iter()
                .any(|one| one.is_negated != first.is_negated) =>
        {
            Err("some of its architectures have a `!` and some have not".to_owned())
        }
        Some(_) => Ok(restrictions),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(text: &str, expected: Expect) {
        let got = match parse_relations(text) {
            Ok(relations) => relations
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", "),
            Err(error) => format!("error: {error}"),
        };
        expected.assert_eq(&got);
    }

    #[test]
    fn relations_are_written_in_one_way() {
        check("a", expect!["a"]);
        check("a(>=1)|b:any[amd64]", expect!["a (>= 1) | b:any [amd64]"]);
        check(
            " a  ( = 1:2-3 ) ,\n  b [ !i386 !arm64 ]\n# comment\n, c <!nocheck> <cross> , ",
            expect!["a (= 1:2-3), b [!i386 !arm64], c <!nocheck> <cross>"],
        );
        check("a (< 1), b (> 2)", expect!["a (<= 1), b (>= 2)"]);
        check(
            "a:arm64 (<< 1~), b:native",
            expect!["a:arm64 (<< 1~), b:native"],
        );
        check("", expect![""]);
    }

    #[test]
    fn what_is_not_a_relation_is_explained() {
        check(
            "a b",
            expect!["error: cannot read relation `a b`: something else follows the package name"],
        );
        check(
            "a |",
            expect!["error: cannot read relation ``: `` cannot be the name of a package"],
        );
        check(
            "a (>= 1",
            expect!["error: cannot read relation `a (>= 1`: `(` without `)`"],
        );
        check(
            "a (1)",
            expect!["error: cannot read relation `a (1)`: `1` does not compare with a version"],
        );
        check(
            "a (>= )",
            expect!["error: cannot read relation `a (>= )`: cannot read version ``: it is empty"],
        );
        check(
            "a (= 1) (= 2)",
            expect!["error: cannot read relation `a (= 1) (= 2)`: it has two parts in `(`"],
        );
        check(
            "a (= (1)",
            expect!["error: cannot read relation `a (= (1)`: `(` stands inside of brackets"],
        );
        check(
            "a []",
            expect!["error: cannot read relation `a []`: `[]` names no architecture"],
        );
        check(
            "a [!b c]",
            expect![
                "error: cannot read relation `a [!b c]`: some of its architectures have a `!` and some have not"
            ],
        );
        check(
            "../a",
            expect!["error: cannot read relation `../a`: `../a` cannot be the name of a package"],
        );
        check(
            "-a",
            expect!["error: cannot read relation `-a`: `-a` cannot be the name of a package"],
        );
        check(
            "${misc:Depends}",
            expect![
                "error: cannot read relation `${misc:Depends}`: `Depends}` is not an architecture"
            ],
        );
    }

    #[test]
    fn restrictions_say_for_which_architectures_an_alternative_is_meant() {
        let check = |text: &str, expected: bool| {
            let alternative: Alternative = text.parse().unwrap();
            let amd64 = "amd64".parse().unwrap();
            assert_eq!(alternative.applies_to(&amd64), expected, "{text}");
        };
        check("a", true);
        check("a [amd64 arm64]", true);
        check("a [arm64]", false);
        check("a [linux-any]", true);
        check("a [!amd64]", false);
        check("a [!arm64 !i386]", true);
    }

    #[test]
    fn constraints_compare_in_the_order_of_versions() {
        let check = |text: &str, version: &str, expected: bool| {
            let alternative: Alternative = format!("a ({text})").parse().unwrap();
            let constraint = alternative.constraint.unwrap();
            assert_eq!(
                constraint.allows(&version.parse().unwrap()),
                expected,
                "{version} {text}"
            );
        };
        check(">= 1.0", "1.0-1", true);
        check(">= 1.0", "1.0~rc1", false);
        check("<< 1.10", "1.9", true);
        check("<= 1.0", "1.0", true);
        check(">> 1.0", "1.0", false);
        check("= 1.0", "0:1.0", true);
    }
}
