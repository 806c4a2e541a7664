//! The files of a ZIP archive, as far as jars have them (APPNOTE.TXT 6.3.10: 4.3.12, 4.3.14 to 4.3.16, 4.4.5, 4.5.3).

use std::io::Read as _;

use flate2::read::DeflateDecoder;

/// No jar has a file that is larger unpacked.
const LARGEST: u64 = 1 << 30;
const END: &[u8] = b"PK\x05\x06";
const ENTRY: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";
/// Where archives with many or large files have what does not fit into the usual end.
const END64: &[u8] = b"PK\x06\x06";
const LOCATOR64: &[u8] = b"PK\x06\x07";
/// The lengths of these two, the first without what may be added to it.
const END64_SIZE: usize = 56;
const LOCATOR64_SIZE: usize = 20;
/// Which part of an entry has its large numbers.
const EXTRA64: u16 = 1;
/// What stands in place of a number that is there.
const ELSEWHERE: usize = 0xffff_ffff;

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
    let Directory { start, end, count } = directory(bytes, end)?;
    // Programs may stand before a jar: the directory ends where its end begins.
    let before = end.checked_sub(start.size)?.checked_sub(start.offset)?;
    let mut at = before + start.offset;
    let mut entries = Vec::new();
    while entries.len() < count {
        if bytes.get(at..at.checked_add(4)?)? != ENTRY {
            return None;
        }
        let name = usize::from(short(bytes, at + 28)?);
        let extra = usize::from(short(bytes, at + 30)?);
        let comment = usize::from(short(bytes, at + 32)?);
        let behind = at + 46 + name;
        let mut large = large_numbers(bytes.get(behind..behind + extra)?);
        let mut number = |at| match long(bytes, at)? {
            ELSEWHERE => large.next(),
            number => Some(number),
        };
        // In this order they are in the other place, too.
        let size = number(at + 24)?;
        let compressed = number(at + 20)?;
        let local = number(at + 42)?;
        entries.push(ZipEntry {
            name: String::from_utf8_lossy(bytes.get(at + 46..behind)?).into_owned(),
            size,
            method: short(bytes, at + 10)?,
            compressed,
            local: before.checked_add(local)?,
        });
        at = behind + extra + comment;
    }
    Some(entries)
}

/// What the end of an archive says.
struct Directory {
    start: Extent,
    /// Where the directory ends, whatever stands before the archive.
    end: usize,
    /// How many files there are.
    count: usize,
}

/// Where the archive says that its directory is.
struct Extent {
    offset: usize,
    size: usize,
}

/// The directory of the archive whose end is at `end`.
fn directory(bytes: &[u8], end: usize) -> Option<Directory> {
    let count = short(bytes, end + 10)?;
    let (size, offset) = (long(bytes, end + 12)?, long(bytes, end + 16)?);
    let is_usual = count != u16::MAX && size != ELSEWHERE && offset != ELSEWHERE;
    let locator = end.checked_sub(LOCATOR64_SIZE);
    let locator = locator.filter(|&at| bytes[at..].starts_with(LOCATOR64));
    let (false, Some(locator)) = (is_usual, locator) else {
        return Some(Directory {
            start: Extent { offset, size },
            end,
            count: usize::from(count),
        });
    };
    let is_there = |at: &usize| bytes.get(*at..).is_some_and(|rest| rest.starts_with(END64));
    // It says where it is in an archive with nothing before it.
    let said = huge(bytes, locator + 8).filter(is_there);
    let before = || locator.checked_sub(END64_SIZE).filter(is_there);
    let end = said.or_else(before)?;
    Some(Directory {
        start: Extent {
            offset: huge(bytes, end + 48)?,
            size: huge(bytes, end + 40)?,
        },
        end,
        count: huge(bytes, end + 32)?,
    })
}

