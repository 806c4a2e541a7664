//! Writes a layer entry by entry: hashing and compressing while entries still come.

use std::io::{self, Read, Write};

use crate::changeset::entry::{Entry, EntryKind, WHITEOUT, safe_path};
use crate::changeset::header::{BLOCK, Header, Kind};
use crate::changeset::root::to_path;
use crate::changeset::write::LayerOptions;
use crate::changeset::xattr::{self, Xattrs};
use crate::changeset::{LayerError, blob_error};
use crate::compress::{Contents, Encoder, KeptBlocks};
use crate::descriptor::Descriptor;
use crate::digest::{DiffId, Digest};
use crate::image::{Layer, Measure};
use crate::store::{BlobWriter, Store};

/// How many bytes of a file are read at once.
const READ_SIZE: usize = 256 << 10;
/// From which size on a file that is known by its digest is compressed by itself.
const ALONE: u64 = 1 << 20;

/// A layer that is being written: entries go in, sorted, and a stored [`Layer`] comes out.
///
/// The bytes are those of [`write_layer`](crate::write_layer) for a directory that holds the same.
/// Dropped without [`LayerWriter::finish`], it leaves nothing in the store.
///
/// ```
/// # use jettison_oci::{Compression, Entry, EntryKind, LayerError, LayerOptions, LayerWriter, Store};
/// # fn example(store: &Store) -> Result<(), LayerError> {
/// let options = LayerOptions { compression: Compression::STORE, clamp_mtime: None };
/// let mut layer = LayerWriter::new(store, &options)?;
/// let app = Entry { mode: 0o755, ..Entry::new(b"app", EntryKind::Directory) };
/// layer.entry(&app)?;
/// layer.whiteout(b"app/old")?;
/// let file = Entry { mode: 0o644, size: 5, ..Entry::new(b"app/greeting", EntryKind::File) };
/// layer.file(&file, &mut b"hello".as_slice())?;
/// let layer = layer.finish()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct LayerWriter {
    options: LayerOptions,
    blob: Encoder<BlobWriter>,
    /// Whether large files are cut off from the rest.
    is_cut: bool,
    /// The name of the last entry, as it is in the archive.
    last: Vec<u8>,
    /// How many bytes of the last entry's content are still to come, and how long it is.
    content: (u64, u64),
    unpacked_size: u64,
    files: u64,
}

impl LayerWriter {
    /// Starts a layer without entries.
    pub fn new(store: &Store, options: &LayerOptions) -> Result<LayerWriter, LayerError> {
        let blob = store.blob_writer().map_err(blob_error("write"))?;
        Ok(LayerWriter {
            options: options.clone(),
            blob: Encoder::new(blob, options.compression).hashing(),
            is_cut: false,
            last: Vec::new(),
            content: (0, 0),
            unpacked_size: 0,
            files: 0,
        })
    }

    /// Starts a layer whose blob is made of blocks that were compressed before, where `kept` has them.
    ///
    /// Its blob is the same whatever is kept there, and its tar is that of any other such layer; but the blob is another than
    /// [`LayerWriter::new`] makes, for large files of [`LayerWriter::known_file`] are compressed by themselves.
    pub fn keeping(
        store: &Store,
        options: &LayerOptions,
        kept: &KeptBlocks,
    ) -> Result<LayerWriter, LayerError> {
        let layer = LayerWriter::new(store, options)?;
        Ok(LayerWriter {
            blob: layer.blob.keeping(kept.clone()),
            is_cut: true,
            ..layer
        })
    }

    /// Adds `entry`. The content of a file follows by [`Write`] or [`LayerWriter::copy_from`], exactly as many bytes as
    /// its size.
    ///
    /// Entries come sorted by the bytes of their paths, where a directory's counts with a slash at its end; else this
    /// fails with [`LayerError::Order`]. The first name of a file is the file, its other names are hard links to that.
    /// Attributes that are no layer's, such as overlayfs's own, are left out.
    pub fn entry(&mut self, entry: &Entry) -> Result<(), LayerError> {
        if entry.path.is_empty() || safe_path(&entry.path)? != entry.path {
            return Err(LayerError::UnsafeName {
                path: entry.to_path(),
            });
        }
        let (_, name) = split_name(&entry.path);
        if name.starts_with(WHITEOUT) {
            let reason = "its name would mean that a file was removed";
            return Err(unrepresentable(&entry.path, reason));
        }
        let header = header_of(entry)?;
        self.put(header)
    }

