//! Files with holes: where the data that an archive has of them belongs.
//!
//! GNU tar has four ways to say so.
//! See <https://www.gnu.org/software/tar/manual/html_section/Sparse-Formats.html>.

use std::io::Read;

use crate::changeset::LayerError;
use crate::changeset::entry::block::{LARGEST_EXTENSION, archive_error, damaged, parse_number};
use crate::changeset::header::BLOCK;

/// How many pieces a file may have.
const MOST_PIECES: usize = 1 << 18;
/// Where pieces stand in the header of the old form, how long each is, and where it says that more follow.
const OLD_PIECES: usize = 386;
const OLD_PIECE: usize = 24;
const OLD_MORE: usize = 482;
const OLD_SIZE: usize = 483;
/// How many pieces stand in a block that follows such a header, and where it says that more follow.
const NEXT_PIECES: usize = 21;
const NEXT_MORE: usize = 504;

/// How an archive describes the holes of a file.
#[derive(Debug)]
pub(crate) enum Form {
    /// In the header, and in blocks behind it.
    Old,
    /// In extended headers (versions 0.0 and 0.1): offset, length, offset, ...
    InRecords { size: u64, numbers: Vec<Vec<u8>> },
    /// Before the content (version 1.0).
    InContent { size: u64 },
}

/// The pieces of a file that are data: offset and length.
#[derive(Debug)]
pub(crate) struct SparseMap {
    // Invariant: sorted, no two overlap, and none is beyond the file's size.
    pieces: Vec<(u64, u64)>,
    stored: u64,
}

impl SparseMap {
    /// Reads how the holes are described, and returns the size of the file too. `stored` bytes follow in the archive,
    /// blocks of the old form left out.
    pub(crate) fn read(
        form: Form,
        stored: u64,
        header: &tar::Header,
        reader: &mut dyn Read,
    ) -> Result<(u64, SparseMap), LayerError> {
        match form {
            Form::Old => {
                let (size, pieces) = old_pieces(header, reader)?;
                Ok((size, SparseMap::new(pieces, size, stored)?))
            }
            Form::InRecords { size, numbers } => {
                let mut pieces = Vec::new();
                for pair in numbers.chunks(2) {
                    let [offset, length] = pair else {
                        return Err(wrong());
                    };
                    pieces.push((decimal(offset)?, decimal(length)?));
                }
                Ok((size, SparseMap::new(pieces, size, stored)?))
            }
            Form::InContent { size } => {
                let (pieces, read) = pieces_in_content(stored, reader)?;
                Ok((size, SparseMap::new(pieces, size, stored - read)?))
            }
        }
    }

    fn new(mut pieces: Vec<(u64, u64)>, size: u64, stored: u64) -> Result<SparseMap, LayerError> {
        // One without length at the end says how large the file is, which is known.
        pieces.retain(|&(_, length)| length > 0);
        let (mut end, mut sum) = (0, 0_u64);
        for &(offset, length) in &pieces {
            if offset < end {
                return Err(wrong());
            }
            end = offset.checked_add(length).ok_or_else(wrong)?;
            sum = sum.checked_add(length).ok_or_else(wrong)?;
        }
        if end > size || sum != stored || pieces.len() > MOST_PIECES {
            return Err(wrong());
        }
        Ok(SparseMap { pieces, stored })
    }

    /// How many bytes are data.
    pub(crate) fn stored(&self) -> u64 {
        self.stored
    }

    /// How long the hole is that `place` is in, from there on.
    pub(crate) fn hole_at(&self, place: u64, size: u64) -> u64 {
        let next = self.next_piece(place).map_or(size, |(offset, _)| offset);
        next.saturating_sub(place)
    }

    /// How much data there is from `place` on, to the next hole.
    pub(crate) fn data_at(&self, place: u64) -> u64 {
        match self.next_piece(place) {
            Some((offset, length)) if offset <= place => offset + length - place,
            Some(_) | None => 0,
        }
    }

    /// The first piece that ends behind `place`.
    fn next_piece(&self, place: u64) -> Option<(u64, u64)> {
        let ended = |&(offset, length): &(u64, u64)| offset + length <= place;
        self.pieces.get(self.pieces.partition_point(ended)).copied()
    }
}

fn old_pieces(
    header: &tar::Header,
    reader: &mut dyn Read,
) -> Result<(u64, Vec<(u64, u64)>), LayerError> {
    let header = header.as_bytes();
    let mut pieces = Vec::new();
    let size = field(&header[OLD_SIZE..OLD_SIZE + 12])?;
    add_pieces(&header[OLD_PIECES..OLD_MORE], &mut pieces)?;
    let mut more = header[OLD_MORE] != 0;
    while more {
        let mut block = [0; BLOCK];
        reader.read_exact(&mut block).map_err(archive_error)?;
        add_pieces(&block[..NEXT_PIECES * OLD_PIECE], &mut pieces)?;
        more = block[NEXT_MORE] != 0;
        if pieces.len() > MOST_PIECES {
            return Err(wrong());
        }
    }
    Ok((size, pieces))
}

fn add_pieces(fields: &[u8], pieces: &mut Vec<(u64, u64)>) -> Result<(), LayerError> {
    for piece in fields.chunks_exact(OLD_PIECE) {
        // The rest is not used.
        if piece[0] == 0 {
            break;
        }
        pieces.push((field(&piece[..12])?, field(&piece[12..])?));
    }
    Ok(())
}

fn field(field: &[u8]) -> Result<u64, LayerError> {
    let number = parse_number(field).and_then(|number| u64::try_from(number).ok());
    number.ok_or_else(wrong)
}

/// The pieces that stand before the content as lines of decimal digits, and how long that is.
fn pieces_in_content(
    stored: u64,
    reader: &mut dyn Read,
) -> Result<(Vec<(u64, u64)>, u64), LayerError> {
    let mut text = Vec::new();
    let mut n_lines = 1;
    let mut n_pieces = None;
    let mut n_read = 0;
    while n_read < n_lines {
        let length = text.len() as u64 + BLOCK as u64;
        if length > stored || length > LARGEST_EXTENSION {
            return Err(wrong());
        }
        let mut block = [0; BLOCK];
        reader.read_exact(&mut block).map_err(archive_error)?;
        text.extend_from_slice(&block);
        n_read += block.split(|&byte| byte == b'\n').count() - 1;
        if n_pieces.is_none()
            && let Some(end) = text.iter().position(|&byte| byte == b'\n')
        {
            let count = decimal(&text[..end])?;
            let count = usize::try_from(count).map_err(|_| wrong())?;
            if count > MOST_PIECES {
                return Err(wrong());
            }
            n_pieces = Some(count);
            n_lines = 1 + 2 * count;
        }
    }
    let mut lines = text.split(|&byte| byte == b'\n').skip(1);
    let mut next = || decimal(lines.next().unwrap_or_default());
    let mut pieces = Vec::new();
    for _ in 0..n_pieces.unwrap_or_default() {
        pieces.push((next()?, next()?));
    }
    Ok((pieces, text.len() as u64))
}

fn decimal(digits: &[u8]) -> Result<u64, LayerError> {
    let text = str::from_utf8(digits).map_err(|_| wrong())?;
    text.parse().map_err(|_| wrong())
}

fn wrong() -> LayerError {
    damaged("the holes of a file are described wrongly")
}
