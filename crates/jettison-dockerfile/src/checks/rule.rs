//! What a rule is, and the table of all of them.

use std::fmt;

use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::CheckInput;
use crate::checks::{buildkit, cache, correctness, security, size};
use crate::diagnostic::Severity;

/// The name of a rule: BuildKit's for its own checks, else words in kebab-case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub &'static str);

impl fmt::Display for RuleId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.0)
    }
}

/// What following a rule is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// The image does what its author means.
    Correctness,
    /// Fewer ways in for an attacker, and no secrets given away.
    Security,
    /// Fewer bytes in the image.
    Size,
    /// Less time until a changed image is built.
    BuildTime,
    /// The same image tomorrow.
    Reproducibility,
    /// The file is easier to read.
    Style,
}

impl Category {
    /// Every category.
    pub const ALL: [Category; 6] = [
        Category::Correctness,
        Category::Security,
        Category::Size,
        Category::BuildTime,
        Category::Reproducibility,
        Category::Style,
    ];

    /// Its name in kebab-case.
    pub fn as_str(self) -> &'static str {
        match self {
            Category::Correctness => "correctness",
            Category::Security => "security",
            Category::Size => "size",
            Category::BuildTime => "build-time",
            Category::Reproducibility => "reproducibility",
            Category::Style => "style",
        }
    }
}

/// Whether a rule runs without being asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It does.
    Stable,
    /// Only if the file's `check` directive names it among the experimental ones.
    Experimental,
}

/// A rule: what it looks for, why, and how.
#[derive(Debug)]
pub struct Rule {
    /// Its name.
    pub id: RuleId,
    /// What it finds, in one sentence; for BuildKit's checks in BuildKit's words.
    pub summary: &'static str,
    /// How bad its findings are.
    pub severity: Severity,
    /// What following it is good for, the main thing first.
    pub categories: &'static [Category],
    /// How far its proposals can be trusted; `None` if it makes none.
    pub applicability: Option<Applicability>,
    /// The names that other tools have for it, such as `DL3009`.
    pub aliases: &'static [&'static str],
    /// Whether it runs without being asked for.
    pub status: Status,
    /// Where BuildKit says that it documents it; empty for our own rules, and for one of BuildKit's.
    pub url: &'static str,
    /// Its page: why, what to do, and examples that are its tests.
    pub page: &'static str,
    /// Looks, and adds what it finds.
    pub check: fn(&CheckInput<'_>, &mut Findings),
}

impl Rule {
    /// Says whether it is one of BuildKit's checks, whose names start with a capital.
    pub fn is_buildkit(&self) -> bool {
        self.id
            .0
            .starts_with(|first: char| first.is_ascii_uppercase())
    }

    /// Says whether `name` means this rule: its name or an alias, in any case.
    pub fn is_named(&self, name: &str) -> bool {
        let names = self.aliases.iter().chain([&self.id.0]);
        names
            .into_iter()
            .any(|known| known.eq_ignore_ascii_case(name))
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Rule) -> bool {
        self.id == other.id
    }
}

impl Eq for Rule {}

/// Every rule: BuildKit's checks, then our own by subject.
pub fn rules() -> Vec<&'static Rule> {
    [
        buildkit::RULES,
        correctness::RULES,
        size::RULES,
        security::RULES,
        cache::RULES,
    ]
    .into_iter()
    .flatten()
    .copied()
    .collect()
}

/// The rule that a name or an alias means.
pub fn find_rule(name: &str) -> Option<&'static Rule> {
    rules().into_iter().find(|rule| rule.is_named(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_aliases_are_told_apart() {
        let mut names: Vec<String> = rules()
            .iter()
            .flat_map(|rule| rule.aliases.iter().chain([&rule.id.0]))
            .map(|name| name.to_lowercase())
            .collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all, "two rules share a name");
    }

    #[test]
    fn our_own_rules_are_named_in_kebab_case() {
        for rule in rules().iter().filter(|rule| !rule.is_buildkit()) {
            let is_kebab = rule
                .id
                .0
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
            assert!(is_kebab, "{}", rule.id);
        }
    }
}
