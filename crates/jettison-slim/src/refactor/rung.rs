//! How much of a system a final stage holds.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use crate::refactor::RuntimeStage;

/// How much a final stage holds, smallest first. Each rung may hold what those below it hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// A program that needs nothing else, and its own files.
    Scratch,
    /// Tables besides: certificates, time zones, users.
    Static,
    /// The C library and OpenSSL besides.
    Base,
    /// The libraries of C and C++ compilers besides.
    Cc,
    /// An interpreter or a runtime, with the libraries that it comes with.
    Language,
    /// Any other package or library.
    Packages,
    /// A shell.
    Shell,
    /// All of the original but papers.
    Slim,
}

impl Rung {
    /// Every rung, smallest first.
    pub const ALL: [Rung; 8] = [
        Rung::Scratch,
        Rung::Static,
        Rung::Base,
        Rung::Cc,
        Rung::Language,
        Rung::Packages,
        Rung::Shell,
        Rung::Slim,
    ];

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Rung::Scratch => "scratch",
            Rung::Static => "static",
            Rung::Base => "base",
            Rung::Cc => "cc",
            Rung::Language => "language",
            Rung::Packages => "packages",
            Rung::Shell => "shell",
            Rung::Slim => "slim",
        }
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

/// A word that names no rung.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no rung: take scratch, static, base, cc, language, packages, shell or slim")]
pub struct RungParseError(String);

impl FromStr for Rung {
    type Err = RungParseError;

    fn from_str(text: &str) -> Result<Rung, RungParseError> {
        let found = Rung::ALL.into_iter().find(|rung| rung.word() == text);
        found.ok_or_else(|| RungParseError(text.to_owned()))
    }
}

/// Packages of tables, by the beginnings of their names.
const TABLES: [&str; 5] = [
    "base-files",
    "ca-certificates",
    "media-types",
    "netbase",
    "tzdata",
];
/// The C library and OpenSSL.
const BASE: [&str; 4] = ["libc-bin", "libc6", "libcrypt1", "libssl"];
/// What compilers link programs to.
const CC: [&str; 6] = [
    "gcc-",
    "libatomic1",
    "libgcc-s1",
    "libgomp1",
    "libstdc++6",
    "libquadmath0",
];
/// Interpreters and runtimes, and the libraries that the distroless images for them hold.
const LANGUAGE: [&str; 35] = [
    "fontconfig-config",
    "fonts-dejavu",
    "java-common",
    "libbrotli1",
    "libbz2-",
    "libc-ares2",
    "libcom-err2",
    "libdb5.3",
    "libexpat1",
    "libffi",
    "libfontconfig1",
    "libfreetype6",
    "libgdbm",
    "libicu",
    "libjpeg62",
    "liblcms2-",
    "liblzma5",
    "libncursesw6",
    "libnghttp2-",
    "libnode",
    "libnsl2",
    "libpng16",
    "libpython3",
    "libreadline8",
    "libsqlite3-0",
    "libtinfo6",
    "libtirpc",
    "libuuid1",
    "libuv1",
    "nodejs",
    "openjdk-",
    "perl-base",
    "python3",
    "readline-common",
    "zlib1g",
];
/// Shells.
const SHELLS: [&str; 7] = ["bash", "busybox", "dash", "fish", "ksh", "mksh", "zsh"];
/// The same for libraries that are copied by themselves.
const BASE_LIBRARIES: [&str; 14] = [
    "ld-",
    "libanl.",
    "libc.",
    "libcrypt.",
    "libcrypto.",
    "libdl.",
    "libm.",
    "libmvec.",
    "libnss_",
    "libpthread.",
    "libresolv.",
    "librt.",
    "libssl.",
    "libutil.",
];
const CC_LIBRARIES: [&str; 5] = [
    "libatomic.",
    "libgcc_s.",
    "libgomp.",
    "libquadmath.",
    "libstdc++.",
];

