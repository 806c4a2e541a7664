//! What a Dockerfile says about its own checks: `skip=Rule,Rule;error=true;experimental=all`.
//!
//! As a `check` directive it is for the whole file, as a comment right above an instruction for that one (BuildKit:
//! `linter.ParseLintOptions`, frontend/dockerfile/linter/linter.go). hadolint's `ignore=DL3009` is understood, too.

use std::str::FromStr;

use crate::checks::rule::Rule;

/// What to skip, and what findings do to a build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckOptions {
    skip: Names,
    experimental: Names,
    /// `error=true`: findings of BuildKit's rules fail the build.
    pub fails_build: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Names {
    #[default]
    None,
    All,
    Some(Vec<String>),
}

/// The options cannot be understood. The words are BuildKit's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// A part is not `key=value`, or the key is not known.
    #[error("invalid check option {option:?}")]
    Invalid {
        /// The part, or its key.
        option: String,
    },
    /// A truth value is none.
    #[error(
        "failed to parse check option {option:?}: strconv.ParseBool: parsing {value:?}: invalid syntax"
    )]
    NotBoolean {
        /// The part.
        option: String,
        /// Its value.
        value: String,
    },
}

impl CheckOptions {
    /// The options in a comment (without its `#`), if it holds any that can be understood.
    pub(super) fn of_comment(comment: &str) -> Option<CheckOptions> {
        let comment = comment.trim();
        if let Some(options) = comment.strip_prefix("hadolint") {
            let (key, value) = options.trim_start().split_once('=')?;
            let is_ignore = matches!(key.trim(), "ignore" | "global ignore");
            return is_ignore.then(|| CheckOptions {
                skip: Names::of(value),
                ..CheckOptions::default()
            });
        }
        let (key, value) = comment.split_once('=')?;
        if !key.trim().eq_ignore_ascii_case("check") {
            return None;
        }
        value.parse().ok()
    }

    /// Says whether a rule's findings are to be left out.
    pub fn skips(&self, rule: &Rule) -> bool {
        self.skip.include(rule)
    }

    /// Says whether an experimental rule is asked for.
    pub fn enables(&self, rule: &Rule) -> bool {
        self.experimental.include(rule)
    }
}

impl FromStr for CheckOptions {
    type Err = OptionsError;

    fn from_str(text: &str) -> Result<CheckOptions, OptionsError> {
        let mut options = CheckOptions::default();
        let text = text.trim();
        if text.is_empty() {
            return Ok(options);
        }
        for part in text.splitn(3, ';') {
            let invalid = |option: &str| OptionsError::Invalid {
                option: option.to_owned(),
            };
            let (key, value) = part.split_once('=').ok_or_else(|| invalid(part))?;
            match key.trim() {
                "skip" => options.skip = Names::of(value),
                "experimental" => options.experimental = Names::of(value),
                "error" => options.fails_build = boolean(part, value.trim())?,
                other => return Err(invalid(other)),
            }
        }
        Ok(options)
    }
}

/// Reads a truth value as Go's `strconv.ParseBool` does.
fn boolean(part: &str, value: &str) -> Result<bool, OptionsError> {
    match value {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        value => Err(OptionsError::NotBoolean {
            option: part.to_owned(),
            value: value.to_owned(),
        }),
    }
}

impl Names {
    fn of(value: &str) -> Names {
        match value.trim() {
            "" => Names::None,
            "all" => Names::All,
            names => Names::Some(
                names
                    .split(',')
                    .map(|name| name.trim().to_owned())
                    .collect(),
            ),
        }
    }

    fn include(&self, rule: &Rule) -> bool {
        match self {
            Names::None => false,
            Names::All => true,
            Names::Some(names) => names.iter().any(|name| rule.is_named(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_buildkit_reads_them() {
        let options: CheckOptions = "skip= A, B ;error=True;experimental=all".parse().unwrap();
        assert_eq!(options.skip, Names::Some(vec!["A".into(), "B".into()]));
        assert_eq!(options.experimental, Names::All);
        assert!(options.fails_build);
        let messages = ["skip", "colour=red", "error=maybe"]
            .map(|text| text.parse::<CheckOptions>().unwrap_err().to_string());
        assert_eq!(messages[0], r#"invalid check option "skip""#);
        assert_eq!(messages[1], r#"invalid check option "colour""#);
        assert!(messages[2].starts_with(r#"failed to parse check option "error=maybe""#));
    }

    #[test]
    fn comments_of_hadolint_are_understood() {
        let options = CheckOptions::of_comment(" hadolint ignore=DL3009,DL3015").unwrap();
        assert_eq!(
            options.skip,
            Names::Some(vec!["DL3009".into(), "DL3015".into()])
        );
        assert_eq!(CheckOptions::of_comment("hadolint shell=bash"), None);
        assert_eq!(CheckOptions::of_comment("plain = words"), None);
    }
}
