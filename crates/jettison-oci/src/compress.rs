//! Compression of layers.

mod blocks;
mod codec;
mod kept;

use std::io::{self, BufRead, BufReader, Read, Write};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;

use crate::compress::blocks::Blocks;
use crate::compress::codec::Format;
pub(crate) use crate::compress::kept::Contents;
pub use crate::compress::kept::KeptBlocks;
use crate::digest::{Digest, Hasher};
use crate::media_type::MediaType;

/// Decoders get their input in pieces of this size.
const INPUT_SIZE: usize = 128 << 10;
/// What is not compressed is written in pieces of this size.
const PLAIN_SIZE: usize = 256 << 10;
/// How much memory an xz stream may ask for: `xz -9` needs a third of it. Zstd's own limit is of that order too.
const XZ_MEMORY_KIB: u32 = 192 << 10;

/// How a layer's tar is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// With gzip.
    Gzip {
        /// 0 (only packed up), 1 (fast) to 9 (small); larger numbers mean 9.
        level: u32,
    },
    /// With zstd.
    Zstd {
        /// 1 (fast) to 19 (small); larger numbers mean 19. Negative ones are faster still.
        level: i32,
    },
}

impl Compression {
    /// What a store uses: fast, and smaller than gzip.
    pub const STORE: Compression = Compression::Zstd { level: 2 };
    /// What every tool can read: within 3 % of what gzip's own default makes of `/usr`, in a quarter of the time.
    pub const INTEROPERABLE: Compression = Compression::Gzip { level: 2 };
    /// What tools of today can read: smaller, and faster to make and to read.
    pub const MODERN: Compression = Compression::Zstd { level: 3 };

    /// The media type of a layer that is compressed so.
    pub fn media_type(self) -> MediaType {
        match self {
            Compression::None => MediaType::OciLayerTar,
            Compression::Gzip { .. } => MediaType::OciLayerTarGzip,
            Compression::Zstd { .. } => MediaType::OciLayerTarZstd,
        }
    }
}

/// Compresses what is written to it, the same bytes always to the same bytes.
#[derive(Debug)]
pub(crate) enum Encoder<W: Write> {
    None(Plain<W>),
    Blocks(Blocks<W>),
}

impl<W: Write> Encoder<W> {
    pub(crate) fn new(writer: W, compression: Compression) -> Encoder<W> {
        match compression {
            Compression::None => Encoder::None(Plain {
                writer,
                buffer: Vec::new(),
                hasher: None,
            }),
            Compression::Gzip { level } => {
                Encoder::Blocks(Blocks::new(writer, Format::Gzip(level)))
            }
            Compression::Zstd { level } => {
                Encoder::Blocks(Blocks::new(writer, Format::Zstd(level)))
            }
        }
    }

    /// The same, and [`Encoder::finish_hashed`] will know the digest of what was written.
    pub(crate) fn hashing(self) -> Encoder<W> {
        match self {
            Encoder::None(plain) => Encoder::None(Plain {
                hasher: Some(Hasher::new()),
                ..plain
            }),
            Encoder::Blocks(blocks) => Encoder::Blocks(blocks.hashing()),
        }
    }

    /// The same, with blocks that were compressed before. Without compression there are none.
    pub(crate) fn keeping(self, kept: KeptBlocks) -> Encoder<W> {
        match self {
            Encoder::None(plain) => Encoder::None(plain),
            Encoder::Blocks(blocks) => Encoder::Blocks(blocks.keeping(kept)),
        }
    }

    /// Makes what follows, which is `contents`, a block of its own.
    pub(crate) fn cut(&mut self, contents: Contents) -> io::Result<()> {
        match self {
            Encoder::None(_) => Ok(()),
            Encoder::Blocks(blocks) => blocks.cut(contents),
        }
    }

    /// Room for what comes next, which is never empty.
    pub(crate) fn space(&mut self) -> io::Result<&mut [u8]> {
        match self {
            Encoder::None(plain) => {
                plain.buffer.resize(PLAIN_SIZE, 0);
                Ok(&mut plain.buffer)
            }
            Encoder::Blocks(blocks) => blocks.space(),
        }
    }

    /// Takes the first `length` bytes of the room for written.
    pub(crate) fn commit(&mut self, length: usize) -> io::Result<()> {
        match self {
            Encoder::None(plain) => plain.commit(length),
            Encoder::Blocks(blocks) => {
                blocks.commit(length);
                Ok(())
            }
        }
    }

    /// Writes what is still held back and returns the writer.
    pub(crate) fn finish(self) -> io::Result<W> {
        match self {
            Encoder::None(plain) => Ok(plain.writer),
            Encoder::Blocks(blocks) => blocks.finish(),
        }
    }

    /// The same, and the digest of what was written if it is wanted.
    pub(crate) fn finish_hashed(self) -> io::Result<(W, Option<Digest>)> {
        match self {
            Encoder::None(plain) => Ok((plain.writer, plain.hasher.map(Hasher::finish))),
            Encoder::Blocks(blocks) => blocks.finish_hashed(),
        }
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Encoder::None(plain) => plain.write(bytes),
            Encoder::Blocks(blocks) => blocks.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Encoder::None(plain) => plain.writer.flush(),
            Encoder::Blocks(blocks) => blocks.flush(),
        }
    }
}

