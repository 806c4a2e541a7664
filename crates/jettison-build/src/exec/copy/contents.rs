//! What a cache key says of the files that are copied: everything that decides what is copied, and no times.

use std::fmt::Write as _;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use crate::context::{Content, ContentIndex, Contents, FileDigest, FileHasher, attributes_digest};
use crate::exec::attributes;
use crate::exec::copy::known::Known;
use crate::exec::copy::mode::ModeRule;
use crate::exec::copy::select::{Inside, Selected};
use crate::exec::copy::walked::context_error;
use crate::exec::copy::write::n_threads;
use crate::exec::copy::{CopyFailure, CopyWork, Source};
use crate::exec::files::{self, FileKind, Meta, Node, bytes};

/// How many bytes of a file are read at once.
const READ_SIZE: usize = 256 << 10;
/// How many files a thread takes at once.
const CHUNK: usize = 64;

/// What is said of one file.
struct Line<'a> {
    name: &'a [u8],
    meta: &'a Meta,
    /// A regular file's, or the attributes of a directory.
    content: Option<Content>,
    attributes: Option<FileDigest>,
    target: &'a [u8],
}

impl CopyWork<'_> {
    /// One line for each source and each file below it: name, kind, mode and owner as far as the copy's depend on them, the target
    /// of a link or the digest of the content, and a line for the extended attributes.
    ///
    /// Files whose digests are not known are read, by several threads.
    pub(crate) fn contents(&self, known: Known) -> Result<String, CopyFailure> {
        let mut text = String::new();
        for (selected, known) in self.selected.iter().zip(known.0) {
            if let Some(key) = &selected.key {
                text.push_str(key);
            } else if let (Some(_), Some(known)) = (self.in_context(selected), known) {
                self.context_lines(selected, known, &mut text)?;
            } else {
                self.file_lines(selected, &mut text)?;
            }
        }
        Ok(text)
    }

    fn context_lines(
        &self,
        selected: &Selected,
        (mut contents, unknown): (Contents, Vec<usize>),
        text: &mut String,
    ) -> Result<(), CopyFailure> {
        let Some((walked, tree, index)) = self.in_context(selected) else {
            return Ok(());
        };
        let entries = &walked.entries;
        contents
            .read(tree, entries, &unknown, index)
            .map_err(context_error)?;
        walked.each(|entry, path, is_wanted| {
            let meta = Meta::of_entry(&entry);
            let name = if path.is_empty() && meta.is_dir() {
                text.push_str("source directory\n");
                return Ok(());
            } else if path.is_empty() {
                selected.named.file_name().unwrap_or_default().as_bytes()
            } else {
                path
            };
            if !is_wanted {
                above(name, &meta, text);
            }
            let line = Line {
                name,
                meta: &meta,
                content: contents.get(entry.index()),
                attributes: entry.directory_attributes(),
                target: entry.target().as_bytes(),
            };
            self.line(&line, text);
            Ok(())
        })
    }

    fn file_lines(&self, selected: &Selected, text: &mut String) -> Result<(), CopyFailure> {
        let mut nodes = vec![(
            Path::new(selected.named.file_name().unwrap_or_default()),
            &selected.node,
            true,
        )];
        if let Inside::Found(found) = &selected.inside {
            let found = found.iter();
            nodes.extend(
                found.map(|found| (found.relative.as_path(), &found.node, found.is_wanted)),
            );
        }
        let index = match self.source {
            Source::Context { index, .. } => Some(index),
            Source::Files(_) => None,
        };
        let contents = read_all(&nodes, index)?;
        for (number, ((path, node, is_wanted), content)) in nodes.iter().zip(contents).enumerate() {
            let failed = |source| read_error(node, source);
            if number == 0 && node.meta.is_dir() {
                text.push_str("source directory\n");
                continue;
            }
            if !is_wanted {
                above(bytes(path), &node.meta, text);
            }
            let attributes = if node.meta.is_dir() {
                digest_of_attributes(node).map_err(failed)?
            } else {
                None
            };
            let target = match node.meta.kind {
                FileKind::Symlink => node.target().map_err(failed)?,
                FileKind::Directory
                | FileKind::File
                | FileKind::Fifo
                | FileKind::CharDevice
                | FileKind::BlockDevice
                | FileKind::Socket => Vec::new(),
            };
            let line = Line {
                name: bytes(path),
                meta: &node.meta,
                content,
                attributes,
                target: &target,
            };
            self.line(&line, text);
        }
        Ok(())
    }

    fn line(&self, line: &Line<'_>, text: &mut String) {
        let name = line.name.escape_ascii();
        let kind = match line.meta.kind {
            FileKind::Directory => "dir",
            FileKind::File | FileKind::Socket => "file",
            FileKind::Symlink => "link",
            FileKind::Fifo => "fifo",
            FileKind::CharDevice => "char",
            FileKind::BlockDevice => "block",
        };
        write_to(text, format_args!("{kind} \"{name}\""));
        // Mode and owner, where the copy's are not given by the instruction.
        match self.mode {
            ModeRule::Octal(_) => {}
            ModeRule::Kept | ModeRule::Symbolic(_) => {
                write_to(text, format_args!(" {:o}", line.meta.mode));
            }
        }
        if self.keeps_owners() {
            write_to(text, format_args!(" {}:{}", line.meta.uid, line.meta.gid));
        }
        match line.meta.kind {
            FileKind::Symlink => {
                write_to(text, format_args!(" \"{}\"", line.target.escape_ascii()));
            }
            FileKind::CharDevice | FileKind::BlockDevice => {
                let (major, minor) = line.meta.device;
                write_to(text, format_args!(" {major}:{minor}"));
            }
            FileKind::Directory | FileKind::File | FileKind::Fifo | FileKind::Socket => {}
        }
        if let Some(content) = line.content {
            write_to(text, format_args!(" {}", content.digest));
        }
        let attributes = line
            .content
            .map_or(line.attributes, |content| content.attributes);
        text.push('\n');
        if let Some(attributes) = attributes {
            write_to(text, format_args!("attributes \"{name}\" {attributes}\n"));
        }
    }

    fn keeps_owners(&self) -> bool {
        match self.source {
            Source::Context { .. } => false,
            Source::Files(_) => self.definition.chown.is_none(),
        }
    }
}

