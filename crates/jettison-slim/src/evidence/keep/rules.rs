//! What comes along with what is kept, although no run has asked for it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

use super::{Keeper, UseKind};
use crate::evidence::go::{go_time_zones, is_of_go};
use crate::rootfs::RootError;

/// Packages of libraries that open TLS connections, up to their versions.
const TLS: [&str; 9] = [
    "libssl",
    "libgnutls",
    "libnss3",
    "libmbedtls",
    "libwolfssl",
    "nodejs",
    "libnode",
    "openjdk-",
    "libcurl",
];
/// What everybody who runs in a container may be asked: who one is, where hosts and services are, which system it is. What of
/// it the C library reads is in glibc's `nss/nss_files`, `resolv/res_hconf.c`, `sysdeps/posix/getaddrinfo.c` (`gai.conf`) and
/// `misc/getusershell.c`; the passwords in `/etc/shadow` are nobody's business but theirs who ask for some (`accounts.rs`).
const WITH_LIBC: [&str; 20] = [
    "/etc/aliases",
    "/etc/debian_version",
    "/etc/ethers",
    "/etc/gai.conf",
    "/etc/group",
    "/etc/host.conf",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/netgroup",
    "/etc/networks",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/protocols",
    "/etc/publickey",
    "/etc/rpc",
    "/etc/services",
    "/etc/shells",
    "/etc/timezone",
];

/// What Go's own library reads (`net`, `os/user`, `mime`), if the linker has put it into a program.
const WITH_GO: [&str; 11] = [
    "/etc/apache/mime.types",
    "/etc/apache2/mime.types",
    "/etc/group",
    "/etc/httpd/conf/mime.types",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/protocols",
    "/etc/services",
    "/usr/local/share/mime/globs2",
    "/usr/share/mime/globs2",
];

