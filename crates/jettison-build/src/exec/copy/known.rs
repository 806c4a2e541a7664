//! What is known of the files of a context that are to be copied, before any of them is opened.

use std::os::unix::ffi::OsStrExt;

use crate::context::{ContentIndex, Contents, ContextTree, EntryKind};
use crate::exec::copy::contents::write_to;
use crate::exec::copy::select::{Inside, Selected};
use crate::exec::copy::walked::Walked;
use crate::exec::copy::{CopyFailure, CopyWork, Source};

/// What is known of the files of contexts, for each source that is one's: their contents, and the numbers of those that have to
/// be read.
#[derive(Debug)]
pub(crate) struct Known(pub(super) Vec<Option<(Contents, Vec<usize>)>>);

/// What has to be read of contexts before everything is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unread {
    pub(crate) n_files: usize,
    pub(crate) n_bytes: u64,
    /// Whether one of the files has been known with another content.
    pub(crate) is_rewritten: bool,
}

impl CopyWork<'_> {
    /// What indexes know of the files of contexts. Opens nothing.
    pub(crate) fn known(&self) -> Known {
        let known = self.selected.iter().map(|selected| {
            let (walked, _, index) = self.in_context(selected)?;
            let contents = Contents::known(&walked.entries, index);
            let mut unknown = contents.unknown(&walked.entries);
            unknown.retain(|number| walked.is_copied(*number));
            Some((contents, unknown))
        });
        Known(known.collect())
    }

    /// What has to be read for the contents.
    pub(crate) fn unread(&self, known: &Known) -> Unread {
        let mut unread = Unread::default();
        for (selected, known) in self.selected.iter().zip(&known.0) {
            let (Some((walked, _, index)), Some((_, unknown))) = (self.in_context(selected), known)
            else {
                continue;
            };
            unread.n_files += unknown.len();
            for number in unknown {
                let entry = walked.entries.get(*number);
                unread.n_bytes += entry.size();
                unread.is_rewritten |= index.knew(&entry.identity());
            }
        }
        unread
    }

    /// One line for each file of a context: kind, name and size. Equal contents have equal shapes.
    pub(crate) fn shape(&self) -> Result<String, CopyFailure> {
        let mut text = String::new();
        for selected in &self.selected {
            let Some((walked, _, _)) = self.in_context(selected) else {
                continue;
            };
            let named = selected.named.as_os_str().as_bytes().escape_ascii();
            write_to(&mut text, format_args!("source \"{named}\"\n"));
            walked.each(|entry, path, is_wanted| {
                let size = match entry.kind() {
                    EntryKind::File => entry.size(),
                    EntryKind::Directory
                    | EntryKind::Link
                    | EntryKind::Fifo
                    | EntryKind::CharacterDevice
                    | EntryKind::BlockDevice
                    | EntryKind::Socket => 0,
                };
                let (kind, path) = (entry.kind(), path.escape_ascii());
                write_to(
                    &mut text,
                    format_args!("{kind:?} \"{path}\" {size} {is_wanted}\n"),
                );
                Ok(())
            })?;
        }
        Ok(text)
    }

    /// Whether a source may be an archive, which is read in another way than it is written.
    pub(crate) fn may_unpack(&self) -> bool {
        self.selected.iter().any(|selected| selected.unpacks)
    }

    /// The index of the context that is copied from.
    pub(crate) fn index(&self) -> Option<&'_ ContentIndex> {
        match self.source {
            Source::Context { index, .. } => Some(index),
            Source::Files(_) => None,
        }
    }

    pub(super) fn in_context<'s>(
        &'s self,
        selected: &'s Selected,
    ) -> Option<(&'s Walked, &'s ContextTree<'s>, &'s ContentIndex)> {
        match (&selected.key, &selected.inside, self.source) {
            (None, Inside::Context(walked), Source::Context { tree, index, .. }) => {
                Some((walked, tree, index))
            }
            (
                _,
                Inside::Found(_) | Inside::Context(_),
                Source::Context { .. } | Source::Files(_),
            ) => None,
        }
    }
}
