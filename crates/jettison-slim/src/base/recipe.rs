//! Recipes: what a distroless base holds, in a small TOML file.
//!
//! ```text
//! static.toml ◄─from─ base.toml ◄─from─ cc.toml ◄─from─ python3.toml ◄─over─ nonroot.toml
//! └───────────────────────── levels, one layer each ────────────────────┘
//! ```
//!
//! A recipe adds to the one that it is `from`. What differs between releases of Debian is in tables of
//! their own (`[debian.12]`). `docs/bases.md` describes every key.

mod wire;

use std::collections::{BTreeMap, BTreeSet};

pub use crate::base::recipe::wire::is_module_name;
pub(super) use crate::base::recipe::wire::parse;

/// A recipe as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// Its name: that of its file.
    pub name: String,
    /// The recipe that it adds to.
    pub from: Option<String>,
    /// What it is for, in a few words.
    pub description: String,
    /// The releases of Debian that it is for; none means those of the recipe that it is from.
    pub releases: Vec<u8>,
    /// What it adds for every release.
    pub part: RecipePart,
    /// What it adds for single releases of Debian.
    pub debian: BTreeMap<u8, RecipePart>,
}

/// What a recipe adds to an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecipePart {
    /// The packages, whose dependencies come along.
    pub packages: Vec<String>,
    /// Packages that are taken to be there, although they are not: what only installation needs.
    pub ignore: Vec<String>,
    /// Of these packages only files that match one of the patterns come along.
    pub only: BTreeMap<String, Vec<String>>,
    /// Patterns of files that are left out, as those of ignore files.
    pub exclude: Vec<String>,
    /// The slices that are not left out.
    pub keep: Vec<String>,
    /// Paths of packages' files and where they belong instead.
    pub moves: BTreeMap<String, String>,
    /// Files that no package has.
    pub files: Vec<RecipeFile>,
    /// Users of `/etc/passwd`.
    pub users: Vec<RecipeUser>,
    /// Groups of `/etc/group`.
    pub groups: Vec<RecipeGroup>,
    /// What Java runtime is linked in place of the one that the package has.
    pub link: Option<RecipeLink>,
    /// What is made in place of maintainer scripts.
    pub generate: BTreeSet<Generator>,
    /// Variables of the image's environment.
    pub env: BTreeMap<String, String>,
    /// Labels of the image.
    pub labels: BTreeMap<String, String>,
    /// The image's entrypoint.
    pub entrypoint: Option<Vec<String>>,
    /// The image's command.
    pub cmd: Option<Vec<String>>,
    /// The image's working directory.
    pub workdir: Option<String>,
    /// The image's user.
    pub user: Option<String>,
}

/// A Java runtime that is linked of the modules of a JDK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipeLink {
    /// The release of Java, such as 21.
    pub java: u8,
    /// The modules; what they need comes along.
    pub modules: BTreeSet<String>,
}

impl RecipeLink {
    /// The package whose runtime it replaces.
    pub fn runtime_package(&self) -> String {
        format!("openjdk-{}-jre-headless", self.java)
    }

    /// The package that it is made with, and that no image gets.
    pub fn tools_package(&self) -> String {
        format!("openjdk-{}-jdk-headless", self.java)
    }
}

/// A file that no package has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipeFile {
    /// Where it is: an absolute path. `${arch}` is Debian's name of the architecture.
    pub path: String,
    /// What it is.
    pub content: RecipeContent,
    /// Its permissions.
    pub mode: u32,
    /// The numbers of its user and its group.
    pub owner: (u32, u32),
    /// The package that lists it, if not `base-files`.
    pub owned_by: Option<String>,
}

/// What a recipe's file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecipeContent {
    /// A regular file.
    Text(String),
    /// A symbolic link.
    Link(String),
    /// A directory.
    Directory,
}

/// A line of `/etc/passwd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipeUser {
    /// The user's name.
    pub name: String,
    /// The user's number.
    pub uid: u32,
    /// The number of the user's group.
    pub gid: u32,
    /// The home directory.
    pub home: String,
    /// The shell.
    pub shell: String,
}

/// A line of `/etc/group`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipeGroup {
    /// The group's name.
    pub name: String,
    /// The group's number.
    pub gid: u32,
}

/// Something that maintainer scripts make, and that is made here without running one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Generator {
    /// Directories that programs expect, and `/var/run`.
    Directories,
    /// `/etc/passwd` and `/etc/group`.
    Accounts,
    /// `/etc/ssl/certs/ca-certificates.crt`.
    CaBundle,
    /// `/etc/ssl/certs/java/cacerts`.
    JavaTrustStore,
    /// `/usr/lib/os-release`.
    OsRelease,
    /// `/etc/nsswitch.conf`.
    NameService,
    /// `/etc/localtime` and `/etc/timezone`: UTC.
    TimeZone,
    /// `/etc/ld.so.cache`.
    LibraryCache,
    /// `/etc/fonts/conf.d`.
    Fonts,
    /// Links to busybox.
    BusyboxLinks,
    /// Compiled modules of Python's standard library.
    ByteCode,
}

impl Generator {
    /// All of them, in the order in which they run.
    pub const ALL: [Generator; 11] = [
        Generator::Directories,
        Generator::Accounts,
        Generator::CaBundle,
        Generator::JavaTrustStore,
        Generator::OsRelease,
        Generator::NameService,
        Generator::TimeZone,
        Generator::Fonts,
        Generator::BusyboxLinks,
        Generator::ByteCode,
        // It looks at everything that the others have made.
        Generator::LibraryCache,
    ];

