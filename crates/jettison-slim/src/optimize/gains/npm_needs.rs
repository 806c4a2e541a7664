//! Which modules a program of Node.js names in the sources that it comes to from those that runs have loaded.
//!
//! A module may be loaded only when a request asks for it, by `require` in a function or `import()`. If it is listed as one for
//! development by mistake, the original works all the same, and what is pruned would not.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jettison_sandbox::Trace;

use crate::rootfs::{RootDir, normalise};

/// The largest source that is read, in bytes.
const LIMIT: u64 = 4 << 20;
/// The most sources that are read.
const MOST: usize = 20_000;
/// How sources are called; a name in another may lack it.
const ENDS: [&str; 6] = ["js", "mjs", "cjs", "ts", "json", "node"];
/// Descriptions, which list every module: who reads them asks for a name or a version.
const DESCRIPTIONS: [&str; 3] = ["npm-shrinkwrap.json", "package-lock.json", "package.json"];

/// The first source of `project` that names one of `modules`, and which one.
pub(super) fn named_module(
    root: &RootDir,
    (project, trace): (&Path, Option<&Trace>),
    modules: &[String],
) -> Option<(PathBuf, String)> {
    let mut pending = first_sources(root, project, trace);
    let mut known: BTreeSet<PathBuf> = pending.iter().cloned().collect();
    while let Some(path) = pending.pop() {
        if known.len() > MOST {
            break;
        }
        let Some(bytes) = root.content(&path, LIMIT) else {
            continue;
        };
        let text = String::from_utf8_lossy(&bytes);
        for literal in literals(&text) {
            let named = modules.iter().find(|module| {
                let rest = literal.strip_prefix(module.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            });
            if let Some(module) = named {
                return Some((path, module.clone()));
            }
            let directory = path.parent().unwrap_or(project);
            let others = relatives(root, directory, literal);
            let is_source = |path: &PathBuf| !DESCRIPTIONS.iter().any(|name| path.ends_with(name));
            pending.extend(
                others
                    .into_iter()
                    .filter(|other| is_source(other) && known.insert(other.clone())),
            );
        }
    }
    None
}

/// The sources of the project itself that runs have loaded, and the one that its description names.
fn first_sources(root: &RootDir, project: &Path, trace: Option<&Trace>) -> Vec<PathBuf> {
    let found = trace
        .into_iter()
        .flat_map(Trace::found)
        .map(|(path, _)| path.to_path_buf());
    let described = root
        .content(&project.join("package.json"), LIMIT)
        .and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
    let main = described
        .as_ref()
        .and_then(|package| package.get("main")?.as_str());
    let main = main.map_or_else(Vec::new, |main| {
        relatives(root, project, &format!("./{main}"))
    });
    let is_source = |path: &PathBuf| {
        let is_code = path
            .extension()
            .is_some_and(|end| ENDS[..4].iter().any(|known| end == *known));
        is_code && path.starts_with(project) && !path.iter().any(|part| part == "node_modules")
    };
    found.chain(main).filter(is_source).collect()
}

/// The sources that `literal` leads to from `directory`, if it begins as a path does: a directory that the name is put together
/// with leads to all that are in it.
fn relatives(root: &RootDir, directory: &Path, literal: &str) -> Vec<PathBuf> {
    if !literal.starts_with("./") && !literal.starts_with("../") && !literal.starts_with('/') {
        return Vec::new();
    }
    let (fixed, is_open) = match literal.split_once("${") {
        Some((fixed, _)) => (fixed, true),
        None => (literal, literal.ends_with('/')),
    };
    let relative = fixed.trim_start_matches('/');
    // The page that a server begins with.
    if relative.is_empty() {
        return Vec::new();
    }
    let path = normalise(&directory.join(relative));
    let is_file = |path: &Path| root.target(path).is_some_and(|found| found.is_file());
    if is_open {
        let place = if fixed.ends_with('/') {
            path
        } else {
            path.parent().map_or(path.clone(), Path::to_path_buf)
        };
        let names = root.names(&place);
        let files = names.into_iter().map(|name| place.join(name));
        let files = files.filter(|path| {
            path.extension()
                .is_some_and(|end| ENDS.iter().any(|known| end == *known))
        });
        return files.filter(|path| is_file(path)).collect();
    }
    let mut candidates = vec![path.clone()];
    for end in ENDS {
        candidates.push(PathBuf::from(format!("{}.{end}", path.display())));
        candidates.push(path.join(format!("index.{end}")));
    }
    candidates
        .into_iter()
        .filter(|path| is_file(path))
        .collect()
}

/// What is in quotes in a source. An apostrophe in a comment may hide what follows in its line, and nothing else.
fn literals(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for line in text.lines() {
        for quote in ['"', '\'', '`'] {
            // Every second part is within quotes, but an odd one before shifts them: all are looked at.
            let parts = line.split(quote).skip(1);
            found.extend(parts.filter(|part| !part.is_empty() && part.len() < 256));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[track_caller]
    fn check(files: &[(&str, &str)], expected: Option<(&str, &str)>) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let root = RootDir::open(dir.path()).unwrap();
        let modules = ["pdfkit".to_owned(), "jest".to_owned()];
        let found = named_module(&root, (Path::new("/app"), None), &modules);
        let expected = expected.map(|(path, module)| (PathBuf::from(path), module.to_owned()));
        assert_eq!(found, expected);
    }

    const PACKAGE: (&str, &str) = (
        "app/package.json",
        r#"{"main": "server.js", "devDependencies": {"jest": "*"}}"#,
    );

    #[test]
    fn a_module_is_found_through_the_sources_that_lead_to_it() {
        check(
            &[
                PACKAGE,
                (
                    "app/server.js",
                    "app.get('/x', () => require('./lib/report').make());",
                ),
                (
                    "app/lib/report.js",
                    "const it = await import(\"pdfkit/js/x.js\");",
                ),
                ("app/test/a.js", "require('jest')"),
            ],
            Some(("/app/lib/report.js", "pdfkit")),
        );
        check(
            &[
                PACKAGE,
                (
                    "app/server.js",
                    "const it = require(`./formats/${name}.js`); // don't",
                ),
                ("app/formats/pdf.js", "require('pdfkit')"),
            ],
            Some(("/app/formats/pdf.js", "pdfkit")),
        );
    }

    #[test]
    fn what_no_source_leads_to_is_not_needed() {
        check(
            &[
                PACKAGE,
                ("app/server.js", "require('express')"),
                ("app/src/page.js", "import 'pdfkit'"),
                ("app/jest.config.js", "require('jest')"),
            ],
            None,
        );
    }

    #[test]
    fn who_reads_the_description_needs_none_of_the_modules_that_it_lists() {
        check(
            &[
                PACKAGE,
                (
                    "app/server.js",
                    "const { version } = require('./package.json'); app.get('/', page);",
                ),
                ("app/package-lock.json", r#"{"packages": {"jest": {}}}"#),
            ],
            None,
        );
    }
}
