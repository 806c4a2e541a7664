//! Walks an overlay upper and writes what it holds as tar entries.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};

use rustix::fs::{FileType, OFlags, Stat};

use crate::changeset::LayerError;
use crate::changeset::entry::WHITEOUT;
use crate::changeset::header::{Header, Kind};
use crate::changeset::lowers::Lowers;
use crate::changeset::root::{Root, is_whiteout, list, stat, to_path};
use crate::changeset::stream::{LayerWriter, portable, unrepresentable};
use crate::changeset::unchanged::{Below, Named};
use crate::changeset::xattr::{self, Xattrs, recorded};

/// Writes the changes in `upper` to `layer`, without the end of the archive.
pub(crate) fn write_changes(
    upper: &Root,
    lowers: &Lowers,
    layer: &mut LayerWriter,
) -> Result<(), LayerError> {
    let walk = Walk {
        upper,
        lowers,
        layer,
        links: BTreeMap::new(),
        above: Vec::new(),
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
        below: Below,
    },
}

impl Item {
    fn path(&self) -> &[u8] {
        match self {
            Item::Whiteout(path) | Item::File { path, .. } => path,
        }
    }
}

struct Walk<'w> {
    upper: &'w Root,
    lowers: &'w Lowers,
    layer: &'w mut LayerWriter,
    /// The first names of the files that have several.
    links: BTreeMap<(u64, u64), Vec<u8>>,
    /// The directories above what comes next that are as the lowers have them: they are written only if something in
    /// them is.
    above: Vec<Header>,
}

impl Walk<'_> {
    /// Visits all, sorted. What is still to do is on a stack, since a tree may be very deep.
    fn run(mut self) -> Result<(), LayerError> {
        let (mut stack, _) = self.open_directory(b"", false, Below::Same)?;
        while let Some(item) = stack.pop() {
            match item {
                Item::Whiteout(path) => {
                    self.write_above(&path)?;
                    self.layer.put_whiteout(path)?;
                }
                Item::File {
                    path,
                    stat,
                    is_hidden,
                    below,
                } if path.ends_with(b"/") => {
                    let (children, xattrs) = self.open_directory(&path, is_hidden, below)?;
                    let xattrs = recorded(portable(&path, xattrs)?);
                    let header = Header {
                        xattrs,
                        ..header(path, Kind::Directory, &stat)
                    };
                    if below == Below::Same {
                        self.leave(&header.name);
                        self.above.push(header);
                    } else {
                        self.write_above(&header.name)?;
                        self.layer.put(header)?;
                    }
                    stack.extend(children);
                }
                Item::File {
                    below: Below::Same, ..
                } => {}
                Item::File { path, stat, .. } => {
                    self.write_above(&path)?;
                    self.file(path, &stat)?;
                }
            }
        }
        Ok(())
    }

    /// Forgets the directories that `path` is not in.
    fn leave(&mut self, path: &[u8]) {
        self.above.retain(|header| path.starts_with(&header.name));
    }

    /// Writes the directories above `path` that are not written yet.
    fn write_above(&mut self, path: &[u8]) -> Result<(), LayerError> {
        self.leave(path);
        for header in std::mem::take(&mut self.above) {
            self.layer.put(header)?;
        }
        Ok(())
    }

    /// What is to be written for the contents of a directory, last first, and its attributes.
    ///
    /// `is_hidden` says that a directory above it is opaque, so that the lowers are not merged here
    /// either, though overlayfs did not note it here.
    fn open_directory(
        &self,
        path: &[u8],
        is_hidden: bool,
        below: Below,
    ) -> Result<(Vec<Item>, Xattrs), LayerError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let handle = self
            .upper
            .open_exact(path, flags)
            .map_err(self.upper.error("open", path))?;
        let xattrs = xattr::read(&handle).map_err(self.upper.error("inspect", path))?;
        let is_hidden = is_hidden || xattr::is_opaque(&xattrs);
        let lowers = match below {
            Below::Nothing => Vec::new(),
            Below::Other | Below::Same => self.lowers.directories(path)?,
        };
        let mut items = Vec::new();
        let mut names = BTreeSet::new();
        for child in list(&handle).map_err(self.upper.error("list", path))? {
            let child_path = [path, &child.name].concat();
            let stat =
                stat(&handle, &child.name).map_err(self.upper.error("inspect", &child_path))?;
            let file = Named {
                directory: &handle,
                name: &child.name,
                stat: &stat,
            };
            let below = file.below(&lowers);
            items.extend(item(&file, path, is_hidden, below)?);
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
        if stat.st_nlink > 1 {
            if let Some(first) = self.links.get(&(stat.st_dev, stat.st_ino)) {
                let link = first.clone();
                return self.layer.put(Header {
                    link,
                    ..header(path, Kind::HardLink, stat)
                });
            }
            self.links.insert((stat.st_dev, stat.st_ino), path.clone());
        }
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => self.regular(path, stat),
            FileType::Symlink => {
                let link = self.symlink_target(&path)?;
                self.layer.put(Header {
                    link,
                    ..header(path, Kind::Symlink, stat)
                })
            }
            FileType::Fifo => self.layer.put(header(path, Kind::Fifo, stat)),
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
        let xattrs = recorded(portable(&path, xattrs)?);
        let size = u64::try_from(stat.st_size).unwrap_or_default();
        self.layer.put(Header {
            size,
            xattrs,
            ..header(path.clone(), Kind::File, &stat)
        })?;
        let mut content = Content {
            file: File::from(handle),
            failure: None,
        };
        self.layer
            .copy_from(&mut content)
            .map_err(|error| match content.failure {
                Some(cause) => self.upper.error("read", &path)(cause),
                None => error,
            })
    }

    fn device(&mut self, path: Vec<u8>, kind: Kind, stat: &Stat) -> Result<(), LayerError> {
        let device = (
            rustix::fs::major(stat.st_rdev),
            rustix::fs::minor(stat.st_rdev),
        );
        self.layer.put(Header {
            device,
            ..header(path, kind, stat)
        })
    }

    fn symlink_target(&self, path: &[u8]) -> Result<Vec<u8>, LayerError> {
        let handle = self.upper.open_exact(path, OFlags::PATH);
        let handle = handle.map_err(self.upper.error("open", path))?;
        let target = rustix::fs::readlinkat(handle, "", Vec::new());
        Ok(target.map_err(self.upper.error("read", path))?.into_bytes())
    }
}

/// The content of a file, and why it cannot be read.
struct Content {
    file: File,
    failure: Option<io::Error>,
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer).map_err(|error| {
            let kind = error.kind();
            self.failure = Some(error);
            kind.into()
        })
    }
}

fn header(name: Vec<u8>, kind: Kind, stat: &Stat) -> Header {
    Header {
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: stat.st_mtime,
        ..Header::new(name, kind)
    }
}

/// What is to be written for the file `name`, if anything.
fn item(
    file: &Named<'_>,
    directory: &[u8],
    is_hidden: bool,
    below: Below,
) -> Result<Option<Item>, LayerError> {
    let (name, stat) = (file.name, *file.stat);
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
                below,
            })
        }
        _ => Some(Item::File {
            path,
            stat,
            is_hidden,
            below,
        }),
    })
}

fn whiteout(directory: &[u8], name: &[u8]) -> Item {
    Item::Whiteout([directory, WHITEOUT, name].concat())
}
