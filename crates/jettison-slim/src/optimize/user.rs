//! Running as a user without rights, where the original runs as root.
//!
//! That is safe only if nothing that belongs to root has to be written: probes see an answer that is another, but not a log
//! that is lost, and a volume of before still belongs to root.

use std::path::Path;

use jettison_oci::RunConfig;
use jettison_sandbox::{End, Use};

use crate::evidence::{Evidence, Fact, Origin};
use crate::verify::ProbeOutcome;

/// The user that distroless images call nonroot, and its group.
pub(super) const NONROOT: &str = "65532:65532";

/// Whether the user in a configuration is root.
pub(super) fn is_root(user: &str) -> bool {
    let name = user.split(':').next().unwrap_or_default();
    ["", "0", "root"].contains(&name)
}

/// Why a program that was watched in `outcomes` cannot lose root's rights; `None` if nothing speaks against it.
pub(super) fn obstacle(config: &RunConfig, outcomes: &[ProbeOutcome]) -> Option<String> {
    if let Some(volume) = config.volumes.iter().next() {
        return Some(format!(
            "{volume} is a VOLUME: one that was made before belongs to root"
        ));
    }
    let traces = outcomes
        .iter()
        .filter_map(|outcome| outcome.candidate.trace.as_ref());
    for trace in traces {
        for lookup in trace.lookups() {
            let (End::Found(path) | End::Missing(path)) = &lookup.end else {
                continue;
            };
            let is_written = lookup.uses.iter().any(Use::is_change);
            if is_written && trace.mount_of(path).is_none() && !is_for_all(path) {
                return Some(format!(
                    "{} is written, and belongs to root",
                    path.display()
                ));
            }
        }
    }
    None
}

/// Whether everybody may write there, or nothing is lost if that fails: Python does without its caches.
fn is_for_all(path: &Path) -> bool {
    let is_cache = path.iter().any(|part| part == "__pycache__");
    let mut places = ["/tmp", "/var/tmp", "/dev"].iter();
    is_cache || places.any(|place| path.starts_with(place))
}

/// `evidence` with a user without rights, `None` if there is one already, or why that cannot be.
pub(super) fn as_nonroot(
    evidence: &Evidence,
    config: &RunConfig,
    outcomes: &[ProbeOutcome],
) -> Result<Option<Evidence>, String> {
    if !is_root(&evidence.runtime.user) {
        return Ok(None);
    }
    if let Some(reason) = obstacle(config, outcomes) {
        return Err(format!("it cannot run as {NONROOT}: {reason}"));
    }
    let mut evidence = evidence.clone();
    NONROOT.clone_into(&mut evidence.runtime.user);
    evidence.facts.push(Fact {
        text: format!(
            "it runs as {NONROOT} in place of root: nothing that it writes is root's alone"
        ),
        origin: Origin::ImageConfig,
    });
    Ok(Some(evidence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_has_many_names() {
        for user in ["", "0", "root", "0:0", "root:adm"] {
            assert!(is_root(user), "{user}");
        }
        for user in ["1", "app", "65532:0"] {
            assert!(!is_root(user), "{user}");
        }
    }

    #[test]
    fn a_volume_stays_roots() {
        let mut config = RunConfig::default();
        assert_eq!(obstacle(&config, &[]), None);
        config.volumes.insert("/data".to_owned());
        let reason = obstacle(&config, &[]);
        assert!(reason.is_some_and(|reason| reason.contains("/data")));
    }

    #[test]
    fn caches_of_python_need_not_be_written() {
        for (path, expected) in [
            ("/tmp/x", true),
            ("/app/__pycache__/x.pyc", true),
            ("/app/data", false),
            ("/tmpfs", false),
        ] {
            assert_eq!(is_for_all(Path::new(path)), expected, "{path}");
        }
    }
}
