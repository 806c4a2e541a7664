//! Steps that copy files and make directories.

use std::path::PathBuf;

use jettison_oci::{Layer, LayerWriter};
use jettison_sandbox::IdMapKind;

use crate::build::Keep;
use crate::build::ahead::StepKey;
use crate::build::layers::LAYER_OPTIONS;
use crate::build::overwritten::LayerPaths;
use crate::build::step::{StepRun, located};
use crate::cache::{definition_key, with_contents};
use crate::context::ContentIndex;
use crate::error::{BuildError, with_causes};
use crate::exec::{
    Changes, CopyFailure, CopyWork, Fetched, Merged, MissingPath, Outputs, Owners, Source, workdir,
};
use crate::plan::{
    CopyDefinition, CopyFrom, CopyItem, Definition, Input, Step, StepId, WorkdirDefinition,
};
use crate::snapshot::{Active, Snapshot};

/// What a step has written besides its directory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written {
    pub(crate) layer: Option<Layer>,
    /// What is in the layer, if that is all there is and other steps of the image may have had it before.
    pub(crate) paths: Option<LayerPaths>,
}

impl StepRun<'_> {
    /// A copy's key. One from another step has its definition key as another name.
    pub(crate) fn copy_key(
        &self,
        (id, step): (StepId, &Step),
        copy: &CopyDefinition,
    ) -> Result<StepKey, BuildError> {
        let key_of = |input| self.input_key(input);
        let alias = match copy.from {
            CopyFrom::Context | CopyFrom::Named(_) => {
                let key = |work: &CopyWork<'_>| Ok(self.context_key((id, step), copy, work));
                return self.with_sources(step, copy, Purpose::Key, key)?;
            }
            CopyFrom::Input(_) => definition_key(step, &key_of).key(),
        };
        if let Some(text) = self.known_alias(step, &alias) {
            return Ok(StepKey {
                alias: Some((alias, true)),
                ..StepKey::from(text)
            });
        }
        let parent = self.input_key(step.parent);
        self.with_sources(step, copy, Purpose::Key, |work| {
            let contents = work.contents(work.known())?;
            Ok(StepKey {
                alias: Some((alias, false)),
                ..StepKey::from(with_contents(copy, &parent, &contents))
            })
        })
    }

    pub(crate) fn copy(
        &self,
        (id, step): (StepId, &Step),
        copy: &CopyDefinition,
        lowers: &[PathBuf],
        active: &Snapshot<Active>,
    ) -> Result<Written, BuildError> {
        let below = merged(lowers)?;
        self.with_sources(step, copy, Purpose::Copy, |work| {
            let changes = work.onto(&below, &active.work())?;
            self.write(id, &changes, active, None)
        })
    }

    pub(crate) fn workdir(
        &self,
        (id, step): (StepId, &Step),
        definition: &WorkdirDefinition,
        lowers: &[PathBuf],
        active: &Snapshot<Active>,
    ) -> Result<Written, BuildError> {
        let below = merged(lowers)?;
        workdir(definition, &below)
            .and_then(|changes| self.write(id, &changes, active, None))
            .map_err(|failure| copy_error(step, &failure))
    }

    /// Whether somebody needs the files of a step in a directory, and not only its layer.
    pub(crate) fn needs_files(&self, id: StepId) -> bool {
        let is_input = |step: &Step| step.inputs().contains(&id);
        self.request.keep != Keep::Image
            || !self.layers.wants(id)
            || self.plan.steps.iter().any(is_input)
    }

    /// Writes changes in the forms that are needed, reading every file once and telling `index` what it holds. Gives the layer
    /// if that is one, and its paths if it is the only one.
    pub(super) fn write(
        &self,
        id: StepId,
        changes: &Changes,
        active: &Snapshot<Active>,
        index: Option<&ContentIndex>,
    ) -> Result<Written, CopyFailure> {
        // Where files cannot be given to others, the layer alone says whose they are.
        let (owners, is_layer_needed) = match self.engine.entered.ids {
            IdMapKind::SingleId => (Owners::Squashed, true),
            IdMapKind::Root | IdMapKind::SubordinateIds { .. } => {
                (Owners::Exact, self.layers.wants(id))
            }
        };
        let mut layer = is_layer_needed
            .then(|| LayerWriter::new(self.engine.store, &LAYER_OPTIONS))
            .transpose()
            .map_err(CopyFailure::Layer)?;
        let upper = active.fs();
        let needs_files = self.needs_files(id);
        changes.write(Outputs {
            upper: needs_files.then_some((&upper, owners)),
            layer: layer.as_mut(),
            index,
        })?;
        let layer = layer.map(LayerWriter::finish).transpose();
        let is_alone = self.layers.n_wanted() == 1;
        Ok(Written {
            layer: layer.map_err(CopyFailure::Layer)?,
            paths: (!needs_files && !is_alone).then(|| LayerPaths::of(changes)),
        })
    }

    /// Finds the sources of a copy and gives them to `use_them`.
    fn with_sources<T>(
        &self,
        step: &Step,
        copy: &CopyDefinition,
        purpose: Purpose,
        use_them: impl FnOnce(&CopyWork<'_>) -> Result<T, CopyFailure>,
    ) -> Result<T, BuildError> {
        let stage;
        let missing = match copy.from {
            CopyFrom::Input(input)
                if input == Input::Scratch || (input == step.parent && !copy.is_linked) =>
            {
                MissingPath::FoundLate
            }
            CopyFrom::Input(_) | CopyFrom::Context | CopyFrom::Named(_) => MissingPath::FoundEarly,
        };
        let beside = self.copied_from(&copy.from);
        let source = match &copy.from {
            CopyFrom::Context => self.contexts.main()?,
            CopyFrom::Named(name) => self.contexts.named(name)?.ok_or_else(|| {
                let message = format!("the named context `{name}` is not a directory");
                located(step, message)
            })?,
            CopyFrom::Input(input) => {
                stage = merged(&self.lowers_of(*input)?)?;
                Source::Files(&stage)
            }
        };
        self.fetch_sources(copy, purpose)
            .and_then(|fetched| {
                use_them(&CopyWork::prepare(
                    copy,
                    (source, missing),
                    &beside,
                    &fetched,
                )?)
            })
            .map_err(|failure| copy_error(step, &failure))
    }

    /// The paths and patterns of all copies from the same context.
    fn copied_from(&self, from: &CopyFrom) -> Vec<&str> {
        let is_same = |other: &CopyFrom| match (from, other) {
            (CopyFrom::Context, CopyFrom::Context) => true,
            (CopyFrom::Named(name), CopyFrom::Named(other)) => name == other,
            (CopyFrom::Context | CopyFrom::Named(_) | CopyFrom::Input(_), _) => false,
        };
        let copies = self
            .plan
            .steps
            .iter()
            .filter_map(|step| match &step.definition {
                Definition::Copy(copy) if is_same(&copy.from) => Some(copy),
                Definition::Copy(_) | Definition::Run(_) | Definition::Workdir(_) => None,
            });
        let items = copies.flat_map(|copy| &copy.sources);
        items
            .filter_map(|item| match item {
                CopyItem::Path(path) => Some(path.as_str()),
                CopyItem::Text { .. } | CopyItem::File(_) | CopyItem::Git(_) => None,
            })
            .collect()
    }

    /// Fetches those sources that are addresses.
    fn fetch_sources(
        &self,
        copy: &CopyDefinition,
        purpose: Purpose,
    ) -> Result<Vec<Fetched>, CopyFailure> {
        let remotes = self.request.remotes;
        let mut fetched = Vec::new();
        for item in &copy.sources {
            match item {
                CopyItem::Path(_) | CopyItem::Text { .. } => {}
                CopyItem::File(request) => {
                    let file = remotes.file(request);
                    let failed = |error| CopyFailure::Fetch(request.url.clone(), error);
                    fetched.push(Fetched::File(file.map_err(failed)?));
                }
                CopyItem::Git(request) => {
                    let failed = |error| CopyFailure::Fetch(request.remote.clone(), error);
                    fetched.push(match purpose {
                        Purpose::Key => Fetched::Commit(remotes.commit(request).map_err(failed)?),
                        Purpose::Copy => Fetched::Git(remotes.git(request).map_err(failed)?),
                    });
                }
            }
        }
        Ok(fetched)
    }
}

/// What sources are found for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Key,
    Copy,
}

pub(super) fn merged(lowers: &[PathBuf]) -> Result<Merged, BuildError> {
    let root = lowers.first().cloned().unwrap_or_default();
    Merged::open(lowers).map_err(|source| BuildError::io("open", &root, source))
}

pub(super) fn copy_error(step: &Step, failure: &CopyFailure) -> BuildError {
    let mut error = located(step, with_causes(failure));
    if let (BuildError::Copy(located), CopyFailure::Context(context)) = (&mut error, failure) {
        located.hints.extend(context.hint().map(str::to_owned));
    }
    error
}
