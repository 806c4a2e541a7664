//! What happens to blobs while images are pulled, pushed, saved and loaded, for whoever shows it.

use std::time::Duration;

use crate::descriptor::Descriptor;
use crate::digest::Digest;

/// Something that happened to a blob, or to all of them.
#[derive(Debug, Clone, PartialEq)]
pub enum Transfer<'t> {
    /// These blobs are to be carried.
    Planned {
        /// The blobs, in the image's order.
        blobs: &'t [Descriptor],
    },
    /// The blob is where it should be already.
    Exists {
        /// Which.
        digest: Digest,
    },
    /// The registry took the blob from another repository.
    Mounted {
        /// Which.
        digest: Digest,
        /// The repository.
        from: &'t str,
    },
    /// So much of the blob has been carried.
    Moved {
        /// Which.
        digest: Digest,
        /// Bytes in all; less than before if it began anew.
        done: u64,
        /// Of how many.
        size: u64,
    },
    /// The blob waits for another attempt.
    Waits {
        /// Which.
        digest: Digest,
        /// The number of the attempt that failed.
        attempt: u32,
        /// Why it failed, in a line.
        reason: &'t str,
    },
    /// The blob is complete; it is being unpacked and checked. Or it is compressed before it is carried.
    Checks {
        /// Which.
        digest: Digest,
    },
    /// The blob is where it should be.
    Done {
        /// Which.
        digest: Digest,
        /// How long it took.
        elapsed: Duration,
    },
}

/// Sees what happens. Called from any thread.
pub trait TransferObserver: Sync {
    /// Something happened.
    fn transfer(&self, transfer: Transfer<'_>);
}

/// An observer that sees nothing.
#[derive(Debug, Clone, Copy)]
pub struct Unwatched;

impl TransferObserver for Unwatched {
    fn transfer(&self, _transfer: Transfer<'_>) {}
}
