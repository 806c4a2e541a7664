//! Judging what a walk through the context comes to, directory by directory.

use crate::ignore::name::{NameTest, name_test};
use crate::ignore::{IgnoreFile, Rule};

/// A directory that a walk is in, and what the rules have said of it.
///
/// The answers are those of [`IgnoreFile::is_ignored`], at the price of a few comparisons for each name.
#[derive(Debug, Clone)]
pub struct IgnoreDirectory<'a> {
    file: &'a IgnoreFile,
    /// Its path: empty, or with a slash at its end.
    path: String,
    is_ignored: bool,
    /// Which rules matched it or one of the directories that it is in.
    matched: Vec<bool>,
    /// The rules that have matched none of these, and may match a name in here.
    tests: Vec<Test<'a>>,
}

/// What is left of a rule in a directory.
#[derive(Debug, Clone)]
struct Test<'a> {
    rule: usize,
    name: NameTest<'a>,
    /// The byte that every name that matches ends with. Most names do not, which is cheap to find out.
    last: Option<u8>,
}

impl Test<'_> {
    fn matches(&self, directory: &str, name: &str) -> bool {
        let may_match = self
            .last
            .is_none_or(|last| name.as_bytes().last() == Some(&last));
        may_match && self.name.matches(directory, name)
    }
}

impl IgnoreFile {
    /// The context's own directory, where a walk starts.
    pub fn top(&self) -> IgnoreDirectory<'_> {
        IgnoreDirectory::new(self, String::new(), vec![false; self.rules.len()], false)
    }

    /// Says whether BuildKit walks through an ignored directory, in which something may have been taken back.
    ///
    /// If every exception is a plain path that may end in `/**` or `/*` or both, only directories on the way to one are
    /// walked through (fsutil: `filterFS.Walk`, `patternWithoutTrailingGlob`). So `!a/*/**` takes back nothing that is
    /// deeper than `a/b`, if `a/b` is ignored.
    fn is_walked(&self, directory: &str, last: Option<usize>) -> bool {
        let start = format!("{directory}/");
        if self.has_only_plain_exceptions {
            let mut exceptions = self.rules.iter().filter(|rule| rule.takes_back);
            return exceptions
                .any(|rule| format!("{}/", without_trailing_glob(rule)).starts_with(&start));
        }
        // What ignores the directory ignores everything in it, so only a later rule can help.
        let later = &self.rules[last.map_or(0, |last| last + 1)..];
        later
            .iter()
            .any(|rule| rule.takes_back && rule.pattern.may_match_below(directory))
    }
}

/// Says whether all exceptions can be found by the beginnings of their paths.
pub(super) fn has_only_plain_exceptions(rules: &[Rule]) -> bool {
    let marks = ['*', '[', ']', '?', '^', '\\'];
    rules
        .iter()
        .filter(|rule| rule.takes_back)
        .all(|rule| !without_trailing_glob(rule).contains(marks))
}

fn without_trailing_glob(rule: &Rule) -> &str {
    let text = rule.text.strip_suffix("/**").unwrap_or(&rule.text);
    text.strip_suffix("/*").unwrap_or(text)
}

impl<'a> IgnoreDirectory<'a> {
    fn new(
        file: &'a IgnoreFile,
        path: String,
        matched: Vec<bool>,
        is_ignored: bool,
    ) -> IgnoreDirectory<'a> {
        let rules = file.rules.iter().enumerate();
        let tests = rules
            .filter(|(index, _)| !matched[*index])
            .filter_map(|(index, rule)| {
                let name = name_test(&rule.pattern, &path)?;
                Some(Test {
                    rule: index,
                    last: name.last_byte(),
                    name,
                })
            })
            .collect();
        IgnoreDirectory {
            file,
            path,
            is_ignored,
            matched,
            tests,
        }
    }

    /// Says whether the directory itself is left out, if nothing in it is kept.
    pub fn is_ignored(&self) -> bool {
        self.is_ignored
    }

    /// Says whether something in here that is no directory is left out.
    pub fn leaves_out(&self, name: &str) -> bool {
        // Whether a rule is looked at is of no matter for the last one that matches.
        let inherited = self.matched.iter().rposition(|&matched| matched);
        let later = self.tests.iter().rev();
        let decides = later
            .take_while(|test| inherited.is_none_or(|inherited| test.rule > inherited))
            .find(|test| test.matches(&self.path, name))
            .map(|test| test.rule);
        decides
            .or(inherited)
            .is_some_and(|index| !self.file.rules[index].takes_back)
    }

    /// Goes into a directory in here; `None` if it and everything in it are left out.
    pub fn enter(&self, name: &str) -> Option<IgnoreDirectory<'a>> {
        let path = [self.path.as_str(), name].concat();
        let mut matched = self.matched.clone();
        let mut tests = self.tests.iter().peekable();
        let mut is_ignored = false;
        for (index, rule) in self.file.rules.iter().enumerate() {
            let test = tests.next_if(|test| test.rule == index);
            // A rule that would change nothing is not looked at. This is visible in the children, as upstream.
            let changes_something = rule.takes_back == is_ignored;
            let is_met = || test.is_some_and(|test| test.matches(&self.path, name));
            matched[index] = matched[index] || (changes_something && is_met());
            if matched[index] {
                is_ignored = !rule.takes_back;
            }
        }
        let last = matched.iter().rposition(|&matched| matched);
        if is_ignored && !self.file.is_walked(&path, last) {
            return None;
        }
        Some(IgnoreDirectory::new(
            self.file,
            path + "/",
            matched,
            is_ignored,
        ))
    }
}
