//! How much around a file that no package lists belongs to it.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::is_part;
use super::python::is_python_library;
use crate::evidence::collect::{Step, holds_sources as sources_are_in, is_system};
use crate::evidence::java::{class_directory, java_home};
use crate::rootfs::RootDir;

/// Directories that belong to nobody in particular: what lies in one is a unit of its own.
const SHARED: [&str; 12] = [
    "/opt",
    "/srv",
    "/home",
    "/root",
    "/usr/local",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/local/etc",
    "/usr/local/lib",
    "/usr/local/libexec",
    "/usr/local/share",
    "/usr/local/include",
];

/// Directories of the system that many packages have files in.
const COMMON: [&str; 14] = [
    "/",
    "/bin",
    "/etc",
    "/lib",
    "/lib64",
    "/run",
    "/sbin",
    "/tmp",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/sbin",
    "/usr/share",
    "/var",
];

/// What is kept for the sake of the file or link at `path`, which `step` made, or else the base image.
pub(super) fn unit_of(root: &RootDir, path: &Path, step: Option<&Step>) -> PathBuf {
    if let Some(home) = java_home(root, path) {
        return home;
    }
    if let Some(application) = step.and_then(|_| web_application(root, path)) {
        return application;
    }
    if let Some(directory) = class_directory(root, path).or_else(|| known_directory(root, path)) {
        return directory;
    }
    match step {
        Some(step) if step.copies => copied_unit(root, path, step),
        Some(_) => made_unit(root, path),
        None => path.to_path_buf(),
    }
}

/// The application of servlets that `path` is in. It is one whole, as it is when it is packed (`.war`): its descriptor names pages
/// from its own top, and the server opens those that it is asked for.
fn web_application(root: &RootDir, path: &Path) -> Option<PathBuf> {
    let is_one = |directory: &&Path| {
        let inside = root.entry(&directory.join("WEB-INF"));
        directory.parent().is_some() && inside.is_some_and(|found| found.is_dir())
    };
    let found = path.ancestors().skip(1).find(is_one);
    found.map(Path::to_path_buf)
}

/// Directories that programs take as a whole: bundles of certificates, libraries of interpreters, runtimes beside the system.
fn known_directory(root: &RootDir, path: &Path) -> Option<PathBuf> {
    let certificates = Path::new("/etc/ssl/certs");
    if path.starts_with(certificates) && path != certificates {
        return Some(certificates.to_path_buf());
    }
    let holds = |directory: &&Path| {
        let is_python = is_python_library(directory);
        let parent = directory.parent();
        let is_runtime = [Path::new("/opt"), Path::new("/usr/lib/jvm")]
            .iter()
            .any(|above| parent == Some(above));
        // An environment of Python's is made of what is installed in it, which is kept by itself (PEP 405).
        let is_environment = || root.target(&directory.join("pyvenv.cfg")).is_some();
        is_python || (is_runtime && !is_environment() && !is_project(root, directory))
    };
    // A module that somebody installed is no part of the library of Python that it lies in.
    path.ancestors()
        .skip(1)
        .find(holds)
        .filter(|directory| is_part(path, directory))
        .map(Path::to_path_buf)
}

/// Whether `directory` is where somebody builds a program, by what lies at its top: it is no runtime then.
fn is_project(root: &RootDir, directory: &Path) -> bool {
    const NAMES: [&str; 5] = [
        ".git",
        "Dockerfile",
        "build.gradle",
        "build.gradle.kts",
        "pom.xml",
    ];
    NAMES
        .iter()
        .any(|name| root.entry(&directory.join(name)).is_some())
}

/// A `COPY` brought `path`. A module of an interpreted program belongs with all that was copied with it; a file of data with
/// the directory directly below the destination that it lies in.
fn copied_unit(root: &RootDir, path: &Path, step: &Step) -> PathBuf {
    let Some(destination) = common_directory(&step.files) else {
        return path.to_path_buf();
    };
    let is_common = SHARED
        .iter()
        .chain(&COMMON)
        .any(|shared| destination == Path::new(shared));
    if is_common || !path.starts_with(&destination) {
        return path.to_path_buf();
    }
    // A page of a site belongs with all others, those of a compiled program with their directory.
    let is_sent = is_page(path) || is_script_of_pages(path);
    let is_compiled = || holds_sources(&step.files, 0) || is_compiled_in(root, &destination);
    let is_of_program = is_interpreted(path) || is_sent;
    if is_of_program && !(is_sent && is_compiled()) {
        return destination;
    }
    // A tool that is a script finds its commands, modules and data from its own place.
    if is_script(&step.files, path) && !is_compiled() {
        return destination;
    }
    if is_system(&destination) {
        return path.to_path_buf();
    }
    first_below(&destination, path)
}

