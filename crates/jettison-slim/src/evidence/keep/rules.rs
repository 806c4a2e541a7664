//! What comes along with what is kept, although no run has asked for it.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

use super::{Keeper, UseKind};
use crate::evidence::elf::Elf;
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
/// What everybody who runs in a container may be asked: who one is, where services are, which system it is.
const WITH_LIBC: [&str; 8] = [
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/group",
    "/etc/services",
    "/etc/protocols",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/os-release",
];

impl Keeper<'_> {
    /// Adds what belongs to what is kept by rule: tables with the C library, certificates with TLS, time zones.
    pub(crate) fn add_by_rule(&mut self) -> Result<(), RootError> {
        let has_libc = self.keeps_package("libc6") || self.keeps_package("musl");
        if has_libc {
            for path in WITH_LIBC {
                self.add(Path::new(path), UseKind::Looked, "the C library reads it")?;
            }
            self.add(Path::new("/tmp"), UseKind::Looked, "temporary files")?;
            // A run in another time zone opens other files than this one did.
            if self.owners.files_of("tzdata").next().is_some() {
                self.add_package("tzdata", "programs may be asked for times of any zone");
            }
        }
        let speaks_tls = self
            .kept
            .packages
            .keys()
            .any(|package| TLS.iter().any(|library| package.starts_with(library)));
        if speaks_tls && self.owners.files_of("ca-certificates").next().is_some() {
            let reason = "TLS trusts these certificates";
            self.add_package("ca-certificates", reason);
            self.add(
                Path::new("/etc/ssl/certs/ca-certificates.crt"),
                UseKind::Looked,
                reason,
            )?;
            for link in ["certs", "openssl.cnf", "private"] {
                let path = Path::new("/usr/lib/ssl").join(link);
                self.add(&path, UseKind::Looked, reason)?;
            }
        }
        if has_libc && self.converts_characters() {
            self.kept.with_gconv = true;
        }
        self.close()
    }

    fn keeps_package(&self, name: &str) -> bool {
        self.kept.packages.contains_key(name)
    }

    /// Whether a program or library that is kept converts between character sets by modules of the C library.
    fn converts_characters(&self) -> bool {
        self.followed.iter().any(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            !name.starts_with("libc.")
                && self
                    .root
                    .read(path, super::LIBRARY_LIMIT)
                    .ok()
                    .and_then(|bytes| Elf::parse(&bytes).ok())
                    .is_some_and(|elf| elf.uses_iconv)
        })
    }
}

/// What is left out of packages, as parts of an extended regular expression over paths without the first slash, and why.
pub(super) const LEFT_OUT: [(&str, &str); 10] = [
    ("(dev|proc|sys)(/|$)", "what the kernel gives"),
    (
        "usr/share/(bug|doc-base|info|lintian|man|menu)(/|$)",
        "manuals, and what packaging tools read",
    ),
    ("usr/share/locale(/|$)", TRANSLATIONS),
    (
        "usr/share/doc/[^/]+/([^c]|ch)",
        "documentation but copyrights",
    ),
    (
        "usr/share/(applications|bash-completion|fish|icons|pixmaps|zsh)/",
        "what desktops and shells read",
    ),
    ("usr/(include|share/(aclocal|pkgconfig))/", "headers"),
    ("usr/lib/([^/]+/)?pkgconfig/", "headers"),
    (".*\\.l?a$", "static libraries"),
    (
        "usr/lib/python3[^/]*/(ensurepip|idlelib|test|turtledemo|lib2to3/tests|tkinter/test)(/|$)",
        "Python's own tests, its editor and its installer of pip",
    ),
    ("usr/lib/[^/]+/gconv/", GCONV),
];

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
pub(super) fn merged_links() -> impl Iterator<Item = PathBuf> {
    ["/bin", "/lib", "/lib32", "/lib64", "/libx32", "/sbin"]
        .into_iter()
        .map(PathBuf::from)
}
