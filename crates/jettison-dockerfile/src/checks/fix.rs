//! Applying safe proposals, each after a proof that the Dockerfile means the same afterwards.

use std::collections::{BTreeMap, BTreeSet};

use crate::checks::check;
use crate::checks::finding::{Applicability, Change, Finding, Proposal};
use crate::checks::input::CheckInput;
use crate::checks::rule::{Rule, RuleId};
use crate::checks::start::is_mended;
use crate::diagnostic::Severity;
use crate::edit::{EditSet, apply};
use crate::evaluate::{Given, PREDEFINED, evaluate};
use crate::ignore::IgnoreFile;
use crate::instruction::InstructionKind;
use crate::meaning::{Meaning, meaning};
use crate::parser::{Parse, parse};
use crate::scope::KnownImage;
use crate::stage::stages;
use crate::text::line_column;

/// Proposals may make room for others; after so many rounds what is left is left.
const MAX_ROUNDS: usize = 20;

/// A value with everything in it that quoting could get wrong.
const AWKWARD: &str = r#" a  b'c"d\e$f #=`{}"#;

/// What came of applying safe proposals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// The text afterwards.
    pub text: String,
    /// How many proposals of each rule were applied.
    pub applied: BTreeMap<RuleId, usize>,
    /// Proposals that said they were safe and were not: each is a bug in its rule.
    pub withdrawn: Vec<Withdrawn>,
}

/// A proposal that was not applied because the proof failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawn {
    /// The rule that made it.
    pub rule: RuleId,
    /// The line of its finding, from 1.
    pub line: usize,
    /// What would have been different.
    pub difference: String,
}

/// Applies the safe proposals of `selected` rules to a Dockerfile, as long as there are any.
///
/// A Dockerfile with errors is returned as it is: nothing can be proved about it.
pub fn fix(
    text: &str,
    selected: &[&'static Rule],
    given: &Given<'_>,
    ignore: Option<&IgnoreFile>,
) -> Fixed {
    let mut fixed = Fixed {
        text: text.to_owned(),
        applied: BTreeMap::new(),
        withdrawn: Vec::new(),
    };
    let mut refused: BTreeSet<(RuleId, String)> = BTreeSet::new();
    for _ in 0..MAX_ROUNDS {
        let findings = findings(&fixed.text, selected, given, ignore);
        let proposals = safe_proposals(&findings)
            .filter(|(finding, proposal)| {
                !refused.contains(&(proposal.rule, place(&fixed.text, finding)))
            })
            .collect::<Vec<_>>();
        // What is proved is what is written: all of them at once. One by one only to find the culprit.
        let mut accepted = compatible(&proposals);
        if prove(&fixed.text, &accepted.edits, accepted.change, given).is_err() {
            let mut proved = Vec::new();
            for (finding, proposal) in proposals {
                match prove(&fixed.text, &proposal.edits, proposal.change, given) {
                    Ok(()) => proved.push((finding, proposal)),
                    Err(difference) => {
                        refused.insert((proposal.rule, place(&fixed.text, finding)));
                        fixed.withdrawn.push(Withdrawn {
                            rule: proposal.rule,
                            line: line_column(&fixed.text, finding.range.start).0,
                            difference,
                        });
                    }
                }
            }
            accepted = compatible(&proved);
            if prove(&fixed.text, &accepted.edits, accepted.change, given).is_err() {
                // Each is safe and all together are not: the others get their turn in later rounds.
                proved.truncate(1);
                accepted = compatible(&proved);
            }
        }
        if accepted.rules.is_empty() {
            break;
        }
        let Ok(next) = apply(&fixed.text, &accepted.edits) else {
            break;
        };
        fixed.text = next;
        for rule in accepted.rules {
            *fixed.applied.entry(rule).or_default() += 1;
        }
    }
    fixed
}

fn findings(
    text: &str,
    selected: &[&'static Rule],
    given: &Given<'_>,
    ignore: Option<&IgnoreFile>,
) -> Vec<Finding> {
    let parse = parse(text);
    let graph = stages(&parse);
    let input = CheckInput::new(&parse, &graph, given).with_ignore_file(ignore);
    let has_errors = input
        .diagnostics()
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Error);
    if has_errors {
        return Vec::new();
    }
    check(&input, selected).findings
}

fn safe_proposals(findings: &[Finding]) -> impl Iterator<Item = (&Finding, &Proposal)> {
    findings.iter().filter_map(|finding| {
        let proposal = finding.proposal.as_ref()?;
        (proposal.applicability == Applicability::Safe).then_some((finding, proposal))
    })
}

/// Names a finding in a way that survives edits elsewhere.
fn place(text: &str, finding: &Finding) -> String {
    let around = text.get(finding.range.clone()).unwrap_or_default();
    format!("{around}\n{}", finding.message)
}

/// Proposals that can be applied together.
struct Accepted {
    edits: EditSet,
    rules: Vec<RuleId>,
    /// The most that one of them may change.
    change: Change,
}

/// As many proposals as do not overlap, earlier ones first; the others come in the next round.
fn compatible(proposals: &[(&Finding, &Proposal)]) -> Accepted {
    let mut accepted = Accepted {
        edits: EditSet::new(),
        rules: Vec::new(),
        change: Change::Nothing,
    };
    for (_, proposal) in proposals {
        if accepted.edits.extend(&proposal.edits).is_ok() {
            accepted.rules.push(proposal.rule);
            accepted.change = accepted.change.max(proposal.change);
        }
    }
    accepted
}

/// Shows that the text means the same after `edits`, but for what `change` names, or says what would be different.
fn prove(text: &str, edits: &EditSet, change: Change, given: &Given<'_>) -> Result<(), String> {
    let after = apply(text, edits).map_err(|error| error.to_string())?;
    let (before, after) = (parse(text), parse(&after));
    if after.has_errors() {
        return Err("the text would have errors".to_owned());
    }
    for world in worlds(&before, given) {
        let (before, after) = (world.meaning(&before), world.meaning(&after));
        let difference = match change {
            Change::Nothing => before.difference(&after),
            Change::Start => before.difference_but_for_starts(&after, &|before, after| {
                is_mended(before, after, given.images)
            }),
        };
        if let Some(difference) = difference {
            return Err(format!("{difference} would be different"));
        }
    }
    Ok(())
}

/// Values for everything that a Dockerfile does not fix itself.
struct World<'g> {
    args: BTreeMap<String, String>,
    /// The environment of every base image, or `None` to ask the caller.
    base_env: Option<Vec<(String, String)>>,
    given: &'g Given<'g>,
}

