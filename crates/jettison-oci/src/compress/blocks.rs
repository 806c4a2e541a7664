//! Compression on all cores: the input is cut into blocks, and each is compressed by itself.
//!
//! A block becomes a member of gzip or a frame of zstd. Both formats define that what follows each other means what it
//! says one after the other (RFC 1952, 2.2; RFC 8878, 3.1). Where the cuts are depends on the input alone, so that
//! the output is the same with any number of threads.

mod input_hash;
mod pool;

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::available_parallelism;

use crate::compress::blocks::input_hash::InputHash;
use crate::compress::blocks::pool::{Job, Pool, Worker, stopped};
use crate::compress::codec::Format;
use crate::compress::kept::{Contents, KeptBlocks};
use crate::digest::{Digest, Hasher};

/// Compresses what is written to it.
#[derive(Debug)]
pub(crate) struct Blocks<W: Write> {
    writer: W,
    format: Format,
    n_threads: usize,
    /// What came since the last cut, and what it is.
    pending: Input,
    contents: Contents,
    input_hash: InputHash,
    /// Where blocks are compressed, once there is a second one.
    pool: Option<Pool>,
    kept: Option<Arc<KeptBlocks>>,
    /// The blocks that are being compressed, oldest first.
    under_way: VecDeque<Receiver<io::Result<Vec<u8>>>>,
    /// Buffers that others may still be reading, and such that can be used again.
    inputs: Vec<Arc<Input>>,
    outputs: Vec<Vec<u8>>,
}

/// A piece of the input.
#[derive(Debug, Default)]
pub(crate) struct Input {
    // All of it is initialized; what is behind `length` is free. Empty before anything was written.
    buffer: Vec<u8>,
    length: usize,
}

impl Input {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.length]
    }
}

impl<W: Write> Blocks<W> {
    pub(crate) fn new(writer: W, format: Format) -> Blocks<W> {
        let cores = available_parallelism().map_or(1, usize::from);
        Blocks::with_threads(writer, format, cores.min(format.most_threads()))
    }

