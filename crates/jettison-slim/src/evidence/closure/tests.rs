use std::fs;
use std::os::unix::fs::symlink;

use super::*;

fn this_program() -> PathBuf {
    std::env::current_exe().unwrap()
}

fn closure_of_this() -> ElfClosure {
    elf_closure(&RootDir::open(Path::new("/")).unwrap(), &this_program(), "").unwrap()
}

/// A root with this program at `/app/bin/run`, its interpreter, and its libraries in `libraries`.
fn root(libraries: &str) -> (tempfile::TempDir, RootDir) {
    let directory = tempfile::tempdir().unwrap();
    for file in closure_of_this().files {
        let path = match &file.why {
            Why::Program => PathBuf::from("/app/bin/run"),
            Why::Interpreter { .. } => file.path.clone(),
            Why::NeededBy { .. } => Path::new(libraries).join(file.path.file_name().unwrap()),
        };
        let target = directory.path().join(path.strip_prefix("/").unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&file.real_path, target).unwrap();
    }
    let root = RootDir::open(directory.path()).unwrap();
    (directory, root)
}

fn path_of(closure: &ElfClosure, name: &str) -> String {
    let file = closure.files.iter().find(|file| file.path.ends_with(name));
    file.map(|file| file.path.display().to_string())
        .unwrap_or_default()
}

#[test]
fn this_program_needs_its_interpreter_and_the_c_library() {
    let closure = closure_of_this();
    assert_eq!(closure.missing, []);
    assert_eq!(closure.files[0].why, Why::Program);
    assert_eq!(
        closure.files[1].why,
        Why::Interpreter { of: this_program() }
    );
    let libc = closure
        .files
        .iter()
        .find(|file| file.path.ends_with("libc.so.6"))
        .unwrap();
    assert!(
        libc.why.to_string().ends_with(" needs libc.so.6"),
        "{}",
        libc.why
    );
    assert!(libc.real_path.is_absolute());
    assert_eq!(closure, closure_of_this(), "the order is always the same");
}

#[test]
fn a_library_is_loaded_once() {
    let closure = closure_of_this();
    let mut paths: Vec<_> = closure.files.iter().map(|file| &file.real_path).collect();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), closure.files.len());
}

#[test]
fn libraries_are_found_by_configuration_and_by_environment() {
    let (directory, root) = root("/opt/own");
    let program = Path::new("/app/bin/run");
    let without = elf_closure(&root, program, "").unwrap();
    assert!(
        without
            .missing
            .contains(&(program.to_owned(), "libc.so.6".to_owned())),
        "{without:?}"
    );
    for library_path in [
        "/opt/own",
        "/none:/opt/own",
        "relative;$ORIGIN/../../opt/own",
    ] {
        let with = elf_closure(&root, program, library_path).unwrap();
        assert_eq!(
            path_of(&with, "libc.so.6"),
            "/opt/own/libc.so.6",
            "{library_path}"
        );
        assert_eq!(with.missing, []);
    }
    fs::create_dir_all(directory.path().join("etc")).unwrap();
    fs::write(directory.path().join("etc/ld.so.conf"), "/opt/own\n").unwrap();
    let configured = elf_closure(&root, program, "").unwrap();
    assert_eq!(path_of(&configured, "libc.so.6"), "/opt/own/libc.so.6");
}

#[test]
fn a_path_through_a_link_is_kept_beside_the_real_one() {
    let (directory, root) = root("/usr/lib/own");
    symlink("/usr/lib/own", directory.path().join("own")).unwrap();
    let closure = elf_closure(&root, Path::new("app/bin/./run"), "/own").unwrap();
    let libc = closure
        .files
        .iter()
        .find(|file| file.path.ends_with("libc.so.6"))
        .unwrap();
    assert_eq!(libc.path, Path::new("/own/libc.so.6"));
    assert_eq!(libc.real_path, Path::new("/usr/lib/own/libc.so.6"));
}

#[test]
fn a_library_for_another_machine_is_passed_over() {
    let (directory, root) = root("/good");
    let good = fs::read(directory.path().join("good/libc.so.6")).unwrap();
    let mut foreign = good;
    foreign[18] ^= 0xff;
    fs::create_dir(directory.path().join("bad")).unwrap();
    fs::write(directory.path().join("bad/libc.so.6"), foreign).unwrap();
    let closure = elf_closure(&root, Path::new("/app/bin/run"), "/bad:/good").unwrap();
    assert_eq!(path_of(&closure, "libc.so.6"), "/good/libc.so.6");
}

