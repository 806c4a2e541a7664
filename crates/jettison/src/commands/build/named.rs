//! `--build-context`: named contexts as the engine takes them.

use std::collections::BTreeMap;
use std::path::Path;

use jettison_build::{BuildContext, LowerRequest, NamedContext as Planned};

use crate::cli::BuildArgs;
use crate::commands::build_failure::build_failure;
use crate::failure::Failure;
use crate::remote::{HostRemotes, LayoutReference, NamedContext, NamedFiles, named_contexts};
use crate::source::Source;

/// The named contexts of a build.
#[derive(Debug, Default)]
pub(super) struct Named {
    contexts: BTreeMap<String, NamedContext>,
    /// Those that are directories, by name.
    directories: BTreeMap<String, BuildContext>,
    /// What was fetched for them lasts as long as the build.
    files: Vec<NamedFiles>,
}

impl Named {
    /// Reads the command line. Directories that are not there are said at once.
    pub(super) fn of(args: &BuildArgs) -> Result<Named, Failure> {
        let contexts = named_contexts(&args.image.build_contexts)?;
        Ok(Named {
            contexts,
            ..Named::default()
        })
    }

    /// Gets the files of those that have some, and tells `lower` of all.
    pub(super) fn open(
        &mut self,
        remotes: &HostRemotes<'_>,
        root: &Path,
        lower: &mut LowerRequest,
    ) -> Result<(), Failure> {
        for (name, context) in &self.contexts {
            let planned = match context.files(name, remotes, root)? {
                Some(files) => {
                    let opened = if files.has_ignore_file {
                        BuildContext::named(&files.root)
                    } else {
                        BuildContext::unfiltered(&files.root)
                    };
                    let source = || Source::new(name.clone(), String::new());
                    let opened = opened.map_err(|error| build_failure(&error, &source()))?;
                    self.directories.insert(name.clone(), opened);
                    self.files.push(files);
                    Planned::Directory
                }
                None => match context {
                    NamedContext::Target(stage) => Planned::Stage(stage.clone()),
                    NamedContext::Scratch
                    | NamedContext::Image(_)
                    | NamedContext::Layout(_)
                    | NamedContext::Debian(_)
                    | NamedContext::Directory(_)
                    | NamedContext::Repository(_)
                    | NamedContext::File(_) => Planned::Image(image_name(name, context)),
                },
            };
            lower.contexts.insert(name.clone(), planned);
        }
        Ok(())
    }

    /// The directories, by name.
    pub(super) fn directories(&self) -> BTreeMap<String, &BuildContext> {
        let directories = self.directories.iter();
        directories
            .map(|(name, context)| (name.clone(), context))
            .collect()
    }

    /// The images of layouts, by the name that the plan has for them.
    pub(super) fn layouts(&self) -> BTreeMap<String, LayoutReference> {
        let contexts = self.contexts.iter();
        contexts
            .filter_map(|(name, context)| match context {
                NamedContext::Layout(layout) => Some((image_name(name, context), layout.clone())),
                NamedContext::Directory(_)
                | NamedContext::Scratch
                | NamedContext::Image(_)
                | NamedContext::Debian(_)
                | NamedContext::Target(_)
                | NamedContext::Repository(_)
                | NamedContext::File(_) => None,
            })
            .collect()
    }
}

/// What the plan calls the image of a context.
fn image_name(name: &str, context: &NamedContext) -> String {
    match context {
        NamedContext::Scratch => "scratch".to_string(),
        NamedContext::Image(reference) => reference.familiar(),
        NamedContext::Debian(address) => address.clone(),
        // No image has such a name, so that no other can be meant.
        NamedContext::Layout(_)
        | NamedContext::Directory(_)
        | NamedContext::Target(_)
        | NamedContext::Repository(_)
        | NamedContext::File(_) => format!("oci-layout://{name}"),
    }
}