/// Whether a program is compiled in `directory`, whatever instruction has brought its sources there.
fn is_compiled_in(root: &RootDir, directory: &Path) -> bool {
    const NAMES: [&str; 8] = [
        "CMakeLists.txt",
        "Cargo.toml",
        "build.gradle",
        "build.gradle.kts",
        "configure.ac",
        "go.mod",
        "meson.build",
        "pom.xml",
    ];
    const DEPTH: usize = 1;
    let has_one = || {
        NAMES
            .iter()
            .any(|name| root.target(&directory.join(name)).is_some())
    };
    has_one() || sources_are_in(root, directory, DEPTH)
}

/// Whether the file at `path` below `files` says which interpreter runs it.
fn is_script(files: &Path, path: &Path) -> bool {
    let mut head = [0; 2];
    let file = File::open(files.join(path.strip_prefix("/").unwrap_or(path)));
    let is_read = file.and_then(|mut file| file.read_exact(&mut head)).is_ok();
    is_read && head == *b"#!"
}

/// A command made `path`. Modules of an interpreted program and pages belong with their directory; what compilers link stands alone.
fn made_unit(root: &RootDir, path: &Path) -> PathBuf {
    if !is_page(path) && !is_interpreted(path) {
        return path.to_path_buf();
    }
    let mut unit = path.to_path_buf();
    for directory in path.ancestors().skip(1) {
        if is_shared(directory) || !is_output(root, directory) {
            break;
        }
        unit = directory.to_path_buf();
    }
    unit
}

/// Whether `path` is named as what web servers send is.
fn is_page(path: &Path) -> bool {
    const EXTENSIONS: [&str; 9] = [
        "css", "htm", "html", "ico", "json", "map", "svg", "txt", "woff2",
    ];
    path.extension()
        .is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known))
}

/// Whether `path` is a script that lies where pages do, so that browsers run it.
pub(super) fn is_script_of_pages(path: &Path) -> bool {
    const PLACES: [&str; 5] = ["assets", "public", "static", "www", "wwwroot"];
    let is_script = path
        .extension()
        .is_some_and(|extension| extension == "js" || extension == "mjs");
    let mut above = path.iter().rev().skip(1);
    is_script && above.any(|part| PLACES.iter().any(|place| part == *place))
}

/// Whether there are sources of a compiled program in `directory`.
fn holds_sources(directory: &Path, depth: usize) -> bool {
    const EXTENSIONS: [&str; 9] = ["c", "cc", "cpp", "cs", "go", "hs", "java", "kt", "rs"];
    // Packages of Java lie deep.
    const DEPTH: usize = 16;
    let Ok(entries) = fs::read_dir(directory) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let path = entry.path();
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let is_source = path
            .extension()
            .is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known));
        if is_directory {
            depth < DEPTH && holds_sources(&path, depth + 1)
        } else {
            is_source
        }
    })
}

/// Whether `directory` has a name by which build tools call what they make, and nothing that compilers leave behind.
fn is_output(root: &RootDir, directory: &Path) -> bool {
    const OUTPUTS: [&str; 10] = [
        "dist",
        "build",
        "out",
        "public",
        "_site",
        "site",
        "static",
        "staticfiles",
        ".next",
        ".output",
    ];
    let is_below = directory
        .iter()
        .any(|part| OUTPUTS.iter().any(|output| part == *output));
    is_below
        && root.listing(directory).is_some_and(|names| {
            !names.iter().any(|name| {
                let name = Path::new(name);
                name.extension().is_some_and(|end| end == "o" || end == "d")
            })
        })
}

/// The deepest directory in which everything lies that a step wrote.
fn common_directory(files: &Path) -> Option<PathBuf> {
    let mut inside = PathBuf::from("/");
    loop {
        let here = files.join(inside.strip_prefix("/").ok()?);
        let mut entries = fs::read_dir(&here).ok()?.flatten();
        let only = entries.next()?;
        if entries.next().is_some() || !only.file_type().ok()?.is_dir() {
            return Some(inside);
        }
        inside.push(only.file_name());
    }
}

/// The entry directly in `directory` through which `path` leads.
fn first_below(directory: &Path, path: &Path) -> PathBuf {
    path.strip_prefix(directory)
        .ok()
        .and_then(|rest| rest.iter().next())
        .map_or_else(|| path.to_path_buf(), |first| directory.join(first))
}

/// Whether `path` is what a program is compiled from, and nothing that any program reads.
pub(super) fn is_source_of_programs(path: &Path) -> bool {
    const EXTENSIONS: [&str; 37] = [
        "S", "adb", "ads", "c", "cbl", "cc", "cob", "cpp", "cpy", "cr", "cs", "cxx", "erl", "f03",
        "f08", "f90", "f95", "go", "h", "hh", "hpp", "hrl", "hs", "java", "kt", "lhs", "ml", "mli",
        "nim", "pas", "rs", "s", "scala", "swift", "vala", "vb", "zig",
    ];
    path.extension()
        .is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known))
}

