//! Programs that the Dockerfile asks for by the names of their packages and that none of its instructions starts: they are for whoever
//! runs the image, by a name that no source has as it is (`MiniMagick::Tool::Convert`), on a command line or from settings.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::beside::is_for_building;
use super::commands::{Sureness, script_commands};
use super::dependencies::is_interpreter;
use super::seen::Look;
use super::started::PLACES;
use super::{Keeper, UseKind};
use crate::evidence::npm::scripts_of_operators;
use crate::evidence::owner::Owner;
use crate::evidence::program::find_program;
use crate::rootfs::RootError;

/// What people install to look around in a container, to fetch and to unpack what is built, and what other tools of a build start.
const OF_PEOPLE: [&str; 66] = [
    "ant",
    "apt-transport-https",
    "apt-utils",
    "bash-completion",
    "bind9-dnsutils",
    "bind9-host",
    "bison",
    "ccache",
    "curl",
    "debconf-utils",
    "dialog",
    "dirmngr",
    "dnsutils",
    "doxygen",
    "emacs",
    "emacs-nox",
    "fakeroot",
    "fish",
    "flex",
    "gettext",
    "git",
    "git-lfs",
    "gnupg",
    "gnupg2",
    "gpg",
    "gpg-agent",
    "gperf",
    "gradle",
    "help2man",
    "htop",
    "intltool",
    "iproute2",
    "iputils-ping",
    "less",
    "lld",
    "locales",
    "lsb-release",
    "lsof",
    "ltrace",
    "m4",
    "man-db",
    "mercurial",
    "nano",
    "nasm",
    "net-tools",
    "netcat-openbsd",
    "netcat-traditional",
    "patch",
    "patchelf",
    "procps",
    "protobuf-compiler",
    "psmisc",
    "screen",
    "software-properties-common",
    "strace",
    "subversion",
    "sudo",
    "swig",
    "tcpdump",
    "telnet",
    "texinfo",
    "tmux",
    "traceroute",
    "wget",
    "yasm",
    "zsh",
];
/// The same, by the beginnings of names that have a version or a kind behind them.
const OF_PEOPLE_BY_START: [&str; 10] = [
    "clang",
    "default-jdk",
    "libtool",
    "llvm",
    "openjdk-",
    "rustc",
    "rustup",
    "valgrind",
    "vim",
    "xz-utils",
];

impl Keeper<'_> {
    /// Keeps the programs that the Dockerfile asks for by the names of their packages and that no instruction starts, unless all
    /// that runs is compiled here: such a program has the names of all that it starts.
    pub(super) fn add_for_operators(&mut self) -> Result<(), RootError> {
        let is_of_a_package =
            |path: &PathBuf| is_started_by_name(path) && self.owners.is_packaged(path);
        if !self.runs_texts() && !self.kept.used.iter().any(is_of_a_package) {
            return Ok(());
        }
        let meant = self.meant.iter().map(String::as_str);
        let asked: BTreeSet<&str> = self.owners.asked_for().chain(meant).collect();
        let asked: Vec<String> = asked
            .into_iter()
            .filter(|package| !self.kept.packages.contains_key(*package))
            .filter(|package| !is_for_building(package) && !is_interpreter(package))
            .filter(|package| !is_of_people(package) && self.has_programs(package))
            .map(str::to_owned)
            .collect();
        if asked.is_empty() {
            return Ok(());
        }
        let started = self.started_by_instructions()?;
        let found: BTreeMap<String, String> = asked
            .into_iter()
            .filter(|package| !started.contains(package))
            .map(|package| {
                let reason = "somebody has asked for it, and no instruction starts it";
                (package, reason.to_owned())
            })
            .collect();
        self.add_installed_here(found)
    }

    /// Keeps npm, with the shell that it has start scripts, if the program is of Node.js and an operator may have npm run a script of
    /// its `package.json`.
    pub(super) fn add_npm_for_operators(&mut self) -> Result<(), RootError> {
        let directory = self.working_dir.clone();
        let runs_node = |path: &PathBuf| path.ends_with("node") || path.ends_with("nodejs");
        if !self.kept.used.iter().any(runs_node) || !self.seen.note(Look::ScriptsOfNpm, &directory)
        {
            return Ok(());
        }
        let is_started = |file: &Path| self.kept.used.contains(file);
        let scripts = scripts_of_operators(self.root, &directory, &is_started);
        let Some(script) = scripts.first() else {
            return Ok(());
        };
        let reason = format!("somebody may run `{}`", script.call);
        self.add_program("npm", Sureness::There, &reason)?;
        self.add(Path::new("/bin/sh"), UseKind::Looked, &reason)
    }

    /// Whether `package` has programs, in places where they are looked for by name, or in one of its own that links or scripts of
    /// others lead to (`/usr/lib/postgresql/17/bin/psql`).
    fn has_programs(&self, package: &str) -> bool {
        let is_program = |path: &Path| {
            let found = self.root.entry(path);
            found.is_some_and(|found| found.is_file() && found.mode() & 0o111 != 0)
        };
        let mut files = self.owners.files_of(package);
        files.any(|path| is_started_by_name(path) || is_in_own_bin(path) && is_program(path))
    }

    /// The packages of which an instruction starts a program by its name.
    fn started_by_instructions(&mut self) -> Result<BTreeSet<String>, RootError> {
        let steps = self.owners.steps();
        let commands = steps.iter().flat_map(|step| script_commands(&step.text));
        let commands: BTreeSet<&str> = commands.collect();
        let mut packages = BTreeSet::new();
        for command in commands {
            let Ok(path) = find_program(self.root, command, Path::new("/"), &self.path_env) else {
                continue;
            };
            let real = self.root.resolve(&path)?.real_path;
            if let Owner::Package(package) = self.owners.of(&real) {
                packages.insert(package);
            }
        }
        Ok(packages)
    }
}

