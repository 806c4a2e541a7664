//! The files that an installation reads are copied before everything else.
//!
//! `jettison check` knows how; here its proposal is taken, to be proven.

use std::collections::BTreeMap;

use jettison_dockerfile::{CheckInput, EditSet, Given, Parse, check, find_rule, stages};

/// What the rule is called.
const RULE: &str = "copy-all-before-install";

/// Keeps the tools of Node.js from starting scripts.
const FLAG: &str = "--ignore-scripts";

/// Copies manifests first, where a command installs what they name after everything has been copied; `args` are the build's.
pub(crate) fn manifests_first(parse: &Parse, args: &BTreeMap<String, String>) -> Option<EditSet> {
    let graph = stages(parse);
    let given = Given {
        args,
        images: &|_| None,
    };
    let input = CheckInput::new(parse, &graph, &given);
    let rule = find_rule(RULE)?;
    let report = check(&input, &[rule]);
    report
        .findings
        .into_iter()
        .find_map(|finding| finding.proposal)
        .map(|proposal| proposal.edits)
}

/// The same where a project's own scripts, which its installation starts, need its sources: what it depends on is installed first,
/// and the author's command finds that done. `edits` are those of [`manifests_first`]; nothing for tools that begin anew.
pub(crate) fn dependencies_first(edits: &EditSet) -> Option<EditSet> {
    let inserted = edits.iter().find(|edit| edit.range.is_empty())?;
    let lines = inserted.replacement.trim_end();
    let line_end = &inserted.replacement[lines.len()..];
    let command = lines.rsplit(['\n', '&']).next()?.trim();
    let words: Vec<&str> = command.split_whitespace().collect();
    let words = match words.as_slice() {
        ["RUN" | "run", rest @ ..] => rest,
        all => all,
    };
    // `npm ci` takes away what is there.
    let goes_on = matches!(words, ["npm" | "pnpm", "install" | "i", ..]);
    if !goes_on || words.contains(&FLAG) {
        return None;
    }
    let replacement = format!("{lines} {FLAG}{line_end}");
    Some(EditSet::replace(inserted.range.clone(), replacement))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use jettison_dockerfile::{apply, parse};

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Expect) {
        let parsed = parse(text);
        let edits = manifests_first(&parsed, &BTreeMap::new());
        let shown = edits.map_or_else(
            || "nothing".to_owned(),
            |edits| apply(parsed.text(), &edits).unwrap(),
        );
        expected.assert_eq(&shown);
    }

    #[test]
    fn what_names_packages_is_copied_before_the_rest() {
        check(
            "FROM node:20\nWORKDIR /app\nCOPY . .\nRUN npm ci && npm run build\n",
            expect![[r"
                FROM node:20
                WORKDIR /app
                COPY package*.json ./
                RUN npm ci
                COPY . .
                RUN npm run build
            "]],
        );
        check("FROM node:20\nCOPY . .\nRUN make\n", expect!["nothing"]);
        // The author has copied them, and installed nothing.
        check(
            "FROM golang:1\nWORKDIR /app\nCOPY go.mod go.sum* ./\nCOPY . .\nRUN go build .\n",
            expect![[r"
                FROM golang:1
                WORKDIR /app
                COPY go.mod go.sum* ./
                RUN go mod download
                COPY . .
                RUN go build .
            "]],
        );
    }

    #[test]
    fn what_a_project_depends_on_is_installed_before_its_own_scripts_run() {
        let check = |run: &str, expected: Expect| {
            let text = format!("FROM node:20\nWORKDIR /app\nCOPY . .\nRUN {run}\n");
            let parsed = parse(&text);
            let edits = manifests_first(&parsed, &BTreeMap::new()).unwrap();
            let shown = dependencies_first(&edits).map_or_else(
                || "nothing".to_owned(),
                |edits| apply(parsed.text(), &edits).unwrap(),
            );
            expected.assert_eq(&shown);
        };
        check(
            "npm install",
            expect![[r"
            FROM node:20
            WORKDIR /app
            COPY package*.json ./
            RUN npm install --ignore-scripts
            COPY . .
            RUN npm install
        "]],
        );
        check(
            "npm i -g npm@10 && npm i --no-audit && npm run build",
            expect![[r"
                FROM node:20
                WORKDIR /app
                COPY package*.json ./
                RUN npm i -g npm@10 && npm i --no-audit --ignore-scripts
                COPY . .
                RUN npm i -g npm@10 && npm i --no-audit && npm run build
            "]],
        );
        check("npm ci", expect!["nothing"]);
        check("npm install --ignore-scripts", expect!["nothing"]);
        check("yarn install", expect!["nothing"]);
    }
}
