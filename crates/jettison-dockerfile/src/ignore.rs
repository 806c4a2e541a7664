//! `.dockerignore`: which files of the build context are left out.
//!
//! One pattern a line; `#` in the first column starts a comment; `!` takes files back in. The last pattern
//! that matches a path, or one of the directories it is in, decides. The rules are those of
//! moby/patternmatcher, `MatchesUsingParentResults`.

mod path;
mod pattern;

use crate::ignore::path::{ancestors, clean};
use crate::ignore::pattern::Pattern;

/// The ignore file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IgnoreError {
    /// A `!` stands alone.
    #[error("illegal exclusion pattern: \"!\" on line {line}")]
    LoneExclamationMark {
        /// The line, from 1.
        line: usize,
    },
    /// The pattern has a broken `[…]` or ends in a backslash.
    #[error("syntax error in pattern `{pattern}` on line {line}")]
    BadPattern {
        /// The pattern.
        pattern: String,
        /// The line, from 1.
        line: usize,
    },
}

/// The patterns of an ignore file.
#[derive(Debug, Clone)]
pub struct IgnoreFile {
    rules: Vec<Rule>,
}

/// A pattern, and what it does with what it matches.
#[derive(Debug, Clone)]
struct Rule {
    pattern: Pattern,
    /// Written with `!`: what it matches is not ignored.
    takes_back: bool,
}

impl IgnoreFile {
    /// Reads the text of an ignore file.
    pub fn parse(text: &str) -> Result<IgnoreFile, IgnoreError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut rules = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if !line.starts_with('#') {
                rules.extend(rule(line.trim(), index + 1)?);
            }
        }
        Ok(IgnoreFile { rules })
    }

    /// Says whether a path, relative to the context and with `/` between its parts, is left out.
    pub fn is_ignored(&self, path: &str) -> bool {
        let mut matched = vec![false; self.rules.len()];
        let mut is_ignored = false;
        for prefix in ancestors(path) {
            is_ignored = self.step(prefix, &mut matched);
        }
        is_ignored
    }

    /// Says whether something below an ignored directory may be taken back; if not, a walk can skip it.
    pub fn may_reinclude_below(&self, directory: &str) -> bool {
        let directory = directory.trim_matches('/');
        let takes_back = |rule: &&Rule| rule.takes_back;
        self.rules
            .iter()
            .filter(takes_back)
            .any(|rule| rule.pattern.may_match_below(directory))
    }

    /// Judges a path; `matched` says which rules matched its parent, and is updated for its children.
    fn step(&self, path: &str, matched: &mut [bool]) -> bool {
        let mut is_ignored = false;
        for (rule, matched) in self.rules.iter().zip(matched) {
            // A rule that would change nothing is not looked at. This is visible in the children, as upstream.
            let changes_nothing = rule.takes_back != is_ignored;
            *matched = *matched || (!changes_nothing && rule.pattern.matches(path));
            if *matched {
                is_ignored = !rule.takes_back;
            }
        }
        is_ignored
    }
}

/// Reads one trimmed line.
fn rule(line: &str, number: usize) -> Result<Option<Rule>, IgnoreError> {
    let (takes_back, text) = match line.strip_prefix('!') {
        Some(rest) => (true, rest.trim()),
        None => (false, line),
    };
    if text.is_empty() {
        return if takes_back {
            Err(IgnoreError::LoneExclamationMark { line: number })
        } else {
            Ok(None)
        };
    }
    let cleaned = clean(text);
    let relative = cleaned
        .strip_prefix('/')
        .filter(|rest| !rest.is_empty())
        .unwrap_or(&cleaned);
    let pattern = Pattern::parse(relative).ok_or_else(|| IgnoreError::BadPattern {
        pattern: text.to_owned(),
        line: number,
    })?;
    Ok(Some(Rule {
        pattern,
        takes_back,
    }))
}

/// The names of the ignore files of a Dockerfile, the one that wins first.
pub fn ignore_file_names(dockerfile_name: &str) -> [String; 2] {
    [
        format!("{dockerfile_name}.dockerignore"),
        ".dockerignore".to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, ignored: &[&str], kept: &[&str]) {
        let file = IgnoreFile::parse(text).unwrap();
        for path in ignored {
            assert!(file.is_ignored(path), "{path} should be ignored");
        }
        for path in kept {
            assert!(!file.is_ignored(path), "{path} should be kept");
        }
    }

    #[test]
    fn lines_are_comments_patterns_and_exceptions() {
        check(
            "\u{feff}# comment\r\n  node_modules/ \n\n/target\n ! target/keep\n./a//b\n",
            &[
                "node_modules",
                "node_modules/x/y",
                "target",
                "target/x",
                "a/b",
            ],
            &[
                "src",
                "src/target",
                "target/keep",
                "target/keep/x",
                "a",
                "# comment",
            ],
        );
    }

    #[test]
    fn the_last_match_decides() {
        check(
            "*\n!src\nsrc/tests",
            &["README.md", "src/tests/a"],
            &["src", "src/main.rs"],
        );
        check("!src\n*", &["src", "src/main.rs"], &[]);
    }

    #[test]
    fn a_pattern_that_changed_nothing_for_a_directory_is_forgotten_below_it() {
        check("dir\n!dir/keep\ndir\n", &["dir", "dir/x"], &["dir/keep"]);
    }

    #[test]
    fn two_stars_cross_directories() {
        check(
            "**/*.md\n!README.md",
            &["a.md", "a/b/c.md", "docs/README.md"],
            &["README.md", "a.mdx"],
        );
        check("a/**", &["a/b", "a/b/c"], &["a", "ab"]);
        check("**", &["a", "a/b"], &[]);
    }

    #[test]
    fn broken_patterns_are_errors() {
        assert_eq!(
            IgnoreFile::parse("a\n!\n").unwrap_err(),
            IgnoreError::LoneExclamationMark { line: 2 }
        );
        assert_eq!(
            IgnoreFile::parse("a[").unwrap_err(),
            IgnoreError::BadPattern {
                pattern: "a[".into(),
                line: 1
            }
        );
    }

    #[test]
    fn a_walk_may_skip_a_directory_that_no_exception_reaches() {
        let file = IgnoreFile::parse("*\n!src/keep\n!docs/*.md\n").unwrap();
        for directory in ["src", "src/keep", "docs", "docs/a"] {
            assert!(file.may_reinclude_below(directory), "{directory}");
        }
        for directory in ["target", "src/other", "doc", "srcs"] {
            assert!(!file.may_reinclude_below(directory), "{directory}");
        }
        assert!(
            IgnoreFile::parse("*\n!**/x")
                .unwrap()
                .may_reinclude_below("anything")
        );
        assert!(
            !IgnoreFile::parse("*")
                .unwrap()
                .may_reinclude_below("anything")
        );
    }
}
