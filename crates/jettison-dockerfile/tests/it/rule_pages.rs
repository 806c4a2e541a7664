//! A rule's page is its documentation and its test.
//!
//! Under a heading, a `dockerfile` block is checked with that rule alone; a `findings` block says what is found
//! (nothing, if there is none), and a `dockerfile fixed` block what the safe fixes make of it (the same text, if there
//! is none). A `dockerfile proposed` block shows what all proposals make of it, those that need a build or a person
//! included. `dockerignore`, `no-dockerignore` and `args` blocks set the scene, and an `images` block names images with
//! the platform that each is for and its entrypoint. What sets the scene comes before the Dockerfile. `UPDATE_EXPECT=1` writes what was
//! found into the page.

#![allow(
    clippy::disallowed_methods,
    reason = "pages are files; the crate itself reads none"
)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use jettison_dockerfile::{
    CheckInput, EditSet, Given, IgnoreFile, KnownImage, Rule, apply, check, find_rule, fix,
    line_column, parse, platform_args, rules, stages,
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("rules")
}

/// A fenced block of a page: what stands after the fence, and its text.
#[derive(Clone, Debug)]
struct Block {
    info: String,
    text: String,
}

/// A page cut into prose and blocks, in order.
#[derive(Debug)]
enum Part {
    Prose(String),
    Block(Block),
}

fn parts(page: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut prose = String::new();
    let mut lines = page.split_inclusive('\n');
    while let Some(line) = lines.next() {
        // Four backticks open a block that may hold a fence of three.
        let fence = line.chars().take_while(|c| *c == '`').count();
        if fence < 3 {
            prose.push_str(line);
            continue;
        }
        parts.push(Part::Prose(std::mem::take(&mut prose)));
        let info = line[fence..].trim().to_owned();
        let text = lines
            .by_ref()
            .take_while(|line| line.trim_end() != "`".repeat(fence))
            .collect();
        parts.push(Part::Block(Block { info, text }));
    }
    parts.push(Part::Prose(prose));
    parts
}

/// An example: the blocks between two headings.
#[derive(Default)]
struct Example {
    dockerfile: String,
    ignore: Option<IgnoreFile>,
    is_without_ignore_file: bool,
    args: BTreeMap<String, String>,
    /// The platform of an image, and after a blank its entrypoint as a JSON array.
    images: BTreeMap<String, String>,
}

impl Example {
    fn image(&self, name: &str) -> Option<KnownImage> {
        let text = self.images.get(name)?;
        let (platform, entrypoint) = match text.split_once(' ') {
            Some((platform, array)) => (platform, Some(serde_json::from_str(array).unwrap())),
            None => (text.as_str(), None),
        };
        Some(KnownImage {
            env: Vec::new(),
            working_dir: String::new(),
            user: None,
            shell: None,
            entrypoint,
            platform: Some(platform.to_owned()),
        })
    }

    fn findings(&self, rule: &'static Rule) -> (String, EditSet) {
        let parse = parse(&self.dockerfile);
        let graph = stages(&parse);
        let images = |name: &str| self.image(name);
        let given = Given {
            args: &self.args,
            images: &images,
        };
        let input = CheckInput::new(&parse, &graph, &given);
        let input = if self.is_without_ignore_file {
            input.without_ignore_file()
        } else {
            input.with_ignore_file(self.ignore.as_ref())
        };
        let mut proposed = EditSet::new();
        let mut lines = String::new();
        for finding in check(&input, &[rule]).findings {
            let (line, column) = line_column(&self.dockerfile, finding.range.start);
            writeln!(lines, "{line}:{column} {}", finding.message).unwrap();
            for hint in &finding.hints {
                writeln!(lines, "  hint: {hint}").unwrap();
            }
            let edits = finding.proposal.iter().flat_map(|proposal| &proposal.edits);
            for edit in edits {
                proposed.insert(edit.clone()).unwrap();
            }
        }
        (lines, proposed)
    }

