//! The formats that blocks are compressed in.

use std::fmt;
use std::io;

use zstd::stream::raw::CParameter;

/// What is compressed at once with gzip: larger blocks are hardly smaller, and smaller ones are larger.
const GZIP_BLOCK: usize = 512 << 10;
/// What is compressed at once with zstd, and how far back it looks (as a power of two).
const ZSTD_BLOCK: usize = 4 << 20;
const ZSTD_WINDOW: u32 = 22;
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
    /// How many bytes are compressed at once.
    pub(crate) fn block_size(self) -> usize {
        match self {
            Format::Gzip(_) => GZIP_BLOCK,
            Format::Zstd(_) => ZSTD_BLOCK,
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
                compressor.set_parameter(CParameter::WindowLog(ZSTD_WINDOW))?;
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
