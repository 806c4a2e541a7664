//! What the command line says about a build, as the engine takes it.

use jettison_build::LowerRequest;

use crate::cli::{BuildArgs, ExtraHosts, Resources};
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
pub(super) fn resources(args: &BuildArgs) -> Resources {
    let mut resources = Resources::default();
    let older = args.commands.old_resources.resources();
    for resource in older.chain(&args.commands.resources) {
        resources.add(resource);
    }
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
        ("--cache-from", !args.cache.cache_from.is_empty()),
        ("--cache-to", !args.cache.cache_to.is_empty()),
        ("--ca", commands.ca.is_some()),
        (
            "--network",
            commands.network != crate::cli::BuildNetwork::Default,
        ),
        ("--add-host", !commands.add_hosts.is_empty()),
        ("--allow", !commands.allow.is_empty()),
        ("--shm-size", commands.shm_size.is_some()),
        ("--ulimit", !commands.ulimits.is_empty()),
        ("--resource", resources(args) != Resources::default()),
        ("--cgroup-parent", commands.cgroup_parent.is_some()),
        ("--shell-on-failure", commands.shell_on_failure),
    ];
    match options.iter().find(|(_, is_given)| *is_given) {
        Some((name, _)) => Err(Failure::user(format!("{name} is not supported yet"))),
        None => Ok(()),
    }
}
