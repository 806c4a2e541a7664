//! `jettison inspect`

use std::collections::BTreeMap;
use std::process::ExitCode;

use jettison_oci::{Digest, Image, Origin, Reference, Store, TaggedImage};
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{PrettyFormatter, Serializer};

use crate::cli::{Global, InspectArgs};
use crate::commands::lookup::{self, names_of, repository};
use crate::commands::world;
use crate::failure::Failure;
use crate::listing;
use crate::output::{Look, Output};
use crate::printable::printable_json;
use crate::surroundings::Surroundings;
use crate::template::{Data, Field, Template, record};

pub(crate) fn run(
    global: &Global,
    args: &InspectArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    if let Some(kind) = args.kind.as_deref().filter(|kind| *kind != "image") {
        return Err(Failure::user(format!("there is no {kind} to be inspected"))
            .hint("there are only images here; leave --type out"));
    }
    if args.size {
        output.note(Look::Note, "--size: sizes are always shown");
    }
    let format = args.format.as_deref().map(str::trim);
    let template = match format {
        None | Some("" | "json") => None,
        Some(format) => {
            let template = Template::parse(format);
            let template = template.map_err(|error| listing::unusable(format, &error))?;
            Some((format, template))
        }
    };
    let store = world::store(&world::root(global, surroundings)?)?;
    let named = lookup::named(&store)?;
    let (mut shown, mut missing) = (Vec::new(), Vec::new());
    for name in &args.images {
        match lookup::look_up(&store, name)? {
            Some(found) => shown.push(inspected(&store, &found.image, &named)?),
            None => missing.push(name),
        }
    }
    match (&template, format) {
        (Some((format, template)), _) => {
            for data in &shown {
                let line = template.render(data);
                output.line(&line.map_err(|error| listing::unusable(format, &error))?);
            }
        }
        (None, Some("json")) => {
            for data in &shown {
                output.line(&listing::json(data)?);
            }
        }
        (None, _) => output.line(&pretty(&Data::List(shown))?),
    }
    let mut missing = missing.into_iter();
    let Some(last) = missing.next_back() else {
        return Ok(ExitCode::SUCCESS);
    };
    for name in missing {
        output.failure(&lookup::no_such_image(name));
    }
    Err(lookup::no_such_image(last))
}

/// JSON as docker prints it: four spaces a level.
fn pretty(data: &Data) -> Result<String, Failure> {
    let mut json = Vec::new();
    let formatter = PrettyFormatter::with_indent(b"    ");
    data.serialize(&mut Serializer::with_formatter(&mut json, formatter))
        .map_err(|error| Failure::user("cannot write JSON").because(&error))?;
    Ok(printable_json(&String::from_utf8_lossy(&json)))
}

/// What `docker image inspect` shows of an image, and its stored size. There are no directories to name.
fn inspected(store: &Store, image: &Image, all: &[TaggedImage]) -> Result<Data, Failure> {
    let config = image.config();
    let names = names_of(all, &image.id());
    let manifest = image.manifest_digest().0;
    let size = store.size(&manifest);
    let size = size.map_err(|error| Failure::user("cannot read the image").because(&error))?;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let comment = config
        .history
        .last()
        .and_then(|entry| entry.comment.clone());
    let extra = |name: &str| match config.extra.get(name) {
        Some(Value::String(text)) => text.clone(),
        _ => String::new(),
    };
    Ok(record([
        Field::always("Id", image.id().0.to_string()),
        Field::always("RepoTags", Data::texts(names.iter().filter_map(tagged))),
        Field::always(
            "RepoDigests",
            Data::texts(pinned(
                &names,
                &manifest,
                &store.origins(&image.manifest_digest()),
            )),
        ),
        Field::always("Parent", ""),
        Field::always("Comment", comment.unwrap_or_default()),
        Field::always("Created", text(&config.created)),
        Field::always("DockerVersion", extra("docker_version")),
        Field::always("Author", text(&config.author)),
        Field::always("Config", run_config(image)),
        Field::always("Architecture", config.architecture.as_str()),
        Field::if_set("Variant", text(&config.variant)),
        Field::always("Os", config.os.as_str()),
        Field::if_set("OsVersion", extra("os.version")),
        Field::always("Size", image.unpacked_size()),
        Field::always("StoredSize", image.stored_size().saturating_add(size)),
        Field::always(
            "RootFS",
            record([
                Field::always("Type", config.rootfs.kind.as_str()),
                Field::if_set(
                    "Layers",
                    Data::texts(config.rootfs.diff_ids.iter().map(|id| id.0.to_string())),
                ),
            ]),
        ),
        Field::always(
            "Descriptor",
            record([
                Field::always("mediaType", "application/vnd.oci.image.manifest.v1+json"),
                Field::always("digest", manifest.to_string()),
                Field::always("size", size),
            ]),
        ),
    ]))
}

fn tagged(reference: &Reference) -> Option<String> {
    reference.tag()?;
    Some(format!("{}:{}", repository(reference), reference.tag()?))
}

/// The repositories, each with the digest that the image has there; one that it has not come from, with that of its manifest here.
fn pinned(names: &[Reference], manifest: &Digest, origins: &[Origin]) -> Vec<String> {
    let from = |origin: &Origin| origin.pinned().map(|reference| reference.familiar());
    let mut pinned: Vec<String> = origins.iter().filter_map(from).collect();
    let is_elsewhere = |name: &&Reference| {
        let full = format!("{}/{}", name.registry(), name.repository());
        origins.iter().all(|origin| origin.repository != full)
    };
    let here = names.iter().filter(is_elsewhere);
    pinned.extend(here.map(|name| format!("{}@{manifest}", repository(name))));
    pinned.sort();
    pinned.dedup();
    pinned
}

/// How the image runs. Like docker since version 28, JSON leaves out what is not set.
fn run_config(image: &Image) -> Data {
    let config = &image.config().config;
    let list = |list: &Option<Vec<String>>| Data::texts(list.clone().unwrap_or_default());
    let keys = |keys: &std::collections::BTreeSet<String>| {
        let keys = keys
            .iter()
            .map(|key| (key.clone(), Data::Map(BTreeMap::new())));
        Data::Map(keys.collect())
    };
    let labels = config.labels.iter();
    let labels = labels.map(|(name, value)| (name.clone(), Data::from(value.as_str())));
    let health = config.healthcheck.clone().unwrap_or_default();
    record([
        Field::if_set("User", config.user.as_str()),
        Field::if_set("ExposedPorts", keys(&config.exposed_ports)),
        Field::if_set("Env", Data::texts(config.env.clone())),
        Field::if_set("Entrypoint", list(&config.entrypoint)),
        Field::if_set("Cmd", list(&config.cmd)),
        Field::if_set("Healthcheck", Data::from(health)),
        Field::if_set("ArgsEscaped", config.args_escaped),
        Field::if_set("Volumes", keys(&config.volumes)),
        Field::if_set("WorkingDir", config.working_dir.as_str()),
        Field::if_set("OnBuild", Data::texts(config.on_build.clone())),
        Field::if_set("Labels", Data::Map(labels.collect())),
        Field::if_set("StopSignal", config.stop_signal.clone().unwrap_or_default()),
        Field::if_set("Shell", list(&config.shell)),
    ])
}
