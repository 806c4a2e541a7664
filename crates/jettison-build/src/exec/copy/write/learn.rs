//! Learning what the files of a context hold while they are copied.

use std::io;
use std::time::SystemTime;

use crate::context::{Content, ContentIndex, FileDigest, FileIdentity, FileTime};
use crate::exec::attributes;
use crate::exec::files::{Node, Opened, Xattrs};

/// What is going to be known of a file when all of it has been read.
pub(super) struct Lesson<'a> {
    index: &'a ContentIndex,
    identity: FileIdentity,
    /// Before it was opened.
    start: SystemTime,
}

/// Opens a regular file. If `index` does not know what it holds, and it is a context's, that is going to be learned.
pub(super) fn open<'a>(
    node: &Node,
    index: Option<&'a ContentIndex>,
) -> io::Result<(Opened, Option<Lesson<'a>>)> {
    let mut start = SystemTime::now();
    let mut opened = node.open()?;
    let (Some(index), Some(identity), None) = (index, opened.identity(), &node.xattrs) else {
        return Ok((opened, None));
    };
    if index.get(&identity).is_some() {
        return Ok((opened, None));
    }
    if let Some(wait) = identity.settles_in(FileTime::of(start)) {
        // What is read now could be changed again without a trace.
        std::thread::sleep(wait);
        start = SystemTime::now();
        opened = node.open()?;
    }
    let lesson = Lesson {
        index,
        identity,
        start,
    };
    Ok((opened, Some(lesson)))
}

impl Lesson<'_> {
    /// Tells the index what the bytes of the file come to. It has been read to its end, and is still the same.
    pub(super) fn learned(self, digest: FileDigest, xattrs: &Xattrs) {
        let lines: Vec<String> = attributes::lines(xattrs).collect();
        let content = Content {
            digest,
            attributes: (!lines.is_empty()).then(|| FileDigest::of(lines.join("\n").as_bytes())),
        };
        self.index.record(&self.identity, content, self.start);
    }
}
