//! The tables of an ELF file, found as the loader finds them: through segments and addresses.

use object::Endianness;
use object::elf::{self, DynamicTag, FileHeader32, FileHeader64};
use object::read::elf::{Dyn, FileHeader, ProgramHeader, SectionHeader};

use super::ElfError;

/// The longest string that is believed to be a name.
const MAX_STRING: usize = 4096;
/// The most entries of a table that are believed.
const MAX_ENTRIES: usize = 16_384;

/// A part of the file that is mapped into memory.
#[derive(Debug, Clone)]
pub(in crate::evidence) struct Segment {
    address: u64,
    offset: u64,
    size: u64,
    pub(in crate::evidence) is_writable: bool,
}

/// A named part of the file.
#[derive(Debug, Clone)]
pub(in crate::evidence) struct Section<'data> {
    pub(in crate::evidence) name: &'data [u8],
    pub(in crate::evidence) data: &'data [u8],
    /// Where it is in the file.
    pub(in crate::evidence) offset: u64,
}

/// An ELF file of either class and either byte order.
#[derive(Debug, Clone)]
pub(in crate::evidence) struct Image<'data> {
    pub(in crate::evidence) bytes: &'data [u8],
    pub(in crate::evidence) machine: u16,
    pub(in crate::evidence) is_64: bool,
    is_big_endian: bool,
    /// What kind of file it is, `e_type`.
    kind: u16,
    pub(in crate::evidence) interpreter: Option<&'data [u8]>,
    pub(in crate::evidence) segments: Vec<Segment>,
    pub(in crate::evidence) sections: Vec<Section<'data>>,
    /// Where the table of sections ends.
    table_end: u64,
    dynamic: Vec<(DynamicTag, u64)>,
}

impl<'data> Image<'data> {
    /// Reads the headers of `bytes`.
    pub(super) fn parse(bytes: &'data [u8]) -> Result<Self, ElfError> {
        if !bytes.starts_with(b"\x7fELF") {
            return Err(ElfError::NotElf);
        }
        match bytes.get(4) {
            Some(1) => Image::read::<FileHeader32<Endianness>>(bytes),
            Some(2) => Image::read::<FileHeader64<Endianness>>(bytes),
            _ => return Err(ElfError::NotElf),
        }
        .map_err(|error| ElfError::Header {
            problem: error.to_string(),
        })
    }

    fn read<Header: FileHeader>(bytes: &'data [u8]) -> object::read::Result<Self> {
        let header = Header::parse(bytes)?;
        let endian = header.endian()?;
        let mut image = Image {
            bytes,
            machine: header.e_machine(endian).0,
            is_64: header.is_type_64(),
            is_big_endian: header.is_big_endian(),
            kind: header.e_type(endian).0,
            interpreter: None,
            segments: Vec::new(),
            sections: sections(header, endian, bytes),
            table_end: header.e_shoff(endian).into().saturating_add(
                u64::from(header.e_shentsize(endian)) * u64::from(header.e_shnum(endian)),
            ),
            dynamic: Vec::new(),
        };
        for program in header.program_headers(endian, bytes)? {
            if let Some(path) = program.interpreter(endian, bytes)? {
                image.interpreter = Some(path);
            } else if let Some(entries) = program.dynamic(endian, bytes)? {
                let entries = entries
                    .iter()
                    .take(MAX_ENTRIES)
                    .map(|entry| (entry.tag(endian), entry.val(endian)));
                image.dynamic = entries
                    .take_while(|(tag, _)| *tag != elf::DT_NULL)
                    .collect();
            } else if program.p_type(endian) == elf::PT_LOAD {
                image.segments.push(Segment {
                    address: program.p_vaddr(endian).into(),
                    offset: program.p_offset(endian).into(),
                    size: program.p_filesz(endian).into(),
                    is_writable: program.p_flags(endian).0 & elf::PF_W.0 != 0,
                });
            }
        }
        Ok(image)
    }

    /// Whether it is loaded at the addresses that it names.
    pub(super) fn is_fixed(&self) -> bool {
        self.kind == elf::ET_EXEC.0
    }

