//! Walks an overlay upper and writes what it holds as tar entries.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Write};

use rustix::fs::{FileType, OFlags, Stat};

use crate::changeset::LayerError;
use crate::changeset::entry::WHITEOUT;
use crate::changeset::header::{BLOCK, Header, Kind};
use crate::changeset::lowers::Lowers;
use crate::changeset::root::{Root, is_whiteout, list, stat, to_path};
use crate::changeset::xattr::{self, Xattrs};

/// How many bytes of a file are read at once.
const READ_SIZE: usize = 256 << 10;

/// What a walk has counted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Count {
    pub(crate) unpacked_size: u64,
    pub(crate) files: u64,
}

/// Writes the changes in `upper` to `tar`, without the end of the archive.
pub(crate) fn write_changes<W: Write>(
    upper: &Root,
    lowers: &Lowers,
    clamp_mtime: Option<i64>,
    tar: &mut W,
) -> Result<Count, LayerError> {
    let walk = Walk {
        upper,
        lowers,
        clamp_mtime,
        tar,
        links: BTreeMap::new(),
        count: Count::default(),
        buffer: vec![0; READ_SIZE],
    };
    walk.run()
}

/// An entry that is still to be written.
enum Item {
    /// A removed name; the path is that of the whiteout.
    Whiteout(Vec<u8>),
    /// A file; a directory's path ends in a slash.
    File {
        path: Vec<u8>,
        stat: Stat,
        is_hidden: bool,
    },
}

impl Item {
    fn path(&self) -> &[u8] {
        match self {
            Item::Whiteout(path) | Item::File { path, .. } => path,
        }
    }
}

struct Walk<'w, W> {
    upper: &'w Root,
    lowers: &'w Lowers,
    clamp_mtime: Option<i64>,
    tar: &'w mut W,
    /// The first names of the files that have several.
    links: BTreeMap<(u64, u64), Vec<u8>>,
    count: Count,
    buffer: Vec<u8>,
}

