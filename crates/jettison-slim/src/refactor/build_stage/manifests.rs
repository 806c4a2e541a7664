//! The files that an installation reads are copied before everything else.
//!
//! `jettison check` knows how; here its proposal is taken, to be proven.

use std::collections::BTreeMap;

use jettison_dockerfile::{CheckInput, EditSet, Given, Parse, check, find_rule, stages};

/// What the rule is called.
const RULE: &str = "copy-all-before-install";

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
    }
}
