use std::path::Path;

use proptest::prelude::*;

use super::*;

fn this_program() -> Vec<u8> {
    std::fs::read(std::env::current_exe().unwrap()).unwrap()
}

#[test]
fn this_program_says_what_it_needs() {
    let elf = Elf::parse(&this_program()).unwrap();
    assert!(elf.interpreter.as_deref().is_some_and(Path::is_absolute));
    assert!(
        elf.needed.iter().any(|name| name == "libc.so.6"),
        "{:?}",
        elf.needed
    );
    let (_, versions) = elf
        .version_needs
        .iter()
        .find(|(library, _)| library == "libc.so.6")
        .unwrap();
    assert!(
        versions.iter().all(|version| version.starts_with("GLIBC_")),
        "{versions:?}"
    );
    assert!(!versions.is_empty());
    assert!(
        elf.starts_programs,
        "the standard library of Rust imports execvp"
    );
    assert!(!elf.static_glibc);
    assert_eq!(elf.go_buildinfo, None);
    assert_eq!(elf.soname, None);
    assert!(elf.strippable_size > 0);
}

#[test]
fn the_c_library_says_its_name() {
    let program = Elf::parse(&this_program()).unwrap();
    let root = crate::rootfs::RootDir::open(Path::new("/")).unwrap();
    let closure = crate::elf_closure(&root, &std::env::current_exe().unwrap(), "").unwrap();
    let libc = closure
        .files
        .iter()
        .find(|file| file.path.ends_with("libc.so.6"))
        .unwrap();
    let elf = Elf::parse(&root.read(&libc.path, 1 << 30).unwrap()).unwrap();
    assert_eq!(elf.soname.as_deref(), Some("libc.so.6"));
    assert_eq!((elf.machine, elf.is_64), (program.machine, program.is_64));
}

/// The facts about a C program, linked with `arguments`.
fn compiled(source: &str, arguments: &[&str]) -> Elf {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("main.c"), source).unwrap();
    let mut command = std::process::Command::new("cc");
    command
        .args(["-w", "-o", "main", "main.c"])
        .args(arguments)
        .current_dir(directory.path());
    assert!(command.status().unwrap().success());
    Elf::parse(&std::fs::read(directory.path().join("main")).unwrap()).unwrap()
}

#[test]
fn a_static_program_tells_its_c_library_and_what_is_linked_in() {
    let source =
        "int getaddrinfo(); int main(int n) { return n > 5 ? getaddrinfo(0, 0, 0, 0) : 0; }";
    for arguments in [&["-static"][..], &["-static-pie"], &["-static", "-s"]] {
        let elf = compiled(source, arguments);
        assert!(elf.static_glibc, "{arguments:?}");
        assert_eq!(elf.interpreter, None);
        assert_eq!(
            elf.uses_nss,
            arguments.last() != Some(&"-s"),
            "{arguments:?}"
        );
    }
    let dynamic = compiled(source, &[]);
    assert!(
        dynamic.uses_nss
            && !dynamic.static_glibc
            && !dynamic.starts_programs
            && !dynamic.uses_iconv
    );
}

#[test]
fn who_asks_for_the_time_of_a_place_is_told_by_functions() {
    for (source, expected) in [
        ("long time(); int main() { return time(0); }", false),
        (
            "void *gmtime(); int main(int n) { return !gmtime(&n); }",
            false,
        ),
        (
            "void *localtime(); int main(int n) { return !localtime(&n); }",
            true,
        ),
        (
            "long mktime(); int main(int n) { return mktime(&n); }",
            true,
        ),
    ] {
        assert_eq!(compiled(source, &[]).uses_time_zones, expected, "{source}");
    }
}

#[test]
fn stripping_takes_the_bytes_that_can_be_stripped() {
    let source = "int main() { return 0; }";
    assert!(compiled(source, &["-g"]).strippable_size > compiled(source, &[]).strippable_size);
    assert_eq!(compiled(source, &["-s"]).strippable_size, 0);
}

#[test]
fn what_a_program_carries_along_cannot_be_stripped() {
    let mut bytes = this_program();
    bytes.extend([7; 100]);
    assert_eq!(Elf::parse(&bytes).unwrap().strippable_size, 0);
}

#[test]
fn search_paths_are_split_at_colons() {
    let path = ["$ORIGIN/../lib::/opt/lib".to_owned()];
    assert_eq!(split_path(&path), ["$ORIGIN/../lib", "/opt/lib"]);
}

#[test]
fn functions_are_told_apart_by_name() {
    assert!(asks_name_service(b"getpwnam_r"));
    assert!(asks_name_service(b"getgrouplist"));
    assert!(!asks_name_service(b"getgroups"));
    assert!(starts_program(b"execve"));
    assert!(!starts_program(b"execute"));
    assert!(converts_characters(b"u8_strconv_to_encoding"));
    assert!(converts_characters(b"psl_str_to_utf8lower"));
    assert!(!converts_characters(b"u8_strlen"));
}

#[test]
fn local_times_come_from_fewer_functions_where_the_c_library_is_linked_in() {
    assert!(asks_time_zone(b"strftime") && !asks_local_time(b"strftime"));
    assert!(asks_local_time(b"localtime_r") && asks_local_time(b"mktime"));
}