/// The numbers of an entry that need 64 bits, of all that its extra field has.
fn large_numbers(extra: &[u8]) -> impl Iterator<Item = usize> {
    let mut rest = extra;
    let mut found: &[u8] = &[];
    while let (Some(kind), Some(length)) = (short(rest, 0), short(rest, 2)) {
        let Some(field) = rest.get(4..4 + usize::from(length)) else {
            break;
        };
        if kind == EXTRA64 {
            found = field;
            break;
        }
        rest = &rest[4 + field.len()..];
    }
    (0..found.len() / 8).map_while(|number| huge(found, 8 * number))
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

fn huge(bytes: &[u8], at: usize) -> Option<usize> {
    let field = bytes.get(at..at.checked_add(8)?)?;
    usize::try_from(u64::from_le_bytes(field.try_into().ok()?)).ok()
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

    /// The same archive, as it is written when nothing in it fits into 32 bits.
    fn large_archive(files: &[(&str, &[u8])], added_to_end: usize) -> Vec<u8> {
        let usual = archive(files);
        let end = usual.len() - 22;
        let start = long(&usual, end + 16).unwrap();
        let mut bytes = usual[..start].to_vec();
        let huge = |number: usize| (number as u64).to_le_bytes();
        let mut local = 0;
        for (name, content) in files {
            let length = u16::try_from(name.len()).unwrap().to_le_bytes();
            bytes.extend([ENTRY, &[45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]].concat());
            bytes.extend([[0xff; 8].as_slice(), &length, &[4 + 28, 0], &[0; 10]].concat());
            bytes.extend([[0xff; 4].as_slice(), name.as_bytes()].concat());
            // Something else, then what is looked for.
            bytes.extend([0x55, 0x54, 0, 0]);
            bytes.extend([&[1, 0, 24, 0][..], &huge(content.len())].concat());
            bytes.extend([huge(content.len()), huge(local)].concat());
            local += 30 + name.len() + content.len();
        }
        let end = bytes.len();
        let count = huge(files.len());
        bytes.extend(
            [
                END64,
                &huge(44 + added_to_end),
                &[45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            ]
            .concat(),
        );
        bytes.extend([count, count, huge(end - start), huge(start)].concat());
        bytes.extend(vec![7; added_to_end]);
        bytes.extend([LOCATOR64, &[0; 4], &huge(end), &[1, 0, 0, 0]].concat());
        bytes.extend([END, &[0; 4], &[0xff; 12], &[0, 0]].concat());
        bytes
    }

    #[test]
    fn archives_with_large_numbers_are_read() {
        let files: [(&str, &[u8]); 2] = [("a/b.class", b"one"), ("c", b"")];
        let usual = entries(&archive(&files)).unwrap();
        let check = |bytes: &[u8], before: usize| {
            let found = entries(bytes).unwrap();
            assert_eq!(found.len(), usual.len());
            for (found, usual) in found.iter().zip(&usual) {
                let moved = ZipEntry {
                    local: usual.local + before,
                    ..usual.clone()
                };
                assert_eq!(*found, moved);
            }
            assert_eq!(content(bytes, &found[0]).unwrap(), b"one");
        };
        let bytes = large_archive(&files, 0);
        check(&bytes, 0);
        check(&large_archive(&files, 12), 0);
        let program = b"#!/bin/sh\n";
        check(&[&program[..], &bytes].concat(), program.len());
        for cut in 0..bytes.len() {
            let _no_panic = entries(&bytes[cut..]);
            let _no_panic = entries(&bytes[..cut]);
        }
        let mut bytes = bytes;
        for at in 0..bytes.len() {
            let old = std::mem::replace(&mut bytes[at], 0xff);
            for entry in entries(&bytes).unwrap_or_default() {
                let _no_panic = content(&bytes, &entry);
            }
            bytes[at] = old;
        }
    }

    #[test]
    fn as_many_files_as_a_small_number_can_say_are_not_too_many() {
        // Without the other end, the number is what it says.
        let names: Vec<String> = (0..0xffff).map(|number| number.to_string()).collect();
        let files: Vec<(&str, &[u8])> =
            names.iter().map(|name| (name.as_str(), &b""[..])).collect();
        assert_eq!(entries(&archive(&files)).unwrap().len(), 0xffff);
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
