//! The digest of what blocks are made of, computed beside their compression.

use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::compress::blocks::Input;
use crate::compress::blocks::pool::stopped;
use crate::digest::{Digest, Hasher};

/// How many blocks may wait to be hashed.
const DEPTH: usize = 4;

/// Hashes blocks in their order.
#[derive(Debug)]
pub(super) enum InputHash {
    /// Nobody wants to know.
    Unwanted,
    /// The first block is not worth a thread.
    Here(Hasher),
    /// What follows is hashed in another thread.
    There(SyncSender<Arc<Input>>, JoinHandle<Hasher>),
}

impl InputHash {
    /// Adds a block after which others come.
    pub(super) fn add(&mut self, input: &Arc<Input>) -> io::Result<()> {
        if let InputHash::Here(hasher) = self {
            let (blocks, queue) = sync_channel(DEPTH);
            let hasher = std::mem::take(hasher);
            let thread = std::thread::Builder::new()
                .name("hash".to_owned())
                .spawn(move || hash(&queue, hasher))?;
            *self = InputHash::There(blocks, thread);
        }
        match self {
            InputHash::Unwanted | InputHash::Here(_) => Ok(()),
            InputHash::There(blocks, _) => blocks.send(Arc::clone(input)).map_err(|_| stopped()),
        }
    }

    /// Adds the only block.
    pub(super) fn add_only(&mut self, bytes: &[u8]) {
        if let InputHash::Here(hasher) = self {
            hasher.update(bytes);
        }
    }

    /// The digest of all blocks, if it is wanted.
    pub(super) fn finish(self) -> Option<Digest> {
        match self {
            InputHash::Unwanted => None,
            InputHash::Here(hasher) => Some(hasher.finish()),
            InputHash::There(blocks, thread) => {
                drop(blocks);
                let hasher = thread.join().unwrap_or_else(|panic| resume_unwind(panic));
                Some(hasher.finish())
            }
        }
    }
}

fn hash(queue: &Receiver<Arc<Input>>, mut hasher: Hasher) -> Hasher {
    while let Ok(input) = queue.recv() {
        hasher.update(input.bytes());
    }
    hasher
}
