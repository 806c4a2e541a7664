//! What the command line says about a build, as the engine takes it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use jettison_build::{Entitlement, LowerRequest, RunNetwork};
use jettison_sandbox::Resources;

use crate::cli::{BuildArgs, BuildNetwork, CommandArgs, Entitlement as Allowed, ExtraHosts};
use crate::commands::build::platforms;
use crate::failure::Failure;

/// Adds what the command line says about the plan to `lower`.
pub(super) fn add(args: &BuildArgs, lower: &mut LowerRequest) {
    lower.target.clone_from(&args.image.target);
    let labels = args.image.labels.iter();
    lower.labels = labels
        .map(|label| (label.key.clone(), label.value.clone()))
        .collect();
    let stages = args.cache.no_cache_filter.iter();
    lower.uncached_stages = stages.filter(|name| !name.is_empty()).cloned().collect();
    lower.runnable = platforms::runnable();
    lower.network = match args.commands.network {
        BuildNetwork::Default => RunNetwork::Default,
        BuildNetwork::Host => RunNetwork::Host,
        BuildNetwork::None => RunNetwork::None,
    };
    lower.allowed = allowed(&args.commands);
    add_limits(&args.commands, lower);
}

/// What the Dockerfile may ask for. Who gives commands the host's network allows it (buildx: `toSolveOpt`, build/opt.go).
fn allowed(args: &CommandArgs) -> BTreeSet<Entitlement> {
    let entitlements = args.allow.iter().filter_map(|allowed| match allowed {
        Allowed::NetworkHost => Some(Entitlement::NetworkHost),
        Allowed::SecurityInsecure => Some(Entitlement::SecurityInsecure),
        Allowed::Device(_) | Allowed::LocalDelete => None,
    });
    let by_network = match args.network {
        BuildNetwork::Host => Some(Entitlement::NetworkHost),
        BuildNetwork::Default | BuildNetwork::None => None,
    };
    entitlements.chain(by_network).collect()
}

/// Adds what every command is given.
fn add_limits(args: &CommandArgs, lower: &mut LowerRequest) {
    let hosts = args.add_hosts.iter();
    lower.limits.extra_hosts = hosts
        .flat_map(|ExtraHosts(hosts)| hosts.iter().cloned())
        .collect();
    lower.limits.shm_size = args.shm_size.filter(|size| *size > 0);
    // Of two limits of one name the last counts, and they come sorted (docker: `UlimitOpt.GetList`, opts/ulimit.go).
    let mut ulimits: Vec<(String, i64, i64)> = Vec::new();
    for ulimit in &args.ulimits {
        ulimits.retain(|(name, _, _)| name != ulimit.name);
        ulimits.push((ulimit.name.to_string(), ulimit.soft, ulimit.hard));
    }
    ulimits.sort();
    lower.limits.ulimits = ulimits;
}

/// What commands may use at most. `--resource` goes before the older options (buildx: `legacyResourceValue`,
/// commands/build.go).
pub(super) fn resources(args: &CommandArgs) -> Resources {
    let mut resources = Resources::UNLIMITED;
    for resource in args.old_resources.resources().chain(&args.resources) {
        resource.limit(&mut resources);
    }
    resources.parent = args.cgroup_parent.as_ref().map(PathBuf::from);
    resources
}

/// Refuses options that are understood but do nothing yet.
pub(super) fn refuse_unbuilt(args: &BuildArgs) -> Result<(), Failure> {
    let is_device = |allowed: &Allowed| matches!(allowed, Allowed::Device(_));
    if args.commands.allow.iter().any(is_device) {
        return Err(Failure::user("--allow device is not supported yet")
            .hint("leave it out: the build does the rest without it"));
    }
    Ok(())
}