/// Whether `path` may be what a program is compiled from: in some languages it may as well be a script, a shader or a table.
pub(super) fn may_be_compiled(path: &Path) -> bool {
    const EXTENSIONS: [&str; 12] = [
        "cl", "cu", "d", "ex", "exs", "f", "for", "fs", "lisp", "m", "mm", "scm",
    ];
    let is_known = |extension| EXTENSIONS.iter().any(|known| extension == *known);
    is_source_of_programs(path) || path.extension().is_some_and(is_known)
}

/// Whether `directory` is nobody's in particular.
pub(super) fn is_shared(directory: &Path) -> bool {
    is_system(directory) || SHARED.iter().any(|shared| directory == Path::new(shared))
}

/// Whether `path` is named as modules of interpreted languages are.
pub(super) fn is_interpreted(path: &Path) -> bool {
    const EXTENSIONS: [&str; 12] = [
        "py", "pyc", "js", "mjs", "cjs", "ts", "rb", "php", "pl", "pm", "lua", "jsx",
    ];
    path.extension()
        .is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known))
}

/// The source of the byte code at `path`, and the tag in its name (PEP 3147).
pub(super) fn byte_code_source(path: &Path) -> Option<(PathBuf, String)> {
    let directory = path.parent()?;
    if directory.file_name()? != "__pycache__" {
        return None;
    }
    let stem = path.file_name()?.to_str()?.strip_suffix(".pyc")?;
    let stem = stem.split(".opt-").next()?;
    let (module, tag) = stem.rsplit_once('.')?;
    // It becomes a part of a command.
    if !tag.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return None;
    }
    let source = directory.parent()?.join(format!("{module}.py"));
    Some((source, tag.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copied(files: &[&str]) -> (tempfile::TempDir, Step) {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let is_program = file.contains("/bin/");
            fs::write(path, if is_program { "#!/bin/sh\n" } else { "" }).unwrap();
        }
        let step = Step {
            files: dir.path().to_path_buf(),
            line: 1,
            copies: true,
            ..Step::default()
        };
        (dir, step)
    }

    #[track_caller]
    fn check(files: &[&str], copies: bool, path: &str, unit: &str) {
        let (dir, mut step) = copied(files);
        step.copies = copies;
        let root = RootDir::open(dir.path()).unwrap();
        let found = unit_of(&root, Path::new(path), Some(&step));
        assert_eq!(found, Path::new(unit), "{path}");
    }

    #[test]
    fn what_was_copied_with_a_module_belongs_to_it() {
        let files = ["app/main.py", "app/web/a.py", "app/web/t/x.html"];
        check(&files, true, "/app/web/a.py", "/app");
        check(&files, true, "/app/web/t/x.html", "/app");
        check(&files, true, "/app/web/t/x.bin", "/app/web");
    }

    #[test]
    fn data_that_was_copied_belongs_with_its_directory() {
        let files = ["app/main.go", "app/t/x.html", "app/c.toml"];
        check(&files, true, "/app/t/x.html", "/app/t");
        check(&files, true, "/app/c.toml", "/app/c.toml");
        let site = [
            "usr/share/nginx/html/i.html",
            "usr/share/nginx/html/a/x.png",
        ];
        check(
            &site,
            true,
            "/usr/share/nginx/html/i.html",
            "/usr/share/nginx/html",
        );
        let node = ["usr/src/app/s.js", "usr/src/app/public/robots.txt"];
        check(&node, true, "/usr/src/app/s.js", "/usr/src/app");
        check(&["etc/motd", "app/x"], true, "/etc/motd", "/etc/motd");
        check(
            &["usr/local/bin/run.py"],
            true,
            "/usr/local/bin/run.py",
            "/usr/local/bin/run.py",
        );
    }

    #[test]
    fn what_was_copied_with_a_script_belongs_to_it_unless_something_is_compiled() {
        let tool = ["srv/kit/bin/kit", "srv/kit/share/table"];
        check(&tool, true, "/srv/kit/bin/kit", "/srv/kit");
        check(&tool, true, "/srv/kit/share/table", "/srv/kit/share");
        let compiled = ["srv/kit/bin/kit", "srv/kit/main.go"];
        check(&compiled, true, "/srv/kit/bin/kit", "/srv/kit/bin");
        let alone = ["usr/local/bin/start"];
        check(&alone, true, "/usr/local/bin/start", "/usr/local/bin/start");
    }

    #[test]
    fn data_that_was_copied_to_where_a_program_is_compiled_stands_alone() {
        let (root, _) = copied(&["build/Cargo.toml", "build/src/main.rs", "build/rates.json"]);
        let (_dir, mut step) = copied(&["build/rates.json"]);
        step.copies = true;
        let root = RootDir::open(root.path()).unwrap();
        let found = unit_of(&root, Path::new("/build/rates.json"), Some(&step));
        assert_eq!(found, Path::new("/build/rates.json"));
    }

    #[test]
    fn a_script_among_the_pages_of_a_compiled_program_belongs_with_its_directory() {
        let go = ["app/main.go", "app/web/static/a.js", "app/web/t/x.js"];
        check(&go, true, "/app/web/static/a.js", "/app/web");
        check(&go, true, "/app/web/t/x.js", "/app");
        let node = ["app/main.js", "app/web/static/a.js"];
        check(&node, true, "/app/web/static/a.js", "/app");
        let addon = ["app/main.js", "app/src/a.cc", "app/public/a.js"];
        check(&addon, true, "/app/public/a.js", "/app/public");
        check(&addon, true, "/app/main.js", "/app");
    }

    #[test]
    fn what_a_command_made_stands_alone_unless_it_is_output() {
        let files = [
            "app/target/release/x",
            "app/dist/a/i.js",
            "app/dist/m.js",
            "app/package.json",
        ];
        check(
            &files,
            false,
            "/app/target/release/x",
            "/app/target/release/x",
        );
        check(&files, false, "/app/dist/a/i.js", "/app/dist");
        check(
            &["app/build/m.js", "app/build/x.o"],
            false,
            "/app/build/m.js",
            "/app/build/m.js",
        );
    }

    #[test]
    fn libraries_of_interpreters_and_certificates_are_taken_whole() {
        for (path, unit) in [
            (
                "/usr/local/lib/python3.12/os.py",
                "/usr/local/lib/python3.12",
            ),
            (
                "/usr/local/lib/python3.12/site-packages/x.py",
                "/usr/local/lib/python3.12/site-packages/x.py",
            ),
            ("/etc/ssl/certs/a.pem", "/etc/ssl/certs"),
            ("/opt/java/lib/modules", "/opt/java"),
            ("/usr/lib/jvm/j17/bin/java", "/usr/lib/jvm/j17"),
        ] {
            check(&["x"], false, path, unit);
        }
        let environment = ["opt/venv/pyvenv.cfg", "opt/venv/bin/tool"];
        check(
            &environment,
            false,
            "/opt/venv/bin/tool",
            "/opt/venv/bin/tool",
        );
    }

    #[test]
    fn a_directory_where_a_program_is_built_is_no_runtime() {
        let files = ["opt/app/Dockerfile", "opt/app/app.jar", "opt/tool/run"];
        check(&files, false, "/opt/app/app.jar", "/opt/app/app.jar");
        check(&files, false, "/opt/tool/run", "/opt/tool");
    }

    #[test]
    fn an_application_of_servlets_is_one_whole() {
        let files = [
            "var/lib/tomcat10/webapps/shop/404.html",
            "var/lib/tomcat10/webapps/shop/WEB-INF/classes/A.class",
            "var/lib/tomcat10/webapps/shop/admin/index.jsp",
            "var/lib/tomcat10/webapps/note.bin",
        ];
        let shop = "/var/lib/tomcat10/webapps/shop";
        for copies in [true, false] {
            for path in ["WEB-INF/classes/A.class", "admin/index.jsp"] {
                check(&files, copies, &format!("{shop}/{path}"), shop);
            }
        }
        let note = "/var/lib/tomcat10/webapps/note.bin";
        check(&files, false, note, note);
    }

    #[test]
    fn sources_of_programs_are_known_unless_they_may_be_read_by_one() {
        for (name, is_source, is_compiled) in [
            ("main.nim", true, true),
            ("main.ml", true, true),
            ("main.f90", true, true),
            ("main.cob", true, true),
            ("main.swift", true, true),
            ("main.d", false, true),
            ("filter.fs", false, true),
            ("main.lisp", false, true),
            ("main.m", false, true),
            ("main.py", false, false),
            ("main", false, false),
        ] {
            let path = Path::new(name);
            assert_eq!(is_source_of_programs(path), is_source, "{name}");
            assert_eq!(may_be_compiled(path), is_compiled, "{name}");
        }
    }

    #[test]
    fn byte_code_lies_beside_its_source() {
        let of = |path| byte_code_source(Path::new(path));
        let source = Some((PathBuf::from("/l/os.py"), "cpython-311".to_owned()));
        assert_eq!(of("/l/__pycache__/os.cpython-311.pyc"), source);
        assert_eq!(of("/l/__pycache__/os.cpython-311.opt-1.pyc"), source);
        assert_eq!(of("/l/os.pyc"), None);
        assert_eq!(of("/l/__pycache__/os.x#e id.pyc"), None);
    }
}
