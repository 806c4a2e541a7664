//! The list of rules.

use jettison_dockerfile::{Rule, Status};
use serde::Serialize;

use crate::report::json::pretty;
use crate::report::{fix_name, severity_name};

#[derive(Serialize)]
struct RuleList<'a> {
    schema: u32,
    rules: Vec<RuleEntry<'a>>,
}

#[derive(Serialize)]
struct RuleEntry<'a> {
    name: &'a str,
    severity: &'static str,
    categories: Vec<&'static str>,
    fix: &'static str,
    is_experimental: bool,
    aliases: &'a [&'a str],
    #[serde(skip_serializing_if = "str::is_empty")]
    url: &'a str,
    summary: &'a str,
}

/// One rule a line: name, severity, categories, fix, summary.
pub(crate) fn rules_table(rules: &[&Rule]) -> String {
    let header = ["RULE", "SEVERITY", "CATEGORIES", "FIX", "SUMMARY"].map(str::to_string);
    let rows = rules.iter().map(|rule| {
        [
            rule.id.0.to_string(),
            severity_name(rule.severity).to_string(),
            categories(rule).join(","),
            fix_name(rule).to_string(),
            match rule.status {
                Status::Stable => rule.summary.to_string(),
                Status::Experimental => format!("{} (experimental)", rule.summary),
            },
        ]
    });
    let rows: Vec<[String; 5]> = [header].into_iter().chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths = [0, 1, 2, 3].map(width);
    let lines = rows.iter().map(|row| {
        let [name, severity, categories, fix, summary] = row;
        format!(
            "{name:0$}   {severity:1$}   {categories:2$}   {fix:3$}   {summary}\n",
            widths[0], widths[1], widths[2], widths[3]
        )
    });
    lines.collect()
}

/// The same as JSON.
pub(crate) fn rules_json(rules: &[&Rule]) -> String {
    let entries = rules.iter().map(|rule| RuleEntry {
        name: rule.id.0,
        severity: severity_name(rule.severity),
        categories: categories(rule),
        fix: fix_name(rule),
        is_experimental: rule.status == Status::Experimental,
        aliases: rule.aliases,
        url: rule.url,
        summary: rule.summary,
    });
    pretty(&RuleList {
        schema: 1,
        rules: entries.collect(),
    })
}

fn categories(rule: &Rule) -> Vec<&'static str> {
    let categories = rule.categories.iter();
    categories.map(|category| category.as_str()).collect()
}
