//! Writing changes: into an overlay upper directory, into a layer, or into both, reading every file once.
//!
//! Files are read by as many threads as there are processors, in chunks. A layer takes the chunks in order; an upper directory's
//! files are made by the threads that read them. Directories get their attributes at the end, the innermost first.

mod learn;
mod upper;

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read, Seek, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use jettison_oci::{Entry, EntryKind, LayerWriter};

use crate::context::{ContentIndex, FileDigest, FileHasher};
use crate::exec::copy::CopyFailure;
use crate::exec::copy::changes::{Below, Change, ChangedDirectory, Changes, path_of};
use crate::exec::copy::place::write_error;
use crate::exec::copy::write::learn::Lesson;
use crate::exec::copy::write::upper::Upper;
use crate::exec::files::{Content, FileKind, Meta, Node, Opened, Xattrs};

pub(crate) use crate::exec::copy::write::upper::Owners;

/// Files up to this size are read as a whole.
const SMALL: u64 = 1 << 20;
/// How many bytes of small files, and how many entries, make a chunk.
const CHUNK: (u64, usize) = (4 << 20, 256);
/// How many chunks a thread is ahead of the layer.
const AHEAD: usize = 1;
/// How many bytes of a large file are read at once.
const READ_SIZE: usize = 256 << 10;

/// Where changes are written to.
#[derive(Debug)]
pub(crate) struct Outputs<'a> {
    /// An empty directory that becomes an overlay upper, and what to do with owners there.
    pub(crate) upper: Option<(&'a Path, Owners)>,
    pub(crate) layer: Option<&'a mut LayerWriter>,
    /// Is told what the files of a context hold.
    pub(crate) index: Option<&'a ContentIndex>,
}

/// What became of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// Whether all files in the upper directory have the owners that they should have.
    pub(crate) has_owners: bool,
}

/// As many threads as there are processors, within reason.
pub(crate) fn n_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |count| count.get().min(8))
}

/// One thing to write.
#[derive(Clone, Copy, Debug)]
enum Item<'a> {
    Directory(&'a ChangedDirectory),
    /// The first name of a file.
    File(&'a Node),
    /// Another name of the file that is called so first.
    HardLink(&'a Node, &'a [u8]),
    /// A name that is gone.
    Whiteout,
}

/// An item and its path in the layer.
type Placed<'a> = (Cow<'a, [u8]>, Item<'a>);

/// What was read of an item.
struct Loaded<'w> {
    xattrs: Arc<Xattrs>,
    content: LoadedContent<'w>,
}

enum LoadedContent<'w> {
    /// There is none.
    None,
    /// A small file's, or the target of a link.
    Bytes(Vec<u8>),
    /// A large file's.
    Open(Opened, Option<Lesson<'w>>),
}

type Chunk<'w> = Result<Vec<Loaded<'w>>, CopyFailure>;

impl Changes {
    /// Writes the changes.
    pub(crate) fn write(&self, outputs: Outputs<'_>) -> Result<Written, CopyFailure> {
        let upper = match outputs.upper {
            Some((path, owners)) => Some(Upper::open(path, owners)?),
            None => None,
        };
        let items = self.items();
        let work = Work {
            upper: upper.as_ref(),
            chunks: chunks(&items),
            has_layer: outputs.layer.is_some(),
            index: outputs.index,
        };
        if let Some(upper) = &upper {
            for (path, item) in &items {
                if let Item::Directory(directory) = item {
                    upper.make_directory(&path_of(path), directory)?;
                }
            }
        }
        match outputs.layer {
            Some(layer) => work.with_layer(layer)?,
            None => work.without_layer()?,
        }
        let Some(upper) = upper else {
            return Ok(Written { has_owners: true });
        };
        for (path, item) in &items {
            if let Item::HardLink(_, first) = item {
                upper.link(&path_of(first), &path_of(path))?;
            }
        }
        for (path, item) in items.iter().rev() {
            if let Item::Directory(directory) = item {
                upper.finish_directory(&path_of(path), &directory.node)?;
            }
        }
        Ok(Written {
            has_owners: upper.has_owners(),
        })
    }

