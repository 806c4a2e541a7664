use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use jettison_dockerfile::parse;

use super::*;

const PLAIN: Program = Program {
    asks_names: false,
    has_settings: false,
    option: Some("-static-pie"),
    machine: "x86_64",
};

/// `made` is what the last command of the Dockerfile has made, the first of it the program; `expected` is its command then.
#[track_caller]
fn check(command: &str, made: &[&str], expected: Option<&str>) {
    check_of(&PLAIN, command, made, expected);
}

#[track_caller]
fn check_of(program: &Program, command: &str, made: &[&str], expected: Option<&str>) {
    let files = tempfile::tempdir().unwrap();
    for path in made {
        let path = files.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let text = |comment: &str, command: &str| {
        format!("FROM gcc\nRUN apt-get install x\n{comment}RUN {command}\nCMD a\n")
    };
    let parsed = parse(&text("", command));
    let commands = [
        (1, files.path().join("nothing")),
        (2, files.path().to_path_buf()),
    ];
    let found = linked(&parsed, &commands, (Path::new(made[0]), program));
    let expected = expected.map(|command| text(&format!("{COMMENT}\n"), command));
    assert_eq!(found, expected, "{command}");
}

#[test]
fn compilers_get_the_option_to_link_statically() {
    let made = ["/usr/bin/tool"];
    let check = |command: &str, expected| check(command, &made, expected);
    check(
        "gcc -O2 -o /usr/bin/tool tool.c -lm",
        Some("gcc -static-pie -O2 -o /usr/bin/tool tool.c -lm"),
    );
    check(
        "cd /src && g++ a.cpp -otool && mv tool /usr/bin",
        Some("cd /src && g++ -static-pie a.cpp -otool && mv tool /usr/bin"),
    );
    for other in [
        "gcc -o other tool.c",
        "gcc -c -o tool tool.c",
        "gcc -rdynamic -o tool tool.c",
        "gcc -Wl,-rpath,/x -o tool tool.c",
        "gcc $(pkg-config --libs x) -o tool tool.c",
        "gcc -static -o tool tool.c",
        "make tool",
    ] {
        check(other, None);
    }
    let fixed = Program {
        option: Some("-static"),
        ..PLAIN
    };
    let linked = Some("cc -static -no-pie -o tool a.c");
    check_of(&fixed, "cc -no-pie -o tool a.c", &made, linked);
    let seeking = Program {
        option: None,
        ..PLAIN
    };
    check_of(&seeking, "cc -o tool a.c", &made, None);
}

#[test]
fn cargo_links_the_programs_and_not_the_macros_statically() {
    let made = [
        "/app/target/release/tool",
        "/app/target/release/libtool.so",
        "/app/target/release/deps/tool-1",
    ];
    let check = |command: &str, expected| check(command, &made, expected);
    check(
        "cargo build --release",
        Some(
            "cargo rustc --release --bin tool -- -C target-feature=+crt-static -C link-arg=-Wl,-u,__cxa_thread_atexit_impl",
        ),
    );
    check(
        "A=1 cargo build --release",
        Some(
            "A=1 cargo rustc --release --bin tool -- -C target-feature=+crt-static -C link-arg=-Wl,-u,__cxa_thread_atexit_impl",
        ),
    );
    check(
        "cargo build --locked -r --bin tool && strip target/release/tool",
        Some(
            "cargo rustc --locked -r --bin tool -- -C target-feature=+crt-static -C link-arg=-Wl,-u,__cxa_thread_atexit_impl && strip target/release/tool",
        ),
    );
    for other in [
        "cargo build",
        "cargo build --release --bin other",
        "cargo build --release --target x86_64-unknown-linux-gnu",
        "cargo build --release --workspace",
        "RUSTFLAGS=-g cargo build --release",
        "export RUSTFLAGS=-g; cargo build --release",
        "cargo test",
    ] {
        check(other, None);
    }
}

#[test]
fn programs_that_are_only_moved_elsewhere_are_known_by_that() {
    let made = ["/usr/local/bin/tool"];
    let check = |command: &str, expected| check(command, &made, expected);
    check(
        "--mount=type=cache,target=/app/target cargo build --release && cp target/release/tool /usr/local/bin/",
        Some(
            "--mount=type=cache,target=/app/target cargo rustc --release --bin tool -- -C target-feature=+crt-static -C link-arg=-Wl,-u,__cxa_thread_atexit_impl && cp target/release/tool /usr/local/bin/",
        ),
    );
    for other in [
        "cargo build --release && cp target/release/* /usr/local/bin/",
        "cargo build --release && cp target/release/t /usr/local/bin/tool",
        "cargo build --release && find target/release -name t",
    ] {
        check(other, None);
    }
}

#[test]
fn settings_of_cargo_stay_in_force() {
    let told = Program {
        has_settings: true,
        ..PLAIN
    };
    let made = ["/usr/local/cargo/bin/tool"];
    check_of(&told, "cargo install --path .", &made, None);
    let parsed = parse("FROM rust\nARG RUSTFLAGS=-g\n");
    assert!(names_variables(&parsed));
    assert!(!names_variables(&parse("FROM rust\nARG FLAGS=-g\n")));
}

#[test]
fn what_loads_something_is_told_by_name() {
    for name in [
        "dlopen",
        "wprintf",
        "_ZNSt6localeC1ERKS_PKci",
        "_ZNSt15numpunct_bynameIcEC1EPKcm",
        "_ZNSt6locale5facet18_S_create_c_localeERP15__locale_structPKcS2_",
    ] {
        assert!(loads(name.as_bytes()), "{name}");
    }
    for name in ["printf", "_ZNSt6localeC1Ev", "swprintf", "mbsrtowcs"] {
        assert!(!loads(name.as_bytes()), "{name}");
    }
}

#[test]
fn sources_of_the_name_service_that_are_modules_of_others_are_told_apart() {
    let check = |settings: &str, expected: bool| {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("etc/nsswitch.conf", settings),
            ("usr/lib/x/libnss_extrausers.so.2", ""),
            ("usr/lib/x/libnss_db.so.2", ""),
        ] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let root = RootDir::open(dir.path()).unwrap();
        assert_eq!(has_other_sources(&root), expected, "{settings}");
    };
    check("passwd: files extrausers\n", true);
    check("services: db files\nhosts: files mdns4 # x\n", false);
    check("# passwd: extrausers\n", false);
    check("", false);
}

