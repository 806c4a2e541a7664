use std::fs;
use std::process::Command;

use proptest::prelude::*;

use super::*;
use crate::evidence::elf::Elf;

#[test]
fn a_program_of_the_go_compiler_tells_its_build() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::write(path("go.mod"), "module example.org/hello\n\ngo 1.18\n").unwrap();
    fs::write(
        path("main.go"),
        "package main\n\nfunc main() { println(\"hello\") }\n",
    )
    .unwrap();
    let built = Command::new("go")
        .args(["build", "-ldflags=-s -w", "-o", "hello", "."])
        .current_dir(directory.path())
        .envs([
            ("CGO_ENABLED", "0"),
            ("GOFLAGS", ""),
            ("GOTOOLCHAIN", "local"),
            ("GOPROXY", "off"),
        ])
        .env("GOCACHE", path("cache"))
        .output();
    let Ok(built) = built else {
        #[expect(clippy::print_stderr, reason = "a skipped test must say so")]
        {
            eprintln!("skipped: go is not installed");
        }
        return;
    };
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let elf = Elf::parse(&fs::read(path("hello")).unwrap()).unwrap();
    let info = elf.go_buildinfo.unwrap();
    assert!(info.version.starts_with("go1."), "{info:?}");
    assert_eq!(info.path, "example.org/hello");
    assert!(
        info.settings
            .contains(&("CGO_ENABLED".to_owned(), "0".to_owned())),
        "{info:?}"
    );
    assert!(
        info.settings
            .contains(&("-ldflags".to_owned(), "-s -w".to_owned())),
        "{info:?}"
    );
    assert_eq!(elf.interpreter, None);
    assert!(!elf.static_glibc);
}

#[test]
fn settings_may_be_quoted() {
    let cases = [
        ("CGO_ENABLED=0", Some(("CGO_ENABLED", "0"))),
        ("-ldflags=\"-s -w\"", Some(("-ldflags", "-s -w"))),
        ("-tags=a=b", Some(("-tags", "a=b"))),
        ("\"a=b\"=\"c\\td\\\"\\u00e9\"", Some(("a=b", "c\td\"é"))),
        ("`a b`=", Some(("a b", ""))),
        ("none", None),
        ("a=\"open", None),
    ];
    for (setting, expected) in cases {
        let found = split_setting(setting);
        let found = found
            .as_ref()
            .map(|(key, value)| (key.as_str(), value.as_str()));
        assert_eq!(found, expected, "{setting}");
    }
}

/// An old header, which points at strings elsewhere, in a program that is mapped at 0x1000.
fn old_program(size: usize, big: bool) -> Vec<u8> {
    let wide = size == 8;
    let (class, header) = if wide { (2, 64) } else { (1, 52) };
    let number = |value: u64, size: usize| {
        let mut digits = value.to_le_bytes()[..size].to_vec();
        if big {
            digits.reverse();
        }
        digits
    };
    let mut file = vec![0_u8; 0x300];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(
        0,
        &[0x7f, b'E', b'L', b'F', class, if big { 2 } else { 1 }, 1],
    );
    put(16, &number(2, 2));
    put(if wide { 32 } else { 28 }, &number(header, size));
    let counts = if wide { 54 } else { 42 };
    put(counts, &number(if wide { 56 } else { 32 }, 2));
    put(counts + 2, &number(1, 2));
    let at = usize::try_from(header).unwrap();
    put(at, &number(1, 4));
    put(at + if wide { 4 } else { 24 }, &number(6, 4));
    put(at + 2 * size, &number(0x1000, size));
    put(at + 4 * size, &number(0x300, size));
    put(0x100, MAGIC);
    put(0x10e, &[u8::try_from(size).unwrap(), u8::from(big)]);
    put(0x110, &number(0x1140, size));
    put(0x110 + size, &number(0x1150, size));
    put(0x140, &number(0x1180, size));
    put(0x140 + size, &number(6, size));
    let modules = b"0123456789abcdefpath\tcommand-line-arguments\n0123456789abcdef";
    put(0x150, &number(0x1190, size));
    put(0x150 + size, &number(modules.len() as u64, size));
    put(0x180, b"go1.17");
    put(0x190, modules);
    file
}

#[test]
fn a_header_of_pointers_is_followed() {
    for (size, big) in [(8, false), (8, true), (4, false), (4, true)] {
        let info = Elf::parse(&old_program(size, big)).unwrap().go_buildinfo;
        let expected = GoBuildInfo {
            version: "go1.17".to_owned(),
            path: "command-line-arguments".to_owned(),
            settings: Vec::new(),
        };
        assert_eq!(info, Some(expected), "size: {size}, big: {big}");
    }
}