    /// What is to be written, in the order of a layer's entries.
    fn items(&self) -> Vec<Placed<'_>> {
        let mut first_names: Vec<Option<&[u8]>> = Vec::new();
        let mut items = Vec::new();
        let mut has_whiteouts = false;
        for (path, change) in self.entries() {
            match change {
                Change::File(number) => {
                    if first_names.len() <= *number {
                        first_names.resize(number + 1, None);
                    }
                    let file = self.file(*number);
                    let item = match first_names[*number] {
                        Some(first) => Item::HardLink(file, first),
                        None => Item::File(file),
                    };
                    first_names[*number].get_or_insert(path);
                    items.push((Cow::Borrowed(path), item));
                }
                Change::Directory(directory) => {
                    items.push((Cow::Borrowed(path), Item::Directory(directory)));
                    let Below::Hidden(names) = &directory.below else {
                        continue;
                    };
                    let gone = names.iter().filter(|name| {
                        let path = path_of(path).join(name);
                        self.node(&path).is_none()
                    });
                    for name in gone {
                        has_whiteouts = true;
                        let path = [path, b".wh.", name.as_bytes()].concat();
                        items.push((Cow::Owned(path), Item::Whiteout));
                    }
                }
            }
        }
        if has_whiteouts {
            items.sort_by(|(a, _), (b, _)| a.cmp(b));
        }
        items
    }
}

/// Cuts items into pieces of some size.
fn chunks<'a, 'b>(items: &'b [Placed<'a>]) -> Vec<&'b [Placed<'a>]> {
    let (most_bytes, most_items) = CHUNK;
    let mut chunks = Vec::new();
    let (mut start, mut n_bytes) = (0, 0);
    for (index, (_, item)) in items.iter().enumerate() {
        if n_bytes > most_bytes || index - start >= most_items {
            chunks.push(&items[start..index]);
            (start, n_bytes) = (index, 0);
        }
        if let Item::File(node) = item
            && node.meta.size <= SMALL
        {
            n_bytes += node.meta.size;
        }
    }
    chunks.push(&items[start..]);
    chunks
}

/// What the threads share.
struct Work<'w> {
    upper: Option<&'w Upper>,
    chunks: Vec<&'w [Placed<'w>]>,
    has_layer: bool,
    index: Option<&'w ContentIndex>,
}

impl<'w> Work<'w> {
    fn without_layer(&self) -> Result<(), CopyFailure> {
        let next = AtomicUsize::new(0);
        let work = || -> Result<(), CopyFailure> {
            let mut buffer = Vec::new();
            while let Some(chunk) = self.chunks.get(next.fetch_add(1, Ordering::Relaxed)) {
                for (path, item) in *chunk {
                    drop(self.load(&path_of(path), *item, &mut buffer)?);
                }
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let n_others = n_threads().min(self.chunks.len()) - 1;
            let others: Vec<_> = (0..n_others).map(|_| scope.spawn(work)).collect();
            let mut result = work();
            for other in others {
                result = result.and(join(other));
            }
            result
        })
    }

    fn with_layer(&self, layer: &mut LayerWriter) -> Result<(), CopyFailure> {
        let n_threads = n_threads().min(self.chunks.len());
        if self.chunks.len() == 1 {
            let mut buffer = Vec::new();
            for (path, item) in self.chunks[0] {
                let loaded = self.load(&path_of(path), *item, &mut buffer)?;
                self.put(path, *item, loaded, layer)?;
            }
            return Ok(());
        }
        std::thread::scope(|scope| {
            let queues: Vec<Receiver<Chunk<'w>>> = (0..n_threads)
                .map(|thread| {
                    let (sender, receiver) = sync_channel(AHEAD);
                    scope.spawn(move || self.feed(thread, n_threads, &sender));
                    receiver
                })
                .collect();
            for (index, chunk) in self.chunks.iter().enumerate() {
                let stopped = || CopyFailure::Refused("a reading thread has stopped".to_owned());
                let loaded = queues[index % n_threads].recv().map_err(|_| stopped())??;
                for ((path, item), loaded) in chunk.iter().zip(loaded) {
                    self.put(path, *item, loaded, layer)?;
                }
            }
            Ok(())
        })
    }

    /// Reads every `n_threads`th chunk, until nobody wants more.
    fn feed(&self, thread: usize, n_threads: usize, sender: &SyncSender<Chunk<'w>>) {
        let mut buffer = Vec::new();
        for chunk in self.chunks.iter().skip(thread).step_by(n_threads) {
            let loaded: Chunk<'w> = chunk
                .iter()
                .map(|(path, item)| self.load(&path_of(path), *item, &mut buffer))
                .collect();
            let has_failed = loaded.is_err();
            if sender.send(loaded).is_err() || has_failed {
                return;
            }
        }
    }