/// Whether `path` is where programs of packages are started by their names.
pub(super) fn is_started_by_name(path: &Path) -> bool {
    path.parent()
        .is_some_and(|place| PLACES.iter().any(|known| place == Path::new(known)))
}

/// Whether `path` is in a directory of programs that its package has for itself.
fn is_in_own_bin(path: &Path) -> bool {
    path.starts_with("/usr/lib") && path.parent().is_some_and(|place| place.ends_with("bin"))
}

/// Whether `package` is for people in a container, or for builds.
fn is_of_people(package: &str) -> bool {
    OF_PEOPLE.contains(&package)
        || OF_PEOPLE_BY_START
            .iter()
            .any(|start| package.starts_with(start))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::evidence::collect::Step;
    use crate::evidence::owner::Owners;
    use crate::rootfs::RootDir;

    #[test]
    fn programs_that_were_asked_for_are_for_operators_unless_an_instruction_starts_them() {
        let dir = tempfile::tempdir().unwrap();
        let packages = [
            ("bison", "bison"),
            ("graphviz", "dot"),
            ("optipng", "optipng"),
            ("php8.2-cli", "php8.2"),
            ("vim-tiny", "vim.tiny"),
            ("whois", "whois"),
        ];
        for (package, program) in packages {
            let path = dir.path().join("usr/bin").join(program);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "x").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            let list = dir.path().join(format!("var/lib/dpkg/info/{package}.list"));
            fs::create_dir_all(list.parent().unwrap()).unwrap();
            fs::write(&list, format!("/usr/bin/{program}\n")).unwrap();
        }
        let root = RootDir::open(dir.path()).unwrap();
        // `whois` came along.
        let asked = packages.iter().map(|(package, _)| (*package).to_owned());
        let asks_for = asked.filter(|package| package != "whois").collect();
        let steps = [Step {
            files: PathBuf::from("/nothing"),
            line: 2,
            asks_for,
            text: "/src\n/bin/sh -c cd icons && optipng *.png".to_owned(),
            ..Step::default()
        }];
        let mut keeper = Keeper::new(&root, Owners::read(&root, &steps).unwrap(), "");
        keeper.kept.used.insert(PathBuf::from("/app/server"));
        keeper.add_for_operators().unwrap();
        assert!(keeper.kept.packages.is_empty());
        keeper.kept.used.insert(PathBuf::from("/usr/bin/whois"));
        keeper.add_for_operators().unwrap();
        let kept: Vec<&String> = keeper.kept.packages.keys().collect();
        assert_eq!(kept, ["graphviz"]);
    }
}
