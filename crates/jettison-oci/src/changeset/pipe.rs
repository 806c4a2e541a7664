//! A bounded pipe of buffers between two threads, so that reading and compressing overlap.

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// What one buffer holds.
const CHUNK: usize = 256 << 10;
/// How many buffers may wait.
const DEPTH: usize = 8;

/// A pipe: what is written to one end is read at the other.
pub(crate) fn pipe() -> (PipeWriter, PipeReader) {
    let (sender, receiver) = sync_channel(DEPTH);
    let (give_back, spare) = sync_channel(DEPTH + 2);
    let writer = PipeWriter {
        buffer: Vec::new(),
        filled: 0,
        sender,
        spare,
    };
    let reader = PipeReader {
        buffer: Vec::new(),
        place: 0,
        receiver,
        give_back,
        ended: false,
    };
    (writer, reader)
}

/// A piece of the stream, or its proper end.
#[derive(Debug)]
enum Message {
    Chunk(Vec<u8>),
    End,
}

/// The end that is written to. It must be finished; dropped, it makes the reader fail.
#[derive(Debug)]
pub(crate) struct PipeWriter {
    // All of it is initialized; what is behind `filled` is free.
    buffer: Vec<u8>,
    filled: usize,
    sender: SyncSender<Message>,
    spare: Receiver<Vec<u8>>,
}

impl PipeWriter {
    /// Room for what comes next, which is never empty.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.buffer.is_empty() {
            self.buffer = self.spare.try_recv().unwrap_or_default();
            self.buffer.resize(CHUNK, 0);
        }
        &mut self.buffer[self.filled..]
    }

    /// Takes the first `length` bytes of the room for written.
    pub(crate) fn commit(&mut self, length: usize) -> io::Result<()> {
        self.filled = self.buffer.len().min(self.filled + length);
        if self.filled == self.buffer.len() {
            self.send()?;
        }
        Ok(())
    }

    /// Sends what is still held back, and the end.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.send()?;
        self.sender.send(Message::End).map_err(|_| reader_gone())
    }

    fn send(&mut self) -> io::Result<()> {
        let mut full = std::mem::take(&mut self.buffer);
        full.truncate(self.filled);
        self.filled = 0;
        if full.is_empty() {
            return Ok(());
        }
        self.sender
            .send(Message::Chunk(full))
            .map_err(|_| reader_gone())
    }
}

fn reader_gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the other thread has stopped")
}

impl Write for PipeWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let space = self.space();
        let fitting = bytes.len().min(space.len());
        space[..fitting].copy_from_slice(&bytes[..fitting]);
        self.commit(fitting)?;
        Ok(fitting)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The end that is read from.
pub(crate) struct PipeReader {
    buffer: Vec<u8>,
    place: usize,
    receiver: Receiver<Message>,
    give_back: SyncSender<Vec<u8>>,
    ended: bool,
}

impl PipeReader {
    /// The next bytes; none at the end.
    pub(crate) fn chunk(&mut self) -> io::Result<&[u8]> {
        while self.place == self.buffer.len() && !self.ended {
            match self.receiver.recv() {
                Ok(Message::Chunk(chunk)) => {
                    let read = std::mem::replace(&mut self.buffer, chunk);
                    self.place = 0;
                    // A buffer that does not fit is dropped.
                    drop(self.give_back.try_send(read));
                }
                Ok(Message::End) => self.ended = true,
                Err(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        Ok(&self.buffer[self.place..])
    }

    /// Whether nothing of the last chunk is left, so that the next one is another.
    pub(crate) fn is_spent(&self) -> bool {
        self.place == self.buffer.len()
    }

    /// Passes over `length` bytes of the last chunk.
    pub(crate) fn consume(&mut self, length: usize) {
        self.place = self.buffer.len().min(self.place + length);
    }
}

impl Read for PipeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let chunk = self.chunk()?;
        let length = chunk.len().min(buffer.len());
        buffer[..length].copy_from_slice(&chunk[..length]);
        self.consume(length);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        let bytes: Vec<u8> = (0..CHUNK * 3 + 5)
            .map(|place| u8::try_from(place % 251).unwrap())
            .collect();
        let (mut writer, mut reader) = pipe();
        let mut read = Vec::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                writer.write_all(&bytes).unwrap();
                writer.finish().unwrap();
            });
            reader.read_to_end(&mut read).unwrap();
        });
        assert!(read == bytes);
    }

    #[test]
    fn a_writer_that_gives_up_is_not_the_end() {
        let (mut writer, mut reader) = pipe();
        writer.write_all(b"half").unwrap();
        drop(writer);
        assert!(reader.read_to_end(&mut Vec::new()).is_err());
    }

    #[test]
    fn a_reader_that_gives_up_stops_the_writer() {
        let (mut writer, reader) = pipe();
        drop(reader);
        writer.write_all(b"half").unwrap();
        assert!(writer.finish().is_err());
    }
}