#[test]
fn the_compilers_home_is_named_in_vain_unless_the_program_looks_for_packages() {
    let program = old_program(8, false);
    let elf = Elf::parse(&program).unwrap();
    let with = |name: &[u8]| [&program, name].concat();
    let cases = [
        ("/usr/lib/go-1.19/src", b"".as_slice(), true),
        ("/usr/share/go-1.19/src/runtime/runtime-gdb.py", b"", true),
        ("/usr/local/go", b"", true),
        ("/usr/lib/gocode/data", b"", false),
        ("/usr/share/games/go", b"", false),
        ("/usr/local/lib/go", b"", false),
        ("/usr/lib/go-1.19", b"go/build.(*Context).Import", false),
        ("/usr/lib/go-1.19", b"example.org/go/build.go", true),
    ];
    for (path, text, expected) in cases {
        let is_in_vain = names_in_vain(&elf, &with(text), Path::new(path));
        assert_eq!(is_in_vain, expected, "{path}");
    }
    let elf = Elf {
        go_buildinfo: None,
        ..elf
    };
    assert!(!names_in_vain(&elf, &program, Path::new("/usr/local/go")));
}

proptest! {
    #[test]
    fn no_damage_panics(damage in proptest::collection::vec((0_usize..0x200, any::<u8>()), 1..8), wide: bool, big: bool) {
        let mut bytes = old_program(if wide { 8 } else { 4 }, big);
        for (at, byte) in damage {
            bytes[at] = byte;
        }
        drop(Elf::parse(&bytes));
    }

    #[test]
    fn no_lengths_or_settings_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40), text in "[=\"`\\\\xuUn09a]{0,16}") {
        let _ = inline_string(&bytes);
        let _ = unframe(&bytes);
        drop(split_setting(&text));
    }
}

/// A program of Go that is linked to the C library, as its header would say, with these names in it.
#[track_caller]
fn check_c(needed: &[&str], settings: &[(&str, &str)], names: &str, expected: bool) {
    let bytes = fs::read("/proc/self/exe").unwrap();
    let mut elf = Elf::parse(&bytes).unwrap();
    let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    elf.interpreter = Some("/lib64/ld-linux-x86-64.so.2".into());
    elf.needed = needed.iter().map(ToString::to_string).collect();
    elf.go_buildinfo = Some(GoBuildInfo {
        version: "go1.22".to_owned(),
        path: "a".to_owned(),
        settings: settings.iter().map(pair).collect(),
    });
    let shown = format!("{needed:?} {settings:?} {names}");
    assert_eq!(has_optional_c(&elf, names.as_bytes()), expected, "{shown}");
}

#[test]
fn c_is_optional_where_only_hosts_and_users_are_looked_up() {
    const C: (&str, &str) = ("CGO_ENABLED", "1");
    const LIBC: [&str; 2] = ["libc.so.6", "libresolv.so.2"];
    let names = "\0net._C2func_getaddrinfo\0os/user._Cfunc_getpwnam_r\0K*struct { X0 *net._Ctype_int }\0*user._Ctype_struct_passwd\0type:.eq.net._Ctype_struct_addrinfo\0type..hash.net._Ctype_struct_addrinfo\0";
    check_c(&LIBC, &[C, ("-buildmode", "exe")], names, true);
    check_c(&LIBC, &[("CGO_ENABLED", "0")], names, false);
    check_c(&LIBC, &[], names, false);
    check_c(&["libc.so.6", "libsqlite3.so.0"], &[C], names, false);
    for own in [
        "\0main._Cfunc_add\0",
        "\0github.com/mattn/go-sqlite3._Cfunc_sqlite3_open_v2\0",
        "\0example.org/net._Ctype_int\0",
        "\0plugin._Cfunc_pluginOpen\0",
        "\0_cgoexp_1f2e_callback\0",
    ] {
        check_c(&LIBC, &[C], &format!("{names}{own}"), false);
    }
    for setting in [
        ("-buildmode", "plugin"),
        ("-race", "true"),
        ("-tags", "a,netcgo"),
        ("-ldflags", "-linkmode external"),
        ("GOEXPERIMENT", "boringcrypto"),
    ] {
        check_c(&LIBC, &[C, setting], names, false);
    }
}