impl Keeper<'_> {
    /// Adds what belongs to what is kept by rule: tables with the C library, certificates with TLS, time zones, locales.
    pub(crate) fn add_by_rule(&mut self) -> Result<(), RootError> {
        self.note_meant()?;
        // What sources import says which libraries are followed.
        self.add_imports()?;
        self.add_requires()?;
        self.close()?;
        self.add_mentioned()?;
        self.close()?;
        // Where a run is told to write if it does not matter where.
        self.add(Path::new("/tmp"), UseKind::Looked, "temporary files")?;
        // What one of them keeps may name more.
        loop {
            let before = (self.kept.packages.len(), self.kept.paths.len());
            self.add_for_libc()?;
            self.add_pam()?;
            self.add_accounts()?;
            self.add_name_services()?;
            self.add_for_go()?;
            self.add_certificates()?;
            self.add_providers();
            self.add_font_cache()?;
            self.add_settings_of_readline()?;
            self.add_dictionaries()?;
            self.add_settings_of_php();
            self.add_time_zones();
            self.add_libraries_of_modules()?;
            self.add_mentioned()?;
            self.add_helpers()?;
            self.add_installed()?;
            self.add_started()?;
            self.add_named()?;
            self.add_fonts_of_java()?;
            self.add_beside()?;
            self.add_plugins()?;
            self.add_data_of_settings()?;
            self.add_written_settings()?;
            self.add_brought()?;
            self.add_optional()?;
            self.add_recommended()?;
            self.add_asked_modules()?;
            self.add_passive()?;
            self.add_for_operators()?;
            self.add_npm_for_operators()?;
            self.add_whole_library()?;
            self.add_environments()?;
            self.add_alternatives()?;
            self.add_profiles()?;
            self.add_data_of_packages()?;
            self.add_imports()?;
            self.add_scripts_of_modules()?;
            self.add_requires()?;
            self.add_plugins_of_node()?;
            self.close()?;
            if before == (self.kept.packages.len(), self.kept.paths.len()) {
                return self.root.all_was_read();
            }
        }
    }

    /// Keeps the time zones if anybody tells times of places: a run in another zone opens other files than this one did.
    fn add_time_zones(&mut self) {
        let has_c = self.keeps_c_library() || !self.habits.linked_c.is_empty();
        let is_there = self.owners.files_of("tzdata").next().is_some();
        if has_c && is_there && self.habits.tells_times {
            self.add_package("tzdata", "programs may be asked for times of any zone");
        }
    }

    /// Keeps what Bash reads if it is told to begin a session (`bash -l`), where it is kept.
    fn add_profiles(&mut self) -> Result<(), RootError> {
        if !self.keeps_package("bash") {
            return Ok(());
        }
        let reason = "a session of Bash begins with it";
        self.add(Path::new("/etc/profile"), UseKind::Looked, reason)?;
        self.add(Path::new("/etc/profile.d"), UseKind::Listed, reason)
    }

    /// Keeps what may be asked of everybody who uses the C library, if anybody does.
    fn add_for_libc(&mut self) -> Result<(), RootError> {
        if !self.keeps_c_library() {
            return self.add_for_linked_c();
        }
        for path in WITH_LIBC {
            self.add(Path::new(path), UseKind::Looked, "the C library reads it")?;
        }
        self.add_places()?;
        self.add_terminals();
        self.add_locales()?;
        self.add_made_locales();
        self.add_libc_messages();
        self.add_catalogs()?;
        self.add_character_table()?;
        self.kept.with_gconv = self.converts_characters();
        Ok(())
    }

    /// Keeps what the C library reads that is linked into a program, as far as it is: with what nobody calls, the names of its
    /// tables are left out, too.
    fn add_for_linked_c(&mut self) -> Result<(), RootError> {
        let programs = self.habits.linked_c.clone();
        for program in &programs {
            let Some(bytes) = self.root.content(program, super::LIBRARY_LIMIT) else {
                continue;
            };
            let holds = |text: &str| memchr::memmem::find(&bytes, text.as_bytes()).is_some();
            let tells_times = self.habits.tells_times;
            let is_read = |path: &&str| match *path {
                // Nothing is loaded.
                "/etc/ld.so.cache" => false,
                "/etc/localtime" => tells_times,
                // Whoever starts the program looks up its user's home there.
                "/etc/passwd" | "/etc/group" => holds(path) || holds("HOME"),
                path => holds(path),
            };
            let reason = format!("the C library in {} reads it", program.display());
            for path in WITH_LIBC.into_iter().filter(is_read) {
                self.add(Path::new(path), UseKind::Looked, &reason)?;
            }
        }
        // Places are those of a system, which a program alone is none.
        let is_system = self.owners.files_of("libc6").next().is_some();
        if !programs.is_empty() && is_system {
            self.add_places()?;
            self.add_made_locales();
        }
        Ok(())
    }

    /// Keeps what is known of terminals if anything looks for it: which terminal it is, the one who starts a run says (`TERM`).
    fn add_terminals(&mut self) {
        let asks =
            |package: &String| package.starts_with("libtinfo") || package.starts_with("libncurses");
        let is_there = self.owners.files_of("ncurses-base").next().is_some();
        if is_there && self.kept.packages.keys().any(asks) {
            self.add_package("ncurses-base", "a run may be at any terminal");
        }
    }

    pub(super) fn keeps_c_library(&self) -> bool {
        self.keeps_package("libc6") || self.keeps_package("musl")
    }

    pub(super) fn keeps_package(&self, name: &str) -> bool {
        self.kept.packages.contains_key(name)
    }

    /// Keeps the certificates that clients of TLS trust.
    fn add_certificates(&mut self) -> Result<(), RootError> {
        let is_library = |package: &String| TLS.iter().any(|library| package.starts_with(library));
        let speaks_tls =
            !self.habits.tls_clients.is_empty() || self.kept.packages.keys().any(is_library);
        if !speaks_tls || self.owners.files_of("ca-certificates").next().is_none() {
            return Ok(());
        }
        let reason = "TLS trusts these certificates";
        self.add_package("ca-certificates", reason);
        for path in [
            "/etc/ssl/certs/ca-certificates.crt",
            // A link, by which Python's default context finds them all in one file.
            "/usr/lib/ssl/cert.pem",
            "/usr/lib/ssl/certs",
            "/usr/lib/ssl/openssl.cnf",
            "/usr/lib/ssl/private",
        ] {
            self.add(Path::new(path), UseKind::Looked, reason)?;
        }
        Ok(())
    }

    /// Keeps OpenSSL's modules with whoever loads some: ciphers and digests of old are in a package of their own, of which
    /// nothing is opened before somebody asks for one of them.
    fn add_providers(&mut self) {
        const MODULES: &str = "openssl-provider-legacy";
        let Some(path) = &self.habits.loads_providers else {
            return;
        };
        let reason = format!("{} has OpenSSL load modules", path.display());
        let has_openssl = self
            .kept
            .packages
            .keys()
            .any(|name| name.starts_with("libssl3"));
        if has_openssl && self.owners.files_of(MODULES).next().is_some() {
            self.add_package(MODULES, &reason);
        }
    }

    /// Keeps what fontconfig has noted of the fonts when they were installed: else the first run that draws something reads them
    /// all, and notes it in its user's home. The directories of fonts stay, too, also empty ones: it looks into each of them.
    fn add_font_cache(&mut self) -> Result<(), RootError> {
        const REASON: &str = "fontconfig reads it";
        if !self.keeps_package("libfontconfig1") {
            return Ok(());
        }
        let cache = Path::new("/var/cache/fontconfig");
        if self.root.entry(cache).is_some_and(|found| found.is_dir()) {
            self.keep_path(cache.to_path_buf(), REASON);
        }
        let settings = self.text(Path::new("/etc/fonts/fonts.conf"));
        let settings = settings.unwrap_or_default();
        for place in font_directories(&String::from_utf8_lossy(&settings)) {
            let place = Path::new(place);
            if self.root.entry(place).is_some_and(|found| found.is_dir()) {
                self.add(place, UseKind::Looked, REASON)?;
            }
        }
        Ok(())
    }

    /// Keeps the settings of the library that reads lines from a terminal, which it looks for as soon as it is asked for one.
    fn add_settings_of_readline(&mut self) -> Result<(), RootError> {
        let mut kept = self.kept.packages.keys();
        if !kept.any(|name| name.starts_with("libreadline")) {
            return Ok(());
        }
        let reason = "the library of lines from a terminal reads it";
        self.add(Path::new("/etc/inputrc"), UseKind::Looked, reason)
    }

    /// Keeps the dictionaries that the Dockerfile has installed, also unasked, with whoever checks how words are written: which
    /// language it is, the text says.
    fn add_dictionaries(&mut self) -> Result<(), RootError> {
        const READERS: [(&str, &str); 2] = [
            ("libaspell", "/usr/lib/aspell"),
            ("libhunspell", "/usr/share/hunspell"),
        ];
        let mut found = BTreeMap::new();
        for (reader, place) in READERS {
            let is_reader = |package: &String| package.starts_with(reader);
            if !self.kept.packages.keys().any(is_reader) {
                continue;
            }
            let files = self.owners.all_files();
            let lying = files.filter(|(_, path)| path.parent() == Some(Path::new(place)));
            let reason = format!("a text may be in any language, and {reader} reads it");
            found.extend(lying.map(|(package, _)| (package.to_owned(), reason.clone())));
        }
        self.add_installed_here(found)
    }

    /// Keeps the settings of all ways in which PHP is started where one of them is kept: each has a list of extensions of its own,
    /// which a command (`php bin/console`) reads and a server does not.
    fn add_settings_of_php(&mut self) {
        let settings = Path::new("/etc/php");
        let is_php = |package: &String| {
            let version = package.strip_prefix("php");
            version.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        let is_there = self
            .root
            .entry(settings)
            .is_some_and(|found| found.is_dir());
        if is_there && self.kept.packages.keys().any(is_php) {
            self.keep_path(settings.to_path_buf(), "PHP reads its settings");
        }
    }

    /// Keeps what Go's own library reads, in programs without the C library too: its time zones, or else the system's, users,
    /// services, types of files.
    fn add_for_go(&mut self) -> Result<(), RootError> {
        let programs: Vec<PathBuf> = self.followed.iter().cloned().collect();
        for program in programs {
            let Some(bytes) = self.root.content(&program, super::LIBRARY_LIMIT) else {
                continue;
            };
            if !is_of_go(&bytes) {
                continue;
            }
            let holds = |text: &str| memchr::memmem::find(&bytes, text.as_bytes()).is_some();
            for path in WITH_GO.into_iter().filter(|path| holds(path)) {
                self.add(
                    Path::new(path),
                    UseKind::Looked,
                    "Go's own library reads it",
                )?;
            }
            if let Some(zones) = go_time_zones(self.root, &bytes) {
                let reason = "zones that the system lacks are looked for there";
                self.add(&zones, UseKind::Looked, reason)?;
            } else if holds("/usr/share/zoneinfo/")
                && self.owners.files_of("tzdata").next().is_some()
            {
                self.add_package("tzdata", "programs may be asked for times of any zone");
            }
        }
        Ok(())
    }
}