/// A directory that is only on the way to something keeps its mode where it is made, and gives it to one that is there.
fn above(name: &[u8], meta: &Meta, text: &mut String) {
    let (name, mode) = (name.escape_ascii(), meta.mode);
    write_to(text, format_args!("above \"{name}\" {mode:o}\n"));
}

/// What the regular files among `nodes` hold.
fn read_all(
    nodes: &[(&Path, &Node, bool)],
    index: Option<&ContentIndex>,
) -> Result<Vec<Option<Content>>, CopyFailure> {
    let mut contents = vec![None; nodes.len()];
    let mut unknown = Vec::new();
    for (number, (_, node, _)) in nodes.iter().enumerate() {
        if node.meta.kind == FileKind::File {
            let known = index.and_then(|index| index.get(&node.meta.identity()));
            match known {
                Some(content) => contents[number] = Some(content),
                None => unknown.push(number),
            }
        }
    }
    let chunks: Vec<&[usize]> = unknown.chunks(CHUNK).collect();
    let next = AtomicUsize::new(0);
    let results = Mutex::new(&mut contents);
    let work = || -> Result<(), CopyFailure> {
        let mut buffer = vec![0; READ_SIZE];
        while let Some(chunk) = chunks.get(next.fetch_add(1, Ordering::Relaxed)) {
            for &number in *chunk {
                let (_, node, _) = nodes[number];
                let now = SystemTime::now();
                let content = read(node, &mut buffer).map_err(|error| read_error(node, error))?;
                if let (Some(index), files::Origin::Disk(..)) = (index, &node.origin) {
                    index.record(&node.meta.identity(), content, now);
                }
                let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                results[number] = Some(content);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let n_others = n_threads().min(chunks.len()).saturating_sub(1);
        let others: Vec<_> = (0..n_others).map(|_| scope.spawn(work)).collect();
        let mut result = work();
        for other in others {
            let joined = other.join();
            result = result.and(joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        result
    })?;
    Ok(contents)
}

fn read(node: &Node, buffer: &mut [u8]) -> std::io::Result<Content> {
    let mut hasher = FileHasher::default();
    let mut opened = node.open()?;
    let mut left = opened.size;
    while left > 0 {
        let wanted = usize::try_from(left).unwrap_or(READ_SIZE).min(buffer.len());
        match opened.content.read(&mut buffer[..wanted])? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            length => {
                hasher.update(&buffer[..length]);
                left -= u64::try_from(length).unwrap_or(left);
            }
        }
    }
    let attributes = match &opened.content {
        files::Content::File(file) if node.xattrs.is_none() => attributes_digest(file)?,
        files::Content::File(_) | files::Content::Text(..) | files::Content::Piece { .. } => None,
    };
    let digest = hasher.finish();
    Ok(Content { digest, attributes })
}

/// The digest of a directory's extended attributes, if it has some.
fn digest_of_attributes(node: &Node) -> std::io::Result<Option<FileDigest>> {
    let xattrs = node.read_xattrs(None)?;
    let lines: Vec<String> = attributes::lines(&xattrs).collect();
    Ok((!lines.is_empty()).then(|| FileDigest::of(lines.join("\n").as_bytes())))
}

fn read_error(node: &Node, source: std::io::Error) -> CopyFailure {
    CopyFailure::Read {
        path: node.shown(),
        source,
    }
}

pub(super) fn write_to(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    let written = text.write_fmt(arguments);
    debug_assert!(written.is_ok(), "a String takes everything");
}
