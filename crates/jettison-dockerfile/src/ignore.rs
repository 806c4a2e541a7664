//! `.dockerignore`: which files of the build context are left out.
//!
//! One pattern a line; `#` in the first column starts a comment; `!` takes files back in. The last pattern
//! that matches a path, or one of the directories it is in, decides. The rules are those of
//! moby/patternmatcher, `MatchesUsingParentResults`.

mod class;
mod directory;
mod glob;
mod name;
mod path;
mod pattern;
mod regex;
mod run;

pub use crate::ignore::directory::IgnoreDirectory;
use crate::ignore::directory::has_only_plain_exceptions;
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
    /// The pattern has a broken `[…]`, an unknown escape, or ends in a backslash.
    #[error("syntax error in pattern `{pattern}` on line {line}")]
    BadPattern {
        /// The pattern.
        pattern: String,
        /// The line, from 1.
        line: usize,
    },
    /// The line does not fit the buffer that BuildKit reads it into.
    #[error("line {line} is longer than {MAX_LINE} bytes")]
    LongLine {
        /// The line, from 1.
        line: usize,
    },
}

/// The longest line, in bytes without its line feed (Go: `bufio.MaxScanTokenSize`).
const MAX_LINE: usize = 64 * 1024 - 1;

/// The patterns of an ignore file.
#[derive(Debug, Clone)]
pub struct IgnoreFile {
    rules: Vec<Rule>,
    has_only_plain_exceptions: bool,
}

/// A pattern, and what it does with what it matches.
#[derive(Debug, Clone)]
struct Rule {
    text: String,
    pattern: Pattern,
    /// Written with `!`: what it matches is not ignored.
    takes_back: bool,
}

impl IgnoreFile {
    /// Reads the text of an ignore file.
    pub fn parse(text: &str) -> Result<IgnoreFile, IgnoreError> {
        let mut rules = Vec::new();
        for (index, line) in text.split('\n').enumerate() {
            if line.len() > MAX_LINE {
                return Err(IgnoreError::LongLine { line: index + 1 });
            }
            let line = match index {
                0 => line.strip_prefix('\u{feff}').unwrap_or(line),
                _ => line,
            };
            if let Some(written) = written(line) {
                rules.extend(rule(&written, index + 1)?);
            }
        }
        let has_only_plain_exceptions = has_only_plain_exceptions(&rules);
        Ok(IgnoreFile {
            rules,
            has_only_plain_exceptions,
        })
    }

    /// Says whether a path, relative to the context and with `/` between its parts, is left out.
    pub fn is_ignored(&self, path: &str) -> bool {
        self.walk_to(path).is_ignored
    }

    /// Says the same of a path whose directories have not been judged before it.
    ///
    /// The answers differ where a pattern matches a directory again that an earlier one has matched. BuildKit
    /// asks in this way when it checks the sources of `COPY` (`MatchesOrParentMatches`).
    pub fn is_ignored_by_itself(&self, path: &str) -> bool {
        let mut is_ignored = false;
        for rule in &self.rules {
            let changes_something = rule.takes_back == is_ignored;
            if changes_something && ancestors(path).any(|prefix| rule.pattern.matches(prefix)) {
                is_ignored = !rule.takes_back;
            }
        }
        is_ignored
    }

    /// Says whether there is a pattern with `!`.
    pub fn has_exceptions(&self) -> bool {
        self.rules.iter().any(|rule| rule.takes_back)
    }

    /// The patterns without `!`, cleaned, in order.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        let rules = self.rules.iter().filter(|rule| !rule.takes_back);
        rules.map(|rule| rule.text.as_str())
    }

    /// Says whether something below a directory may be kept; if not, a walk can skip it.
    pub fn may_reinclude_below(&self, directory: &str) -> bool {
        let directory = directory.trim_matches('/');
        let Judgement {
            is_ignored,
            matched,
        } = self.walk_to(directory);
        // What ignores the directory ignores everything in it, so only a later rule can help.
        let last = matched.iter().rposition(|&matched| matched);
        let later = &self.rules[last.map_or(0, |last| last + 1)..];
        let may_help = |rule: &Rule| rule.takes_back && rule.pattern.may_match_below(directory);
        !is_ignored || later.iter().any(may_help)
    }

    /// Judges the directories that a path is in, and then the path.
    fn walk_to(&self, path: &str) -> Judgement {
        let mut judgement = Judgement {
            is_ignored: false,
            matched: vec![false; self.rules.len()],
        };
        for prefix in ancestors(path) {
            judgement.is_ignored = self.step(prefix, &mut judgement.matched);
        }
        judgement
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

/// What is known of a path.
struct Judgement {
    is_ignored: bool,
    /// Which rules matched it or one of its directories.
    matched: Vec<bool>,
}

/// Reads a line as moby/patternmatcher's `ignorefile.ReadAll` does: cleaned, without a slash at its start, and
/// with the `!` that it may have.
fn written(line: &str) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let line = line.trim();
    let (mark, text) = match line.strip_prefix('!') {
        Some(rest) => ("!", rest.trim()),
        None => ("", line),
    };
    if text.is_empty() {
        return (!mark.is_empty()).then(|| mark.to_owned());
    }
    let cleaned = clean(text);
    let relative = cleaned.strip_prefix('/').filter(|rest| !rest.is_empty());
    Some(format!("{mark}{}", relative.unwrap_or(&cleaned)))
}

