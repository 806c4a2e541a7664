//! What the kernel reads of a program to start it.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// As much of a script as the kernel looks at (`BINPRM_BUF_SIZE`).
const HEAD: usize = 256;
const PATH_MAX: u64 = 4096;
/// The kernel refuses larger tables (`elf_read`: 64 KiB).
const MAX_HEADERS: usize = 64 << 10;

/// What starts a program.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// The kernel, or nothing.
    Itself,
    /// A script is started by this program, which can be a script too.
    Script(Vec<u8>),
    /// The dynamic linker.
    Linked(Vec<u8>),
    /// A program of another kind, whose calls are not those of this machine.
    Foreign(Option<Vec<u8>>),
}

/// Reads as much of `file` as the kernel does.
pub(super) fn head(file: &File) -> Head {
    let mut head = [0; HEAD];
    let length = read_at(file, &mut head, 0);
    let head = &head[..length];
    if let Some(line) = head.strip_prefix(b"#!") {
        return interpreter(line, length == HEAD).map_or(Head::Itself, Head::Script);
    }
    elf(file, head).unwrap_or(Head::Itself)
}

fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> usize {
    let mut length = 0;
    while length < buffer.len() {
        match file.read_at(&mut buffer[length..], offset + length as u64) {
            Ok(0) | Err(_) => break,
            Ok(n_read) => length += n_read,
        }
    }
    length
}

/// The program in the first line of a script (Linux: `load_script`, `fs/binfmt_script.c`).
fn interpreter(line: &[u8], is_cut: bool) -> Option<Vec<u8>> {
    let end = line.iter().position(|byte| *byte == b'\n');
    let text = &line[..end.unwrap_or(line.len())];
    let is_blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let start = text.iter().position(|byte| !is_blank(byte))?;
    let text = &text[start..];
    let name_end = text.iter().position(|byte| is_blank(byte) || *byte == 0);
    // A name that may go on is none.
    if name_end.is_none() && end.is_none() && is_cut {
        return None;
    }
    let name = &text[..name_end.unwrap_or(text.len())];
    (!name.is_empty()).then(|| name.to_vec())
}

fn elf(file: &File, head: &[u8]) -> Option<Head> {
    const CLASS_32: u8 = 1;
    let class = *head.get(4)?;
    if !head.starts_with(b"\x7fELF") {
        return None;
    }
    let is_native = class != CLASS_32 && number(head, 18, 2)? == NATIVE_MACHINE;
    let at = |wide: usize, narrow: usize| if class == CLASS_32 { narrow } else { wide };
    let width = at(8, 4);
    let offset = number(head, at(32, 28), width)?;
    let size = usize::try_from(number(head, at(54, 42), 2)?).ok()?;
    let count = usize::try_from(number(head, at(56, 44), 2)?).ok()?;
    let total = size.checked_mul(count)?;
    let path = if size == 0 || total > MAX_HEADERS {
        None
    } else {
        let mut table = vec![0; total];
        let length = read_at(file, &mut table, offset);
        let headers = table[..length].chunks_exact(size);
        headers.into_iter().find_map(|header| {
            const PT_INTERP: u64 = 3;
            if number(header, 0, 4)? != PT_INTERP {
                return None;
            }
            let start = number(header, at(8, 4), width)?;
            let size = number(header, at(32, 16), width)?;
            linker(file, start, size)
        })
    };
    Some(match path {
        path if !is_native => Head::Foreign(path),
        Some(path) => Head::Linked(path),
        None => Head::Itself,
    })
}

fn linker(file: &File, start: u64, size: u64) -> Option<Vec<u8>> {
    if size > PATH_MAX {
        return None;
    }
    let mut path = vec![0; usize::try_from(size).ok()?];
    let length = read_at(file, &mut path, start);
    path.truncate(length);
    let end = path.iter().position(|byte| *byte == 0)?;
    path.truncate(end);
    (!path.is_empty()).then_some(path)
}

/// A number of this machine's byte order.
fn number(bytes: &[u8], start: usize, width: usize) -> Option<u64> {
    let bytes = bytes.get(start..start + width)?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)),
    )
}

/// `EM_X86_64` and `EM_AARCH64`.
#[cfg(target_arch = "x86_64")]
const NATIVE_MACHINE: u64 = 62;
#[cfg(target_arch = "aarch64")]
const NATIVE_MACHINE: u64 = 183;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &[u8], expected: Option<&[u8]>) {
        assert_eq!(interpreter(line, false).as_deref(), expected);
    }

    #[test]
    fn the_program_of_a_script_is_the_first_word_of_its_first_line() {
        check(b"/bin/sh\n", Some(b"/bin/sh"));
        check(b" \t/usr/bin/env  python3 -u\nrest", Some(b"/usr/bin/env"));
        check(b"/bin/sh", Some(b"/bin/sh"));
        check(b"relative\tx\n", Some(b"relative"));
        check(b"\n/bin/sh", None);
        check(b"   ", None);
        check(b"", None);
        check(b"/a\0b\n", Some(b"/a"));
    }

    #[test]
    fn a_name_that_is_cut_is_none() {
        assert_eq!(interpreter(&[b'a'; 254], true), None);
        let mut line = [b'a'; 254];
        line[200] = b' ';
        assert_eq!(interpreter(&line, true), Some(vec![b'a'; 200]));
    }

    #[test]
    fn this_program_has_a_dynamic_linker_or_none() {
        let head = head(&File::open("/proc/self/exe").unwrap());
        assert!(matches!(head, Head::Linked(_) | Head::Itself), "{head:?}");
    }
}