impl World<'_> {
    fn meaning(&self, parse: &Parse) -> Meaning {
        let images = |reference: &str| match &self.base_env {
            Some(env) => Some(KnownImage {
                env: env.clone(),
                working_dir: "/base".to_owned(),
                user: None,
                shell: None,
                entrypoint: None,
                platform: None,
            }),
            None => (self.given.images)(reference),
        };
        let given = Given {
            args: &self.args,
            images: &images,
        };
        let graph = stages(parse);
        let evaluation = evaluate(parse, &graph, &given);
        meaning(parse, &graph, &evaluation)
    }
}

/// The worlds in which two texts are compared: as given; with all arguments and base variables set to something
/// awkward; and with all arguments empty.
fn worlds<'g>(parse: &Parse, given: &'g Given<'g>) -> [World<'g>; 3] {
    let mut names: BTreeSet<String> = BTreeSet::new();
    for instruction in parse.instructions() {
        if let InstructionKind::Arg(declarations) = &instruction.kind {
            let declared = declarations.iter().map(|argument| argument.name.as_str());
            // What is predefined keeps its value: it goes with the platform that the build is for.
            let ordinary = declared.filter(|name| !PREDEFINED.contains(name));
            names.extend(ordinary.map(str::to_owned));
        }
    }
    let graph = stages(parse);
    let evaluation = evaluate(parse, &graph, given);
    let unmatched: BTreeSet<&String> = evaluation
        .stages
        .iter()
        .flat_map(|stage| &stage.evaluated)
        .flat_map(|evaluated| &evaluated.unmatched)
        .collect();
    let awkward = |name: &str| format!("{name}{AWKWARD}");
    let with_args = |value: &dyn Fn(&str) -> String| {
        let mut args = given.args.clone();
        args.extend(names.iter().map(|name| (name.clone(), value(name))));
        args
    };
    [
        World {
            args: given.args.clone(),
            base_env: None,
            given,
        },
        World {
            args: with_args(&awkward),
            base_env: Some(
                unmatched
                    .into_iter()
                    .map(|name| (name.clone(), awkward(name)))
                    .collect(),
            ),
            given,
        },
        World {
            args: with_args(&|_| String::new()),
            base_env: None,
            given,
        },
    ]
}
