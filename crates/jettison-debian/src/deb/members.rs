//! The names in a package's data archive, seen while the archive goes by.
//!
//! dpkg-deb writes names that start with `./`. A name that is absolute, or that goes up, is a package's attempt to
//! write elsewhere: reading ends with an error before whoever unpacks has seen the member whole. See
//! <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html#tag_20_94_13_06> for the format, and GNU's
//! `L` for long names. Where symbolic links lead is for whoever follows them to care about.

use std::io::{self, Read};

const BLOCK: usize = 512;
/// The longest list of extended attributes, and the longest name, that is read.
const LONGEST: u64 = 1 << 20;

/// What the content of a member says about the one behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// Nothing: it is a file's.
    File,
    /// Its name.
    Name,
    /// Records, such as `21 path=./usr/bin/env`.
    Records,
}

/// Gives what `inner` gives, which must be a tar without names that lead elsewhere.
pub(crate) struct Members<R> {
    inner: R,
    /// The start of a header.
    header: Vec<u8>,
    content: Content,
    /// How many bytes the content has, without those that fill its last block.
    size: u64,
    /// How many bytes of the content, and of what fills its last block, have not gone by.
    left: u64,
    /// Content that is a name or has some.
    text: Vec<u8>,
}

impl<R> Members<R> {
    pub(crate) fn new(inner: R) -> Members<R> {
        Members {
            inner,
            header: Vec::with_capacity(BLOCK),
            content: Content::File,
            size: 0,
            left: 0,
            text: Vec::new(),
        }
    }

    fn see(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        while !bytes.is_empty() {
            if self.left > 0 {
                let length =
                    usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
                let (seen, rest) = bytes.split_at(length);
                if self.content != Content::File {
                    self.text.extend_from_slice(seen);
                }
                self.left -= length as u64;
                bytes = rest;
                if self.left == 0 {
                    self.end_of_content()?;
                }
                continue;
            }
            let length = (BLOCK - self.header.len()).min(bytes.len());
            let (seen, rest) = bytes.split_at(length);
            self.header.extend_from_slice(seen);
            bytes = rest;
            if self.header.len() == BLOCK {
                let header = std::mem::take(&mut self.header);
                self.see_header(&header)?;
            }
        }
        Ok(())
    }

    fn see_header(&mut self, header: &[u8]) -> Result<(), String> {
        // Two blocks of zeros are the end; what follows them is nothing to anybody.
        if header.iter().all(|&byte| byte == 0) {
            return Ok(());
        }
        let kind = header[156];
        let name = text_of(&header[..100]);
        let is_ustar = &header[257..262] == b"ustar" && header[262] == 0;
        match text_of(&header[345..500]) {
            prefix if is_ustar && !prefix.is_empty() => check(&[prefix, name].join(&b'/'))?,
            _ => check(name)?,
        }
        if kind == b'1' {
            check(text_of(&header[157..257]))?;
        }
        // dpkg knows no others; a file with holes would be as large as it likes to say (dpkg: `tar_extractor`).
        if !matches!(kind, 0 | b'0'..=b'7' | b'L' | b'K' | b'x' | b'g') {
            let kind = char::from(kind).escape_default();
            return Err(format!(
                "the package has a member of the unknown kind `{kind}`"
            ));
        }
        self.content = match kind {
            b'L' => Content::Name,
            b'x' | b'g' => Content::Records,
            _ => Content::File,
        };
        self.size = number_of(&header[124..136]).ok_or("a member has no size")?;
        // Links, directories and devices have no content, whatever their size says.
        if matches!(kind, b'1'..=b'6') {
            self.size = 0;
        }
        if self.content != Content::File && self.size > LONGEST {
            return Err("the name of a member is too long".to_owned());
        }
        let blocks = self.size.div_ceil(BLOCK as u64);
        self.left = blocks
            .checked_mul(BLOCK as u64)
            .ok_or("a member is too large")?;
        Ok(())
    }

    fn end_of_content(&mut self) -> Result<(), String> {
        let mut text = std::mem::take(&mut self.text);
        text.truncate(usize::try_from(self.size).unwrap_or(usize::MAX));
        match self.content {
            Content::File => Ok(()),
            Content::Name => check(text_of(&text)),
            Content::Records if has_holes(&text) => {
                Err("the package has a file with holes".to_owned())
            }
            Content::Records => records(&text).try_for_each(check),
        }
    }
}

impl<R: Read> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.see(&buffer[..read]) {
            Ok(()) => Ok(read),
            Err(problem) => Err(io::Error::new(io::ErrorKind::InvalidData, problem)),
        }
    }
}

/// The bytes before the first zero.
fn text_of(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|&byte| byte == 0);
    &field[..end.unwrap_or(field.len())]
}

/// A number in octal digits, or, if the first bit is set, in binary.
fn number_of(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        let (first, rest) = field.split_first()?;
        let start = u64::from(first & 0x7f);
        return rest.iter().try_fold(start, |number, &byte| {
            number.checked_mul(256)?.checked_add(u64::from(byte))
        });
    }
    let text = std::str::from_utf8(text_of(field)).ok()?.trim();
    if text.is_empty() {
        return Some(0);
    }
    u64::from_str_radix(text, 8).ok()
}

/// The values of the records that are names.
fn records(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b'\n').filter_map(|record| {
        let space = record.iter().position(|&byte| byte == b' ')?;
        record[space + 1..].strip_prefix(b"path=")
    })
}

/// Whether a record says that a file has holes, as GNU tar does in its newer formats.
fn has_holes(text: &[u8]) -> bool {
    memchr::memmem::find(text, b" GNU.sparse.").is_some()
}

/// Refuses a name that leads out of the directory that it is unpacked in.
fn check(name: &[u8]) -> Result<(), String> {
    let shown = || String::from_utf8_lossy(name).escape_debug().to_string();
    if name.starts_with(b"/") {
        return Err(format!(
            "the package has a file with the absolute name `{}`",
            shown()
        ));
    }
    if name.split(|&byte| byte == b'/').any(|part| part == b"..") {
        return Err(format!(
            "the package has a file with the unsafe name `{}`",
            shown()
        ));
    }
    Ok(())
}