    fn with_threads(writer: W, format: Format, n_threads: usize) -> Blocks<W> {
        Blocks {
            writer,
            format,
            n_threads,
            pending: Input::default(),
            contents: Contents::Any,
            input_hash: InputHash::Unwanted,
            pool: None,
            kept: None,
            under_way: VecDeque::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// The same, and [`Blocks::finish_hashed`] will know the digest of what was written.
    pub(crate) fn hashing(self) -> Blocks<W> {
        Blocks {
            input_hash: InputHash::Here(Hasher::new()),
            ..self
        }
    }

    /// The same, with blocks that were compressed before.
    pub(crate) fn keeping(self, kept: KeptBlocks) -> Blocks<W> {
        Blocks {
            kept: kept.in_format(self.format).map(Arc::new),
            ..self
        }
    }

    /// Ends a block. What follows is `contents`.
    pub(crate) fn cut(&mut self, contents: Contents) -> io::Result<()> {
        if self.pending.length > 0 {
            self.submit()?;
        }
        self.contents = contents;
        Ok(())
    }

    /// Room for what comes next, which is never empty.
    pub(crate) fn space(&mut self) -> io::Result<&mut [u8]> {
        let size = self.format.block_size();
        // A block is only complete when more follows: the last one may be compressed without threads.
        if self.pending.length == size {
            self.submit()?;
        }
        let pending = &mut self.pending;
        if pending.buffer.is_empty() {
            pending.buffer = vec![0; size];
        }
        Ok(&mut pending.buffer[pending.length..])
    }

    /// Takes the first `length` bytes of the room for written.
    pub(crate) fn commit(&mut self, length: usize) {
        let pending = &mut self.pending;
        pending.length = pending.buffer.len().min(pending.length + length);
    }

    /// Writes what is still held back and returns the writer.
    pub(crate) fn finish(self) -> io::Result<W> {
        Ok(self.finish_hashed()?.0)
    }

    /// The same, and the digest of what was written if it is wanted.
    pub(crate) fn finish_hashed(mut self) -> io::Result<(W, Option<Digest>)> {
        match self.pool {
            // One block, perhaps an empty one, is not worth a thread.
            None => {
                let input = Arc::new(std::mem::take(&mut self.pending));
                self.input_hash.add_only(input.bytes());
                let job = Job {
                    input,
                    contents: self.contents.clone(),
                    output: Vec::new(),
                };
                let output = Worker::new(self.format, self.kept.clone())?.run(job)?;
                self.writer.write_all(&output)?;
            }
            Some(_) if self.pending.length == 0 => {}
            Some(_) => self.submit()?,
        }
        while !self.under_way.is_empty() {
            self.collect()?;
        }
        Ok((self.writer, self.input_hash.finish()))
    }

    /// Passes the block on that is complete.
    fn submit(&mut self) -> io::Result<()> {
        // One more for each thread, so that none has to wait for this one.
        if self.under_way.len() >= self.format.blocks_of_thread() * self.n_threads {
            self.collect()?;
        }
        let next = self.free_input();
        let input = Arc::new(std::mem::replace(&mut self.pending, next));
        self.inputs.push(Arc::clone(&input));
        self.input_hash.add(&input)?;
        let contents = self.contents.clone();
        self.contents = self.contents.rest();
        let output = self.outputs.pop().unwrap_or_default();
        let job = Job {
            input,
            contents,
            output,
        };
        let pool = if let Some(pool) = &self.pool {
            pool
        } else {
            let new = Pool::new(self.format, self.n_threads, self.kept.as_ref())?;
            self.pool.insert(new)
        };
        self.under_way.push_back(pool.submit(job)?);
        Ok(())
    }

    /// A buffer that nobody reads any more, or none.
    fn free_input(&mut self) -> Input {
        let is_free = |input: &Arc<Input>| Arc::strong_count(input) == 1;
        let place = self.inputs.iter().position(is_free);
        let found = place.map(|place| self.inputs.swap_remove(place));
        let found = found.and_then(|input| Arc::try_unwrap(input).ok());
        Input {
            buffer: found.map(|input| input.buffer).unwrap_or_default(),
            length: 0,
        }
    }

    /// Writes the oldest block.
    fn collect(&mut self) -> io::Result<()> {
        let Some(block) = self.under_way.pop_front() else {
            return Ok(());
        };
        let output = block.recv().map_err(|_| stopped())??;
        self.writer.write_all(&output)?;
        self.outputs.push(output);
        Ok(())
    }
}

impl<W: Write> Write for Blocks<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let space = self.space()?;
        let fitting = bytes.len().min(space.len());
        space[..fitting].copy_from_slice(&bytes[..fitting]);
        self.commit(fitting);
        Ok(fitting)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_threads_does_not_change_the_output() {
        let text: Vec<u8> = (0..2_000_000_u32)
            .flat_map(|number| (number / 3).wrapping_mul(2_654_435_761).to_le_bytes())
            .collect();
        for format in [Format::Gzip(1), Format::Zstd(1)] {
            let compressed = |n_threads| {
                let mut blocks = Blocks::with_threads(Vec::new(), format, n_threads).hashing();
                blocks.write_all(&text).unwrap();
                let (compressed, digest) = blocks.finish_hashed().unwrap();
                assert_eq!(digest, Some(Digest::of(&text)), "{format:?} {n_threads}");
                compressed
            };
            let expected = compressed(1);
            for n_threads in [2, 5] {
                assert!(compressed(n_threads) == expected, "{format:?} {n_threads}");
            }
        }
    }

    /// A disk that is full.
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_writer_that_fails_stops_everything() {
        for is_hashed in [false, true] {
            let mut blocks = Blocks::with_threads(Full, Format::Gzip(1), 2);
            if is_hashed {
                blocks = blocks.hashing();
            }
            let zeros = vec![0; 1 << 20];
            let failed = (0..1000).find_map(|_| blocks.write_all(&zeros).err());
            assert_eq!(failed.unwrap().kind(), io::ErrorKind::StorageFull);
        }
    }
}
