//! What the cache needs to know of an ELF file.

use object::elf::{self, FileHeader64};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{Endianness, ReadRef};

/// The longest name of a library that is believed.
const MAX_NAME: u64 = 4096;
/// A note's type: properties of the program (Linux gABI extensions, "Program Property").
const NOTE_PROPERTIES: u32 = 5;
/// The x86 property that names the levels of the instruction set that the file needs (x86-64 psABI, 5.1.1).
const PROPERTY_ISA_NEEDED: u32 = 0xc000_8002;

/// A shared library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Library {
    /// The name that it gives itself.
    pub(super) soname: Option<String>,
    /// The level of the instruction set that it needs: 0 for x86-64-v1 and all other machines, 1 for x86-64-v2.
    pub(super) isa_level: u32,
}

/// Reads the little of `file` that is needed; `None` if it is no shared library for `machine`, or one that the loader
/// could not use.
pub(super) fn read<'data>(file: impl ReadRef<'data>, machine: u16) -> Option<Library> {
    // Files of 32 bits have another layout; `parse` refuses them.
    let header = FileHeader64::<Endianness>::parse(file).ok()?;
    let endian = header.endian().ok()?;
    if header.e_type(endian) != elf::ET_DYN || header.e_machine(endian).0 != machine {
        return None;
    }
    let mut load_address = None;
    let mut dynamic = None;
    let mut isa_level = 0;
    for segment in header.program_headers(endian, file).ok()? {
        let offset = segment.p_offset(endian);
        match segment.p_type(endian) {
            elf::PT_LOAD if load_address.is_none() => {
                load_address = Some(segment.p_vaddr(endian).wrapping_sub(offset));
            }
            elf::PT_DYNAMIC => dynamic = segment.dynamic(endian, file).ok()?,
            elf::PT_GNU_PROPERTY => {
                let notes = segment.data(endian, file).unwrap_or_default();
                isa_level = level_needed(notes).unwrap_or(0);
            }
            _ => {}
        }
    }
    let entries = || {
        let all = dynamic.unwrap_or_default().iter();
        all.take_while(|entry| entry.tag(endian) != elf::DT_NULL)
    };
    let value = |tag| {
        let mut found = entries().filter(|entry| entry.tag(endian) == tag);
        found.next().map(|entry| entry.val(endian))
    };
    // A file without dynamic strings cannot be loaded, and `ldconfig` leaves it out (elf/readelflib.c).
    let strings = value(elf::DT_STRTAB)?.wrapping_sub(load_address.unwrap_or(0));
    file.len().ok()?.checked_sub(strings)?;
    let soname =
        value(elf::DT_SONAME).and_then(|offset| name_at(file, strings.checked_add(offset)?));
    Some(Library { soname, isa_level })
}

fn name_at<'data>(file: impl ReadRef<'data>, offset: u64) -> Option<String> {
    let left = file.len().ok()?.checked_sub(offset)?;
    let text = file.read_bytes_at(offset, left.min(MAX_NAME)).ok()?;
    let end = text.iter().position(|byte| *byte == 0)?;
    let name = str::from_utf8(&text[..end]).ok()?;
    // A name with a directory is no name in a cache of names.
    let usable = !name.is_empty() && !name.contains('/');
    usable.then(|| name.to_owned())
}

/// The highest level among the properties in `notes`, which are little-endian, as all of x86 is.
fn level_needed(mut notes: &[u8]) -> Option<u32> {
    while !notes.is_empty() {
        let name_size = word(notes, 0)?;
        let size = word(notes, 4)?;
        let start = 12 + name_size.next_multiple_of(4);
        let properties = notes.get(start..start.checked_add(size)?)?;
        if word(notes, 8)? == NOTE_PROPERTIES as usize && notes.get(12..16) == Some(b"GNU\0") {
            return level_of(properties);
        }
        notes = notes.get(start + size.next_multiple_of(8)..)?;
    }
    None
}

fn level_of(mut properties: &[u8]) -> Option<u32> {
    while !properties.is_empty() {
        let size = word(properties, 4)?;
        if word(properties, 0)? == PROPERTY_ISA_NEEDED as usize {
            let levels = u32::try_from(word(properties, 8)?).ok()?;
            return levels.checked_ilog2();
        }
        properties = properties.get(8 + size.next_multiple_of(8)..)?;
    }
    None
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let word = bytes.get(at..at + 4)?.first_chunk::<4>()?;
    usize::try_from(u32::from_le_bytes(*word)).ok()
}
