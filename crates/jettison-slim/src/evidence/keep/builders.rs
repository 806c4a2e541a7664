//! What builds programs, where a program itself starts it: `subprocess.run("make -s report", shell=True)`.
//!
//! Sources speak of compilers and of `make` in many ways, and most are about their own making. So it counts only if its name stands
//! where it is started, in a source that is part of the program, and if the Dockerfile asks for its package by name.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use super::Keeper;
use super::commands::{BUILDERS, Sureness, command_names, is_comment};
use super::helpers::is_for_developers;
use super::quotes::with_plain_quotes;
use super::starters::{Backticks, Starters, backticks};
use super::wrappers::called;
use crate::evidence::owner::Owner;
use crate::evidence::program::find_program;
use crate::rootfs::RootError;

/// How many lines a call goes on, at most, before it names the program.
const LINES: usize = 3;
/// The longest line that is looked at, in bytes: a longer one is a whole program, made small by a tool.
const LONG_LINE: usize = 1000;

impl Keeper<'_> {
    /// Keeps what builds programs, if the source at `path` starts it and the Dockerfile asks for it by name.
    pub(super) fn add_started_builders(
        &mut self,
        path: &Path,
        text: &str,
        end: &str,
    ) -> Result<(), RootError> {
        if is_of_making(path) {
            return Ok(());
        }
        let reason = format!("{} starts it", path.display());
        for name in started_builders(text, end, &self.wrappers) {
            if self.is_program_asked_for(&name)? {
                self.add_program(&name, Sureness::There, &reason)?;
            }
        }
        Ok(())
    }

    /// Whether an instruction asks for a package that brings the program `name`, or a link to it: `gcc` of Debian is one.
    pub(super) fn is_program_asked_for(&mut self, name: &str) -> Result<bool, RootError> {
        let Ok(path) = find_program(self.root, name, &self.working_dir, &self.path_env) else {
            return Ok(false);
        };
        let resolved = self.root.resolve(&path)?;
        let mut places = resolved.chain;
        places.push(resolved.real_path);
        Ok(places.iter().any(|place| {
            matches!(self.owners.of(place), Owner::Package(package) if self.is_asked_for(&package))
        }))
    }
}

/// Whether the source at `path` is about the making of a program, by its name or that of a directory.
fn is_of_making(path: &Path) -> bool {
    const NAMES: [&str; 17] = [
        "bootstrap",
        "build",
        "compile",
        "configure",
        "conf",
        "deploy",
        "dodo",
        "gen",
        "generate",
        "install",
        "magefile",
        "make",
        "package",
        "release",
        "setup",
        "update",
        "wscript",
    ];
    let stem = path.file_stem().unwrap_or_default();
    NAMES.iter().any(|name| stem == *name) || path.ancestors().any(is_for_developers)
}

/// What builds programs of what a source starts by name; `end` is the extension of its name, and `functions` of the program's own
/// start what they are given.
fn started_builders(text: &str, end: &str, functions: &BTreeSet<String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if !BUILDERS.iter().any(|name| text.contains(name)) {
        return found;
    }
    let text = with_plain_quotes(text.into(), end);
    let starters = Starters::of(end);
    let is_read = |line: &&str| !is_comment(line) && line.len() <= LONG_LINE;
    let lines: Vec<&str> = text.lines().filter(is_read).collect();
    for (at, line) in lines.iter().enumerate() {
        let started = starters.ends_in(line);
        let own = called(line, functions).filter(|rest| !is_in_quotes(line, rest));
        for rest in started.into_iter().chain(own) {
            let mut call = rest.to_owned();
            for next in lines.iter().skip(at + 1).take(LINES) {
                if !call.trim_end().ends_with(['(', '[', '{']) {
                    break;
                }
                call.push_str(next.trim_start());
            }
            found.extend(first_text(&call).into_iter().flat_map(builders_in));
        }
        if backticks(end) == Backticks::Command {
            let commands = line.split('`').skip(1).step_by(2);
            found.extend(commands.flat_map(builders_in));
        }
    }
    found
}

/// The text that is the first thing, or the second behind a name, of what is handed over in `call`, which begins behind what starts
/// programs.
fn first_text(call: &str) -> Option<&str> {
    static START: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(
            r#"^\w*(?:(?:\.|::)\w+)*!?\s*[(\[{]{0,2}\s*(?:[\w.]+(?:\(\))?\s*,\s*)?[(\[{]{0,2}\s*[fFrRbBuU]{0,2}["'`]"#,
        )
        .ok()
    });
    let start = START.as_ref()?.find(call)?;
    let quote = start.as_str().chars().next_back()?;
    let rest = call.get(start.end()..)?;
    rest.split(quote).next()
}

