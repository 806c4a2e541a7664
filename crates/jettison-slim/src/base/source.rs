//! The `debian://` notation for a base that is assembled from packages.

use std::fmt;
use std::str::FromStr;

/// A root filesystem of Debian packages: `debian://SUITE[?variant=minbase&include=a,b&env=K=V]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebianBase {
    /// The suite or codename, such as `bookworm`.
    pub suite: String,
    /// Which packages it starts from.
    pub variant: DebianVariant,
    /// Packages beyond the variant's.
    pub include: Vec<String>,
    /// Variables that the image's environment gets.
    pub env: Vec<(String, String)>,
}

/// Which packages a base starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DebianVariant {
    /// What the official image of Debian holds: essential and required packages, and apt.
    Minbase,
    /// Essential packages alone; there is no apt.
    Essential,
}

/// Why a text is not a `debian://` base.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot understand base `{text}`: {problem}")]
pub struct DebianBaseError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub problem: String,
}

impl FromStr for DebianBase {
    type Err = DebianBaseError;

    fn from_str(text: &str) -> Result<DebianBase, DebianBaseError> {
        let fail = |problem: String| DebianBaseError {
            text: text.to_string(),
            problem,
        };
        let Some(rest) = text.strip_prefix("debian://") else {
            return Err(fail("it does not begin with `debian://`".to_string()));
        };
        let (suite, query) = rest.split_once('?').unwrap_or((rest, ""));
        if !is_name(suite) {
            return Err(fail(format!("`{suite}` is not the name of a suite")));
        }
        let mut base = DebianBase {
            suite: suite.to_string(),
            variant: DebianVariant::Minbase,
            include: Vec::new(),
            env: Vec::new(),
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (key, value) {
                ("variant", "minbase") => base.variant = DebianVariant::Minbase,
                ("variant", "essential") => base.variant = DebianVariant::Essential,
                ("variant", _) => {
                    return Err(fail(format!(
                        "`{value}` is no variant: take `minbase` or `essential`"
                    )));
                }
                ("include", names) => base.include_packages(names).map_err(fail)?,
                ("env", variable) => base.env.push(variable_of(variable).map_err(fail)?),
                _ => {
                    return Err(fail(format!(
                        "`{key}` is no option: take `variant`, `include` or `env`"
                    )));
                }
            }
        }
        base.include.sort();
        base.include.dedup();
        Ok(base)
    }
}

impl DebianBase {
    fn include_packages(&mut self, names: &str) -> Result<(), String> {
        for name in names.split(',').filter(|name| !name.is_empty()) {
            if !is_name(name) {
                return Err(format!("`{name}` is not the name of a package"));
            }
            self.include.push(name.to_string());
        }
        Ok(())
    }
}

fn variable_of(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_string(), value.to_string())),
        _ => Err(format!("`{text}` is not `NAME=value`")),
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-._:".contains(c))
}

impl fmt::Display for DebianBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "debian://{}", self.suite)?;
        let mut options = Vec::new();
        if self.variant == DebianVariant::Essential {
            options.push("variant=essential".to_string());
        }
        if !self.include.is_empty() {
            options.push(format!("include={}", self.include.join(",")));
        }
        options.extend(
            self.env
                .iter()
                .map(|(name, value)| format!("env={name}={value}")),
        );
        if options.is_empty() {
            Ok(())
        } else {
            write!(f, "?{}", options.join("&"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(text: &str, expected: Expect) {
        expected.assert_eq(&match text.parse::<DebianBase>() {
            Ok(base) => {
                assert_eq!(base.to_string().parse(), Ok(base.clone()));
                base.to_string()
            }
            Err(error) => format!("error: {error}"),
        });
    }

    #[test]
    fn options_are_written_in_one_order() {
        check("debian://bookworm", expect!["debian://bookworm"]);
        check(
            "debian://bookworm?variant=minbase",
            expect!["debian://bookworm"],
        );
        check(
            "debian://trixie?env=A=1&include=curl,bash&variant=essential&include=curl&env=B=x=y",
            expect!["debian://trixie?variant=essential&include=bash,curl&env=A=1&env=B=x=y"],
        );
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        check(
            "debian:bookworm",
            expect![
                "error: cannot understand base `debian:bookworm`: it does not begin with `debian://`"
            ],
        );
        check(
            "debian://../x",
            expect![
                "error: cannot understand base `debian://../x`: `../x` is not the name of a suite"
            ],
        );
        check(
            "debian://sid?mirror=x",
            expect![
                "error: cannot understand base `debian://sid?mirror=x`: `mirror` is no option: take `variant`, `include` or `env`"
            ],
        );
        check(
            "debian://sid?variant=big",
            expect![
                "error: cannot understand base `debian://sid?variant=big`: `big` is no variant: take `minbase` or `essential`"
            ],
        );
        check(
            "debian://sid?include=a b",
            expect![
                "error: cannot understand base `debian://sid?include=a b`: `a b` is not the name of a package"
            ],
        );
    }
}
