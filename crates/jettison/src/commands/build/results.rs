//! What becomes of images that were built: their names, and the files that are written.

use std::io::{self, IsTerminal};
use std::path::Path;

use jettison_build::{Built, Engine};
use jettison_oci::{
    Exported, LocalMode, Reference, RegistryClient, Store, export_rootfs_directory,
    export_rootfs_tar,
};

use crate::cli::{
    Annotation, BuildArgs, Entitlement, FileDest, ImageAttributes, OutputKind, OutputSpec,
    ProgressKind,
};
use crate::commands::build::export::{self, Export};
use crate::commands::build::{metadata, tag};
use crate::commands::{layers, world};
use crate::daemon::{self, Daemon};
use crate::failure::Failure;
use crate::surroundings::Surroundings;
use crate::text_file::{check_destination, write};

/// What is asked for.
#[derive(Debug)]
pub(super) struct Results<'a> {
    pub(super) tags: Vec<Reference>,
    outputs: Vec<OutputSpec>,
    /// Where images are loaded into, if they are.
    daemon: Option<Daemon>,
    annotations: Vec<Annotation>,
    iidfile: Option<&'a Path>,
    metadata_file: Option<&'a Path>,
}

/// The way to registries and daemons, and what they have said.
pub(super) struct Outward<'a> {
    pub(super) client: &'a RegistryClient<'a>,
    pub(super) progress: ProgressKind,
    pub(super) notes: Vec<String>,
}

/// Where results have gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// Standard output is taken.
    Stdout,
    Elsewhere,
}

impl<'a> Results<'a> {
    /// Reads what the command line asks for.
    pub(super) fn of(
        args: &'a BuildArgs,
        surroundings: &Surroundings,
    ) -> Result<Results<'a>, Failure> {
        let mut outputs = args.output.outputs.clone();
        let short = [
            (args.output.load, OutputKind::Load),
            (args.output.push, OutputKind::Registry),
        ];
        for (_, kind) in short.into_iter().filter(|(is_given, _)| *is_given) {
            outputs.push(OutputSpec {
                kind,
                attributes: ImageAttributes::default(),
            });
        }
        let loads = outputs.iter().any(|output| output.kind == OutputKind::Load);
        let daemon = loads.then(|| daemon::find(surroundings)).transpose();
        let daemon = daemon.map_err(|failure| {
            failure.hint("`-o type=docker,dest=FILE` writes what `docker load -i FILE` takes")
        })?;
        let names = outputs.iter().filter_map(|output| match output.kind {
            OutputKind::Image => Some(&output.attributes.names),
            OutputKind::Local { .. }
            | OutputKind::Tar(_)
            | OutputKind::OciArchive(_)
            | OutputKind::OciLayout(_)
            | OutputKind::Docker(_)
            | OutputKind::Load
            | OutputKind::Registry
            | OutputKind::CacheOnly => None,
        });
        let tags = args.image.tags.iter().chain(names.flatten());
        let annotations = args.image.annotations.iter();
        let results = Results {
            tags: tags
                .map(|tag| world::reference(tag))
                .collect::<Result<_, _>>()?,
            daemon,
            outputs,
            annotations: annotations.flat_map(|list| list.0.clone()).collect(),
            iidfile: args.output.iidfile.as_deref(),
            metadata_file: args.output.metadata_file.as_deref(),
        };
        results.check_outputs(args)?;
        results.check_names()?;
        Ok(results)
    }

    fn check_outputs(&self, args: &BuildArgs) -> Result<(), Failure> {
        let to_stdout = |output: &&OutputSpec| file_dest(output) == Some(&FileDest::Stdout);
        if self.outputs.iter().filter(to_stdout).count() > 1 {
            return Err(Failure::user("only one output can go to standard output"));
        }
        if self.outputs.iter().any(|output| to_stdout(&output)) && io::stdout().is_terminal() {
            return Err(Failure::user("an archive is not written to a terminal")
                .hint("give a file with `dest=FILE`, or redirect standard output"));
        }
        let deletes = self.outputs.iter().any(|output| match output.kind {
            OutputKind::Local { deletes, .. } => deletes,
            OutputKind::Tar(_)
            | OutputKind::OciArchive(_)
            | OutputKind::OciLayout(_)
            | OutputKind::Docker(_)
            | OutputKind::Load
            | OutputKind::Registry
            | OutputKind::Image
            | OutputKind::CacheOnly => false,
        });
        if deletes && !args.commands.allow.contains(&Entitlement::LocalDelete) {
            return Err(
                Failure::user("mode=delete removes files, which has to be allowed")
                    .hint("add `--allow buildx.local.delete`"),
            );
        }
        Ok(())
    }

    /// A push needs names.
    fn check_names(&self) -> Result<(), Failure> {
        let pushes = |output: &&OutputSpec| output.kind == OutputKind::Registry;
        for output in self.outputs.iter().filter(pushes) {
            if self.tags.is_empty() && output.attributes.names.is_empty() {
                return Err(Failure::user("an image without a name cannot be pushed")
                    .hint("add `-t HOST/NAME:TAG`, or name=HOST/NAME:TAG to the output"));
            }
        }
        Ok(())
    }

    /// Says early what cannot be written.
    pub(super) fn check(&self, dockerfile: &Path) -> Result<(), Failure> {
        let archives = self
            .outputs
            .iter()
            .filter_map(|output| match file_dest(output) {
                Some(FileDest::Path(path)) => Some(path.as_path()),
                Some(FileDest::Stdout) | None => None,
            });
        for path in archives.chain(self.iidfile).chain(self.metadata_file) {
            check_destination(path, dockerfile)?;
        }
        Ok(())
    }

    /// Names the image, and writes everything.
    pub(super) fn write(
        &self,
        engine: &Engine<'_>,
        builds: &[Built],
        out: &mut Outward<'_>,
    ) -> Result<Written, Failure> {
        let Some(main) = builds
            .iter()
            .find(|built| is_hosts(built))
            .or(builds.first())
        else {
            return Ok(Written::Elsewhere);
        };
        let is_kept = |output: &OutputSpec| output.kind != OutputKind::CacheOnly;
        if self.outputs.is_empty() || self.outputs.iter().any(is_kept) {
            // A name stands for one image: of several platforms' that of this host.
            tag(engine.store, &self.tags, &main.image)?;
        }
        let mut exported: Option<Exported> = None;
        let mut written = Written::Elsewhere;
        for output in &self.outputs {
            if file_dest(output) == Some(&FileDest::Stdout) {
                written = Written::Stdout;
            }
            let done = self.write_one(engine, builds, output, out)?;
            exported = exported.or(done);
        }
        if let Some(path) = self.iidfile {
            let id = match &exported {
                Some(exported) if builds.len() > 1 => exported.descriptor.digest,
                Some(_) | None => main.image.id().0,
            };
            write(path, &id.to_string())?;
        }
        if let Some(path) = self.metadata_file {
            let descriptor = exported.map(|exported| exported.descriptor);
            write(
                path,
                &metadata::metadata(builds, main, &self.tags, descriptor),
            )?;
        }
        Ok(written)
    }

    fn write_one(
        &self,
        engine: &Engine<'_>,
        builds: &[Built],
        output: &OutputSpec,
        out: &mut Outward<'_>,
    ) -> Result<Option<Exported>, Failure> {
        let with_layers;
        let builds = if needs_layers(&output.kind) {
            with_layers = out.complete(engine.store, builds)?;
            &with_layers
        } else {
            builds
        };
        let export = Export {
            store: engine.store,
            builds,
            tags: &self.tags,
            annotations: &self.annotations,
            attributes: &output.attributes,
        };
        match &output.kind {
            OutputKind::Image | OutputKind::CacheOnly => Ok(None),
            OutputKind::OciLayout(path) => export.layout(path).map(Some),
            OutputKind::OciArchive(dest) => export.archive(dest, export::Kind::Oci).map(Some),
            OutputKind::Docker(dest) => export.archive(dest, export::Kind::Docker).map(Some),
            OutputKind::Registry => export.push(out).map(Some),
            OutputKind::Load => match &self.daemon {
                Some(daemon) => export.load(daemon, &mut out.notes).map(Some),
                None => Ok(None),
            },
            OutputKind::Tar(dest) => {
                let images = export.rootfs(None);
                export::to_sink(dest, |sink| {
                    export_rootfs_tar(engine.store, &images, &export.rootfs_settings(), sink)
                })?;
                Ok(None)
            }
            OutputKind::Local {
                dest,
                deletes,
                splits,
            } => {
                let images = export.rootfs(*splits);
                let mode = if *deletes {
                    LocalMode::Delete
                } else {
                    LocalMode::Copy
                };
                let settings = export.rootfs_settings();
                export_rootfs_directory(engine.store, &images, &settings, dest, mode).map_err(
                    |error| Failure::user("cannot write the image's files").because(&error),
                )?;
                Ok(None)
            }
        }
    }
}