/// What is left out of packages, as parts of an extended regular expression over paths without the first slash, and why. A
/// test holds it against the slices of the base images.
pub(super) const LEFT_OUT: [(&str, &str); 15] = [
    ("(dev|proc|sys)(/|$)", "what the kernel gives"),
    (
        "usr/share/(apport|base-files|binfmts|bug|doc-base|info|lintian|man|menu|reportbug)(/|$)",
        "manuals, and what packaging tools read",
    ),
    ("usr/share/locale(/|$)", TRANSLATIONS),
    ("usr/share/i18n(/|$)", LOCALES),
    ("usr/(lib/debug|share/gcc/python|share/gdb)(/|$)", DEBUGGERS),
    // Versions of a program beside each other have manuals of their own.
    (
        "usr/(lib/jvm/[^/]+/man|share/[^/]+/([^/]+/)?man/man[1-9])(/|$)",
        "manuals",
    ),
    (
        "usr/share/doc/[^/]+/([^c]|ch)",
        "documentation but copyrights",
    ),
    (
        "usr/share/(applications|bash-completion|fish|icons|pixmaps|zsh)/",
        "what desktops and shells read",
    ),
    ("usr/(include|share/(aclocal|pkgconfig))/", HEADERS),
    ("usr/lib/([^/]+/)?pkgconfig/", HEADERS),
    // Those of plugins say which file to load (libltdl), as ImageMagick's do.
    ("usr/lib/([^/]+/)?[^/]+\\.la$", LIBRARIES),
    (".*\\.a$", LIBRARIES),
    (
        "usr/lib/python3[^/]*/(idlelib|pydoc_data|test|turtledemo|lib2to3/tests|tkinter/test)/",
        "Python's own tests, its manual and its editor",
    ),
    (
        "usr/lib/python3[^/]*/ensurepip/",
        "Python's installer of pip, which makes environments",
    ),
    // The tables that say which modules there are stay: each conversion begins with a look into them.
    (GCONV_FILES, GCONV),
];