    fn fixed(&self, rule: &'static Rule) -> String {
        let images = |name: &str| self.image(name);
        let given = Given {
            args: &self.args,
            images: &images,
        };
        let fixed = fix(&self.dockerfile, &[rule], &given, self.ignore.as_ref());
        assert_eq!(
            fixed.withdrawn,
            [],
            "{}: a safe proposal is not safe",
            rule.id
        );
        fixed.text
    }
}

/// Runs the examples of a page and returns the page as it should be.
fn corrected(rule: &'static Rule, page: &str) -> String {
    let mut corrected = String::new();
    let mut example = Example::default();
    // What is expected of the example and has not been shown yet.
    let mut findings = String::new();
    let mut fixed = None;
    for part in parts(page) {
        let block = match part {
            Part::Prose(text) => {
                if text.lines().any(|line| line.starts_with("## ")) {
                    flush(&mut corrected, &mut findings, &mut fixed);
                    example = Example {
                        args: platform_args("linux", "amd64"),
                        ..Example::default()
                    };
                }
                corrected.push_str(&text);
                continue;
            }
            Part::Block(block) => block,
        };
        let text = match block.info.as_str() {
            "dockerignore" => {
                example.ignore = Some(IgnoreFile::parse(&block.text).unwrap());
                block.text
            }
            "no-dockerignore" => {
                example.is_without_ignore_file = true;
                block.text
            }
            "args" => {
                for line in block.text.lines() {
                    let (name, value) = line.split_once('=').unwrap();
                    example.args.insert(name.to_owned(), value.to_owned());
                }
                block.text
            }
            "images" => {
                for line in block.text.lines() {
                    let (name, facts) = line.split_once(' ').unwrap();
                    example.images.insert(name.to_owned(), facts.to_owned());
                }
                block.text
            }
            "dockerfile" => {
                flush(&mut corrected, &mut findings, &mut fixed);
                example.dockerfile.clone_from(&block.text);
                findings = example.findings(rule).0;
                let text = example.fixed(rule);
                fixed = (text != example.dockerfile).then_some(text);
                block.text
            }
            "findings" => std::mem::take(&mut findings),
            "dockerfile fixed" => fixed.take().unwrap_or_else(|| "unchanged\n".to_owned()),
            "dockerfile proposed" => apply(&example.dockerfile, &example.findings(rule).1).unwrap(),
            _ => block.text,
        };
        if block.info == "findings" && text.is_empty() {
            // A page that promises findings where there are none is wrong: the block goes away.
            continue;
        }
        corrected.push_str(&fenced(&block.info, &text));
    }
    flush(&mut corrected, &mut findings, &mut fixed);
    corrected
}

fn fenced(info: &str, text: &str) -> String {
    let fence = if text.contains("```") { "````" } else { "```" };
    format!("{fence}{info}\n{text}{fence}\n")
}

/// Adds what an example gave and the page did not show.
fn flush(page: &mut String, findings: &mut String, fixed: &mut Option<String>) {
    let mut add = |block: String| {
        while page.ends_with("\n\n") {
            page.pop();
        }
        page.push('\n');
        page.push_str(&block);
        page.push('\n');
    };
    if !findings.is_empty() {
        add(fenced("findings", &std::mem::take(findings)));
    }
    if let Some(fixed) = fixed.take() {
        add(fenced("dockerfile fixed", &fixed));
    }
}