impl Outward<'_> {
    /// The builds, with all layers of their images in the store.
    fn complete(&self, store: &Store, builds: &[Built]) -> Result<Vec<Built>, Failure> {
        let complete = |built: &Built| {
            let image = (&built.image, "the image");
            Ok(Built {
                image: layers::complete_by(self.client, store, image, self.progress)?,
                ..built.clone()
            })
        };
        builds.iter().map(complete).collect()
    }
}

/// Whether the files of the base are written too. A registry may have them, and the store can do without.
fn needs_layers(kind: &OutputKind) -> bool {
    match kind {
        OutputKind::Local { .. }
        | OutputKind::Tar(_)
        | OutputKind::OciLayout(_)
        | OutputKind::OciArchive(_)
        | OutputKind::Docker(_)
        | OutputKind::Load => true,
        OutputKind::Registry | OutputKind::Image | OutputKind::CacheOnly => false,
    }
}

/// Says whether an image is for this host.
fn is_hosts(built: &Built) -> bool {
    built.image.config().architecture == Surroundings::architecture()
}

/// The one file that an output is, if it is one.
fn file_dest(output: &OutputSpec) -> Option<&FileDest> {
    match &output.kind {
        OutputKind::Tar(dest) | OutputKind::OciArchive(dest) | OutputKind::Docker(dest) => {
            Some(dest)
        }
        OutputKind::Local { .. }
        | OutputKind::OciLayout(_)
        | OutputKind::Load
        | OutputKind::Registry
        | OutputKind::Image
        | OutputKind::CacheOnly => None,
    }
}