#[test]
fn what_is_missing_is_said_with_who_needs_it() {
    let (directory, root) = root("/opt/own");
    let interpreter = closure_of_this().files[1].path.clone();
    fs::remove_file(
        directory
            .path()
            .join(interpreter.strip_prefix("/").unwrap()),
    )
    .unwrap();
    let closure = elf_closure(&root, Path::new("/app/bin/run"), "/opt/own").unwrap();
    let expected = (
        PathBuf::from("/app/bin/run"),
        interpreter.display().to_string(),
    );
    assert_eq!(closure.missing.first(), Some(&expected));
}

#[test]
fn a_script_has_no_closure() {
    let (directory, root) = root("/lib");
    fs::write(directory.path().join("script"), "#!/bin/sh\n").unwrap();
    let error = elf_closure(&root, Path::new("/script"), "").unwrap_err();
    assert_eq!(error.to_string(), "cannot tell the libraries of /script");
    let error = elf_closure(&root, Path::new("/gone"), "").unwrap_err();
    assert_eq!(error.to_string(), "cannot follow the libraries of /gone");
}

/// A root where `/app/bin/run` needs `libouter.so`, which needs `libinner.so`, both in `/app/lib`; only the program has
/// the search path `$ORIGIN/../lib`, as what `tags` makes the linker write.
fn linked_root(tags: &str) -> (tempfile::TempDir, RootDir) {
    let directory = tempfile::tempdir().unwrap();
    for path in ["app/bin", "app/lib"] {
        fs::create_dir_all(directory.path().join(path)).unwrap();
    }
    fs::write(directory.path().join("empty.c"), "").unwrap();
    let link = |output: &str, arguments: &[&str]| {
        let status = std::process::Command::new("cc")
            .args([
                "-shared",
                "-nostdlib",
                "-Wl,--no-as-needed",
                "-Wl,--allow-shlib-undefined",
                "-o",
                output,
            ])
            .args(arguments)
            .arg("empty.c")
            .current_dir(directory.path())
            .status();
        assert!(status.unwrap().success(), "{output}");
    };
    link("app/lib/libinner.so", &["-Wl,-soname,libinner.so"]);
    link(
        "app/lib/libouter.so",
        &["-Wl,-soname,libouter.so", "app/lib/libinner.so"],
    );
    link(
        "app/bin/run",
        &[
            tags,
            "-Wl,-rpath,$ORIGIN/../lib",
            "-Wl,-rpath-link,app/lib",
            "app/lib/libouter.so",
        ],
    );
    let root = RootDir::open(directory.path()).unwrap();
    (directory, root)
}

#[test]
fn an_rpath_is_handed_down_and_a_runpath_is_not() {
    let program = Path::new("/app/bin/run");
    let (_directory, root) = linked_root("-Wl,--disable-new-dtags");
    let closure = elf_closure(&root, program, "").unwrap();
    assert_eq!(path_of(&closure, "libouter.so"), "/app/lib/libouter.so");
    assert_eq!(path_of(&closure, "libinner.so"), "/app/lib/libinner.so");
    assert_eq!(closure.missing, []);

    let (_directory, root) = linked_root("-Wl,--enable-new-dtags");
    let closure = elf_closure(&root, program, "").unwrap();
    assert_eq!(path_of(&closure, "libouter.so"), "/app/lib/libouter.so");
    assert_eq!(
        closure.missing,
        [(
            PathBuf::from("/app/lib/libouter.so"),
            "libinner.so".to_owned()
        )]
    );
    assert_eq!(
        closure.files[1].why.to_string(),
        "/app/bin/run needs libouter.so"
    );
}

#[test]
fn origin_is_where_the_program_really_is() {
    let (directory, root) = linked_root("-Wl,--disable-new-dtags");
    symlink("/app/bin/run", directory.path().join("run")).unwrap();
    let closure = elf_closure(&root, Path::new("/run"), "").unwrap();
    assert_eq!(closure.files[0].path, Path::new("/run"));
    assert_eq!(closure.files[0].real_path, Path::new("/app/bin/run"));
    assert_eq!(path_of(&closure, "libinner.so"), "/app/lib/libinner.so");
}