#[test]
fn every_page_says_what_its_rule_does() {
    let is_update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = Vec::new();
    for rule in rules() {
        let path = folder().join(format!("{}.md", rule.id));
        let page = fs::read_to_string(&path).unwrap();
        let expected = corrected(rule, &page);
        if page != expected && is_update {
            fs::write(&path, &expected).unwrap();
        } else if page != expected {
            wrong.push(format!(
                "{}:\n{}",
                path.display(),
                similar_lines(&page, &expected)
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\nrun with UPDATE_EXPECT=1 to correct the pages, and look at the difference",
        wrong.join("\n")
    );
}

/// The lines that differ, by position.
fn similar_lines(before: &str, after: &str) -> String {
    let (before, after): (Vec<&str>, Vec<&str>) =
        (before.lines().collect(), after.lines().collect());
    let start = before
        .iter()
        .zip(&after)
        .take_while(|(a, b)| a == b)
        .count();
    let shown = |lines: &[&str], sign: char| -> String {
        let mut shown = String::new();
        for line in lines.iter().skip(start).take(12) {
            writeln!(shown, "  {sign} {line}").unwrap();
        }
        shown
    };
    format!(
        "  at line {}\n{}{}",
        start + 1,
        shown(&before, '-'),
        shown(&after, '+')
    )
}

#[test]
fn every_page_has_a_title_a_table_of_facts_and_both_kinds_of_examples() {
    for rule in rules() {
        let page = rule.page;
        assert!(
            page.starts_with(&format!("# {}\n", rule.id)),
            "{}: title",
            rule.id
        );
        assert!(
            page.contains("```findings"),
            "{}: an example that is found",
            rule.id
        );
        let examples = page.matches("\n## ").count();
        assert!(examples >= 2, "{}: an example that is not found", rule.id);
        let severity = match rule.severity {
            jettison_dockerfile::Severity::Error => "error",
            jettison_dockerfile::Severity::Warning => "warning",
        };
        let fix = match rule.applicability {
            Some(jettison_dockerfile::Applicability::Safe) => {
                "safe; `jettison check --fix` applies it"
            }
            Some(jettison_dockerfile::Applicability::AfterBuild) => {
                "proposed; to be applied after building and running both"
            }
            Some(jettison_dockerfile::Applicability::Suggestion) => {
                "proposed; for a person to decide"
            }
            None => "none",
        };
        let good_for: Vec<&str> = rule
            .categories
            .iter()
            .map(|category| category.as_str())
            .collect();
        for fact in [
            format!("- **Severity:** {severity}\n"),
            format!("- **Good for:** {}\n", good_for.join(", ")),
            format!("- **Fix:** {fix}\n"),
        ] {
            assert!(
                page.contains(&fact),
                "{}: the page lacks the line {fact}",
                rule.id
            );
        }
        for alias in rule.aliases {
            assert!(page.contains(alias), "{}: the page lacks {alias}", rule.id);
        }
        assert_eq!(find_rule(rule.id.0), Some(rule));
    }
}

#[test]
fn every_page_belongs_to_a_rule() {
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(
            name == "README" || find_rule(&name).is_some(),
            "{name} is no rule"
        );
    }
}

/// The first sentence of a page's prose: why the rule is there.
fn reason(page: &str) -> String {
    let prose = page
        .split("\n\n")
        .nth(1)
        .unwrap_or_default()
        .replace('\n', " ");
    match prose.find(". ") {
        Some(end) => prose[..=end].to_owned(),
        None => prose,
    }
}

fn listed(wanted: &dyn Fn(&Rule) -> bool) -> String {
    let mut rules: Vec<&Rule> = rules().into_iter().filter(|rule| wanted(rule)).collect();
    rules.sort_by_key(|rule| rule.id.0.to_lowercase());
    let mut table = "| rule | good for | fix | why it is in |\n|---|---|---|---|\n".to_owned();
    for rule in rules {
        let good_for: Vec<&str> = rule
            .categories
            .iter()
            .map(|category| category.as_str())
            .collect();
        writeln!(
            table,
            "| [{}]({0}.md) | {} | {} | {} |",
            rule.id,
            good_for.join(", "),
            rule.applicability
                .map_or("", |applicability| applicability.as_str()),
            reason(rule.page).replace('|', "\\|"),
        )
        .unwrap();
    }
    table
}

#[test]
fn the_list_of_rules_is_complete() {
    let path = folder().join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let mut expected = readme.clone();
    for (mark, table) in [
        ("<!-- buildkit -->\n", listed(&Rule::is_buildkit)),
        ("<!-- own -->\n", listed(&|rule| !rule.is_buildkit())),
    ] {
        let start = expected.find(mark).unwrap() + mark.len();
        let end = start + expected[start..].find("<!-- end -->").unwrap();
        expected.replace_range(start..end, &table);
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &expected).unwrap();
    } else {
        assert!(
            readme == expected,
            "run with UPDATE_EXPECT=1 to correct {}",
            path.display()
        );
    }
}
