//! Compression on all cores: the input is cut into blocks of one size, and each is compressed by itself.
//!
//! A block becomes a member of gzip or a frame of zstd. Both formats define that what follows each other means what it
//! says one after the other (RFC 1952, 2.2; RFC 8878, 3.1). Where the cuts are depends on the input alone, so that
//! the output is the same with any number of threads.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, available_parallelism};

use crate::compress::codec::{Codec, Format};

/// Compresses what is written to it.
#[derive(Debug)]
pub(crate) struct Blocks<W: Write> {
    writer: W,
    format: Format,
    n_threads: usize,
    /// What came since the last cut.
    pending: Vec<u8>,
    /// Where blocks are compressed, once there is a second one.
    pool: Option<Pool>,
    /// The blocks that are being compressed, oldest first.
    under_way: VecDeque<Receiver<io::Result<Block>>>,
    /// Buffers to be used again.
    spare: Vec<Block>,
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
            pending: Vec::new(),
            pool: None,
            under_way: VecDeque::new(),
            spare: Vec::new(),
        }
    }

    /// Writes what is still held back and returns the writer.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        match self.pool {
            // One block, perhaps an empty one, is not worth a thread.
            None => {
                let mut output = Vec::new();
                Codec::new(self.format)?.compress(&self.pending, &mut output)?;
                self.writer.write_all(&output)?;
            }
            Some(_) if self.pending.is_empty() => {}
            Some(_) => self.submit()?,
        }
        while !self.under_way.is_empty() {
            self.collect()?;
        }
        Ok(self.writer)
    }

    /// Passes the block on that is complete.
    fn submit(&mut self) -> io::Result<()> {
        if self.pool.is_none() {
            self.pool = Some(Pool::new(self.format, self.n_threads)?);
        }
        // One more for each thread, so that none has to wait for this one.
        if self.under_way.len() >= 2 * self.n_threads {
            self.collect()?;
        }
        let Block { input, output } = self.spare.pop().unwrap_or_default();
        let input = std::mem::replace(&mut self.pending, input);
        self.pending.clear();
        if let Some(pool) = &self.pool {
            self.under_way
                .push_back(pool.submit(Block { input, output })?);
        }
        Ok(())
    }

    /// Writes the oldest block.
    fn collect(&mut self) -> io::Result<()> {
        let Some(block) = self.under_way.pop_front() else {
            return Ok(());
        };
        let block = block.recv().map_err(|_| stopped())??;
        self.writer.write_all(&block.output)?;
        self.spare.push(block);
        Ok(())
    }
}

impl<W: Write> Write for Blocks<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let size = self.format.block_size();
        // A block is only complete when more follows: the last one may be compressed without threads.
        if self.pending.len() == size && !bytes.is_empty() {
            self.submit()?;
        }
        let fitting = bytes.len().min(size - self.pending.len());
        self.pending.extend_from_slice(&bytes[..fitting]);
        Ok(fitting)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// A piece of the input, and what becomes of it.
#[derive(Debug, Default)]
struct Block {
    input: Vec<u8>,
    output: Vec<u8>,
}

/// A block, and where it is expected.
type Job = (Block, SyncSender<io::Result<Block>>);

/// Threads that compress blocks.
#[derive(Debug)]
struct Pool {
    // Taken when no more is to come.
    jobs: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    fn new(format: Format, n_threads: usize) -> io::Result<Pool> {
        let (jobs, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        let mut pool = Pool {
            jobs: Some(jobs),
            threads: Vec::with_capacity(n_threads),
        };
        for _ in 0..n_threads {
            let queue = Arc::clone(&queue);
            let mut codec = Codec::new(format)?;
            let thread = std::thread::Builder::new()
                .name("compress".to_owned())
                .spawn(move || work(&queue, &mut codec))?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    fn submit(&self, block: Block) -> io::Result<Receiver<io::Result<Block>>> {
        let (done, result) = sync_channel(1);
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.send((block, done)).map_err(|_| stopped())?;
        Ok(result)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        drop(self.jobs.take());
        for thread in self.threads.drain(..) {
            if let Err(panic) = thread.join()
                && !std::thread::panicking()
            {
                resume_unwind(panic);
            }
        }
    }
}

/// Compresses blocks as long as there are any.
fn work(queue: &Mutex<Receiver<Job>>, codec: &mut Codec) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((mut block, done)) = job else { return };
        let compressed = codec.compress(&block.input, &mut block.output);
        // Nobody waits for it any more if the writer has failed.
        drop(done.send(compressed.map(|()| block)));
    }
}

fn stopped() -> io::Error {
    io::Error::new(
        io::ErrorKind::BrokenPipe,
        "a compressing thread has stopped",
    )
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
                let mut blocks = Blocks::with_threads(Vec::new(), format, n_threads);
                blocks.write_all(&text).unwrap();
                blocks.finish().unwrap()
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
        let mut blocks = Blocks::with_threads(Full, Format::Gzip(1), 2);
        let zeros = vec![0; 1 << 20];
        let failed = (0..1000).find_map(|_| blocks.write_all(&zeros).err());
        assert_eq!(failed.unwrap().kind(), io::ErrorKind::StorageFull);
    }
}
