//! A stage whose name is misspelt is an image.

use crate::checks::finding::{Applicability, Findings};
use crate::checks::input::{CheckInput, InstructionView};
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::edit::EditSet;
use crate::suggest::did_you_mean;
use crate::text::TextRange;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("copy-from-misspelt-stage"),
    summary: "Files come from an image whose name looks like that of a stage",
    severity: Severity::Warning,
    categories: &[Category::Correctness, Category::Security],
    applicability: Some(Applicability::Suggestion),
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/copy-from-misspelt-stage.md"),
    check: copy_from_misspelt_stage,
};

/// Images that people copy from by their bare name.
const IMAGES: [&str; 46] = [
    "adminer",
    "alpine",
    "bash",
    "buildpack-deps",
    "busybox",
    "caddy",
    "clojure",
    "composer",
    "consul",
    "debian",
    "docker",
    "elixir",
    "erlang",
    "fedora",
    "gcc",
    "golang",
    "gradle",
    "haproxy",
    "haskell",
    "httpd",
    "julia",
    "mariadb",
    "maven",
    "memcached",
    "mongo",
    "mysql",
    "nats",
    "nginx",
    "node",
    "openjdk",
    "perl",
    "php",
    "postgres",
    "python",
    "rabbitmq",
    "redis",
    "registry",
    "ruby",
    "rust",
    "swift",
    "tomcat",
    "traefik",
    "ubuntu",
    "vault",
    "wordpress",
    "zookeeper",
];

fn copy_from_misspelt_stage(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages() {
        let earlier = &input.graph.stages[..stage.stage.index];
        let names: Vec<&str> = earlier
            .iter()
            .filter_map(|stage| stage.name.as_deref())
            .collect();
        for view in stage.instructions() {
            for (name, range) in origins(input, &view) {
                let is_bare = name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
                let is_number = name.parse::<i64>().is_ok();
                if !is_bare
                    || name.len() < 4
                    || is_number
                    || input.graph.find(&name).is_some()
                    || IMAGES.contains(&name.as_str())
                {
                    continue;
                }
                // In a short word two letters are half of it.
                let likely = names.iter().copied().filter(|stage| {
                    name.len() > 5
                        || stage.len().abs_diff(name.len()) < 2 && shares_most(stage, &name)
                });
                let Some(stage_name) = did_you_mean(&name, likely) else {
                    continue;
                };
                let message =
                    format!("`{name}` is no stage: an image of that name would be pulled");
                findings
                    .add(range.clone(), message)
                    .hint(format!("did you mean the stage `{stage_name}`?"))
                    .propose(
                        EditSet::replace(range, stage_name),
                        "the stage has almost the same name",
                    );
            }
        }
    }
}

/// Says whether two short words differ in one letter at most: they have the same start or the same end.
fn shares_most(left: &str, right: &str) -> bool {
    let same =
        |pairs: &mut dyn Iterator<Item = (char, char)>| pairs.take_while(|(a, b)| a == b).count();
    let start = same(&mut left.chars().zip(right.chars()));
    let end = same(&mut left.chars().rev().zip(right.chars().rev()));
    start + end + 1 >= left.len().max(right.len())
}

/// The names in `--from` and `--mount=from=`, with their places.
fn origins(input: &CheckInput<'_>, view: &InstructionView<'_>) -> Vec<(String, TextRange)> {
    let text = input.parse.text();
    let mut origins = Vec::new();
    for flag in &view.instruction.flags {
        let Some(range) = &flag.value_range else {
            continue;
        };
        let written = &text[range.clone()];
        if flag.name == "from" {
            origins.push((written.to_owned(), range.clone()));
        } else if flag.name == "mount" {
            // A mount with quotes in it is left alone.
            let mut start = range.start;
            for field in written.split(',') {
                if let Some(name) = field.strip_prefix("from=") {
                    let place = start + "from=".len()..start + field.len();
                    origins.push((name.to_owned(), place));
                }
                start += field.len() + 1;
            }
        }
    }
    origins
}