#[test]
fn every_program_of_a_command_of_cargo_is_linked_statically() {
    check(
        "cargo build --release -p x \\\n    --locked",
        &["/app/target/release/b", "/app/target/release/a"],
        Some(
            "cargo rustc --release -p x \\\n    --locked --bin a -- -C target-feature=+crt-static -C link-arg=-Wl,-u,__cxa_thread_atexit_impl \\\n \
             && cargo rustc --release -p x \\\n    --locked --bin b -- -C target-feature=+crt-static -C link-arg=-Wl,-u,__cxa_thread_atexit_impl",
        ),
    );
    check(
        "A=1 cargo build",
        &["/app/target/debug/a", "/app/target/debug/b"],
        None,
    );
    let made: Vec<String> = (0..9)
        .map(|number| format!("/app/target/release/a{number}"))
        .collect();
    let made: Vec<&str> = made.iter().map(String::as_str).collect();
    check("cargo build --release", &made, None);
}

#[test]
fn cargo_installs_programs_as_if_for_another_machine() {
    let made = ["/usr/local/cargo/bin/tool"];
    check(
        "cargo install --path .",
        &made,
        Some(
            "RUSTFLAGS=\"-C target-feature=+crt-static -C link-arg=-Wl,-u,__cxa_thread_atexit_impl\" cargo install --path . --target x86_64-unknown-linux-gnu",
        ),
    );
    check("cargo install ripgrep", &made, None);
    check("exec cargo install --path .", &made, None);
    check("cargo install --path . --target x", &made, None);
}
