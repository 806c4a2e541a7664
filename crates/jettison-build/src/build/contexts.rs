//! The build contexts as one build sees them: each is walked once, and what its files hash to is remembered.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::build::{BuildRequest, Engine};
use crate::context::{BuildContext, ContentIndex, ContextTree};
use crate::error::BuildError;
use crate::exec::{PlainFiles, Source};

/// The contexts of one build, opened when they are needed.
pub(crate) struct Contexts<'a> {
    engine: &'a Engine<'a>,
    main: Context<'a>,
    named: BTreeMap<&'a str, Context<'a>>,
}

struct Context<'a> {
    files: &'a BuildContext,
    opened: OnceLock<(ContextTree<'a>, ContentIndex)>,
    /// The files of one that was unpacked; they are as new as the build.
    plain: OnceLock<PlainFiles<'a>>,
}

impl<'a> Contexts<'a> {
    pub(crate) fn new(engine: &'a Engine<'a>, request: &'a BuildRequest<'a>) -> Contexts<'a> {
        let named = request.named.iter();
        Contexts {
            engine,
            main: Context::new(request.context),
            named: named
                .map(|(name, context)| (name.as_str(), Context::new(context)))
                .collect(),
        }
    }

    /// The build context.
    pub(crate) fn main(&self) -> Result<Source<'_>, BuildError> {
        self.main.source(self.engine)
    }

    /// The named context `name`, if it is a directory.
    pub(crate) fn named(&self, name: &str) -> Result<Option<Source<'_>>, BuildError> {
        let context = self.named.get(name);
        context
            .map(|context| context.source(self.engine))
            .transpose()
    }

    /// Keeps what was found out. That it cannot be kept costs the next build time and nothing else.
    pub(crate) fn save(&self) {
        for context in self.named.values().chain([&self.main]) {
            if let Some((_, index)) = context.opened.get() {
                index.save().unwrap_or_default();
            }
        }
    }
}

impl<'a> Context<'a> {
    fn new(context: &'a BuildContext) -> Context<'a> {
        Context {
            files: context,
            opened: OnceLock::new(),
            plain: OnceLock::new(),
        }
    }

    fn source(&self, engine: &Engine<'_>) -> Result<Source<'_>, BuildError> {
        let root = self.files.root();
        let failed = |source| BuildError::io("open", root, source);
        if self.files.keeps_owners() {
            if let Some(plain) = self.plain.get() {
                return Ok(Source::Files(plain));
            }
            let plain = PlainFiles::open(root, None).map_err(failed)?;
            return Ok(Source::Files(self.plain.get_or_init(|| plain)));
        }
        if self.opened.get().is_none() {
            let tree = ContextTree::open(self.files).map_err(failed)?;
            let index = ContentIndex::open(engine.store.root(), root, tree.root());
            let opened = (tree, index.map_err(failed)?);
            // If another thread was faster, its tree is as good.
            drop(self.opened.set(opened));
        }
        let Some((tree, index)) = self.opened.get() else {
            return Err(BuildError::Internal("a context was not opened"));
        };
        Ok(Source::Context {
            context: self.files,
            tree,
            index,
        })
    }
}
