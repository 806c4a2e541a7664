//! The blocks that tars are made of.

use std::io::{self, Read};

use crate::changeset::LayerError;
use crate::changeset::header::{BLOCK, CHECKSUM, Field};

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
    // The checksum is that of a header with eight spaces in its place. Some programs have added signed bytes.
    let others = || block[..148].iter().chain(&block[156..]);
    let unsigned = others().map(|&byte| u32::from(byte)).sum::<u32>() + 8 * u32::from(b' ');
    let signed = others()
        .map(|&byte| i32::from(byte.cast_signed()))
        .sum::<i32>()
        + 8 * 32;
    let expected = number(&header, CHECKSUM)?;
    if expected != i64::from(unsigned) && expected != i64::from(signed) {
        return Err(damaged("a header's checksum is wrong"));
    }
    Ok(Some(header))
}

/// The number in a field of a header.
pub(crate) fn number(header: &tar::Header, (start, length): Field) -> Result<i64, LayerError> {
    let field = &header.as_bytes()[start..start + length];
    parse_number(field).ok_or_else(|| damaged("a header has a number that is none"))
}

/// The number in a field that cannot be negative.
pub(crate) fn natural(header: &tar::Header, field: Field) -> Result<u64, LayerError> {
    let number = number(header, field)?;
    u64::try_from(number).map_err(|_| damaged("a header has a negative number"))
}

/// Octal digits, or binary where the first bit is set. Nothing means 0 (Go: `parseNumeric`, archive/tar/strconv.go).
pub(crate) fn parse_number(field: &[u8]) -> Option<i64> {
    if let [first, rest @ ..] = field
        && first & 0x80 != 0
    {
        // The bit behind it is the sign.
        let start = i64::from(first & 0x7f) - if first & 0x40 == 0 { 0 } else { 0x80 };
        return rest.iter().try_fold(start, |number, &byte| {
            number.checked_mul(256)?.checked_add(i64::from(byte))
        });
    }
    let is_blank = |byte: &u8| matches!(byte, b' ' | 0);
    let Some(begin) = field.iter().position(|byte| !is_blank(byte)) else {
        return Some(0);
    };
    let digits = field[begin..].split(is_blank).next().unwrap_or_default();
    digits.iter().try_fold(0_i64, |number, &digit| {
        let digit = (b'0'..=b'7').contains(&digit).then(|| digit - b'0')?;
        number.checked_mul(8)?.checked_add(i64::from(digit))
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_every_form() {
        for (field, expected) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"    644 ", Some(0o644)),
            (b"644\0junk", Some(0o644)),
            (b"77777777", Some(0o77_777_777)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"        ", Some(0)),
            (b"", Some(0)),
            (b"\x80\0\0\0\0\0\x01\x02", Some(0x102)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xfe", Some(-2)),
            (b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"0000648\0", None),
            (b"-1      ", None),
        ] {
            assert_eq!(parse_number(field), expected, "{}", field.escape_ascii());
        }
    }
}
