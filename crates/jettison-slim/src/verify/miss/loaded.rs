//! Whether two ELF files are the same in all that is loaded of them, as a file and its stripped copy are.
//!
//! The kernel and glibc's dynamic linker read the header and the program headers of an ELF file, and map or read the
//! segments that those name (Linux: `load_elf_binary`; glibc: `_dl_map_object_from_fd`). Nothing else of the file is ever
//! in the memory of a program that was loaded from it, but for the rest of a page in which a segment ends. So two files
//! are loaded alike if the header, the program headers and all segments have the same bytes at the same places.
//!
//! Stripping changes some of these all the same, which loaders do not use, so that they are not compared (elf(5)):
//!
//! - the words of the header that say where the sections are: `e_shoff`, `e_shentsize`, `e_shnum`, `e_shstrndx`;
//! - the original's table of sections and the section with their names, which Go's linker puts into a segment, if no section
//!   that is for the program's memory is there as well;
//! - `p_filesz` of a segment that may be written, if the bytes that only one of the files has are zero: then the loader
//!   makes them zero;
//! - where a segment is in the file that has nothing there, as one of variables of threads that are all zero.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

/// The number of program headers that says that a section has it (`PN_XNUM`).
const N_ELSEWHERE: u64 = 0xffff;
const PT_LOAD: u64 = 1;
const PF_W: u64 = 2;
const ET_EXEC: u64 = 2;
const ET_DYN: u64 = 3;
const SHT_NOBITS: u64 = 8;
const SHF_ALLOC: u64 = 2;

/// How much of a file is read at once, in bytes.
const CHUNK: u64 = 256 << 10;

/// Where the words are that are needed, in files of one word size.
struct Format {
    header: usize,
    program_header: usize,
    section_header: usize,
    /// The bytes of an address.
    address: usize,
    /// Of the header: where the program headers begin, how long each is, how many there are.
    table: [usize; 3],
    /// What of the header is about sections: where they are; how long each is, how many there are, which has the names.
    sections: [Range<u64>; 2],
    /// Of a program header: where its segment begins in the file, and how long it is there.
    segment: [usize; 2],
    /// Of a program header: how long its segment is in memory.
    memory: usize,
    flags: usize,
    /// Of a section header: where its section begins, and how long it is.
    section: [usize; 2],
    /// Of a section header: the flags, as wide as an address.
    section_flags: usize,
}

const FORMAT_32: Format = Format {
    header: 52,
    program_header: 32,
    section_header: 40,
    address: 4,
    table: [0x1c, 0x2a, 0x2c],
    sections: [0x20..0x24, 0x2e..0x34],
    segment: [0x04, 0x10],
    memory: 0x14,
    flags: 0x18,
    section: [0x10, 0x14],
    section_flags: 0x08,
};

const FORMAT_64: Format = Format {
    header: 64,
    program_header: 56,
    section_header: 64,
    address: 8,
    table: [0x20, 0x36, 0x38],
    sections: [0x28..0x30, 0x3a..0x40],
    segment: [0x08, 0x20],
    memory: 0x28,
    flags: 0x04,
    section: [0x18, 0x20],
    section_flags: 0x08,
};

