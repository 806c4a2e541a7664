//! Tells whoever watches how far the files of a layout or an archive are.

use std::io::{self, Read};
use std::time::Instant;

use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::layout::ExportError;
use crate::media_type::MediaType;
use crate::registry::{Transfer, TransferObserver};

/// Of what is smaller nothing is told.
const SMALL: u64 = 64 << 10;
/// How many bytes are carried before it is told again.
const STEP: u64 = 256 << 10;

/// Lets `work` read a blob, and tells how far it is.
pub(super) fn watched<T>(
    observer: &dyn TransferObserver,
    (digest, size): (Digest, u64),
    content: &mut dyn Read,
    work: impl FnOnce(&mut dyn Read) -> Result<T, ExportError>,
) -> Result<T, ExportError> {
    if size < SMALL {
        return work(content);
    }
    plan(observer, (digest, size));
    let started = Instant::now();
    let mut reader = Watched {
        content,
        observer,
        blob: (digest, size),
        done: 0,
        told: 0,
    };
    reader.tell();
    let result = work(&mut reader)?;
    let elapsed = started.elapsed();
    observer.transfer(Transfer::Done { digest, elapsed });
    Ok(result)
}

/// Lets `work` compress a layer, and tells that it does.
pub(super) fn compressing<T>(
    observer: &dyn TransferObserver,
    (digest, size): (Digest, u64),
    work: impl FnOnce() -> Result<T, ExportError>,
) -> Result<T, ExportError> {
    if size < SMALL {
        return work();
    }
    plan(observer, (digest, size));
    observer.transfer(Transfer::Checks { digest });
    let started = Instant::now();
    let result = work()?;
    let elapsed = started.elapsed();
    observer.transfer(Transfer::Done { digest, elapsed });
    Ok(result)
}

fn plan(observer: &dyn TransferObserver, (digest, size): (Digest, u64)) {
    let blobs = [Descriptor::new(MediaType::OciLayerTar, digest, size)];
    observer.transfer(Transfer::Planned { blobs: &blobs });
}

struct Watched<'w> {
    content: &'w mut dyn Read,
    observer: &'w dyn TransferObserver,
    blob: (Digest, u64),
    done: u64,
    told: u64,
}

impl Watched<'_> {
    fn tell(&mut self) {
        let ((digest, size), done) = (self.blob, self.done);
        self.told = done;
        let moved = Transfer::Moved { digest, done, size };
        self.observer.transfer(moved);
    }
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.content.read(buffer)?;
        self.done += u64::try_from(length).unwrap_or_default();
        if self.done - self.told >= STEP {
            self.tell();
        }
        Ok(length)
    }
}