impl<W: Write> Walk<'_, W> {
    /// Visits all, sorted. What is still to do is on a stack, since a tree may be very deep.
    fn run(mut self) -> Result<Count, LayerError> {
        let (mut stack, _) = self.open_directory(b"", false)?;
        while let Some(item) = stack.pop() {
            match item {
                Item::Whiteout(path) => self.put(&Header::new(path, Kind::File))?,
                Item::File {
                    path,
                    stat,
                    is_hidden,
                } if path.ends_with(b"/") => {
                    let (children, xattrs) = self.open_directory(&path, is_hidden)?;
                    let xattrs = portable(&path, xattrs)?;
                    self.put(&Header {
                        xattrs,
                        ..self.header(path, Kind::Directory, &stat)
                    })?;
                    stack.extend(children);
                }
                Item::File { path, stat, .. } => self.file(path, &stat)?,
            }
        }
        Ok(self.count)
    }

    /// What is to be written for the contents of a directory, last first, and its attributes.
    ///
    /// `is_hidden` says that a directory above it is opaque, so that the lowers are not merged here
    /// either, though overlayfs did not note it here.
    fn open_directory(
        &self,
        path: &[u8],
        is_hidden: bool,
    ) -> Result<(Vec<Item>, Xattrs), LayerError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let handle = self
            .upper
            .open_exact(path, flags)
            .map_err(self.upper.error("open", path))?;
        let xattrs = xattr::read(&handle).map_err(self.upper.error("inspect", path))?;
        let is_hidden = is_hidden || xattr::is_opaque(&xattrs);
        let mut items = Vec::new();
        let mut names = BTreeSet::new();
        for child in list(&handle).map_err(self.upper.error("list", path))? {
            let child_path = [path, &child.name].concat();
            let stat =
                stat(&handle, &child.name).map_err(self.upper.error("inspect", &child_path))?;
            items.extend(item(path, &child.name, stat, is_hidden)?);
            names.insert(child.name);
        }
        if is_hidden {
            let removed = self
                .lowers
                .names(path)?
                .into_iter()
                .filter(|name| !names.contains(name));
            items.extend(removed.map(|name| whiteout(path, &name)));
        }
        items.sort_unstable_by(|a, b| b.path().cmp(a.path()));
        Ok((items, xattrs))
    }

    /// Writes anything but a directory.
    fn file(&mut self, path: Vec<u8>, stat: &Stat) -> Result<(), LayerError> {
        self.count.files += 1;
        if stat.st_nlink > 1 {
            if let Some(first) = self.links.get(&(stat.st_dev, stat.st_ino)) {
                let link = first.clone();
                return self.put(&Header {
                    link,
                    ..self.header(path, Kind::HardLink, stat)
                });
            }
            self.links.insert((stat.st_dev, stat.st_ino), path.clone());
        }
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => self.regular(path, stat),
            FileType::Symlink => {
                let link = self.symlink_target(&path)?;
                self.put(&Header {
                    link,
                    ..self.header(path, Kind::Symlink, stat)
                })
            }
            FileType::Fifo => self.put(&self.header(path, Kind::Fifo, stat)),
            FileType::CharacterDevice => self.device(path, Kind::CharDevice, stat),
            FileType::BlockDevice => self.device(path, Kind::BlockDevice, stat),
            _ => Err(unrepresentable(&path, "its type is unknown")),
        }
    }

    fn regular(&mut self, path: Vec<u8>, listed: &Stat) -> Result<(), LayerError> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        let handle = self.upper.open_exact(&path, flags);
        let handle = handle.map_err(self.upper.error("open", &path))?;
        let stat = rustix::fs::fstat(&handle).map_err(self.upper.error("inspect", &path))?;
        if stat.st_ino != listed.st_ino || stat.st_mode != listed.st_mode {
            return Err(LayerError::Changed {
                path: to_path(&path),
            });
        }
        let xattrs = xattr::read(&handle).map_err(self.upper.error("inspect", &path))?;
        let xattrs = portable(&path, xattrs)?;
        let size = u64::try_from(stat.st_size).unwrap_or_default();
        let header = Header {
            size,
            xattrs,
            ..self.header(path, Kind::File, &stat)
        };
        self.put(&header)?;
        self.content(File::from(handle), &header)?;
        self.count.unpacked_size = self.count.unpacked_size.saturating_add(size);
        Ok(())
    }

    /// Copies as many bytes as the header says, and pads the last block.
    fn content(&mut self, mut file: File, header: &Header) -> Result<(), LayerError> {
        let mut left = header.size;
        while left > 0 {
            let want = usize::try_from(left).unwrap_or(READ_SIZE).min(READ_SIZE);
            let n_read = match file.read(&mut self.buffer[..want]) {
                Ok(0) => {
                    return Err(LayerError::Changed {
                        path: to_path(&header.name),
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map_err(self.upper.error("read", &header.name))?,
            };
            self.tar
                .write_all(&self.buffer[..n_read])
                .map_err(stream_error)?;
            left -= u64::try_from(n_read).unwrap_or(left);
        }
        let rest = usize::try_from(header.size % BLOCK as u64).unwrap_or_default();
        let padding = (BLOCK - rest) % BLOCK;
        self.tar
            .write_all(&[0; BLOCK][..padding])
            .map_err(stream_error)
    }

    fn device(&mut self, path: Vec<u8>, kind: Kind, stat: &Stat) -> Result<(), LayerError> {
        let device = (
            rustix::fs::major(stat.st_rdev),
            rustix::fs::minor(stat.st_rdev),
        );
        self.put(&Header {
            device,
            ..self.header(path, kind, stat)
        })
    }

    fn symlink_target(&self, path: &[u8]) -> Result<Vec<u8>, LayerError> {
        let handle = self.upper.open_exact(path, OFlags::PATH);
        let handle = handle.map_err(self.upper.error("open", path))?;
        let target = rustix::fs::readlinkat(handle, "", Vec::new());
        Ok(target.map_err(self.upper.error("read", path))?.into_bytes())
    }

    fn header(&self, name: Vec<u8>, kind: Kind, stat: &Stat) -> Header {
        let mtime = stat.st_mtime;
        Header {
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mtime: self.clamp_mtime.map_or(mtime, |latest| mtime.min(latest)),
            ..Header::new(name, kind)
        }
    }

    fn put(&mut self, header: &Header) -> Result<(), LayerError> {
        self.tar.write_all(&header.to_bytes()).map_err(stream_error)
    }
}

/// What is to be written for the file `name`, if anything.
fn item(
    directory: &[u8],
    name: &[u8],
    stat: Stat,
    is_hidden: bool,
) -> Result<Option<Item>, LayerError> {
    if is_whiteout(&stat) {
        return Ok(Some(whiteout(directory, name)));
    }
    let mut path = [directory, name].concat();
    if name.starts_with(WHITEOUT) {
        return Err(unrepresentable(
            &path,
            "its name would mean that a file was removed",
        ));
    }
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Socket => None,
        FileType::Directory => {
            path.push(b'/');
            Some(Item::File {
                path,
                stat,
                is_hidden,
            })
        }
        _ => Some(Item::File {
            path,
            stat,
            is_hidden,
        }),
    })
}

/// The attributes for a header, unless overlayfs made the file a reference to another.
fn portable(path: &[u8], xattrs: Xattrs) -> Result<Xattrs, LayerError> {
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

fn whiteout(directory: &[u8], name: &[u8]) -> Item {
    Item::Whiteout([directory, WHITEOUT, name].concat())
}

fn unrepresentable(path: &[u8], reason: &'static str) -> LayerError {
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