/// Whether both are ELF files of which the same is loaded: of the original, first, and of the other.
pub(super) fn are_loaded_alike(files: [&File; 2]) -> io::Result<bool> {
    let (Some(original), Some(other)) = (Headers::read(files[0])?, Headers::read(files[1])?) else {
        return Ok(false);
    };
    let Some(mut alike) = original.compare(&other) else {
        return Ok(false);
    };
    alike.ignored.extend(original.sections(files[0])?);
    for place in &alike.places {
        if !is_same(files, place, &alike.ignored)? {
            return Ok(false);
        }
    }
    for (index, place) in &alike.zeros {
        if !is_zero(files[*index], place)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The headers of an ELF file.
struct Headers {
    format: &'static Format,
    header: Vec<u8>,
    /// Where the program headers are.
    table: u64,
    programs: Vec<u8>,
}

/// What of two files has to be the same.
#[derive(Default)]
struct Alike {
    /// Where both have to have the same bytes.
    places: Vec<Range<u64>>,
    /// Where they need not, although it is in one of those places.
    ignored: Vec<Range<u64>>,
    /// Where one of the files, by its index, has to have zeros.
    zeros: Vec<(usize, Range<u64>)>,
}

impl Headers {
    /// Reads them; `None` if nothing can be loaded of the file.
    fn read(file: &File) -> io::Result<Option<Headers>> {
        let mut start = [0; 6];
        if !read_whole(file, &mut start, 0)? {
            return Ok(None);
        }
        let format = match start {
            [0x7f, b'E', b'L', b'F', 1, 1 | 2] => &FORMAT_32,
            [0x7f, b'E', b'L', b'F', 2, 1 | 2] => &FORMAT_64,
            _ => return Ok(None),
        };
        let mut headers = Headers {
            format,
            header: vec![0; format.header],
            table: 0,
            programs: Vec::new(),
        };
        if !read_whole(file, &mut headers.header, 0)? {
            return Ok(None);
        }
        let [offset, length, count] = format.table;
        headers.table = headers.address(&headers.header, offset);
        let [kind, length, count] = [0x10, length, count].map(|at| headers.word(at, 2));
        let is_program = [ET_EXEC, ET_DYN].contains(&kind);
        if !is_program || length != format.program_header as u64 || count == N_ELSEWHERE {
            return Ok(None);
        }
        let size = format.program_header * usize::try_from(count).unwrap_or(0);
        headers.programs = vec![0; size];
        Ok(read_whole(file, &mut headers.programs, headers.table)?.then_some(headers))
    }

    /// The number of this many bytes at a place in the header.
    fn word(&self, at: usize, length: usize) -> u64 {
        self.number(&self.header, at, length)
    }

    fn number(&self, bytes: &[u8], at: usize, length: usize) -> u64 {
        number(bytes, at..at + length, self.header[5] == 1)
    }

    /// A number as wide as an address.
    fn address(&self, bytes: &[u8], at: usize) -> u64 {
        self.number(bytes, at, self.format.address)
    }

    /// What has to be the same in both; `None` if it is not, by the headers alone, or nothing is loaded.
    fn compare(&self, other: &Headers) -> Option<Alike> {
        let length = self.format.program_header;
        if self.programs.len() != other.programs.len() || self.table != other.table {
            return None;
        }
        let end = self.table.checked_add(self.programs.len() as u64)?;
        let mut alike = Alike {
            places: vec![0..self.header.len() as u64, self.table..end],
            ignored: self.format.sections.to_vec(),
            zeros: Vec::new(),
        };
        let mut is_loaded = false;
        let pairs = self.programs.chunks_exact(length);
        for (index, (header, others)) in pairs.zip(other.programs.chunks_exact(length)).enumerate()
        {
            let kind = self.number(header, 0, 4);
            is_loaded |= kind == PT_LOAD;
            let [start, size] = self.format.segment;
            let start = self.address(header, start);
            let sizes = [header, others].map(|header| self.address(header, size));
            let [shorter, longer] = [sizes[0].min(sizes[1]), sizes[0].max(sizes[1])];
            let whole = start..start.checked_add(longer)?;
            alike.places.push(start..start.checked_add(shorter)?);
            // A segment without bytes in the file is nowhere.
            if longer == 0 && kind != PT_LOAD {
                let at = self.table + (index * length + self.format.segment[0]) as u64;
                alike.ignored.push(at..at + self.format.address as u64);
            }
            if shorter == longer {
                continue;
            }
            let flags = self.number(header, self.format.flags, 4);
            let in_memory = self.address(header, self.format.memory);
            if kind != PT_LOAD || flags & PF_W == 0 || in_memory < longer {
                return None;
            }
            let at = self.table + (index * length + size) as u64;
            alike.ignored.push(at..at + self.format.address as u64);
            alike.zeros.push((
                usize::from(sizes[1] > sizes[0]),
                whole.start + shorter..whole.end,
            ));
        }
        alike.places = apart(alike.places);
        is_loaded.then_some(alike)
    }

    /// Where the sections' table and their names are, each if no section of the program is there.
    fn sections(&self, file: &File) -> io::Result<Vec<Range<u64>>> {
        let format = self.format;
        let [_, sizes] = &format.sections;
        let at = usize::try_from(sizes.start).unwrap_or(0);
        let start = self.address(
            &self.header,
            usize::try_from(format.sections[0].start).unwrap_or(0),
        );
        let [length, count, names] = [at, at + 2, at + 4].map(|at| self.word(at, 2));
        if length != format.section_header as u64 || start == 0 {
            return Ok(Vec::new());
        }
        let mut sections = vec![0; format.section_header * usize::try_from(count).unwrap_or(0)];
        if !read_whole(file, &mut sections, start)? {
            return Ok(Vec::new());
        }
        let sections: Vec<&[u8]> = sections.chunks_exact(format.section_header).collect();
        let range = |section: &[u8]| {
            let [place, size] = format.section.map(|at| self.address(section, at));
            place..place.saturating_add(size)
        };
        let flags = |section: &[u8]| self.address(section, format.section_flags);
        let table = start..start + (format.section_header * sections.len()) as u64;
        // Names that are for the program's memory are its own.
        let names = sections.get(usize::try_from(names).unwrap_or(usize::MAX));
        let names = names.filter(|names| flags(names) & SHF_ALLOC == 0);
        let names = names.map(|names| range(names));
        let is_own = |section: &&&[u8]| {
            self.number(section, 4, 4) != SHT_NOBITS && flags(section) & SHF_ALLOC != 0
        };
        let own: Vec<Range<u64>> = sections.iter().filter(is_own).map(|s| range(s)).collect();
        let is_alone = |place: &Range<u64>| {
            let mut own = own.iter().filter(|own| !own.is_empty());
            !own.any(|own| own.start < place.end && own.end > place.start)
        };
        Ok([Some(table), names]
            .into_iter()
            .flatten()
            .filter(is_alone)
            .collect())
    }
}

/// The number in some bytes; they are there.
fn number(bytes: &[u8], place: Range<usize>, is_little: bool) -> u64 {
    let bytes = bytes.get(place).unwrap_or_default();
    let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
    if is_little {
        bytes.iter().rev().fold(0, add)
    } else {
        bytes.iter().fold(0, add)
    }
}

/// The same bytes in places that do not overlap, so that none is read twice.
fn apart(mut places: Vec<Range<u64>>) -> Vec<Range<u64>> {
    places.retain(|place| !place.is_empty());
    places.sort_by_key(|place| (place.start, place.end));
    let mut apart: Vec<Range<u64>> = Vec::new();
    for place in places {
        match apart.last_mut() {
            Some(last) if place.start <= last.end => last.end = last.end.max(place.end),
            _ => apart.push(place),
        }
    }
    apart
}

/// Whether both files have all of `place`, with the same bytes, but for what is in `ignored`.
fn is_same(files: [&File; 2], place: &Range<u64>, ignored: &[Range<u64>]) -> io::Result<bool> {
    let mut at = place.start;
    while at < place.end {
        let length = usize::try_from((place.end - at).min(CHUNK)).unwrap_or(0);
        let [mut first, mut second] = [vec![0; length], vec![0; length]];
        if !read_whole(files[0], &mut first, at)? || !read_whole(files[1], &mut second, at)? {
            return Ok(false);
        }
        let is_ignored = |index: usize| {
            ignored
                .iter()
                .any(|ignored| ignored.contains(&(at + index as u64)))
        };
        let is_different = first != second
            && (0..length).any(|index| first[index] != second[index] && !is_ignored(index));
        if is_different {
            return Ok(false);
        }
        at += length as u64;
    }
    Ok(true)
}

/// Whether `file` has all of `place`, and nothing but zeros there.
fn is_zero(file: &File, place: &Range<u64>) -> io::Result<bool> {
    let mut at = place.start;
    while at < place.end {
        let mut bytes = vec![0; usize::try_from((place.end - at).min(CHUNK)).unwrap_or(0)];
        if !read_whole(file, &mut bytes, at)? || bytes.iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        at += bytes.len() as u64;
    }
    Ok(true)
}

/// Fills `bytes` with what is at `offset`; whether there is as much.
fn read_whole(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<bool> {
    // Larger numbers are no offsets.
    if i64::try_from(offset).is_err() {
        return Ok(false);
    }
    match file.read_exact_at(bytes, offset) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