/// What builds programs of the commands in `literal`.
fn builders_in(literal: &str) -> impl Iterator<Item = String> {
    let names = command_names(literal).into_iter();
    let names = names.filter(|name| BUILDERS.contains(&name.rsplit('/').next().unwrap_or(name)));
    names.map(str::to_owned).collect::<Vec<_>>().into_iter()
}

/// Whether `rest`, the end of `line`, begins within quotes.
pub(super) fn is_in_quotes(line: &str, rest: &str) -> bool {
    let before = line.get(..line.len() - rest.len()).unwrap_or_default();
    let mut open = None;
    for c in before.chars().filter(|c| ['"', '\''].contains(c)) {
        open = match open {
            None => Some(c),
            Some(quote) if quote == c => None,
            Some(quote) => Some(quote),
        };
    }
    open.is_some()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::evidence::collect::Step;
    use crate::evidence::owner::Owners;
    use crate::rootfs::RootDir;

    #[track_caller]
    fn check(end: &str, text: &str, expected: &[&str]) {
        let functions = BTreeSet::from(["run".to_owned()]);
        let found = started_builders(text, end, &functions);
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn what_builds_programs_counts_where_its_name_stands_at_what_starts_it() {
        for text in [
            "subprocess.run(\"make -s -C /srv report\", shell=True)\n",
            "subprocess.check_call(['make', '-s'])\n",
            "subprocess.run(\n    [\n        # quietly\n        \"make\",\n",
            "os.system(f'cd {place} && make')\n",
            "run(['make'])\n",
            "p = await asyncio.create_subprocess_exec('make')\n",
        ] {
            check("py", text, &["make"]);
        }
        check("go", "cmd := exec.CommandContext(ctx, \"make\")", &["make"]);
        check("rs", "Command::new(\"gcc\").arg(x)", &["gcc"]);
        check("cpp", "std::system(\"make -s\");", &["make"]);
        check("js", "require('child_process').execSync('make')", &["make"]);
        check("rb", "x = `make -s`\nsystem \"gcc\", x\n", &["gcc", "make"]);
        check("java", "new ProcessBuilder(\"mvn\", \"-q\")", &["mvn"]);
    }

    #[test]
    fn what_builds_programs_does_not_count_where_a_text_speaks_of_it() {
        for text in [
            "import subprocess\nprint('make')\nHELP = \"make it with gcc\"\n",
            "subprocess.run(['echo', 'make'])\n",
            "subprocess.run(\"echo 'run make'\", shell=True)\n",
            "except subprocess.CalledProcessError: print('make')\n",
            "print(\"use subprocess.run('make')\")\n",
            "# subprocess.run('make')\n",
            "if shutil.which('gcc'): print(x)\n",
        ] {
            check("py", text, &[]);
        }
        check("rb", "puts \"the build system 'make' is needed\"\n", &[]);
        check(
            "go",
            "if p, err := exec.LookPath(\"gcc\"); err == nil {\n",
            &[],
        );
    }

    #[test]
    fn what_builds_programs_stays_if_the_program_starts_it_and_the_dockerfile_asks_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let text =
            "import subprocess\nsubprocess.run('make -s', shell=True)\nsubprocess.run(['gcc'])\n";
        for (path, text) in [
            ("app/main.py", text),
            ("app/setup.py", text),
            ("app/build.py", text),
            ("app/tests/main.py", text),
            ("usr/bin/make", "x"),
            ("usr/bin/gcc", "x"),
            ("var/lib/dpkg/info/make.list", "/usr/bin/make\n"),
            ("var/lib/dpkg/info/gcc.list", "/usr/bin/gcc\n"),
        ] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let root = RootDir::open(dir.path()).unwrap();
        let steps = [Step {
            asks_for: BTreeSet::from(["make".to_owned()]),
            ..Step::default()
        }];
        for (path, expected) in [
            ("/app/main.py", &["make"][..]),
            ("/app/setup.py", &[]),
            ("/app/build.py", &[]),
            ("/app/tests/main.py", &[]),
        ] {
            let mut keeper = Keeper::new(&root, Owners::read(&root, &steps).unwrap(), "");
            keeper
                .add_started_builders(Path::new(path), text, "py")
                .unwrap();
            let kept: Vec<&String> = keeper.kept().packages.keys().collect();
            assert_eq!(kept, expected, "{path}");
            let started: Vec<&String> = keeper.kept().started.iter().collect();
            assert_eq!(started, expected, "{path}");
        }
    }
}