/// The rung of what `runtime` holds, and the packages or files that put it there.
pub(crate) fn rung_of(runtime: &RuntimeStage) -> (Rung, Vec<String>) {
    let mut found: Vec<(Rung, String)> = Vec::new();
    let rootfs = runtime.rootfs.as_ref();
    for package in rootfs.iter().flat_map(|stage| &stage.packages) {
        found.push((of_package(package), package.clone()));
    }
    let singles = rootfs
        .iter()
        .flat_map(|stage| stage.singles.iter().chain(&stage.trees));
    let copied = runtime.kept.iter().map(|kept| &kept.path);
    for path in singles.chain(copied) {
        found.push((of_path(path), path.display().to_string()));
    }
    let rung = found
        .iter()
        .map(|(rung, _)| *rung)
        .max()
        .unwrap_or(Rung::Scratch);
    let which = found.into_iter().filter(|(of_it, _)| *of_it == rung);
    (rung, which.map(|(_, name)| name).collect())
}

fn of_package(name: &str) -> Rung {
    let is_in = |list: &[&str]| list.iter().any(|start| name.starts_with(start));
    if SHELLS.contains(&name) || name.starts_with("busybox") {
        Rung::Shell
    } else if is_in(&TABLES) {
        Rung::Static
    } else if is_in(&BASE) {
        Rung::Base
    } else if is_in(&CC) {
        Rung::Cc
    } else if is_in(&LANGUAGE) {
        Rung::Language
    } else {
        Rung::Packages
    }
}

/// What an own program's file, a table, a library or a shell is, by its name and place.
fn of_path(path: &Path) -> Rung {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_in = |list: &[&str]| list.iter().any(|start| name.starts_with(start));
    let is_below = |places: &[&str]| places.iter().any(|place| path.starts_with(place));
    let is_program = path.parent().is_some_and(|parent| parent.ends_with("bin"));
    let is_library = name.contains(".so");
    if is_program && (SHELLS.contains(&&*name) || name == "sh") {
        Rung::Shell
    } else if is_library && is_in(&BASE_LIBRARIES) {
        Rung::Base
    } else if is_library && is_in(&CC_LIBRARIES) {
        Rung::Cc
    } else if is_below(&["/usr/lib/jvm", "/opt/java"])
        || (is_program && is_in(&["python3", "node", "java"]))
    {
        Rung::Language
    } else if is_library && is_below(&["/lib", "/lib64", "/usr/lib", "/usr/lib64"]) {
        Rung::Packages
    } else if is_below(&["/etc", "/usr/share", "/usr/lib"]) {
        Rung::Static
    } else {
        Rung::Scratch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rungs_are_written_as_they_are_read() {
        for rung in Rung::ALL {
            assert_eq!(rung.word().parse(), Ok(rung));
        }
        assert!("distroless".parse::<Rung>().is_err());
    }

    #[test]
    fn packages_stand_on_the_rung_that_has_them() {
        for (package, rung) in [
            ("tzdata", Rung::Static),
            ("libc6", Rung::Base),
            ("libssl3t64", Rung::Base),
            ("libstdc++6", Rung::Cc),
            ("python3.11-minimal", Rung::Language),
            ("zlib1g", Rung::Language),
            ("coreutils", Rung::Packages),
            ("dash", Rung::Shell),
            ("busybox-static", Rung::Shell),
        ] {
            assert_eq!(of_package(package), rung, "{package}");
        }
    }

    #[test]
    fn files_stand_on_the_rung_of_what_they_are() {
        for (path, rung) in [
            ("/app/app", Rung::Scratch),
            ("/lib64/ld-linux-x86-64.so.2", Rung::Base),
            ("/usr/lib/x86_64-linux-gnu/libstdc++.so.6", Rung::Cc),
            ("/usr/lib/x86_64-linux-gnu/libcurl.so.4", Rung::Packages),
            ("/app/libown.so", Rung::Scratch),
            ("/usr/local/bin/python3", Rung::Language),
            ("/etc/ssl/certs/ca-certificates.crt", Rung::Static),
            ("/bin/sh", Rung::Shell),
        ] {
            assert_eq!(of_path(Path::new(path)), rung, "{path}");
        }
    }
}