    /// The name that recipes have for it.
    pub fn name(self) -> &'static str {
        match self {
            Generator::Directories => "directories",
            Generator::Accounts => "accounts",
            Generator::CaBundle => "ca-bundle",
            Generator::JavaTrustStore => "java-trust-store",
            Generator::OsRelease => "os-release",
            Generator::NameService => "name-service",
            Generator::TimeZone => "time-zone",
            Generator::LibraryCache => "library-cache",
            Generator::Fonts => "fonts",
            Generator::BusyboxLinks => "busybox-links",
            Generator::ByteCode => "byte-code",
        }
    }
}

/// Why a recipe cannot be read or used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecipeError {
    /// Its text is no recipe.
    #[error("{file}:{line}: {problem}")]
    Text {
        /// The file.
        file: String,
        /// The line's number, counted from one.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// There is no recipe of that name.
    #[error("there is no recipe `{name}`: `jettison base list` shows those that there are")]
    Unknown {
        /// The name.
        name: String,
    },
    /// It is from itself.
    #[error("recipe `{name}` is from itself")]
    Circle {
        /// The recipe.
        name: String,
    },
    /// It is not for that release.
    #[error(
        "recipe `{name}` is not for Debian {release}: it is for {}",
        list(releases)
    )]
    Release {
        /// The recipe.
        name: String,
        /// The release that was asked for.
        release: u8,
        /// Those that it is for.
        releases: Vec<u8>,
    },
}

fn list(releases: &[u8]) -> String {
    let names: Vec<String> = releases.iter().map(u8::to_string).collect();
    format!("Debian {}", names.join(" or "))
}

impl RecipePart {
    /// What both say; where there can be one answer, `over`'s counts.
    #[must_use]
    pub fn joined(mut self, over: &RecipePart) -> RecipePart {
        self.packages.extend(over.packages.iter().cloned());
        self.ignore.extend(over.ignore.iter().cloned());
        self.only.extend(over.only.clone());
        self.exclude.extend(over.exclude.iter().cloned());
        self.keep.extend(over.keep.iter().cloned());
        self.moves.extend(over.moves.clone());
        self.files.extend(over.files.iter().cloned());
        self.users.extend(over.users.iter().cloned());
        self.groups.extend(over.groups.iter().cloned());
        self.link = over.link.clone().or(self.link);
        self.generate.extend(&over.generate);
        self.env.extend(over.env.clone());
        self.labels.extend(over.labels.clone());
        self.entrypoint = over.entrypoint.clone().or(self.entrypoint);
        self.cmd = over.cmd.clone().or(self.cmd);
        self.workdir = over.workdir.clone().or(self.workdir);
        self.user = over.user.clone().or(self.user);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(text: &str, expected: Expect) {
        expected.assert_eq(&match parse("mine", "mine.toml", text) {
            Ok(recipe) => format!("{recipe:#?}"),
            Err(error) => format!("error: {error}"),
        });
    }

    #[test]
    fn what_is_no_recipe_is_an_error_with_a_line() {
        check(
            "packages = [\"a\"]\npackage = []\n",
            expect![
                "error: mine.toml:2: unknown field `package`, expected one of `from`, `description`, `releases`, `debian`, `packages`, `ignore`, `only`, `exclude`, `keep`, `move`, `files`, `users`, `groups`, `link`, `generate`, `env`, `labels`, `entrypoint`, `cmd`, `workdir`, `user`"
            ],
        );
        check(
            "generate = [\"magic\"]",
            expect![
                "error: mine.toml:1: `magic` cannot be generated: there are directories, accounts, ca-bundle, java-trust-store, os-release, name-service, time-zone, fonts, busybox-links, byte-code, library-cache"
            ],
        );
        check(
            "files = [{ path = \"etc/x\", text = \"\" }]",
            expect!["error: mine.toml:1: `etc/x` is not an absolute path without `.` and `..`"],
        );
        check(
            "files = [{ path = \"/etc/../x\", text = \"\" }]",
            expect!["error: mine.toml:1: `/etc/../x` is not an absolute path without `.` and `..`"],
        );
        check(
            "files = [{ path = \"/etc/x\", text = \"\", link = \"y\" }]",
            expect![
                "error: mine.toml:1: `/etc/x` needs one of `text`, `link` and `directory = true`"
            ],
        );
        check(
            "files = [{ path = \"/etc/x\", text = \"\", mode = \"rw\" }]",
            expect!["error: mine.toml:1: mode `rw` is no octal number"],
        );
        check(
            "users = [{ name = \"a:b\", uid = 1 }]",
            expect![[r#"error: mine.toml:1: "a:b" cannot stand in a field of /etc/passwd"#]],
        );
        check(
            "packages = [\"--x\"]",
            expect!["error: mine.toml:1: `--x` is not the name of a package"],
        );
        check(
            "[debian.twelve]\npackages = []",
            expect!["error: mine.toml:1: `twelve` is no number of a release of Debian, such as 12"],
        );
        check(
            "entrypoint = \"/bin/x\"",
            expect![[r#"error: mine.toml:1: invalid type: string "/bin/x", expected a sequence"#]],
        );
    }

    #[test]
    fn a_part_for_a_release_is_said_over_the_common_one() {
        let recipe = parse(
            "mine",
            "mine.toml",
            "packages = [\"a\"]\nuser = \"1\"\n[debian.12]\npackages = [\"b\"]\nuser = \"2\"\n",
        )
        .unwrap();
        let part = recipe.part.joined(&recipe.debian[&12]);
        assert_eq!(part.packages, ["a", "b"]);
        assert_eq!(part.user.as_deref(), Some("2"));
    }
}