    /// Adds the file `entry` with the content that `content` gives. Content that is shorter or longer than the entry's
    /// size is a [`LayerError::Changed`].
    pub fn file(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<(), LayerError> {
        self.entry(entry)?;
        self.content_of(content)
    }

    /// Reads all of the last entry's content.
    fn content_of(&mut self, content: &mut dyn Read) -> Result<(), LayerError> {
        self.copy_from(content)?;
        match content.read(&mut [0]).map_err(read_error)? {
            0 => Ok(()),
            _ => Err(self.changed()),
        }
    }

    /// The same for a file whose content has this digest, which `content` has to check: it is what a compressed content is
    /// called where it is kept.
    pub fn known_file(
        &mut self,
        entry: &Entry,
        digest: &Digest,
        content: &mut dyn Read,
    ) -> Result<(), LayerError> {
        if !self.is_cut || entry.size < ALONE {
            return self.file(entry, content);
        }
        self.entry(entry)?;
        let file = Contents::File(*digest, 0);
        self.blob.cut(file).map_err(stream_error)?;
        self.content_of(content)?;
        self.blob.cut(Contents::Any).map_err(stream_error)
    }

    /// Reads what is left of the last entry's content from `content`, and no more.
    pub fn copy_from(&mut self, content: &mut dyn Read) -> Result<(), LayerError> {
        while self.content.0 > 0 {
            let space = self.blob.space().map_err(stream_error)?;
            let most = space.len().min(READ_SIZE);
            let want = usize::try_from(self.content.0).map_or(most, |left| left.min(most));
            match content.read(&mut space[..want]) {
                Ok(0) => return Err(self.changed()),
                Ok(n_read) => {
                    self.blob.commit(n_read).map_err(stream_error)?;
                    self.written(n_read.min(want)).map_err(stream_error)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(read_error(error)),
            }
        }
        Ok(())
    }

    /// Says that `path` is gone, and with it all that was below. The path counts with its last name behind `.wh.` when
    /// entries are sorted.
    pub fn whiteout(&mut self, path: &[u8]) -> Result<(), LayerError> {
        let (directory, name) = split_name(path);
        if path.is_empty() || safe_path(path)? != path {
            return Err(LayerError::UnsafeName {
                path: to_path(path),
            });
        }
        self.put_whiteout([directory, WHITEOUT, name].concat())
    }

    /// Ends the layer and stores its blob.
    pub fn finish(mut self) -> Result<Layer, LayerError> {
        if self.content.0 > 0 {
            return Err(self.changed());
        }
        // Two empty blocks end an archive.
        self.blob.write_all(&[0; 2 * BLOCK]).map_err(stream_error)?;
        let (blob, tar) = self.blob.finish_hashed().map_err(stream_error)?;
        let tar = tar.ok_or_else(|| stream_error(io::Error::other("its tar was not hashed")))?;
        let (digest, size) = blob.finish().map_err(blob_error("write"))?;
        Ok(Layer {
            diff_id: DiffId(tar),
            blob: Descriptor::new(self.options.compression.media_type(), digest, size),
            measure: Some(Measure {
                unpacked_size: self.unpacked_size,
                files: self.files,
            }),
        })
    }

    /// Adds the whiteout that is called `name` in the archive.
    pub(crate) fn put_whiteout(&mut self, name: Vec<u8>) -> Result<(), LayerError> {
        self.header(Header::new(name, Kind::File))
    }

    /// Adds an entry, after the last one's content is complete.
    pub(crate) fn put(&mut self, mut header: Header) -> Result<(), LayerError> {
        if let Some(latest) = self.options.clamp_mtime {
            header.mtime = header.mtime.min(latest);
        }
        self.files += u64::from(header.kind != Kind::Directory);
        self.unpacked_size = self.unpacked_size.saturating_add(header.size);
        self.header(header)
    }

    fn header(&mut self, header: Header) -> Result<(), LayerError> {
        if self.content.0 > 0 {
            return Err(self.changed());
        }
        if header.name <= self.last {
            return Err(LayerError::Order {
                path: to_path(&header.name),
                after: to_path(&self.last),
            });
        }
        self.blob
            .write_all(&header.to_bytes())
            .map_err(stream_error)?;
        self.content = (header.size, header.size);
        self.last = header.name;
        Ok(())
    }

    /// Takes note of bytes of the last entry's content.
    fn written(&mut self, n_bytes: usize) -> io::Result<()> {
        let (left, size) = self.content;
        let length = u64::try_from(n_bytes).unwrap_or(u64::MAX);
        self.content.0 = left.saturating_sub(length);
        if self.content.0 == 0 && length > 0 {
            let rest = usize::try_from(size % BLOCK as u64).unwrap_or_default();
            self.blob.write_all(&[0; BLOCK][..(BLOCK - rest) % BLOCK])?;
        }
        Ok(())
    }

    /// The last entry's content is not as long as was said.
    fn changed(&self) -> LayerError {
        LayerError::Changed {
            path: to_path(&self.last),
        }
    }
}

/// The content of the last entry. Writing more than its size fails.
impl Write for LayerWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if length > self.content.0 {
            let message = "an entry has more content than its size says";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        self.blob.write_all(bytes)?;
        self.written(bytes.len())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The header of `entry`.
pub(crate) fn header_of(entry: &Entry) -> Result<Header, LayerError> {
    let Entry {
        path,
        kind,
        mode,
        uid,
        gid,
        mtime: (mtime, _),
        size,
        xattrs,
    } = entry;
    let header = |kind| Header {
        mode: *mode,
        uid: *uid,
        gid: *gid,
        mtime: *mtime,
        ..Header::new(path.clone(), kind)
    };
    let xattrs = || portable(path, xattrs.clone());
    Ok(match kind {
        EntryKind::File => Header {
            size: *size,
            xattrs: xattrs()?,
            ..header(Kind::File)
        },
        EntryKind::Directory => Header {
            name: [path.as_slice(), b"/"].concat(),
            xattrs: xattrs()?,
            ..header(Kind::Directory)
        },
        EntryKind::HardLink(target) => Header {
            link: target.clone(),
            ..header(Kind::HardLink)
        },
        EntryKind::Symlink(target) => Header {
            link: target.clone(),
            ..header(Kind::Symlink)
        },
        EntryKind::CharDevice(major, minor) => Header {
            device: (*major, *minor),
            ..header(Kind::CharDevice)
        },
        EntryKind::BlockDevice(major, minor) => Header {
            device: (*major, *minor),
            ..header(Kind::BlockDevice)
        },
        EntryKind::Fifo => header(Kind::Fifo),
    })
}

/// The attributes for a header, unless overlayfs made the file a reference to another.
pub(crate) fn portable(path: &[u8], xattrs: Xattrs) -> Result<Xattrs, LayerError> {
    for what in ["redirect", "metacopy"] {
        if xattr::overlay(&xattrs, what).is_some() {
            return Err(unrepresentable(
                path,
                "overlayfs made it refer to another file",
            ));
        }
    }
    let xattrs = xattr::portable(xattrs);
    if xattrs.keys().any(|name| name.contains(&b'=')) {
        return Err(unrepresentable(
            path,
            "an extended attribute has `=` in its name",
        ));
    }
    Ok(xattrs)
}

/// `path` as a directory with its slash, and the last name.
fn split_name(path: &[u8]) -> (&[u8], &[u8]) {
    let start = path.iter().rposition(|&byte| byte == b'/');
    path.split_at(start.map_or(0, |slash| slash + 1))
}

pub(crate) fn unrepresentable(path: &[u8], reason: &'static str) -> LayerError {
    LayerError::Unrepresentable {
        path: to_path(path),
        reason,
    }
}

fn stream_error(source: io::Error) -> LayerError {
    LayerError::Stream {
        action: "write",
        source,
    }
}

fn read_error(source: io::Error) -> LayerError {
    LayerError::Stream {
        action: "read the content of a file for a",
        source,
    }
}
