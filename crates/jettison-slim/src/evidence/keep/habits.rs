//! What programs and libraries do by tables and modules of the system, as their own symbols and strings say.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::evidence::elf::{Elf, imports};

/// What all that is kept does.
#[derive(Debug, Default)]
pub(super) struct Habits {
    /// Who converts between character sets that others name.
    pub(super) converters: BTreeSet<PathBuf>,
    /// Whether anybody says things in the language of the environment (gettext).
    pub(super) translates: bool,
    /// Who has OpenSSL load modules by name, as for ciphers of old.
    pub(super) loads_providers: Option<PathBuf>,
    /// Who opens TLS connections without a library of a package.
    pub(super) tls_clients: BTreeSet<PathBuf>,
    /// Whether anybody tells times of places, by the C library or by reading the tables of zones.
    pub(super) tells_times: bool,
    /// Programs of no package that take a locale by its name, which may be one of an argument.
    pub(super) names_locales: BTreeSet<PathBuf>,
    /// Programs that the C library of GNU is linked into.
    pub(super) linked_c: BTreeSet<PathBuf>,
    /// Programs of which it is known that they tell no times of places, whatever is linked into them.
    pub(super) without_times: BTreeSet<PathBuf>,
    /// Which source of the program's own starts a shell.
    pub(super) starts_shell: Option<PathBuf>,
    /// Which source of the program's own has environments of Python made (`venv`).
    pub(super) makes_environments: Option<PathBuf>,
}

/// Libraries that tell times of places if they are asked to: who asks them has one of [`TIME_ZONES`], or has got the time of a
/// place from the C library before.
const TELL_IF_ASKED: [&str; 4] = ["ld-linux", "libc.so", "libstdc++.so", "libpthread"];
/// What is in those who read the tables of zones themselves, or have the library of C++ read them (`std::chrono`).
const TIME_ZONES: [&str; 4] = ["zoneinfo", "locate_zone", "current_zone", "get_tzdb"];
/// The functions that load one of OpenSSL's modules. Which one, the program decides when it runs.
const PROVIDERS: [&str; 2] = ["OSSL_PROVIDER_load", "OSSL_PROVIDER_try_load"];

impl Habits {
    /// Notes what the program or library at `path` does, which is `elf` and has these bytes of its own.
    pub(super) fn note(&mut self, path: &Path, elf: &Elf, bytes: &[u8]) {
        let contains = |text: &str| memchr::memmem::find(bytes, text.as_bytes()).is_some();
        if converts(path, elf) {
            self.converters.insert(path.to_path_buf());
        }
        if elf.interpreter.is_some()
            && imports(bytes).is_ok_and(|names| names.iter().any(|name| names_locale(name)))
        {
            self.names_locales.insert(path.to_path_buf());
        }
        if elf.static_glibc {
            self.linked_c.insert(path.to_path_buf());
        }
        self.translates |= !path.ends_with("libc.so.6") && contains("bindtextdomain");
        self.tells_times |= !self.without_times.contains(path) && tells_times(path, elf, bytes);
        let is_openssl = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"libcrypto.so"));
        if !is_openssl && PROVIDERS.iter().any(|function| contains(function)) {
            self.loads_providers
                .get_or_insert_with(|| path.to_path_buf());
        }
        // Go's crypto/x509, root_linux.go, has this as the first place, and Rust's openssl-probe without the directory.
        if contains("certs/ca-certificates.crt") {
            self.tls_clients.insert(path.to_path_buf());
        }
    }
}

/// Whether the program or library at `path`, which is `elf` and has these bytes of its own, tells times of places by itself.
pub(crate) fn tells_times(path: &Path, elf: &Elf, bytes: &[u8]) -> bool {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let contains = |text: &&str| memchr::memmem::find(bytes, text.as_bytes()).is_some();
    !TELL_IF_ASKED.iter().any(|name| file.starts_with(name))
        && (elf.uses_time_zones || TIME_ZONES.iter().any(contains))
}

