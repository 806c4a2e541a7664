//! What a Dockerfile says about its own checks: `skip=Rule,Rule;error=true;experimental=all`.
//!
//! As a `check` directive it is for the whole file, as a comment right above an instruction for that one (BuildKit:
//! `linter.ParseLintOptions`, frontend/dockerfile/linter/linter.go). hadolint's `ignore=DL3009` is understood, too.

use std::str::FromStr;

use crate::checks::rule::Rule;
use crate::quote::quoted;
use crate::source_text::SourceText;

/// What to skip, and what findings do to a build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckOptions {
    skip: Names,
    experimental: Names,
    /// `error=true`: findings of BuildKit's rules fail the build.
    pub fails_build: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Names {
    is_all: bool,
    names: Vec<String>,
}

/// The options cannot be understood. The words are BuildKit's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// A part is not `key=value`, or the key is not known.
    #[error("invalid check option {}", quoted(option))]
    Invalid {
        /// The part, or its key.
        option: String,
    },
    /// A truth value is none.
    #[error(
        "failed to parse check option {}: strconv.ParseBool: parsing {}: invalid syntax",
        quoted(option),
        quoted(value)
    )]
    NotBoolean {
        /// The part.
        option: String,
        /// Its value.
        value: String,
    },
}

impl CheckOptions {
    /// The options of a `check` directive.
    ///
    /// Its value ends at a space (BuildKit: `detectDirectiveFromParser`, parser/directives.go).
    pub(super) fn of_directive(value: &str) -> Result<CheckOptions, OptionsError> {
        up_to_a_space(value).parse()
    }

    /// The options in the comments above an instruction.
    ///
    /// The first comment that says `check=` counts, even if it cannot be understood and so says nothing (BuildKit:
    /// `WithMergedConfigFromComments`, linter/linter.go).
    pub(super) fn above(comments: &[SourceText]) -> CheckOptions {
        let value = |comment: &SourceText| {
            let (key, value) = comment.split_once('=')?;
            let is_check = key.trim().eq_ignore_ascii_case("check") && !value.trim().is_empty();
            is_check.then(|| value.trim().to_owned())
        };
        let first = comments.iter().find_map(value).unwrap_or_default();
        up_to_a_space(&first).parse().unwrap_or_default()
    }

    /// Says whether a comment for hadolint skips a rule, by any of its names.
    pub(super) fn hadolint_skips(comment: &str, rule: &Rule) -> bool {
        let Some(options) = comment.trim().strip_prefix("hadolint") else {
            return false;
        };
        let Some((key, value)) = options.trim_start().split_once('=') else {
            return false;
        };
        let is_ignore = matches!(key.trim(), "ignore" | "global ignore");
        let mut names = value.split(',');
        is_ignore && names.any(|name| rule.is_named(name.trim()))
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

fn up_to_a_space(value: &str) -> &str {
    value.split(' ').next().unwrap_or_default()
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
                "skip" => options.skip.add(value),
                "experimental" => options.experimental.add(value),
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
    /// Adds what an option says: `all` for good, or names in the place of those before.
    fn add(&mut self, value: &str) {
        match value.trim() {
            "all" => self.is_all = true,
            names => {
                let names = names.split(',');
                self.names = names.map(|name| name.trim().to_owned()).collect();
            }
        }
    }

    fn include(&self, rule: &Rule) -> bool {
        self.is_all || self.names.iter().any(|name| is_meant(rule, name))
    }
}

/// Says whether a name in an option means a rule. BuildKit knows its own rules by exactly their names.
fn is_meant(rule: &Rule, name: &str) -> bool {
    rule.id.0 == name || (!rule.is_buildkit() && rule.is_named(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::rule::find_rule;

    #[test]
    fn options_are_read_as_buildkit_reads_them() {
        let options: CheckOptions = "skip= A, B ;error=True;experimental=all".parse().unwrap();
        assert_eq!(options.skip.names, ["A", "B"]);
        assert!(options.experimental.is_all && !options.skip.is_all);
        assert!(options.fails_build);
        let options: CheckOptions = "skip=all;skip=A;skip=B".parse().unwrap();
        assert!(options.skip.is_all);
        assert_eq!(options.skip.names, ["B"]);
        let messages = ["skip", "colour=red", "error=maybe"]
            .map(|text| text.parse::<CheckOptions>().unwrap_err().to_string());
        assert_eq!(messages[0], r#"invalid check option "skip""#);
        assert_eq!(messages[1], r#"invalid check option "colour""#);
        assert!(messages[2].starts_with(r#"failed to parse check option "error=maybe""#));
    }

    #[test]
    fn options_end_at_a_space() {
        let options = CheckOptions::of_directive("skip=A, B").unwrap();
        assert_eq!(options.skip.names, ["A", ""]);
    }

    #[test]
    fn the_first_check_comment_above_an_instruction_counts() {
        let above = |comments: &[&str]| {
            let comments: Vec<SourceText> =
                comments.iter().map(|&comment| comment.into()).collect();
            CheckOptions::above(&comments).skip.names
        };
        assert_eq!(above(&["plain", "Check = skip=A", "check=skip=B"]), ["A"]);
        assert!(above(&["check=nonsense", "check=skip=B"]).is_empty());
        assert_eq!(above(&["check=", "check=skip=B"]), ["B"]);
        assert!(above(&["# check=skip=A"]).is_empty());
    }

    #[test]
    fn buildkit_knows_its_rules_by_exactly_their_names() {
        let rule = find_rule("MaintainerDeprecated").unwrap();
        let skips = |text: &str| text.parse::<CheckOptions>().unwrap().skips(rule);
        assert!(skips("skip=MaintainerDeprecated"));
        assert!(!skips("skip=maintainerdeprecated"));
        assert!(!skips("skip=DL4000"));
    }

    #[test]
    fn comments_of_hadolint_are_understood() {
        let rule = find_rule("MaintainerDeprecated").unwrap();
        let skips = |comment: &str| CheckOptions::hadolint_skips(comment, rule);
        assert!(skips(" hadolint ignore=DL3015, DL4000"));
        assert!(skips("hadolint global ignore=maintainerdeprecated"));
        assert!(!skips("hadolint shell=DL4000"));
        assert!(!skips("ignore=DL4000"));
    }
}
