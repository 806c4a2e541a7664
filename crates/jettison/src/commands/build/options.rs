//! What the command line says about a build, as the engine takes it.

use std::path::PathBuf;

use jettison_build::LowerRequest;
use jettison_sandbox::Resources;

use crate::cli::{BuildArgs, BuildNetwork, CommandArgs, ExtraHosts};
use crate::failure::Failure;

/// Adds what commands are given to `lower`.
pub(super) fn add(args: &BuildArgs, lower: &mut LowerRequest) {
    lower.target.clone_from(&args.image.target);
    let hosts = args.commands.add_hosts.iter();
    lower.limits.extra_hosts = hosts
        .flat_map(|ExtraHosts(hosts)| hosts.iter().cloned())
        .collect();
    lower.limits.shm_size = args.commands.shm_size.filter(|size| *size > 0);
    // Of two limits of one name the last counts, and they come sorted (docker: `UlimitOpt.GetList`, opts/ulimit.go).
    let mut ulimits: Vec<(String, i64, i64)> = Vec::new();
    for ulimit in &args.commands.ulimits {
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
    let commands = &args.commands;
    let options = [
        ("--platform", !args.image.platforms.is_empty()),
        ("--build-context", !args.image.build_contexts.is_empty()),
        ("--label", !args.image.labels.is_empty()),
        ("--annotation", !args.image.annotations.is_empty()),
        ("--no-cache-filter", !args.cache.no_cache_filter.is_empty()),
        (
            "--cache-to mounts=true",
            args.cache.cache_to.iter().any(|export| export.has_mounts),
        ),
        ("--ca", commands.ca.is_some()),
        ("--network none", commands.network == BuildNetwork::None),
        ("--allow", !commands.allow.is_empty()),
        ("--shell-on-failure", commands.shell_on_failure),
    ];
    match options.iter().find(|(_, is_given)| *is_given) {
        Some((name, _)) => Err(Failure::user(format!("{name} is not supported yet"))),
        None => Ok(()),
    }
}
