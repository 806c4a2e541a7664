//! The threads that compress blocks.

use std::io;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::compress::blocks::Input;
use crate::compress::codec::{Codec, Format};
use crate::compress::kept::{Contents, KeptBlocks};

/// A block that is to be compressed.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) input: Arc<Input>,
    pub(super) contents: Contents,
    /// Room for what becomes of it.
    pub(super) output: Vec<u8>,
}

/// A job, and where its output is expected.
type Queued = (Job, SyncSender<io::Result<Vec<u8>>>);

/// What compresses blocks, one after the other.
#[derive(Debug)]
pub(super) struct Worker {
    codec: Codec,
    kept: Option<Arc<KeptBlocks>>,
}

impl Worker {
    pub(super) fn new(format: Format, kept: Option<Arc<KeptBlocks>>) -> io::Result<Worker> {
        Ok(Worker {
            codec: Codec::new(format)?,
            kept,
        })
    }

    /// The block compressed, or as it was kept when it was compressed.
    pub(super) fn run(&mut self, job: Job) -> io::Result<Vec<u8>> {
        let bytes = job.input.bytes();
        let mut output = job.output;
        let Some(kept) = &self.kept else {
            self.codec.compress(bytes, &mut output)?;
            return Ok(output);
        };
        let name = job.contents.name(bytes);
        if !kept.read(&name, bytes.len(), &mut output) {
            self.codec.compress(bytes, &mut output)?;
            kept.write(&name, &output);
        }
        Ok(output)
    }
}

/// Threads that compress blocks.
#[derive(Debug)]
pub(super) struct Pool {
    // Taken when no more is to come.
    jobs: Option<Sender<Queued>>,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    pub(super) fn new(
        format: Format,
        n_threads: usize,
        kept: Option<&Arc<KeptBlocks>>,
    ) -> io::Result<Pool> {
        let (jobs, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        let mut pool = Pool {
            jobs: Some(jobs),
            threads: Vec::with_capacity(n_threads),
        };
        for _ in 0..n_threads {
            let queue = Arc::clone(&queue);
            let mut worker = Worker::new(format, kept.cloned())?;
            let thread = std::thread::Builder::new()
                .name("compress".to_owned())
                .spawn(move || work(&queue, &mut worker))?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    pub(super) fn submit(&self, job: Job) -> io::Result<Receiver<io::Result<Vec<u8>>>> {
        let (done, result) = sync_channel(1);
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.send((job, done)).map_err(|_| stopped())?;
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
fn work(queue: &Mutex<Receiver<Queued>>, worker: &mut Worker) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((job, done)) = job else { return };
        // Nobody waits for it any more if the writer has failed.
        drop(done.send(worker.run(job)));
    }
}

pub(super) fn stopped() -> io::Error {
    io::Error::new(
        io::ErrorKind::BrokenPipe,
        "a compressing thread has stopped",
    )
}
