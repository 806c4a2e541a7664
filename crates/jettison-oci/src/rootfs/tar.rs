//! Writes a root filesystem as a tar stream.

use std::io::{self, Read, Write};

use crate::changeset::{
    BLOCK, Entry, EntryKind, Header, LayerError, each_entry, header_of, with_blob,
};
use crate::image::Layer;
use crate::rootfs::tree::Tree;
use crate::store::Store;

/// Where entries go, and how they are changed on the way.
pub(super) struct Target<'t> {
    pub(super) writer: &'t mut dyn Write,
    /// What stands before names: nothing, or a directory with its slash.
    pub(super) prefix: &'t [u8],
    /// The time of all files, if they do not keep their own.
    pub(super) mtime: Option<i64>,
}

impl Target<'_> {
    /// Writes what `tree`, which `layers` make, holds: directories and the like first, then files as they come.
    ///
    /// Directories are in order, each before what is in it. A file's other names follow the file.
    pub(super) fn tree(
        &mut self,
        store: &Store,
        layers: &[Layer],
        tree: Tree,
    ) -> Result<(), LayerError> {
        for entry in tree.others() {
            self.put(entry)?;
        }
        let mut files = tree.into_files();
        for (number, layer) in layers.iter().enumerate() {
            let above = files.split_off(&(number + 1, 0));
            let mut own = std::mem::replace(&mut files, above);
            if own.is_empty() {
                continue;
            }
            let mut index = 0;
            with_blob(store, &layer.blob, |tar| {
                each_entry(tar, |_, content| {
                    if let Some((entry, names)) = own.remove(&(number, index)) {
                        self.file(&entry, &names, content)?;
                    }
                    index += 1;
                    Ok(())
                })
            })?;
        }
        Ok(())
    }

    /// Writes the directory that the prefix is.
    pub(super) fn prefix(&mut self) -> Result<(), LayerError> {
        let path = self.prefix.strip_suffix(b"/").unwrap_or(self.prefix);
        let entry = Entry {
            mode: 0o755,
            ..Entry::new(path, EntryKind::Directory)
        };
        self.header(&entry, &[])
    }

    /// Writes what ends an archive.
    pub(super) fn end(&mut self) -> Result<(), LayerError> {
        self.writer.write_all(&[0; 2 * BLOCK]).map_err(write_error)
    }

    fn file(
        &mut self,
        entry: &Entry,
        names: &[Vec<u8>],
        content: &mut dyn Read,
    ) -> Result<(), LayerError> {
        let Some((first, others)) = names.split_first() else {
            return Ok(());
        };
        let file = Entry {
            path: first.clone(),
            ..entry.clone()
        };
        self.put(&file)?;
        let copied = io::copy(content, self.writer).map_err(write_error)?;
        if copied != entry.size {
            return Err(LayerError::Truncated {
                path: entry.to_path(),
            });
        }
        let rest = usize::try_from(copied % BLOCK as u64).unwrap_or_default();
        let padding = &[0; BLOCK][..(BLOCK - rest) % BLOCK];
        self.writer.write_all(padding).map_err(write_error)?;
        for name in others {
            let kind = EntryKind::HardLink([self.prefix, first.as_slice()].concat());
            self.put(&Entry {
                path: name.clone(),
                kind,
                size: 0,
                ..entry.clone()
            })?;
        }
        Ok(())
    }

    fn put(&mut self, entry: &Entry) -> Result<(), LayerError> {
        self.header(entry, self.prefix)
    }

    fn header(&mut self, entry: &Entry, prefix: &[u8]) -> Result<(), LayerError> {
        let header = header_of(entry)?;
        let header = Header {
            name: [prefix, header.name.as_slice()].concat(),
            mtime: self.mtime.unwrap_or(header.mtime),
            ..header
        };
        self.writer
            .write_all(&header.to_bytes())
            .map_err(write_error)
    }
}

fn write_error(source: io::Error) -> LayerError {
    LayerError::Stream {
        action: "write",
        source,
    }
}