    /// Whether something follows in the file that none of its tables tells of, as what programs carry along that unpack
    /// themselves.
    pub(in crate::evidence) fn has_more(&self) -> bool {
        // Linkers round the end up.
        const ROUNDED: u64 = 16;
        let start = self.bytes.as_ptr().addr();
        let ends = self.sections.iter().map(|section| {
            let offset = section.data.as_ptr().addr().saturating_sub(start);
            offset.saturating_add(section.data.len()) as u64
        });
        let segments = self.segments.iter();
        let ends = ends.chain(segments.map(|segment| segment.offset.saturating_add(segment.size)));
        let end = ends.fold(self.table_end, u64::max);
        self.bytes.len() as u64 > end.saturating_add(ROUNDED)
    }

    /// The bytes in memory from `address` to the end of its segment.
    pub(in crate::evidence) fn at_address(&self, address: u64) -> Option<&'data [u8]> {
        self.segments.iter().find_map(|segment| {
            let skip = address
                .checked_sub(segment.address)
                .filter(|skip| *skip < segment.size)?;
            self.segment_bytes(segment)?
                .get(usize::try_from(skip).ok()?..)
        })
    }

    /// The bytes of `segment` that are in the file.
    pub(in crate::evidence) fn segment_bytes(&self, segment: &Segment) -> Option<&'data [u8]> {
        let rest = self.bytes.get(usize::try_from(segment.offset).ok()?..)?;
        let size = usize::try_from(segment.size).unwrap_or(usize::MAX);
        Some(&rest[..size.min(rest.len())])
    }

    /// The section called `name`.
    pub(in crate::evidence) fn section(&self, name: &[u8]) -> Option<&'data [u8]> {
        self.sections
            .iter()
            .find(|section| section.name == name)
            .map(|section| section.data)
    }

    /// Whether others may load it: it has a name for them.
    pub(super) fn is_library(&self) -> bool {
        self.value(elf::DT_SONAME).is_some()
    }

    /// The strings that the dynamic entries with this tag point at, in order.
    pub(super) fn dynamic_strings(&self, tag: DynamicTag) -> Vec<String> {
        let strings = self.strings();
        let entries = self.dynamic.iter().filter(|(found, _)| *found == tag);
        entries
            .filter_map(|(_, offset)| text(strings, *offset))
            .collect()
    }

    /// The names of the symbols that other files must define.
    pub(super) fn imports(&self) -> Vec<&'data [u8]> {
        self.symbol_names(self.dynamic_symbols(), self.strings(), |section| {
            section == 0
        })
    }

    /// The names of those among them that need not be defined.
    pub(super) fn weak_imports(&self) -> Vec<&'data [u8]> {
        const BINDING: u32 = 4;
        let info_at = if self.is_64 { 4 } else { 12 };
        let size = self.symbol_size();
        let is_weak = |symbol: &&[u8]| {
            let info = symbol.get(info_at);
            info.is_some_and(|info| info >> BINDING == elf::STB_WEAK.0)
        };
        let weak = self.dynamic_symbols().chunks_exact(size).filter(is_weak);
        weak.flat_map(|symbol| self.symbol_names(symbol, self.strings(), |section| section == 0))
            .collect()
    }

    fn dynamic_symbols(&self) -> &'data [u8] {
        let table = self
            .value(elf::DT_SYMTAB)
            .and_then(|address| self.at_address(address))
            .unwrap_or_default();
        table
            .get(..self.symbol_count().saturating_mul(self.symbol_size()))
            .unwrap_or(table)
    }

    /// The names of all symbols that are defined here, as far as the file was not stripped.
    pub(super) fn linked_functions(&self) -> Vec<&'data [u8]> {
        let table = self.section(b".symtab").unwrap_or_default();
        self.symbol_names(
            table,
            self.section(b".strtab").unwrap_or_default(),
            |section| section != 0,
        )
    }

    /// Each needed library with the versions of its symbols that are needed.
    pub(super) fn version_needs(&self) -> Vec<(String, Vec<String>)> {
        let table = self
            .value(elf::DT_VERNEED)
            .and_then(|address| self.at_address(address));
        let mut rest = table.unwrap_or_default();
        let mut needs = Vec::new();
        let mut budget = MAX_ENTRIES;
        let libraries = self.value(elf::DT_VERNEEDNUM).unwrap_or(0);
        for _ in 0..libraries {
            let (Some(count), Some(file), Some(first), Some(next)) = (
                self.u16(rest, 2),
                self.u32(rest, 4),
                self.u32(rest, 8),
                self.u32(rest, 12),
            ) else {
                break;
            };
            let mut names = Vec::new();
            let mut entry = skip(rest, first);
            for _ in 0..count.min(u16::try_from(budget).unwrap_or(u16::MAX)) {
                budget -= 1;
                let (Some(name), Some(step)) = (self.u32(entry, 8), self.u32(entry, 12)) else {
                    break;
                };
                names.extend(text(self.strings(), name.into()));
                entry = skip(entry, step);
                if step == 0 {
                    break;
                }
            }
            needs.extend(text(self.strings(), file.into()).map(|file| (file, names)));
            rest = skip(rest, next);
            budget = budget.saturating_sub(1);
            if next == 0 || budget == 0 {
                break;
            }
        }
        needs
    }

    fn symbol_names(
        &self,
        table: &'data [u8],
        strings: &'data [u8],
        wanted: fn(u16) -> bool,
    ) -> Vec<&'data [u8]> {
        let section_at = if self.is_64 { 6 } else { 14 };
        let symbols = table.chunks_exact(self.symbol_size());
        symbols
            .filter(|symbol| self.u16(symbol, section_at).is_some_and(wanted))
            .filter_map(|symbol| string(strings, self.u32(symbol, 0)?.into()))
            .filter(|name| !name.is_empty())
            .collect()
    }

    /// How many dynamic symbols there are. Nothing in the format says it outright.
    fn symbol_count(&self) -> usize {
        let table = |tag| self.value(tag).and_then(|address| self.at_address(address));
        if let Some(chains) = table(elf::DT_HASH).and_then(|table| self.u32(table, 4)) {
            return chains as usize;
        }
        if let Some(section) = self.section(b".dynsym") {
            return section.len() / self.symbol_size();
        }
        // The strings usually follow the symbols.
        let distance = self
            .value(elf::DT_STRTAB)
            .unwrap_or(0)
            .saturating_sub(self.value(elf::DT_SYMTAB).unwrap_or(0));
        usize::try_from(distance).unwrap_or(0) / self.symbol_size()
    }

    fn symbol_size(&self) -> usize {
        if self.is_64 { 24 } else { 16 }
    }

    fn strings(&self) -> &'data [u8] {
        let table = self
            .value(elf::DT_STRTAB)
            .and_then(|address| self.at_address(address))
            .unwrap_or_default();
        let size = self
            .value(elf::DT_STRSZ)
            .and_then(|size| usize::try_from(size).ok())
            .unwrap_or(0);
        &table[..size.min(table.len())]
    }

    fn value(&self, tag: DynamicTag) -> Option<u64> {
        self.dynamic
            .iter()
            .find(|(found, _)| *found == tag)
            .map(|(_, value)| *value)
    }

    fn u16(&self, bytes: &[u8], at: usize) -> Option<u16> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(if self.is_big_endian {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        })
    }

    fn u32(&self, bytes: &[u8], at: usize) -> Option<u32> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(if self.is_big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    }
}

