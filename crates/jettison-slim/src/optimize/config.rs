//! Whether the rewritten image is configured as the original is.

use jettison_oci::RunConfig;
use serde_json::Value;

use crate::evidence::Evidence;

/// What the two configurations disagree on, if they do. The command may have lost its shell and
/// the user its name; both are in the evidence.
pub(super) fn config_difference(
    original: &RunConfig,
    candidate: &RunConfig,
    evidence: &Evidence,
) -> Option<String> {
    let base = evidence.runtime.base.as_ref();
    // Variables of a base cannot be taken away again; who chooses it gets them, and is told.
    let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
    let inherited = base
        .iter()
        .flat_map(|base| &base.env)
        .filter(|pair| !original.env.iter().any(|own| name(own) == name(pair)));
    let mut env: Vec<String> = original.env.iter().chain(inherited).cloned().collect();
    env.sort();
    let is_reset = base.is_some_and(|base| !base.user.is_empty());
    let user = match evidence.runtime.user.as_str() {
        "" if is_reset => "root",
        user => user,
    };
    let filled = |words: &Option<Vec<String>>| words.clone().filter(|words| !words.is_empty());
    let expected = RunConfig {
        entrypoint: filled(&evidence.runtime.entrypoint),
        cmd: filled(&evidence.runtime.cmd),
        user: user.to_owned(),
        // Whether CMD was written down says nothing on Linux.
        args_escaped: candidate.args_escaped,
        // A shell of the build is of no use where none is left.
        shell: candidate.shell.clone(),
        working_dir: directory(original),
        env,
        // Another command may ask the same; that there is none is no answer.
        healthcheck: original.healthcheck.as_ref().map(|own| {
            let other = evidence.runtime.healthcheck.as_ref();
            other.unwrap_or(own).clone()
        }),
        ..original.clone()
    };
    let actual = RunConfig {
        env: sorted(&candidate.env),
        working_dir: directory(candidate),
        entrypoint: filled(&candidate.entrypoint),
        cmd: filled(&candidate.cmd),
        ..candidate.clone()
    };
    (expected != actual).then(|| format!("{expected:?} became {actual:?}"))
}

/// The working directory; a configuration that names none means the root.
fn directory(config: &RunConfig) -> String {
    match config.working_dir.as_str() {
        "" => "/".to_owned(),
        path => path.to_owned(),
    }
}

fn sorted(env: &[String]) -> Vec<String> {
    let mut env = env.to_vec();
    env.sort();
    env
}
/// The command of a health check.
pub(super) fn health_command(healthcheck: Option<&Value>) -> Option<Vec<String>> {
    let words: Vec<String> = healthcheck?
        .get("Test")?
        .as_array()?
        .iter()
        .map(|word| word.as_str().map(str::to_owned))
        .collect::<Option<_>>()?;
    match words.split_first()? {
        (kind, argv) if kind == "CMD" && !argv.is_empty() => Some(argv.to_vec()),
        (kind, [text]) if kind == "CMD-SHELL" => {
            Some(["/bin/sh", "-c", text].map(str::to_owned).to_vec())
        }
        _ => None,
    }
}