    /// Reads an item, and makes it in the upper directory unless it is large and goes into a layer too.
    fn load(
        &self,
        path: &Path,
        item: Item<'_>,
        buffer: &mut Vec<u8>,
    ) -> Result<Loaded<'w>, CopyFailure> {
        let nothing = |xattrs| Loaded {
            xattrs,
            content: LoadedContent::None,
        };
        let node = match item {
            Item::Directory(directory) if self.has_layer => {
                let xattrs = directory.node.read_xattrs(None);
                return Ok(nothing(xattrs.map_err(read_error(&directory.node))?));
            }
            Item::Directory(_) | Item::HardLink(..) | Item::Whiteout => {
                return Ok(nothing(Arc::default()));
            }
            Item::File(node) => node,
        };
        match node.meta.kind {
            FileKind::File => self.load_file(path, node, buffer),
            FileKind::Symlink => {
                let target = node.target().map_err(read_error(node))?;
                if let Some(upper) = self.upper {
                    upper.symlink(path, &node.meta, &target)?;
                }
                Ok(Loaded {
                    xattrs: Arc::default(),
                    content: LoadedContent::Bytes(target),
                })
            }
            FileKind::Directory
            | FileKind::Fifo
            | FileKind::CharDevice
            | FileKind::BlockDevice
            | FileKind::Socket => {
                if let Some(upper) = self.upper {
                    upper.special(path, &node.meta)?;
                }
                Ok(nothing(Arc::default()))
            }
        }
    }

    fn load_file(
        &self,
        path: &Path,
        node: &Node,
        buffer: &mut Vec<u8>,
    ) -> Result<Loaded<'w>, CopyFailure> {
        let (mut opened, lesson) = learn::open(node, self.index).map_err(read_error(node))?;
        let xattrs = node.read_xattrs(Some(&opened)).map_err(read_error(node))?;
        if opened.size > SMALL {
            if self.has_layer {
                let content = LoadedContent::Open(opened, lesson);
                return Ok(Loaded { xattrs, content });
            }
            self.stream(path, node, (opened, lesson, &xattrs), None)?;
            let content = LoadedContent::None;
            return Ok(Loaded { xattrs, content });
        }
        let size = usize::try_from(opened.size).unwrap_or_default();
        buffer.resize(size, 0);
        opened
            .content
            .read_exact(buffer)
            .and_then(|()| opened.check())
            .map_err(read_error(node))?;
        if let Some(lesson) = lesson {
            lesson.learned(FileDigest::of(buffer), &xattrs);
        }
        if let Some(upper) = self.upper {
            let mut made = upper.create(path)?;
            made.write_all(buffer).map_err(write_error(path))?;
            upper.dress_file(path, &made, &node.meta, &xattrs)?;
        }
        let content = if self.has_layer {
            LoadedContent::Bytes(std::mem::take(buffer))
        } else {
            LoadedContent::None
        };
        Ok(Loaded { xattrs, content })
    }

    /// Copies a large file to where it is wanted.
    fn stream(
        &self,
        path: &Path,
        node: &Node,
        (opened, lesson, xattrs): (Opened, Option<Lesson<'_>>, &Xattrs),
        mut layer: Option<&mut LayerWriter>,
    ) -> Result<(), CopyFailure> {
        let mut opened = opened;
        let mut hasher = lesson.is_some().then(FileHasher::default);
        let mut made = match self.upper {
            Some(upper) => Some(upper.create(path)?),
            None => None,
        };
        if let (None, None, Content::File(source), Some(made)) =
            (&layer, &hasher, &opened.content, &mut made)
        {
            // The kernel copies, or has both files share their blocks.
            let copied = io::copy(&mut source.take(opened.size), made);
            if copied.map_err(write_error(path))? != opened.size {
                return Err(read_error(node)(io::ErrorKind::UnexpectedEof.into()));
            }
        } else {
            let mut buffer = vec![0; READ_SIZE];
            let mut left = opened.size;
            while left > 0 {
                let wanted = usize::try_from(left).map_or(READ_SIZE, |left| left.min(READ_SIZE));
                let read = opened.content.read(&mut buffer[..wanted]);
                let bytes = &buffer[..read.map_err(read_error(node))?];
                if bytes.is_empty() {
                    break;
                }
                left -= u64::try_from(bytes.len()).unwrap_or(left);
                if let Some(hasher) = &mut hasher {
                    hasher.update(bytes);
                }
                if let Some(made) = &mut made {
                    write_or_skip(made, bytes).map_err(write_error(path))?;
                }
                if let Some(layer) = &mut layer {
                    layer.write_all(bytes).map_err(write_error(path))?;
                }
            }
            if left > 0 {
                return Err(read_error(node)(io::ErrorKind::UnexpectedEof.into()));
            }
            if let Some(made) = &made {
                made.set_len(opened.size).map_err(write_error(path))?;
            }
        }
        opened.check().map_err(read_error(node))?;
        if let (Some(lesson), Some(hasher)) = (lesson, hasher) {
            lesson.learned(hasher.finish(), xattrs);
        }
        match (self.upper, &made) {
            (Some(upper), Some(made)) => upper.dress_file(path, made, &node.meta, xattrs),
            _ => Ok(()),
        }
    }

    /// Puts an item into the layer.
    fn put(
        &self,
        path: &[u8],
        item: Item<'_>,
        loaded: Loaded<'_>,
        layer: &mut LayerWriter,
    ) -> Result<(), CopyFailure> {
        let failed = CopyFailure::Layer;
        match (item, loaded.content) {
            (Item::Whiteout, _) => {
                let (directory, name) = match path.iter().rposition(|&byte| byte == b'/') {
                    Some(slash) => path.split_at(slash + 1),
                    None => (&b""[..], path),
                };
                let name = name.strip_prefix(b".wh.").unwrap_or(name);
                layer.whiteout(&[directory, name].concat()).map_err(failed)
            }
            (Item::Directory(directory), _) => {
                let path = path.strip_suffix(b"/").unwrap_or(path);
                let kind = EntryKind::Directory;
                let entry = entry(path, kind, &directory.node.meta, &loaded.xattrs);
                layer.entry(&entry).map_err(failed)
            }
            (Item::HardLink(node, first), _) => {
                let kind = EntryKind::HardLink(first.to_vec());
                let entry = entry(path, kind, &node.meta, &Xattrs::new());
                layer.entry(&entry).map_err(failed)
            }
            (Item::File(node), content) => {
                let kind = kind_of(&node.meta, &content);
                let mut entry = entry(path, kind, &node.meta, &loaded.xattrs);
                match (&entry.kind, content) {
                    (EntryKind::File, LoadedContent::Bytes(bytes)) => {
                        entry.size = u64::try_from(bytes.len()).unwrap_or_default();
                        layer.entry(&entry).map_err(failed)?;
                        let path = path_of(path);
                        layer.write_all(&bytes).map_err(write_error(&path))
                    }
                    (EntryKind::File, LoadedContent::Open(opened, lesson)) => {
                        entry.size = opened.size;
                        layer.entry(&entry).map_err(failed)?;
                        let path = path_of(path);
                        let source = (opened, lesson, &*loaded.xattrs);
                        self.stream(&path, node, source, Some(layer))
                    }
                    (_, _) => layer.entry(&entry).map_err(failed),
                }
            }
        }
    }
}