/// Writes things as they are.
#[derive(Debug)]
pub(crate) struct Plain<W: Write> {
    writer: W,
    /// Room for what comes next.
    buffer: Vec<u8>,
    hasher: Option<Hasher>,
}

impl<W: Write> Plain<W> {
    fn commit(&mut self, length: usize) -> io::Result<()> {
        let bytes = &self.buffer[..length.min(self.buffer.len())];
        self.writer.write_all(bytes)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.writer.write(bytes)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&bytes[..length]);
        }
        Ok(length)
    }
}

/// Uncompresses what it reads.
pub(crate) enum Decoder<R: Read> {
    None(BufReader<R>),
    Gzip(Box<MultiGzDecoder<BufReader<R>>>),
    Bzip2(Box<MultiBzDecoder<BufReader<R>>>),
    Xz(Box<XzReader<BufReader<R>>>),
    Zstd(zstd::Decoder<'static, BufReader<R>>),
}

impl<R: Read> Decoder<R> {
    /// Looks at the first bytes, since media types and names of files are not always true.
    ///
    /// What begins in no known way is taken as it is (moby: `Detect`, go-archive/compression).
    pub(crate) fn new(reader: R) -> io::Result<Decoder<R>> {
        let mut reader = BufReader::with_capacity(INPUT_SIZE, reader);
        let start = reader.fill_buf()?;
        // The second form is a skippable frame, which some writers begin with.
        let is_zstd = start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
            || (start.len() >= 8 && start[0] & 0xf0 == 0x50 && start[1..4] == [0x2a, 0x4d, 0x18]);
        Ok(if start.starts_with(&[0x1f, 0x8b, 0x08]) {
            Decoder::Gzip(Box::new(MultiGzDecoder::new(reader)))
        } else if start.starts_with(b"BZh") {
            Decoder::Bzip2(Box::new(MultiBzDecoder::new(reader)))
        } else if start.starts_with(b"\xfd7zXZ\0") {
            Decoder::Xz(Box::new(XzReader::new_mem_limit(
                reader,
                true,
                XZ_MEMORY_KIB,
            )))
        } else if is_zstd {
            Decoder::Zstd(zstd::Decoder::with_buffer(reader)?)
        } else {
            Decoder::None(reader)
        })
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // The decoder of xz would take this for the end of a block.
        if buffer.is_empty() {
            return Ok(0);
        }
        match self {
            Decoder::None(reader) => reader.read(buffer),
            Decoder::Gzip(decoder) => decoder.read(buffer),
            Decoder::Bzip2(decoder) => decoder.read(buffer),
            Decoder::Xz(decoder) => decoder.read(buffer),
            Decoder::Zstd(decoder) => decoder.read(buffer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compress(bytes: &[u8], piece: usize, compression: Compression) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::new(), compression);
        for piece in bytes.chunks(piece) {
            encoder.write_all(piece).unwrap();
        }
        encoder.finish().unwrap()
    }

    fn uncompress(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut uncompressed = Vec::new();
        Decoder::new(bytes)?.read_to_end(&mut uncompressed)?;
        Ok(uncompressed)
    }

    const ALL: [Compression; 7] = [
        Compression::None,
        Compression::Gzip { level: 0 },
        Compression::Gzip { level: 3 },
        Compression::Zstd { level: -5 },
        Compression::Gzip { level: 6 },
        Compression::Zstd { level: 1 },
        Compression::STORE,
    ];

    /// Several megabytes that are neither constant nor random.
    fn sample() -> Vec<u8> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[usize::from(state.is_multiple_of(8))] & 0x3f
        };
        (0..5_000_000).map(|_| next()).collect()
    }

    #[test]
    fn output_does_not_depend_on_how_the_input_was_cut() {
        let sample = sample();
        for compression in ALL {
            let whole = compress(&sample, sample.len(), compression);
            assert!(
                whole == compress(&sample, 7777, compression),
                "{compression:?}"
            );
            assert!(uncompress(&whole).unwrap() == sample, "{compression:?}");
        }
    }

    #[test]
    fn several_members_are_one_stream() {
        for compression in ALL {
            let mut bytes = compress(b"one ", 1, compression);
            bytes.extend(compress(b"two", 1, compression));
            assert_eq!(uncompress(&bytes).unwrap(), b"one two", "{compression:?}");
        }
    }

    #[test]
    fn a_cut_stream_is_an_error() {
        for compression in &ALL[1..] {
            let bytes = compress(b"some bytes that matter", 100, *compression);
            assert!(
                uncompress(&bytes[..bytes.len() - 1]).is_err(),
                "{compression:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, magic in 0..3_usize) {
            let magic: &[u8] = [&[0x1f, 0x8b][..], &[0x28, 0xb5, 0x2f, 0xfd], &[]][magic];
            drop(uncompress(&[magic, &bytes].concat()));
        }
    }
}
