//! Laws of proposals: only what they name changes, and nothing new is wrong afterwards.

#![allow(
    clippy::disallowed_methods,
    reason = "the data are files; the crate itself reads none"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jettison_dockerfile::{
    Applicability, CheckInput, Finding, Given, Parse, Severity, apply, check, fix, parse,
    platform_args, rules, stages,
};

/// Every Dockerfile of ours: the examples on the rules' pages, and the corpus.
fn dockerfiles() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join("rules")).unwrap() {
        let path = entry.unwrap().path();
        let page = fs::read_to_string(&path).unwrap();
        let blocks = page.split("```dockerfile\n").skip(1);
        for block in blocks.filter_map(|rest| rest.split_once("\n```")) {
            found.push((path.clone(), format!("{}\n", block.0)));
        }
    }
    let mut folders = vec![root.join("tests/corpus")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| extension == "dockerfile")
            {
                found.push((path.clone(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn findings(text: &str, args: &BTreeMap<String, String>) -> Vec<Finding> {
    let parse = parse(text);
    let graph = stages(&parse);
    let given = Given {
        args,
        images: &|_| None,
    };
    check(&CheckInput::new(&parse, &graph, &given), &rules()).findings
}

fn errors(parse: &Parse) -> Vec<&str> {
    let all = parse.diagnostics().iter();
    all.filter(|diagnostic| diagnostic.severity == Severity::Error)
        .map(|diagnostic| diagnostic.message.as_str())
        .collect()
}

fn can_be_built(text: &str, given: &Given<'_>) -> bool {
    let parse = parse(text);
    let graph = stages(&parse);
    CheckInput::new(&parse, &graph, given)
        .first_error()
        .is_none()
}

#[test]
fn a_proposal_changes_only_what_it_names_and_breaks_nothing() {
    let args = platform_args("linux", "amd64");
    let mut count = 0;
    for (path, text) in dockerfiles() {
        let before = parse(&text);
        for finding in findings(&text, &args) {
            let Some(proposal) = finding.proposal else {
                continue;
            };
            let place = format!("{}: {}", path.display(), proposal.rule);
            let after = apply(&text, &proposal.edits).unwrap();
            // What is left of both texts without the edited ranges is the same.
            let (mut old, mut new) = (text.as_str(), after.as_str());
            let mut done = 0;
            for edit in &proposal.edits {
                let (kept, rest) = old.split_at(edit.range.start - done);
                new = new.strip_prefix(kept).expect(&place);
                new = new.strip_prefix(edit.replacement.as_str()).expect(&place);
                old = &rest[edit.range.len()..];
                done = edit.range.end;
            }
            assert_eq!(old, new, "{place}");
            assert_ne!(text, after, "{place}: the proposal changes nothing");
            let parsed = parse(&after);
            if errors(&before).is_empty() {
                assert_eq!(errors(&parsed), Vec::<&str>::new(), "{place}\n{after}");
            }
            count += 1;
        }
    }
    assert!(count >= 1, "only {count} proposals");
}

#[test]
fn safe_proposals_are_never_withdrawn_and_leave_nothing_to_fix() {
    let args = platform_args("linux", "amd64");
    let given = Given {
        args: &args,
        images: &|_| None,
    };
    for (path, text) in dockerfiles() {
        let fixed = fix(&text, &rules(), &given, None);
        assert_eq!(fixed.withdrawn, [], "{}", path.display());
        let again = fix(&fixed.text, &rules(), &given, None);
        assert_eq!(again.text, fixed.text, "{}", path.display());
        if can_be_built(&text, &given) {
            let left = findings(&fixed.text, &args);
            let safe = left.iter().filter(|finding| {
                finding
                    .proposal
                    .as_ref()
                    .is_some_and(|proposal| proposal.applicability == Applicability::Safe)
            });
            let names: Vec<String> = safe.map(|finding| finding.rule.id.to_string()).collect();
            assert_eq!(
                names,
                Vec::<String>::new(),
                "{}\n{}",
                path.display(),
                fixed.text
            );
        }
    }
}
