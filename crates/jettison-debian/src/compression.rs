//! Decompression of what archives publish, with limits against bombs.

use std::fmt;
use std::io::{self, Read};

/// The most memory that decompressing may need for its window; `xz -9` needs 65 MiB.
const WINDOW_LIMIT_KIB: u32 = 192 * 1024;
const WINDOW_LIMIT_LOG: u32 = 27;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// xz.
    Xz,
    /// Zstandard.
    Zstd,
}

impl Compression {
    pub(crate) const ALL: [Compression; 4] = [
        Compression::Xz,
        Compression::Zstd,
        Compression::Gzip,
        Compression::None,
    ];

    /// What the extension of `file_name` says, where it is one that Debian uses.
    pub(crate) fn of_file_name(file_name: &str) -> Option<(&str, Compression)> {
        match file_name.rsplit_once('.') {
            Some((stem, "gz")) => Some((stem, Compression::Gzip)),
            Some((stem, "xz")) => Some((stem, Compression::Xz)),
            Some((stem, "zst")) => Some((stem, Compression::Zstd)),
            Some((_, "tar")) => Some((file_name, Compression::None)),
            Some(_) | None => None,
        }
    }

    /// The extension with its dot, or nothing.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Compression::None => "",
            Compression::Gzip => ".gz",
            Compression::Xz => ".xz",
            Compression::Zstd => ".zst",
        }
    }

    /// What `bytes` decompress to; reading more than `limit` bytes is an error.
    pub(crate) fn reader(self, bytes: &[u8], limit: u64) -> io::Result<Limited<'_>> {
        let inner: Box<dyn Read + '_> = match self {
            Compression::None => Box::new(bytes),
            Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(bytes)),
            Compression::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(
                bytes,
                true,
                WINDOW_LIMIT_KIB,
            )),
            Compression::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(bytes)?;
                decoder.window_log_max(WINDOW_LIMIT_LOG)?;
                Box::new(decoder)
            }
        };
        Ok(Limited { inner, left: limit })
    }
}

/// A reader that fails, rather than ends, where its limit is reached.
pub(crate) struct Limited<'a> {
    inner: Box<dyn Read + 'a>,
    left: u64,
}

impl fmt::Debug for Limited<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Limited")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

impl Read for Limited<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // lzma-rust2 takes a read of nothing for the end of the block.
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = self.inner.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => return Err(io::Error::other("it unpacks to more than its limit")),
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn xz(bytes: &[u8]) -> Vec<u8> {
        let options = lzma_rust2::XzOptions::with_preset(1);
        let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    fn check(compression: Compression, packed: &[u8], expected: &[u8]) {
        let mut unpacked = Vec::new();
        let mut reader = compression.reader(packed, expected.len() as u64).unwrap();
        reader.read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, expected, "{compression:?}");

        let mut reader = compression
            .reader(packed, expected.len() as u64 - 1)
            .unwrap();
        let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "it unpacks to more than its limit");

        let cut = &packed[..packed.len() - 1];
        let reader = compression.reader(cut, u64::MAX);
        let is_noticed = reader
            .and_then(|mut r| r.read_to_end(&mut Vec::new()))
            .is_err();
        assert!(
            is_noticed || compression == Compression::None,
            "{compression:?}"
        );
    }

    #[test]
    fn every_compression_is_read_up_to_its_limit_and_to_its_end() {
        let bytes = b"some bytes, some bytes, some bytes".repeat(100);
        check(Compression::None, &bytes, &bytes);
        check(Compression::Gzip, &gzip(&bytes), &bytes);
        check(Compression::Xz, &xz(&bytes), &bytes);
        check(
            Compression::Zstd,
            &zstd::encode_all(&bytes[..], 1).unwrap(),
            &bytes,
        );
    }

    #[test]
    fn a_read_of_nothing_is_not_the_end() {
        for (compression, packed) in [
            (Compression::Xz, xz(b"some bytes")),
            (Compression::Gzip, gzip(b"some bytes")),
        ] {
            let mut reader = compression.reader(&packed, 10).unwrap();
            let mut unpacked = [0; 10];
            reader.read_exact(&mut unpacked[..4]).unwrap();
            assert_eq!(reader.read(&mut []).unwrap(), 0);
            reader.read_exact(&mut unpacked[4..]).unwrap();
            assert_eq!(&unpacked, b"some bytes", "{compression:?}");
        }
    }

    #[test]
    fn concatenated_members_are_one_file() {
        let twice = [gzip(b"one "), gzip(b"two")].concat();
        check(Compression::Gzip, &twice, b"one two");
    }

    #[test]
    fn an_xz_window_that_needs_too_much_memory_is_refused() {
        let mut options = lzma_rust2::XzOptions::with_preset(1);
        options.lzma_options.dict_size = 1 << 29;
        let small = xz(b"bytes");
        // The block header's dictionary size is coded in one byte; 0x24 is 1 GiB. Its checksum follows.
        let mut hostile = small.clone();
        let filter = hostile
            .windows(2)
            .position(|pair| pair == [0x21, 0x01])
            .unwrap();
        hostile[filter + 2] = 0x24;
        let header_start = 12;
        let header_size = (usize::from(hostile[header_start]) + 1) * 4;
        let crc_at = header_start + header_size - 4;
        let mut crc = flate2::Crc::new();
        crc.update(&hostile[header_start..crc_at]);
        hostile[crc_at..crc_at + 4].copy_from_slice(&crc.sum().to_le_bytes());
        let result = Compression::Xz
            .reader(&hostile, 100)
            .and_then(|mut reader| reader.read_to_end(&mut Vec::new()));
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::OutOfMemory);
    }
}
