//! Steps that copy files and make directories.

use std::path::{Path, PathBuf};

use crate::build::step::{StepRun, located};
use crate::cache::{CacheKey, KeyText, definition_key, with_contents};
use crate::error::BuildError;
use crate::exec::{
    Changes, CopyFailure, CopyWork, Digests, Files, LastLink, Lookup, Merged, NoDigests, Outputs,
    Owners, Source, resolve, workdir,
};
use crate::plan::{CopyDefinition, CopyFrom, CopyItem, Step, WorkdirDefinition};
use crate::snapshot::{Active, Snapshot};

impl StepRun<'_> {
    /// The key's text; for a copy from another step also the definition key that stands for it.
    pub(crate) fn copy_key(
        &self,
        step: &Step,
        copy: &CopyDefinition,
    ) -> Result<(Option<(CacheKey, bool)>, KeyText), BuildError> {
        let key_of = |input| self.input_key(input);
        let alias = match copy.from {
            CopyFrom::Context | CopyFrom::Named(_) => None,
            CopyFrom::Input(_) => Some(definition_key(step, &key_of).key()),
        };
        if let Some(alias) = alias
            && let Some(text) = self.known_alias(&alias)
        {
            return Ok((Some((alias, true)), text));
        }
        let parent = self.input_key(step.parent);
        self.with_sources(step, copy, |work, digests| {
            let contents = work.contents(digests)?;
            let alias = alias.map(|alias| (alias, false));
            Ok((alias, with_contents(copy, &parent, &contents)))
        })
    }

    pub(crate) fn copy(
        &self,
        step: &Step,
        copy: &CopyDefinition,
        lowers: &[PathBuf],
        active: &Snapshot<Active>,
    ) -> Result<(), BuildError> {
        let below = merged(lowers)?;
        self.with_sources(step, copy, |work, digests| {
            let changes = work.onto(&below)?;
            write(&changes, active, digests)
        })
    }

    pub(crate) fn workdir(
        &self,
        step: &Step,
        definition: &WorkdirDefinition,
        lowers: &[PathBuf],
        active: &Snapshot<Active>,
    ) -> Result<(), BuildError> {
        let below = merged(lowers)?;
        workdir(definition, &below)
            .and_then(|changes| write(&changes, active, &NoDigests))
            .map_err(|failure| copy_error(step, &failure))
    }

    /// Whether there is a `path` in the file system of `lowers`.
    pub(crate) fn has(&self, lowers: &[PathBuf], path: &str) -> Result<bool, BuildError> {
        let merged = merged(lowers)?;
        let found = resolve(&merged, Path::new(path), LastLink::Followed)
            .and_then(|real| merged.node(&real));
        let root = lowers.first().cloned().unwrap_or_default();
        let found = found.map_err(|source| BuildError::io("look into", &root, source))?;
        Ok(found.is_some())
    }

    /// Finds the sources of a copy and gives them to `use_them`.
    fn with_sources<T>(
        &self,
        step: &Step,
        copy: &CopyDefinition,
        use_them: impl FnOnce(&CopyWork<'_>, &dyn Digests) -> Result<T, CopyFailure>,
    ) -> Result<T, BuildError> {
        let is_remote = |item: &CopyItem| matches!(item, CopyItem::File(_) | CopyItem::Git(_));
        if copy.sources.iter().any(is_remote) {
            let message = "sources on the network are not supported yet";
            return Err(located(step, message.to_string()));
        }
        let (stage, context);
        let (files, keeps_owners, digests): (&dyn Files, bool, &dyn Digests) = match &copy.from {
            CopyFrom::Context => {
                context = self.contexts.get(self.request.context)?;
                (&*context, false, &*context)
            }
            CopyFrom::Named(name) => {
                let Some(named) = self.request.named.get(name) else {
                    return Err(located(step, format!("there is no context `{name}`")));
                };
                context = self.contexts.get(named)?;
                (&*context, false, &*context)
            }
            CopyFrom::Input(input) => {
                stage = merged(&self.lowers_of(*input)?)?;
                (&stage, true, &NoDigests)
            }
        };
        let source = Source {
            files,
            keeps_owners,
        };
        CopyWork::prepare(copy, source, &[])
            .and_then(|work| use_them(&work, digests))
            .map_err(|failure| copy_error(step, &failure))
    }
}

fn merged(lowers: &[PathBuf]) -> Result<Merged, BuildError> {
    let root = lowers.first().cloned().unwrap_or_default();
    Merged::open(lowers).map_err(|source| BuildError::io("open", &root, source))
}

fn write(
    changes: &Changes,
    active: &Snapshot<Active>,
    digests: &dyn Digests,
) -> Result<(), CopyFailure> {
    let upper = active.fs();
    let outputs = Outputs {
        upper: Some((&upper, Owners::Exact)),
        layer: None,
    };
    changes.write(outputs, digests).map(drop)
}

fn copy_error(step: &Step, failure: &CopyFailure) -> BuildError {
    let mut message = failure.to_string();
    let mut cause = std::error::Error::source(failure);
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    located(step, message)
}
