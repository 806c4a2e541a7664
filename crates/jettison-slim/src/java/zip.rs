//! The files of a ZIP archive, as far as jars have them (APPNOTE.TXT 6.3.10: 4.3.12, 4.3.16, 4.4.5).

use std::io::Read as _;

use flate2::read::DeflateDecoder;

/// No jar has a file that is larger unpacked.
const LARGEST: u64 = 1 << 30;
const END: &[u8] = b"PK\x05\x06";
const ENTRY: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";

/// A file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ZipEntry {
    /// Its path.
    pub(crate) name: String,
    /// How large it says that it is, in bytes.
    pub(crate) size: usize,
    method: u16,
    compressed: usize,
    local: usize,
}

/// The files of the archive in `bytes`; none, if it is no archive.
pub(crate) fn entries(bytes: &[u8]) -> Option<Vec<ZipEntry>> {
    // A comment of up to 64 KiB is behind it.
    let from = bytes.len().saturating_sub(22 + 0xffff);
    let end = memchr::memmem::rfind(&bytes[from..], END)? + from;
    let count = usize::from(short(bytes, end + 10)?);
    let start = long(bytes, end + 16)?;
    let size = long(bytes, end + 12)?;
    // Programs may stand before a jar: the directory ends where its end begins.
    let before = end.checked_sub(size)?.checked_sub(start)?;
    let mut at = before + start;
    let mut entries = Vec::new();
    while entries.len() < count {
        if bytes.get(at..at.checked_add(4)?)? != ENTRY {
            return None;
        }
        let name = usize::from(short(bytes, at + 28)?);
        let beyond = usize::from(short(bytes, at + 30)?) + usize::from(short(bytes, at + 32)?);
        entries.push(ZipEntry {
            name: String::from_utf8_lossy(bytes.get(at + 46..at + 46 + name)?).into_owned(),
            size: long(bytes, at + 24)?,
            method: short(bytes, at + 10)?,
            compressed: long(bytes, at + 20)?,
            local: before + long(bytes, at + 42)?,
        });
        at += 46 + name + beyond;
    }
    Some(entries)
}

/// The content of a file; none, if it is encrypted, damaged, or compressed in a way that jars do not have.
pub(crate) fn content(bytes: &[u8], entry: &ZipEntry) -> Option<Vec<u8>> {
    let at = entry.local;
    if bytes.get(at..at.checked_add(4)?)? != LOCAL || short(bytes, at + 6)? & 1 == 1 {
        return None;
    }
    let start = at + 30 + usize::from(short(bytes, at + 26)?) + usize::from(short(bytes, at + 28)?);
    let data = bytes.get(start..start.checked_add(entry.compressed)?)?;
    match entry.method {
        0 => Some(data.to_vec()),
        8 => {
            let mut content = Vec::new();
            let mut reader = DeflateDecoder::new(data).take(LARGEST);
            reader.read_to_end(&mut content).ok()?;
            Some(content)
        }
        _ => None,
    }
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    let field = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes([field[0], field[1]]))
}

fn long(bytes: &[u8], at: usize) -> Option<usize> {
    let field = bytes.get(at..at.checked_add(4)?)?;
    usize::try_from(u32::from_le_bytes([field[0], field[1], field[2], field[3]])).ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An archive with these files, not compressed.
    pub(crate) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut directory = Vec::new();
        let number = |n: usize| u32::try_from(n).unwrap().to_le_bytes();
        for (name, content) in files {
            let local = bytes.len();
            let length = u16::try_from(name.len()).unwrap().to_le_bytes();
            bytes.extend([LOCAL, &[20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]].concat());
            bytes.extend([&number(content.len())[..], &number(content.len())].concat());
            bytes.extend([&length[..], &[0, 0], name.as_bytes(), content].concat());
            directory.extend([ENTRY, &[20, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]].concat());
            directory.extend([&number(content.len())[..], &number(content.len())].concat());
            directory.extend([&length[..], &[0; 12], &number(local), name.as_bytes()].concat());
        }
        let count = u16::try_from(files.len()).unwrap().to_le_bytes();
        let (start, size) = (number(bytes.len()), number(directory.len()));
        bytes.extend(directory);
        bytes.extend([END, &[0; 4], &count, &count, &size, &start, &[0, 0]].concat());
        bytes
    }

    #[test]
    fn files_are_found_and_read() {
        let bytes = archive(&[("a/b.class", b"one"), ("META-INF/services/x.Y", b"z.Z\n")]);
        for before in ["", "#!/bin/sh\n"] {
            let bytes = [before.as_bytes(), &bytes].concat();
            let found = entries(&bytes).unwrap();
            let names: Vec<&str> = found.iter().map(|entry| entry.name.as_str()).collect();
            assert_eq!(names, ["a/b.class", "META-INF/services/x.Y"]);
            assert_eq!(content(&bytes, &found[0]).unwrap(), b"one");
            assert_eq!(content(&bytes, &found[1]).unwrap(), b"z.Z\n");
        }
    }

    #[test]
    fn what_is_no_archive_has_no_files() {
        assert_eq!(entries(b""), None);
        assert_eq!(entries(b"PK\x05\x06"), None);
        let mut bytes = archive(&[("a", b"one")]);
        for cut in 0..bytes.len() {
            let _no_panic = entries(&bytes[..cut]);
        }
        for at in 0..bytes.len() {
            let old = std::mem::replace(&mut bytes[at], 0xff);
            for entry in entries(&bytes).unwrap_or_default() {
                let _no_panic = content(&bytes, &entry);
            }
            bytes[at] = old;
        }
    }
}