#[test]
fn other_bytes_are_refused() {
    assert_eq!(Elf::parse(b""), Err(ElfError::NotElf));
    assert_eq!(Elf::parse(b"#!/bin/sh"), Err(ElfError::NotElf));
    assert_eq!(Elf::parse(b"\x7fELF\x07"), Err(ElfError::NotElf));
    assert!(matches!(
        Elf::parse(b"\x7fELF\x02\x01\x01"),
        Err(ElfError::Header { .. })
    ));
}

#[test]
fn a_truncated_program_never_panics() {
    let bytes = this_program();
    let head = (0..4096).step_by(7);
    let whole = (0..bytes.len()).step_by(bytes.len() / 60 + 1);
    for length in head.chain(whole) {
        drop(Elf::parse(&bytes[..length.min(bytes.len())]));
    }
}

/// The smallest program with a dynamic table, symbols and versions that the reader follows.
fn small_program() -> Vec<u8> {
    let mut file = vec![0_u8; 0x300];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"\x7fELF\x02\x01\x01");
    put(16, &[3, 0, 62, 0, 1]);
    put(32, &64_u64.to_le_bytes());
    put(52, &[64, 0, 56, 0, 2, 0, 64, 0]);
    // PT_LOAD of the whole file, and PT_DYNAMIC.
    for (at, kind, offset, size) in [(64, 1_u32, 0_u64, 0x300_u64), (120, 2, 0x100, 0xb0)] {
        put(at, &kind.to_le_bytes());
        put(at + 4, &6_u32.to_le_bytes());
        for (field, value) in [
            (8, offset),
            (16, offset),
            (24, offset),
            (32, size),
            (40, size),
            (48, 8),
        ] {
            put(at + field, &value.to_le_bytes());
        }
    }
    let dynamic: [(u64, u64); 10] = [
        (1, 1),
        (15, 11),
        (29, 22),
        (5, 0x200),
        (10, 0x60),
        (6, 0x280),
        (4, 0x2c8),
        (0x6fff_fffe, 0x260),
        (0x6fff_ffff, 1),
        (0, 0),
    ];
    for (index, (tag, value)) in dynamic.iter().enumerate() {
        put(0x100 + index * 16, &tag.to_le_bytes());
        put(0x108 + index * 16, &value.to_le_bytes());
    }
    put(
        0x200,
        b"\0liba.so.1\0/one:/two/\0$ORIGIN\0dlopen\0getaddrinfo\0VERS_1\0iconv\0",
    );
    // One library with one version.
    put(0x260, &[1, 0, 1, 0, 1, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0]);
    put(0x270, &[0, 0, 0, 0, 0, 0, 2, 0, 49, 0, 0, 0, 0, 0, 0, 0]);
    // The null symbol, an imported function and a defined one.
    put(0x298, &[30, 0, 0, 0, 0x12, 0, 0, 0]);
    put(0x2b0, &[56, 0, 0, 0, 0x12, 0, 1, 0]);
    put(0x2c8, &[1, 0, 0, 0, 3, 0, 0, 0]);
    file
}

#[test]
fn a_program_without_sections_is_read_through_its_segments() {
    let elf = Elf::parse(&small_program()).unwrap();
    assert_eq!(elf.needed, ["liba.so.1"]);
    assert_eq!(elf.rpath, ["/one", "/two/"]);
    assert_eq!(elf.run_path, ["$ORIGIN"]);
    assert_eq!(
        elf.version_needs,
        [("liba.so.1".to_owned(), vec!["VERS_1".to_owned()])]
    );
    assert_eq!(
        (elf.uses_dlopen, elf.uses_nss, elf.uses_iconv),
        (true, false, false)
    );
}

proptest! {
    #[test]
    fn no_damage_panics(damage in proptest::collection::vec((0_usize..0x300, any::<u8>()), 1..8), cut in 0_usize..0x600) {
        let mut bytes = small_program();
        for (at, byte) in damage {
            bytes[at] = byte;
        }
        bytes.truncate(cut);
        drop(Elf::parse(&bytes));
    }
}

#[test]
fn what_debuggers_read_is_taken_out_and_nothing_is_moved() {
    let dir = tempfile::tempdir().unwrap();
    let (source, program) = (dir.path().join("places.c"), dir.path().join("places"));
    let text = "#include <stdio.h>\nint main(void) { puts(\"words/en.txt\"); return 0; }\n";
    std::fs::write(&source, text).unwrap();
    let status = std::process::Command::new("gcc")
        .args(["-g", "-o"])
        .args([&program, &source])
        .status();
    assert!(status.unwrap().success());
    let whole = std::fs::read(&program).unwrap();
    let without = without_debugging(whole.clone());
    assert_eq!(without.len(), whole.len());
    let holds = |bytes: &[u8], text: &str| memchr::memmem::find(bytes, text.as_bytes()).is_some();
    let place = dir.path().to_str().unwrap();
    assert!(holds(&whole, place) && !holds(&without, place));
    assert!(holds(&without, "words/en.txt"));
    assert_eq!(Elf::parse(&without).unwrap(), Elf::parse(&whole).unwrap());
    assert_eq!(without_debugging(b"text".to_vec()), b"text");
}
