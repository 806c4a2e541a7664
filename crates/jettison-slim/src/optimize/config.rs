//! Whether the rewritten image is configured as the original is.

use jettison_oci::RunConfig;

use crate::evidence::Evidence;

/// What the two configurations disagree on, if they do. The command may have lost its shell and
/// the user its name; both are in the evidence.
pub(super) fn config_difference(
    original: &RunConfig,
    candidate: &RunConfig,
    evidence: &Evidence,
) -> Option<String> {
    let expected = RunConfig {
        entrypoint: evidence.runtime.entrypoint.clone(),
        cmd: evidence.runtime.cmd.clone(),
        user: evidence.runtime.user.clone(),
        // Whether CMD was written down says nothing on Linux.
        args_escaped: candidate.args_escaped,
        // A shell of the build is of no use where none is left.
        shell: candidate.shell.clone(),
        working_dir: if original.working_dir.is_empty() {
            "/".to_string()
        } else {
            original.working_dir.clone()
        },
        env: sorted(&original.env),
        ..original.clone()
    };
    let actual = RunConfig {
        env: sorted(&candidate.env),
        ..candidate.clone()
    };
    (expected != actual).then(|| format!("{expected:?} became {actual:?}"))
}

fn sorted(env: &[String]) -> Vec<String> {
    let mut env = env.to_vec();
    env.sort();
    env
}
