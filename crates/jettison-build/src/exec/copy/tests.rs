//! Copies from a directory and from layers, without writing them, and the laws of writing them.

mod archives;
mod laws;
mod sources;
mod targets;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use expect_test::Expect;

use crate::context::{BuildContext, ContentIndex, ContextTree};
use crate::exec::copy::changes::{Below, Change, Changes, path_of};
use crate::exec::copy::{CopyFailure, CopyWork, MissingPath, Source};
use crate::exec::files::{FileKind, Meta};
use crate::exec::merged::Merged;
use crate::plan::{Archives, Chmod, CopyDefinition, CopyFrom, CopyItem, Input};

/// A context and a stage with two layers.
struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let world = World { dir };
        for (path, text) in [
            ("context/a.txt", "a"),
            ("context/b.go", "b"),
            ("context/d/c.txt", "c"),
            ("context/d/in/e.txt", "e"),
            ("1/etc/passwd", "root:x:0:0\napp:x:7:8\n"),
            ("1/etc/group", "root:x:0:\nstaff:x:50:\n"),
            ("1/srv/old/file", "old"),
            ("1/srv/keep", "keep"),
            ("2/srv/new", "new"),
        ] {
            world.write(path, text);
        }
        for (target, link) in [
            ("../a.txt", "context/d/l"),
            ("d", "context/ld"),
            ("a.txt", "context/la"),
            ("/srv", "1/link"),
            ("/far/away", "1/dangling"),
            ("loop", "1/loop"),
        ] {
            symlink(target, world.path(link)).unwrap();
        }
        world.mode("context/a.txt", 0o4755);
        world.mode("context/d", 0o750);
        world.mode("1/srv", 0o711);
        world
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let file = self.path(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        self.mode(path, 0o644);
        for directory in file.ancestors().skip(1) {
            if directory == self.dir.path() {
                break;
            }
            fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    fn mode(&self, path: &str, mode: u32) {
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// The stage's layers, the uppermost first.
    fn lowers(&self) -> [PathBuf; 2] {
        [self.path("2"), self.path("1")]
    }

    fn below(&self) -> Merged {
        Merged::open(&self.lowers()).unwrap()
    }

    /// What an instruction such as `COPY --from=stage a /b` changes in the stage, or on nothing if it says `--on=scratch`.
    fn copy(&self, instruction: &str) -> Result<Changes, CopyFailure> {
        let (definition, is_on_scratch) = parse(instruction);
        let stage = self.below();
        // The ignore file is not in the context.
        let context = BuildContext::open(&self.path("context"), &self.path("Dockerfile")).unwrap();
        let tree = ContextTree::open(&context).unwrap();
        let index = ContentIndex::open(&self.path("store"), context.root(), tree.root()).unwrap();
        let source = match definition.from {
            CopyFrom::Context | CopyFrom::Named(_) => Source::Context {
                context: &context,
                tree: &tree,
                index: &index,
            },
            CopyFrom::Input(_) => Source::Files(&stage),
        };
        let items = definition.sources.iter();
        let beside: Vec<&str> = items
            .filter_map(|item| match item {
                CopyItem::Path(path) => Some(path.as_str()),
                CopyItem::Text { .. } | CopyItem::File(_) | CopyItem::Git(_) => None,
            })
            .collect();
        let work = CopyWork::prepare(&definition, (source, MissingPath::FoundEarly), &beside, &[])?;
        work.contents(work.known())?;
        if is_on_scratch {
            work.onto(&Merged::default(), self.dir.path())
        } else {
            work.onto(&self.below(), self.dir.path())
        }
    }

    #[track_caller]
    fn check(&self, instruction: &str, expected: Expect) {
        expected.assert_eq(&match self.copy(instruction) {
            Ok(changes) => listing(&changes),
            Err(failure) => {
                let cause = std::error::Error::source(&failure);
                let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
                format!("error: {failure}{cause}\n")
            }
        });
    }
}

/// Checks what an instruction changes in a new world.
#[track_caller]
fn check(instruction: &str, expected: Expect) {
    World::new().check(instruction, expected);
}

/// Reads an instruction, and whether it starts from nothing.
fn parse(instruction: &str) -> (CopyDefinition, bool) {
    let mut words = instruction.split(' ').skip(1).peekable();
    let mut flags = BTreeMap::<&str, Vec<&str>>::new();
    while let Some(flag) = words.next_if(|word| word.starts_with("--")) {
        let (name, value) = flag[2..].split_once('=').unwrap_or((&flag[2..], ""));
        flags.entry(name).or_default().push(value);
    }
    let mut sources: Vec<&str> = words.collect();
    let destination = sources.pop().unwrap().to_owned();
    let first = |name| flags.get(name).map(|values| values[0].to_owned());
    let definition = CopyDefinition {
        from: match first("from") {
            Some(_) => CopyFrom::Input(Input::Base(0)),
            None => CopyFrom::Context,
        },
        sources: sources
            .into_iter()
            .map(|source| match source.strip_prefix("<<") {
                Some(name) => CopyItem::Text {
                    name: name.to_owned(),
                    content: format!("{name}\n"),
                },
                None => CopyItem::Path(source.to_owned()),
            })
            .collect(),
        destination,
        chown: first("chown"),
        chmod: first("chmod").map(|text| match u32::from_str_radix(&text, 8) {
            Ok(mode) => Chmod::Octal(mode),
            Err(_) => Chmod::Symbolic(text),
        }),
        exclude: flags.get("exclude").map_or(Vec::new(), |patterns| {
            patterns.iter().map(ToString::to_string).collect()
        }),
        keeps_parents: first("parents").is_some(),
        is_linked: first("link").is_some(),
        archives: if instruction.starts_with("ADD") {
            Archives::LocalUnpacked
        } else {
            Archives::Kept
        },
    };
    (definition, first("on").is_some())
}

/// One line for each change: mode, owner unless it is whoever runs the test, and path.
fn listing(changes: &Changes) -> String {
    let mut text = String::new();
    let mut names = BTreeMap::<usize, String>::new();
    for (key, change) in changes.entries() {
        let path = path_of(key).display().to_string();
        let (meta, rest) = match change {
            Change::Directory(directory) => {
                let hidden = match &directory.below {
                    Below::Seen | Below::Nothing => String::new(),
                    Below::Hidden(names) => format!(" hides {names:?}"),
                };
                (&directory.node.meta, format!("/{hidden}"))
            }
            Change::File(number) => {
                let node = changes.file(*number);
                let rest = match names.get(number) {
                    Some(first) => format!(" = {first}"),
                    None if node.meta.kind == FileKind::Symlink => {
                        let target = String::from_utf8(node.target().unwrap()).unwrap();
                        format!(" -> {target}")
                    }
                    None => String::new(),
                };
                names.entry(*number).or_insert_with(|| format!("/{path}"));
                (&node.meta, rest)
            }
        };
        let owner = owner_of(meta);
        writeln!(text, "{:04o} {owner}/{path}{rest}", meta.mode).unwrap();
    }
    text
}

fn owner_of(meta: &Meta) -> String {
    let me = (
        rustix::process::getuid().as_raw(),
        rustix::process::getgid().as_raw(),
    );
    if (meta.uid, meta.gid) == me || (meta.uid, meta.gid) == (0, 0) {
        String::new()
    } else {
        format!("{}:{} ", meta.uid, meta.gid)
    }
}

/// Runs a command that a test needs; whether it succeeded.
fn run(program: &str, arguments: &[&Path]) -> bool {
    let status = Command::new(program).args(arguments).status();
    status.is_ok_and(|status| status.success())
}
