//! Reads what a layout has under a name into the store, to the byte.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;

use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::layout::import::{
    DEEPEST, Import, archive_blobs, directory_index, is_called, json_error, names, no_such_name,
    strange,
};
use crate::layout::{ExportError, Original, io_error};
use crate::manifest::ImageIndex;
use crate::registry::TransferObserver;
use crate::store::Store;

/// Reads all that the OCI layout at `path`, a directory or a tar file, has under a name: the images for all platforms, and
/// what else an index lists. Without a name there has to be a single one. Digests are checked; layers are not unpacked,
/// and no image is put into the store.
pub fn import_whole(
    store: &Store,
    path: &Path,
    name: Option<&str>,
    observer: &dyn TransferObserver,
) -> Result<Original, ExportError> {
    let metadata = fs::metadata(path).map_err(io_error("open", path))?;
    let (index, directory) = if metadata.is_dir() {
        (directory_index(path)?, Some(path.to_owned()))
    } else {
        let mut file = File::open(path).map_err(io_error("open", path))?;
        let (index, _) = archive_blobs(store, &mut file, path, observer)?;
        (index.ok_or_else(|| strange(path))?, None)
    };
    let index = ImageIndex::from_json(&index).map_err(json_error("index.json"))?;
    let top = top(&index, (path, name))?;
    let mut walk = Walk {
        blobs: Import {
            store,
            directory,
            images: Vec::new(),
            observer,
        },
        seen: BTreeSet::new(),
        manifests: Vec::new(),
    };
    walk.add(top, DEEPEST)?;
    let original = Original::new(walk.manifests).ok_or_else(|| ExportError::Broken {
        reason: "one of its manifests cannot be read".to_owned(),
    })?;
    for blob in original.blobs() {
        walk.blobs.fetch(&blob.digest)?;
    }
    Ok(original)
}

/// What is meant of that which `index.json` lists.
fn top<'i>(
    index: &'i ImageIndex,
    (path, name): (&Path, Option<&str>),
) -> Result<&'i Descriptor, ExportError> {
    let is_meant = |entry: &&Descriptor| {
        name.is_none_or(|wanted| {
            let (name, short_name) = names(entry);
            is_called(name.as_ref(), short_name.as_ref(), wanted)
        })
    };
    let mut meant = index.manifests.iter().filter(is_meant);
    let all_names = || {
        let names = index.manifests.iter().filter_map(|entry| names(entry).0);
        names.collect::<Vec<_>>()
    };
    match (meant.next(), name) {
        (Some(first), _) => {
            if meant.any(|other| other.digest != first.digest) {
                return Err(ExportError::Several {
                    path: path.to_owned(),
                    names: all_names(),
                });
            }
            Ok(first)
        }
        (None, Some(name)) => Err(no_such_name(path, name, all_names())),
        (None, None) => Err(ExportError::Broken {
            reason: "there is no image in it".to_owned(),
        }),
    }
}

/// A walk through an index.
struct Walk<'w> {
    blobs: Import<'w>,
    seen: BTreeSet<Digest>,
    manifests: Vec<(Descriptor, Vec<u8>)>,
}

impl Walk<'_> {
    /// Adds what an index lists, and then what was named itself.
    fn add(&mut self, entry: &Descriptor, depth: usize) -> Result<(), ExportError> {
        let json = self.blobs.json(&entry.digest)?;
        if entry.media_type.is_index() {
            if depth == 0 {
                let reason = "its indexes are nested too deep".to_owned();
                return Err(ExportError::Broken { reason });
            }
            let what = format!("index {}", entry.digest);
            let index = ImageIndex::from_json(&json).map_err(json_error(&what))?;
            for listed in &index.manifests {
                if self.seen.insert(listed.digest) {
                    self.add(listed, depth - 1)?;
                }
            }
        }
        // The names that it has here are no part of it.
        let size = u64::try_from(json.len()).unwrap_or(u64::MAX);
        let descriptor = Descriptor::new(entry.media_type.clone(), entry.digest, size);
        self.manifests.push((descriptor, json));
        Ok(())
    }
}
