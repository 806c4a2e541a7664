//! Which rules a check runs: by name, alias, category or group.

use jettison_dockerfile::{Category, Rule, did_you_mean, rules};

use crate::failure::Failure;

/// Every rule.
const ALL: &str = "all";
/// The checks that BuildKit has, too.
const BUILDKIT: &str = "buildkit";

/// The rules that are selected and not ignored; if none are selected by name, all are.
pub(crate) fn selection(
    select: &[String],
    ignore: &[String],
) -> Result<Vec<&'static Rule>, Failure> {
    for name in select.iter().chain(ignore) {
        check_name(name)?;
    }
    let mut selected = rules();
    if !select.is_empty() {
        selected.retain(|rule| select.iter().any(|name| means(name, rule)));
    }
    selected.retain(|rule| !ignore.iter().any(|name| means(name, rule)));
    Ok(selected)
}

/// Says whether a name means a rule, or a group that it is in.
fn means(name: &str, rule: &Rule) -> bool {
    let name = name.trim();
    let is_category = |category: &Category| name.eq_ignore_ascii_case(category.as_str());
    rule.is_named(name)
        || name.eq_ignore_ascii_case(ALL)
        || (name.eq_ignore_ascii_case(BUILDKIT) && rule.is_buildkit())
        || rule.categories.iter().any(is_category)
}

/// Refuses a name that means no rule and no group.
pub(crate) fn check_name(name: &str) -> Result<(), Failure> {
    let is_group = groups().any(|group| name.trim().eq_ignore_ascii_case(group));
    if is_group || rules().iter().any(|rule| means(name, rule)) {
        return Ok(());
    }
    let failure = unknown_rule(name.trim(), groups());
    Err(failure.hint(
        "`jettison check --list-rules` lists rules and categories; `buildkit` and `all` are groups",
    ))
}

/// There is no rule of this name; perhaps one of the rules or `others` was meant.
pub(crate) fn unknown_rule<'a>(name: &str, others: impl Iterator<Item = &'a str>) -> Failure {
    let failure = Failure::user(format!("there is no rule called `{name}`"));
    let rules = rules();
    let names = rules
        .iter()
        .flat_map(|rule| rule.aliases.iter().chain([&rule.id.0]))
        .copied();
    match did_you_mean(name, names.chain(others)) {
        Some(known) => failure.hint(format!("did you mean `{known}`?")),
        None => failure,
    }
}

fn groups() -> impl Iterator<Item = &'static str> {
    let categories = Category::ALL.iter().map(|category| category.as_str());
    categories.chain([BUILDKIT, ALL])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(select: &[&str], ignore: &[&str]) -> Vec<&'static str> {
        let owned = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_string())
                .collect::<Vec<_>>()
        };
        let selected = selection(&owned(select), &owned(ignore)).unwrap();
        selected.iter().map(|rule| rule.id.0).collect()
    }

    #[test]
    fn rules_are_chosen_by_name_alias_and_group() {
        for name in [
            "MaintainerDeprecated",
            "maintainerdeprecated",
            "DL4000",
            " dl4000 ",
        ] {
            assert_eq!(names(&[name], &[]), ["MaintainerDeprecated"], "{name}");
        }
        for group in ["all", "buildkit", "style"] {
            assert!(
                names(&[group], &[]).contains(&"MaintainerDeprecated"),
                "{group}"
            );
        }
        assert!(!names(&[], &["style"]).contains(&"MaintainerDeprecated"));
        assert!(names(&["style"], &["all"]).is_empty());
        assert_eq!(names(&[], &[]).len(), rules().len());
    }

    #[test]
    fn a_name_that_means_nothing_is_refused() {
        assert!(check_name("").is_err());
        let failure = check_name("DL400").unwrap_err();
        assert_eq!(failure.lines()[1], ("hint", "did you mean `DL4000`?"));
    }
}
