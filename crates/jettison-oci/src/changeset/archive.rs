//! Tar files that are recognized by what is in them, compressed or not.

use std::fmt;
use std::io::{self, Cursor, Read};
use std::path::Path;

use crate::changeset::LayerError;
use crate::changeset::entry::{Entry, EntryContent, Names, each_named, read_header};
use crate::changeset::header::BLOCK;
use crate::changeset::unpack::{UnpackOptions, UnpackSummary, unpack_tar};
use crate::compress::Decoder;

/// A tar file, uncompressed or compressed with gzip, bzip2, xz or zstd.
///
/// ```
/// # use jettison_oci::{LayerError, TarFile};
/// # fn example(bytes: &[u8]) -> Result<(), LayerError> {
/// let Some(tar) = TarFile::open(bytes) else { return Ok(()) };
/// tar.each_entry(|entry, content| {
///     let size = std::io::copy(content, &mut std::io::sink());
///     println!("{}: {size:?} bytes", entry.path.escape_ascii());
///     Ok(())
/// })
/// # }
/// ```
pub struct TarFile<R: Read> {
    /// The first block, which was looked at.
    start: Cursor<Vec<u8>>,
    rest: Decoder<R>,
}

impl<R: Read> TarFile<R> {
    /// Opens what `reader` gives; `None` means that it is no tar file, or cannot be read.
    ///
    /// Names do not matter, nor does what is behind the first entry, and an archive without entries is none: this is how
    /// `ADD` tells archives from other files (BuildKit: `isArchivePath`, solver/llbsolver/file/unpack.go).
    pub fn open(reader: R) -> Option<TarFile<R>> {
        let mut rest = Decoder::new(reader).ok()?;
        let mut start = Vec::with_capacity(BLOCK);
        let block = u64::try_from(BLOCK).ok()?;
        (&mut rest).take(block).read_to_end(&mut start).ok()?;
        let header = read_header(&mut start.as_slice()).ok()?;
        header.map(|_| TarFile {
            start: Cursor::new(start),
            rest,
        })
    }

    /// Calls `visit` with each entry and its content. A name means what it would mean if the directory that it is unpacked
    /// in were `/`, so that none leads out of it (moby/go-archive unpacks in a changed root).
    pub fn each_entry(
        self,
        visit: impl FnMut(Entry, &mut EntryContent<'_>) -> Result<(), LayerError>,
    ) -> Result<(), LayerError> {
        each_named(self, Names::Rooted, visit)
    }

    /// Unpacks the archive into `directory`, as [`unpack_tar`] does.
    pub fn unpack(
        self,
        directory: &Path,
        options: &UnpackOptions<'_>,
    ) -> Result<UnpackSummary, LayerError> {
        unpack_tar(self, directory, options)
    }
}

/// The bytes of the uncompressed archive.
impl<R: Read> Read for TarFile<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.start.read(buffer)? {
            0 => self.rest.read(buffer),
            n_read => Ok(n_read),
        }
    }
}

impl<R: Read> fmt::Debug for TarFile<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TarFile").finish_non_exhaustive()
    }
}