/// Makes a rule of what was written, as moby/patternmatcher's `New` does.
///
/// It trims and cleans again, and looks for the `!` only then: `/!x` is an exception, and `!/` a lone `!`.
fn rule(written: &str, line: usize) -> Result<Option<Rule>, IgnoreError> {
    let trimmed = written.trim();
    if trimmed.is_empty() {
        return Ok(None);
    }
    let cleaned = clean(trimmed);
    let (takes_back, text) = match cleaned.strip_prefix('!') {
        Some("") => return Err(IgnoreError::LoneExclamationMark { line }),
        Some(rest) => (true, rest),
        None => (false, cleaned.as_str()),
    };
    let pattern = Pattern::parse(text).ok_or_else(|| IgnoreError::BadPattern {
        pattern: text.to_owned(),
        line,
    })?;
    Ok(Some(Rule {
        text: text.to_owned(),
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
    fn marks_are_looked_for_after_cleaning() {
        check("*\n/!src\n", &["a"], &["src", "src/a"]);
        check("./ a\n!!b\n./#c\n", &["a", "#c"], &["!b", "b"]);
        for text in ["!", "! ", "!/", "/!"] {
            let error = IgnoreError::LoneExclamationMark { line: 1 };
            assert_eq!(IgnoreFile::parse(text).unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn patterns_become_regular_expressions_with_all_that_follows() {
        check(
            "[[:digit:]]\\d*.md",
            &["12.md", "123.md"],
            &["1.md", "a2.md"],
        );
        check("[*]x", &["[]x", "^^]x"], &["*x", "x"]);
        check(
            "a{2}*\nb{1,x}*",
            &["aa", "aab", "b{1,x}"],
            &["a", "a{2}", "b"],
        );
        check("x*|y", &["x", "xz", "xz|y", "zy", "any"], &["z", "yz"]);
        check("w*\\x61\\t", &["wa\t", "wza\t"], &["wx61t"]);
        check("**/a\\b*", &["a", "d/a", "a.b"], &["ab"]);
    }

    #[test]
    fn a_path_by_itself_is_judged_by_all_its_directories_at_once() {
        let file = IgnoreFile::parse("dir\n!dir/keep\ndir\n").unwrap();
        assert!(!file.is_ignored("dir/keep"));
        assert!(file.is_ignored_by_itself("dir/keep"));
        assert!(file.has_exceptions());
        assert!(file.patterns().eq(["dir", "dir"]));
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
    fn mistakes_are_found_as_far_as_a_build_would_find_them() {
        for text in [
            "[]a]", "[a-]", "a\\", ".*[", "x*[a", "\\é", "\\1*", "a{3,2}*", "[b-a]", "[[:x:]]",
        ] {
            let error = IgnoreFile::parse(text).unwrap_err();
            assert!(matches!(error, IgnoreError::BadPattern { .. }), "{text}");
        }
        // Go's check stops where the name that it is asked about has failed to match.
        check("x*[*]", &["x[]", "xy^]"], &["x*"]);
        let long = "a".repeat(65_536);
        let error = IgnoreError::LongLine { line: 2 };
        assert_eq!(IgnoreFile::parse(&format!("b\n{long}")).unwrap_err(), error);
        assert!(IgnoreFile::parse(&long[1..]).is_ok());
    }

    #[test]
    fn a_walk_may_skip_a_directory_that_no_exception_reaches() {
        let file = IgnoreFile::parse("*\n!src/keep\n!docs/*.md\n").unwrap();
        for directory in ["src", "src/keep", "docs"] {
            assert!(file.may_reinclude_below(directory), "{directory}");
        }
        for directory in ["target", "src/other", "doc", "srcs", "docs/a"] {
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
