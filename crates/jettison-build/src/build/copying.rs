//! Steps that copy files and make directories.

use std::path::PathBuf;

use crate::build::step::{StepRun, located};
use crate::cache::{CacheKey, KeyText, definition_key, with_contents};
use crate::error::BuildError;
use crate::exec::{
    Changes, CopyFailure, CopyWork, Files, Merged, NoDigests, Outputs, Owners, PlainFiles, Source,
    workdir,
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
        self.with_sources(step, copy, |work| {
            let contents = work.contents(&NoDigests)?;
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
        self.with_sources(step, copy, |work| {
            let changes = work.onto(&below)?;
            write(&changes, active)
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
            .and_then(|changes| write(&changes, active))
            .map_err(|failure| copy_error(step, &failure))
    }

    /// Finds the sources of a copy and gives them to `use_them`.
    fn with_sources<T>(
        &self,
        step: &Step,
        copy: &CopyDefinition,
        use_them: impl FnOnce(&CopyWork<'_>) -> Result<T, CopyFailure>,
    ) -> Result<T, BuildError> {
        let is_remote = |item: &CopyItem| matches!(item, CopyItem::File(_) | CopyItem::Git(_));
        if copy.sources.iter().any(is_remote) {
            let message = "sources on the network are not supported yet";
            return Err(located(step, message.to_string()));
        }
        let context = self.request.context;
        let (stage, plain);
        let (files, keeps_owners): (&dyn Files, bool) = match copy.from {
            CopyFrom::Context | CopyFrom::Named(_) => {
                plain = PlainFiles::open(context.root(), context.ignore())
                    .map_err(|source| BuildError::io("open", context.root(), source))?;
                (&plain, false)
            }
            CopyFrom::Input(input) => {
                stage = merged(&self.lowers_of(input)?)?;
                (&stage, true)
            }
        };
        let source = Source {
            files,
            keeps_owners,
        };
        CopyWork::prepare(copy, source, &[])
            .and_then(|work| use_them(&work))
            .map_err(|failure| copy_error(step, &failure))
    }
}

fn merged(lowers: &[PathBuf]) -> Result<Merged, BuildError> {
    let root = lowers.first().cloned().unwrap_or_default();
    Merged::open(lowers).map_err(|source| BuildError::io("open", &root, source))
}

fn write(changes: &Changes, active: &Snapshot<Active>) -> Result<(), CopyFailure> {
    let upper = active.fs();
    let outputs = Outputs {
        upper: Some((&upper, Owners::Exact)),
        layer: None,
    };
    changes.write(outputs, &NoDigests).map(drop)
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