/// Writes a piece of a large file, or leaves a hole if it is zeros.
fn write_or_skip(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    if bytes.iter().all(|byte| *byte == 0) {
        file.seek_relative(i64::try_from(bytes.len()).unwrap_or_default())
    } else {
        file.write_all(bytes)
    }
}

fn kind_of(meta: &Meta, content: &LoadedContent<'_>) -> EntryKind {
    let (major, minor) = meta.device;
    match meta.kind {
        FileKind::Directory => EntryKind::Directory,
        FileKind::File | FileKind::Socket => EntryKind::File,
        FileKind::Symlink => EntryKind::Symlink(match content {
            LoadedContent::Bytes(target) => target.clone(),
            LoadedContent::None | LoadedContent::Open(..) => Vec::new(),
        }),
        FileKind::Fifo => EntryKind::Fifo,
        FileKind::CharDevice => EntryKind::CharDevice(major, minor),
        FileKind::BlockDevice => EntryKind::BlockDevice(major, minor),
    }
}

fn entry(path: &[u8], kind: EntryKind, meta: &Meta, xattrs: &Xattrs) -> Entry {
    Entry {
        path: path.to_vec(),
        kind,
        mode: meta.mode,
        uid: meta.uid,
        gid: meta.gid,
        mtime: meta.mtime,
        size: 0,
        xattrs: xattrs.clone(),
    }
}

fn join<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn read_error(node: &Node) -> impl FnOnce(io::Error) -> CopyFailure + '_ {
    move |source| CopyFailure::Read {
        path: node.shown(),
        source,
    }
}
