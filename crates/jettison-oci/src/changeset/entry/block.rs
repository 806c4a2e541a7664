//! The blocks that tars are made of.

use std::io::{self, Read};

use crate::changeset::LayerError;
use crate::changeset::header::BLOCK;

/// How long an extended header or a long name may be. Attributes are at most 64 KiB each.
pub(crate) const LARGEST_EXTENSION: u64 = 4 << 20;
/// How many bytes are passed over at once.
const SKIP_SIZE: usize = 8 << 10;

/// The next header, or `None` at the end of the archive.
pub(crate) fn read_header(reader: &mut impl Read) -> Result<Option<tar::Header>, LayerError> {
    let mut header = tar::Header::new_old();
    let block = header.as_mut_bytes();
    let mut filled = 0;
    while filled < BLOCK {
        match reader.read(&mut block[filled..]) {
            // Some archives end without the two empty blocks.
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) => return Err(archive_error(io::ErrorKind::UnexpectedEof.into())),
            Ok(n_read) => filled += n_read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(archive_error(error)),
        }
    }
    if block.iter().all(|&byte| byte == 0) {
        return Ok(None);
    }
    // The checksum is that of a header with eight spaces in its place.
    let others = block[..148].iter().chain(&block[156..]);
    let sum = others.map(|&byte| u32::from(byte)).sum::<u32>() + 8 * u32::from(b' ');
    if header.cksum().map_err(archive_error)? != sum {
        return Err(damaged("a header's checksum is wrong"));
    }
    Ok(Some(header))
}

/// The content of an extended header.
pub(crate) fn read_extension(reader: &mut impl Read, size: u64) -> Result<Vec<u8>, LayerError> {
    if size > LARGEST_EXTENSION {
        return Err(damaged("an extended header is too large"));
    }
    let mut content = Vec::new();
    reader
        .take(size)
        .read_to_end(&mut content)
        .map_err(archive_error)?;
    if content.len() as u64 != size {
        return Err(archive_error(io::ErrorKind::UnexpectedEof.into()));
    }
    skip(reader, padding(size)).map_err(archive_error)?;
    Ok(content)
}

pub(crate) fn until_nul(mut name: Vec<u8>) -> Vec<u8> {
    let end = name.iter().position(|&byte| byte == 0);
    name.truncate(end.unwrap_or(name.len()));
    name
}

/// How many bytes follow content of `size` bytes to fill a block.
pub(crate) fn padding(size: u64) -> u64 {
    let block = BLOCK as u64;
    (block - size % block) % block
}

pub(crate) fn skip(reader: &mut impl Read, mut left: u64) -> io::Result<()> {
    let mut buffer = [0; SKIP_SIZE];
    while left > 0 {
        let want = usize::try_from(left).unwrap_or(SKIP_SIZE).min(SKIP_SIZE);
        match reader.read(&mut buffer[..want]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n_read) => left -= n_read as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Says that the archive cannot be read.
pub(crate) fn archive_error(source: io::Error) -> LayerError {
    LayerError::Archive { source }
}

/// Says that the archive is wrong.
pub(crate) fn damaged(reason: &'static str) -> LayerError {
    archive_error(io::Error::new(io::ErrorKind::InvalidData, reason))
}