/// The sections that can be read. The loader does not need any, so a damaged table is as good as none.
fn sections<'data, Header: FileHeader>(
    header: &Header,
    endian: Header::Endian,
    bytes: &'data [u8],
) -> Vec<Section<'data>> {
    let Ok(table) = header.sections(endian, bytes) else {
        return Vec::new();
    };
    let read = |section: &Header::SectionHeader| {
        let name = table.section_name(endian, section).ok()?;
        Some(Section {
            name,
            data: section.data(endian, bytes).ok()?,
            offset: section.sh_offset(endian).into(),
        })
    };
    table.iter().filter_map(read).collect()
}

/// What is left of `bytes` after `count` of them.
fn skip(bytes: &[u8], count: u32) -> &[u8] {
    bytes.get(count as usize..).unwrap_or_default()
}

/// The string at `offset` of a string table.
fn string(strings: &[u8], offset: u64) -> Option<&[u8]> {
    let rest = strings.get(usize::try_from(offset).ok()?..)?;
    let rest = &rest[..rest.len().min(MAX_STRING)];
    rest.split_at_checked(memchr::memchr(0, rest)?)
        .map(|(string, _)| string)
}

fn text(strings: &[u8], offset: u64) -> Option<String> {
    string(strings, offset).map(|string| String::from_utf8_lossy(string).into_owned())
}
