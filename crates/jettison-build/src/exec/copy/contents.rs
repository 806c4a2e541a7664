//! What a cache key says of the files that are copied: everything that decides what is copied, and no times.

use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use jettison_oci::{Digest, Hasher};

use crate::exec::copy::mode::ModeRule;
use crate::exec::copy::select::KnownDigest;
use crate::exec::copy::{CopyFailure, CopyWork};
use crate::exec::files::{FileKind, Node, bytes};

/// How many bytes of a file are read at once.
const READ_SIZE: usize = 256 << 10;
/// How many files a thread takes at once.
const CHUNK: usize = 64;

/// Digests of files that were read before.
pub(crate) trait Digests: Sync {
    /// The digest of a file, if it is known and the file has not changed since.
    fn known(&self, node: &Node) -> Option<Digest>;

    /// Tells the digest of a file that has been read.
    fn learned(&self, node: &Node, digest: Digest);
}

/// Nothing was read before.
#[derive(Debug)]
pub(crate) struct NoDigests;

impl Digests for NoDigests {
    fn known(&self, _node: &Node) -> Option<Digest> {
        None
    }

    fn learned(&self, _node: &Node, _digest: Digest) {}
}

impl CopyWork<'_> {
    /// One line for each source and each file below it: name, kind, mode and owner as far as the copy's depend on them, the target
    /// of a link or the digest of the content, and a line for each extended attribute.
    ///
    /// Files whose digests are not known are read, by as many threads as there are processors.
    pub(crate) fn contents(&self, digests: &dyn Digests) -> Result<String, CopyFailure> {
        self.find_digests(digests)?;
        let mut text = String::new();
        for selected in &self.selected {
            let name = selected.named.file_name().unwrap_or_default();
            if selected.node.meta.is_dir() {
                text.push_str("source directory\n");
            } else {
                self.lines(
                    Path::new(name),
                    (&selected.node, &selected.digest),
                    &mut text,
                )?;
            }
            for found in &selected.found {
                if !found.is_wanted {
                    let (name, mode) = (quoted(&found.relative), found.node.meta.mode);
                    line(&mut text, format_args!("above {name} {mode:o}"));
                }
                self.lines(&found.relative, (&found.node, &found.digest), &mut text)?;
            }
        }
        Ok(text)
    }

    /// Reads the files whose digests are not known.
    fn find_digests(&self, digests: &dyn Digests) -> Result<(), CopyFailure> {
        let tops = self.selected.iter().map(|top| (&top.node, &top.digest));
        let inner = self.selected.iter().flat_map(|top| &top.found);
        let inner = inner.map(|found| (&found.node, &found.digest));
        let unknown: Vec<(&Node, &KnownDigest)> = tops
            .chain(inner)
            .filter(|(node, known)| node.meta.kind == FileKind::File && known.get().is_none())
            .filter(|(node, known)| match digests.known(node) {
                Some(digest) => {
                    known.set(digest);
                    false
                }
                None => true,
            })
            .collect();
        let chunks: Vec<_> = unknown.chunks(CHUNK).collect();
        let next = AtomicUsize::new(0);
        let work = || -> Result<(), CopyFailure> {
            let mut buffer = vec![0; READ_SIZE];
            while let Some(chunk) = chunks.get(next.fetch_add(1, Ordering::Relaxed)) {
                for (node, known) in *chunk {
                    let digest = digest_of(node, &mut buffer)?;
                    known.set(digest);
                    digests.learned(node, digest);
                }
            }
            Ok(())
        };
        let n_threads = super::write::n_threads().min(chunks.len());
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..n_threads).map(|_| scope.spawn(work)).collect();
            let mut result = work();
            for other in others {
                let joined = other
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                result = result.and(joined);
            }
            result
        })
    }

    fn lines(
        &self,
        name: &Path,
        (node, digest): (&Node, &KnownDigest),
        text: &mut String,
    ) -> Result<(), CopyFailure> {
        let failed = |source| read_error(node, source);
        let name = quoted(name);
        let attributes = self.attributes(node);
        match node.meta.kind {
            FileKind::Directory => line(text, format_args!("dir {name}{attributes}")),
            FileKind::File => {
                let digest = digest.get().map(|digest| digest.to_string());
                let digest = digest.unwrap_or_default();
                line(text, format_args!("file {name}{attributes} {digest}"));
            }
            FileKind::Symlink => {
                let target = node.target().map_err(failed)?;
                let target = target.escape_ascii();
                line(text, format_args!("link {name}{attributes} \"{target}\""));
            }
            kind @ (FileKind::Fifo
            | FileKind::CharDevice
            | FileKind::BlockDevice
            | FileKind::Socket) => {
                let (major, minor) = node.meta.device;
                line(
                    text,
                    format_args!("{kind:?} {name}{attributes} {major}:{minor}"),
                );
            }
        }
        let xattrs = match node.meta.kind {
            FileKind::Directory => node.read_xattrs(None),
            FileKind::File if node.xattrs.is_none() => node
                .open()
                .and_then(|opened| node.read_xattrs(Some(&opened))),
            FileKind::File => node.read_xattrs(None),
            FileKind::Symlink
            | FileKind::Fifo
            | FileKind::CharDevice
            | FileKind::BlockDevice
            | FileKind::Socket => return Ok(()),
        };
        for (name, value) in xattrs.map_err(failed)?.iter() {
            let (name, value) = (name.escape_ascii(), value.escape_ascii());
            line(text, format_args!("attribute \"{name}\" \"{value}\""));
        }
        Ok(())
    }

    /// Mode and owner, where the copy's are not given by the instruction.
    fn attributes(&self, node: &Node) -> String {
        let mut text = String::new();
        match self.mode {
            ModeRule::Octal(_) => {}
            ModeRule::Kept | ModeRule::Symbolic(_) => {
                write_to(&mut text, format_args!(" {:o}", node.meta.mode));
            }
        }
        if self.keeps_owners && self.definition.chown.is_none() {
            write_to(
                &mut text,
                format_args!(" {}:{}", node.meta.uid, node.meta.gid),
            );
        }
        text
    }
}

fn digest_of(node: &Node, buffer: &mut [u8]) -> Result<Digest, CopyFailure> {
    let mut hasher = Hasher::new();
    let read = node.open().and_then(|opened| {
        let mut content = opened.content.take(opened.size);
        loop {
            match content.read(buffer)? {
                0 => return Ok(()),
                length => hasher.update(&buffer[..length]),
            }
        }
    });
    read.map_err(|source| read_error(node, source))?;
    Ok(hasher.finish())
}

fn read_error(node: &Node, source: std::io::Error) -> CopyFailure {
    CopyFailure::Read {
        path: node.shown(),
        source,
    }
}

/// A path in quotes, so that no path can look like more than one.
fn quoted(path: &Path) -> String {
    format!("\"{}\"", bytes(path).escape_ascii())
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    write_to(text, arguments);
    text.push('\n');
}

fn write_to(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    let written = text.write_fmt(arguments);
    debug_assert!(written.is_ok(), "a String takes everything");
}