/// Whether the function makes something of the name of a locale, in C or C++.
fn names_locale(function: &[u8]) -> bool {
    const FUNCTIONS: [&[u8]; 6] = [
        b"_ZNSt6localeC1EPKc",
        b"_ZNSt6localeC1ERKS_PKci",
        b"_ZNSt6localeC2EPKc",
        b"_ZNSt6localeC2ERKS_PKci",
        b"newlocale",
        b"setlocale",
    ];
    const PARTS: [&[u8]; 2] = [b"_S_create_c_locale", b"_byname"];
    let holds = |part: &[u8]| memchr::memmem::find(function, part).is_some();
    FUNCTIONS.contains(&function) || PARTS.into_iter().any(holds)
}

/// Whether the program or library at `path`, which is `elf`, converts between character sets that others name.
pub(crate) fn converts(path: &Path, elf: &Elf) -> bool {
    elf.uses_iconv && !converts_by_locale(path)
}

/// Whether all that the program or library at `path` converts is from and to the character set of the locale. Libraries that
/// do more if they are asked to, such as `libunistring`, are asked by functions of their own, which count as `iconv`.
fn converts_by_locale(path: &Path) -> bool {
    // Java's are for the options of agents (EncodingSupport_md.c of the JDK).
    const LIBRARIES: [&str; 8] = [
        "ld-linux",
        "libc.so",
        "libidn2.so",
        "libinstrument.so",
        "libjdwp.so",
        "libpsl.so",
        "libstdc++.so",
        "libunistring.so",
    ];
    const PROGRAMS: [&str; 7] = ["bash", "cmp", "diff", "diff3", "factor", "printf", "sdiff"];
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    LIBRARIES.iter().any(|library| name.starts_with(library))
        || PROGRAMS.iter().any(|program| name == *program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_that_take_the_name_of_a_locale_are_known() {
        for name in ["setlocale", "_ZNSt15numpunct_bynameIcEC1EPKcm"] {
            assert!(names_locale(name.as_bytes()), "{name}");
        }
        for name in ["localeconv", "_ZNSt6localeC1Ev"] {
            assert!(!names_locale(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn who_is_known_to_tell_no_times_tells_none() {
        let dir = tempfile::tempdir().unwrap();
        let source = "char *localtime(); int main(int n) { return n > 5 ? *localtime(0) : 0; }";
        std::fs::write(dir.path().join("a.c"), source).unwrap();
        let mut command = std::process::Command::new("cc");
        command.args(["-w", "-static", "-o", "a", "a.c"]);
        assert!(command.current_dir(dir.path()).status().unwrap().success());
        let bytes = std::fs::read(dir.path().join("a")).unwrap();
        let elf = Elf::parse(&bytes).unwrap();
        let path = Path::new("/usr/bin/a");
        for (known, expected) in [(None, true), (Some(path), false)] {
            let mut habits = Habits {
                without_times: known.map(Path::to_path_buf).into_iter().collect(),
                ..Habits::default()
            };
            habits.note(path, &elf, &bytes);
            assert_eq!(habits.tells_times, expected);
        }
    }

    #[test]
    fn some_convert_by_the_locale_alone() {
        for path in [
            "/usr/lib/jvm/java-21-openjdk-amd64/lib/libinstrument.so",
            "/usr/lib/x86_64-linux-gnu/libidn2.so.0.3.8",
            "/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30",
            "/usr/bin/bash",
        ] {
            assert!(converts_by_locale(Path::new(path)), "{path}");
        }
        for path in [
            "/usr/lib/x86_64-linux-gnu/libxml2.so.2",
            "/usr/bin/php8.2",
            "/usr/bin/iconv",
            "/app/bash-tools",
        ] {
            assert!(!converts_by_locale(Path::new(path)), "{path}");
        }
    }
}