pub(super) const DEBUGGERS: &str = "what debuggers read";
pub(super) const HEADERS: &str = "headers";
pub(super) const LIBRARIES: &str = "static libraries";
pub(super) const LOCALES: &str = "what locales are made of, which are made already";

/// The modules of the C library that convert character sets, as a part of [`LEFT_OUT`].
pub(crate) const GCONV_FILES: &str = "usr/lib/[^/]+/gconv/.*\\.so$";

/// Why modules that convert characters are left out.
pub(super) const GCONV: &str = "character sets that nothing here converts";

/// Why messages in other languages are left out.
pub(super) const TRANSLATIONS: &str = "messages in languages that nobody has chosen";

/// Why the file at `path` of a package that is kept is left out; `None` if no rule says so.
pub(crate) fn left_out_rule(path: &Path) -> Option<&'static str> {
    static RULES: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
        LEFT_OUT
            .iter()
            .filter_map(|(part, why)| Some((Regex::new(&format!("^/({part})")).ok()?, *why)))
            .collect()
    });
    let path = path.to_string_lossy();
    let rule = RULES.iter().find(|(pattern, _)| pattern.is_match(&path));
    rule.map(|(_, why)| *why)
}

/// Links of a merged `/usr`.
pub(crate) fn merged_links() -> impl Iterator<Item = PathBuf> {
    ["/bin", "/lib", "/lib32", "/lib64", "/libx32", "/sbin"]
        .into_iter()
        .map(PathBuf::from)
}

/// The directories of fonts that the settings of fontconfig name from the root on.
fn font_directories(settings: &str) -> impl Iterator<Item = &str> {
    settings.split("<dir>").skip(1).filter_map(|rest| {
        let (directory, _) = rest.split_once("</dir>")?;
        Some(directory.trim()).filter(|directory| directory.starts_with('/'))
    })
}

#[cfg(test)]
pub(super) mod tests;
