//! The formats that blocks are compressed in.

use std::fmt;
use std::io;

use zstd::stream::raw::CParameter;

/// What is compressed at once with gzip: larger blocks are hardly smaller, and smaller ones are larger.
const GZIP_BLOCK: usize = 512 << 10;
/// What is compressed at once with zstd, and how far back it looks (as a power of two).
const ZSTD_BLOCK: usize = 4 << 20;
const ZSTD_WINDOW: u32 = 22;
/// The same from the level on at which bytes count and time does not: blocks are almost whole layers. Every decoder has to
/// know windows of this size (RFC 8878, 3.1.1.1.2).
const ZSTD_SMALL: i32 = 16;
const ZSTD_SMALL_BLOCK: usize = 64 << 20;
const ZSTD_SMALL_WINDOW: u32 = 23;
/// The largest levels. Beyond gzip's, blocks would need tens of megabytes each.
const GZIP_LARGEST: u32 = 9;
const ZSTD_LARGEST: i32 = 19;

/// A format and its level.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Format {
    Gzip(u32),
    Zstd(i32),
}

impl Format {
    /// How many blocks may be under way for each thread, one of which is being compressed: large ones take much memory.
    pub(crate) fn blocks_of_thread(self) -> usize {
        match self {
            Format::Zstd(ZSTD_SMALL..) => 1,
            Format::Gzip(_) | Format::Zstd(_) => 2,
        }
    }

    /// How far back zstd looks, as a power of two.
    fn window(level: i32) -> u32 {
        match level {
            ZSTD_SMALL.. => ZSTD_SMALL_WINDOW,
            _ => ZSTD_WINDOW,
        }
    }

    /// How many bytes are compressed at once.
    pub(crate) fn block_size(self) -> usize {
        match self {
            Format::Gzip(_) => GZIP_BLOCK,
            Format::Zstd(ZSTD_SMALL..) => ZSTD_SMALL_BLOCK,
            Format::Zstd(_) => ZSTD_BLOCK,
        }
    }

    /// All that decides what a block is compressed to, if that is known: the library for gzip does not say its version.
    pub(crate) fn identity(self) -> Option<String> {
        match self {
            Format::Gzip(_) => None,
            Format::Zstd(level) => {
                let version = zstd::zstd_safe::version_string();
                let (window, block) = (Format::window(level), self.block_size());
                Some(format!("zstd {version} {level} {window} {block}"))
            }
        }
    }

    /// How many threads are of any use: there must be enough memory for their blocks, and digests must keep up.
    pub(crate) fn most_threads(self) -> usize {
        match self {
            Format::Gzip(_) => 16,
            Format::Zstd(..=4) => 6,
            Format::Zstd(5..=9) => 3,
            Format::Zstd(10..) => 2,
        }
    }
}

/// Compresses blocks one after the other.
pub(crate) enum Codec {
    Gzip(libdeflater::Compressor),
    Zstd(zstd::bulk::Compressor<'static>),
}

impl Codec {
    pub(crate) fn new(format: Format) -> io::Result<Codec> {
        match format {
            Format::Gzip(level) => {
                let level = i32::try_from(level.min(GZIP_LARGEST)).unwrap_or_default();
                let level = libdeflater::CompressionLvl::new(level)
                    .map_err(|_| io::Error::other("libdeflate does not know the level"))?;
                Ok(Codec::Gzip(libdeflater::Compressor::new(level)))
            }
            Format::Zstd(level) => {
                let mut compressor = zstd::bulk::Compressor::new(level.min(ZSTD_LARGEST))?;
                compressor.set_parameter(CParameter::WindowLog(Format::window(level)))?;
                Ok(Codec::Zstd(compressor))
            }
        }
    }

    /// Makes `output` the compressed `input`.
    pub(crate) fn compress(&mut self, input: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Codec::Gzip(compressor) => {
                output.resize(compressor.gzip_compress_bound(input.len()), 0);
                let length = compressor
                    .gzip_compress(input, output)
                    .map_err(io::Error::other)?;
                output.truncate(length);
            }
            Codec::Zstd(compressor) => {
                output.clear();
                output.reserve(zstd::zstd_safe::compress_bound(input.len()));
                compressor.compress_to_buffer(input, output)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Codec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Codec::Gzip(_) => "Gzip",
            Codec::Zstd(_) => "Zstd",
        })
    }
}
