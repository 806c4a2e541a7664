//! `jettison pull`

use std::process::ExitCode;

use jettison_oci::{
    LayerNeed, Naming, PlatformNeed, PullRequest, Pulled, Reference, RegistryClient, RegistryError,
};

use crate::cli::{Global, ProgressKind, PullArgs};
use crate::commands::world;
use crate::failure::Failure;
use crate::output::{Look, Output};
use crate::printable::printable;
use crate::progress::{Progress, Reasons};
use crate::registry::{Registries, registry_failure};
use crate::surroundings::Surroundings;

pub(crate) fn run(
    global: &Global,
    args: &PullArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let reference = world::reference(&args.name)?;
    let platform = world::oci_platform(args.platform.as_deref())?;
    let settings = world::user_settings(surroundings)?;
    let registries = Registries::new(&settings.registries, surroundings, args.carrying.jobs);
    let client = registries.client();
    let store = world::store(&world::root(global, surroundings)?)?;
    let references = references(&client, args, &reference)?;
    for reference in &references {
        let request = PullRequest {
            reference,
            platform: &platform,
            platform_need: match args.platform {
                Some(_) => PlatformNeed::Exact,
                None => PlatformNeed::Preferred,
            },
            naming: Naming::Named,
            layers: LayerNeed::Now,
        };
        let progress = Progress::new(kind(global, args), Reasons::Untold);
        if shows(global, args) {
            let tag = reference.tag().unwrap_or("-");
            let from = world::familiar_repository(reference);
            output.note(Look::Plain, &format!("{tag}: Pulling from {from}"));
        }
        let pulled = client.pull(&store, &request, &progress);
        drop(progress);
        let pulled = pulled.map_err(|error| failure(reference, &error))?;
        if shows(global, args) {
            for line in report(reference, &pulled, &platform.id()) {
                output.note(Look::Plain, &printable(&line));
            }
        }
        output.line(&reference.to_string());
    }
    Ok(ExitCode::SUCCESS)
}

/// What is pulled: the one, or all tags of the repository.
fn references(
    client: &RegistryClient<'_>,
    args: &PullArgs,
    reference: &Reference,
) -> Result<Vec<Reference>, Failure> {
    if !args.all_tags {
        return Ok(vec![reference.clone()]);
    }
    let is_said = reference.digest().is_some() || args.name.ends_with(":latest");
    if is_said || reference.tag() != Some("latest") {
        return Err(Failure::user("all tags are meant, and one is named")
            .hint("leave the tag away, or --all-tags"));
    }
    let tags = client
        .tags(reference)
        .map_err(|error| failure(reference, &error))?;
    let references = tags.iter().map(|tag| {
        let name = format!("{}/{}:{tag}", reference.registry(), reference.repository());
        world::reference(&name)
    });
    references.collect()
}

fn failure(reference: &Reference, error: &RegistryError) -> Failure {
    registry_failure(format!("cannot pull {}", reference.familiar()), error)
}

/// What docker says at the end (moby: `writeStatus`, `distribution/pull_v2.go`).
fn report(reference: &Reference, pulled: &Pulled, platform: &str) -> Vec<String> {
    let name = reference.familiar();
    let status = if pulled.is_new {
        format!("Status: Downloaded newer image for {name}")
    } else {
        format!("Status: Image is up to date for {name}")
    };
    let mut lines = vec![format!("Digest: {}", pulled.digest), status];
    let own = pulled.image.platform();
    if !platform.starts_with(&format!("{}/{}", own.os, own.architecture)) {
        let own = own.id();
        lines.push(format!(
            "warning: the image is for {own}, and this host is {platform}"
        ));
    }
    lines
}

fn kind(global: &Global, args: &PullArgs) -> ProgressKind {
    if args.quiet {
        ProgressKind::Quiet
    } else {
        global.progress
    }
}

fn shows(global: &Global, args: &PullArgs) -> bool {
    match kind(global, args) {
        ProgressKind::Auto | ProgressKind::Tty | ProgressKind::Plain => true,
        ProgressKind::Quiet | ProgressKind::None | ProgressKind::Rawjson => false,
    }
}
