//! What an instruction finds when its turn comes: variables, working directory, user and shell.

use std::collections::BTreeSet;

use crate::instruction::ArgDeclaration;

/// The search path that BuildKit gives to images without one (`util/system/path.go`).
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Build arguments that speak to the builder and are no variables (BuildKit: `nonEnvArgs`,
/// `dockerfile2llb/convert.go`).
pub(crate) const HIDDEN_ARGS: [&str; 2] =
    ["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"];

/// The working directory, as far as the text tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkingDirectory {
    /// An absolute path.
    Absolute(String),
    /// A path below the base image's working directory, which is not known; empty for that directory itself.
    BelowBase(String),
}

impl WorkingDirectory {
    /// The directory that `path` names from here, cleaned as BuildKit does it (`system.NormalizePath`).
    #[must_use]
    pub fn join(&self, path: &str) -> WorkingDirectory {
        if path.starts_with('/') {
            return WorkingDirectory::Absolute(clean(path));
        }
        match self {
            WorkingDirectory::Absolute(directory) => {
                WorkingDirectory::Absolute(clean(&format!("{directory}/{path}")))
            }
            // The base's directory is not known, so that `..` cannot be taken back and is kept.
            WorkingDirectory::BelowBase(directory) => {
                WorkingDirectory::BelowBase(relative(&format!("./{directory}/{path}")))
            }
        }
    }
}

/// Shortens a path as Go's `path.Clean` does: no `.`, no empty parts, and `..` taken back where it can be.
pub(crate) fn clean(path: &str) -> String {
    match relative(path) {
        cleaned if cleaned.is_empty() => ".".to_owned(),
        cleaned => cleaned,
    }
}

/// The same, but empty for the directory itself.
fn relative(path: &str) -> String {
    let is_rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                let can_go_up = parts.last().is_some_and(|&last| last != "..");
                if can_go_up {
                    parts.pop();
                } else if !is_rooted {
                    parts.push(part);
                }
            }
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    if is_rooted {
        format!("/{joined}")
    } else {
        joined
    }
}

/// What is known of an image without building on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownImage {
    /// Its environment, in order.
    pub env: Vec<(String, String)>,
    /// Its working directory.
    pub working_dir: String,
    /// Its user, if it sets one.
    pub user: Option<String>,
    /// Its shell, if it sets one.
    pub shell: Option<Vec<String>>,
    /// The platform that it is for, such as `linux/arm64`, if that is known.
    pub platform: Option<String>,
}

/// What an instruction finds when its turn comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The environment that is known, in the order in which the names came up.
    pub env: Vec<(String, String)>,
    /// The declared build arguments in order, the last of a name counts; `None` is declared without a value.
    pub args: Vec<(String, Option<String>)>,
    /// Says whether the base image's environment is among `env`.
    pub knows_base_env: bool,
    /// The working directory.
    pub working_dir: WorkingDirectory,
    /// The user, if an instruction or a known base sets one.
    pub user: Option<String>,
    /// The shell, if an instruction or a known base sets one.
    pub shell: Option<Vec<String>>,
    /// What a word sees: environment and build arguments together, what was set last at the end.
    // In BuildKit both are one list, so that an `ARG` after an `ENV` hides it, whatever the reference says
    // (`dispatchArg` and `dispatchEnv`, dockerfile2llb/convert.go; `EnvList`, client/llb/meta.go).
    // Invariant: every name once.
    visible: Vec<(String, String)>,
    open: Open,
}

/// What depends on something that is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Open {
    /// The values of these names.
    names: BTreeSet<String>,
    /// Every value: an instruction that cannot be read may have set it.
    is_all: bool,
    /// The working directory.
    is_directory: bool,
}

impl Scope {
    /// The scope without any variables, which is the one before the first stage.
    pub(crate) fn global() -> Scope {
        Scope {
            env: Vec::new(),
            visible: Vec::new(),
            ..Scope::on_scratch()
        }
    }

    /// The scope of a stage on `scratch`.
    pub(crate) fn on_scratch() -> Scope {
        let path = ("PATH".to_owned(), DEFAULT_PATH.to_owned());
        Scope {
            env: vec![path.clone()],
            visible: vec![path],
            open: Open::default(),
            args: Vec::new(),
            knows_base_env: true,
            working_dir: WorkingDirectory::Absolute("/".to_owned()),
            user: None,
            shell: None,
        }
    }

    /// The scope of a stage on an image of which nothing is known but that there is a search path.
    pub(crate) fn on_unknown_image() -> Scope {
        Scope {
            knows_base_env: false,
            working_dir: WorkingDirectory::BelowBase(String::new()),
            open: Open {
                names: BTreeSet::from(["PATH".to_owned()]),
                ..Open::default()
            },
            ..Scope::on_scratch()
        }
    }

    /// The scope of a stage on an image whose configuration is known.
    pub(crate) fn on_image(image: KnownImage) -> Scope {
        let mut scope = Scope::on_scratch();
        for (name, value) in image.env {
            scope.set_env(name, value);
        }
        scope.working_dir = scope.working_dir.join(&image.working_dir);
        scope.user = image.user;
        scope.shell = image.shell;
        scope
    }

    /// The scope of a stage on the stage that ends with this one.
    // The environment is set anew, so that it hides build arguments (BuildKit: `dispatchStages`,
    // dockerfile2llb/convert.go).
    pub(crate) fn inherited(&self) -> Scope {
        let mut scope = self.clone();
        for (name, value) in &self.env {
            scope.show(name, value);
        }
        scope.open.clone_from(&self.open);
        scope
    }

    /// The value that a word sees: that of the `ENV` or `ARG` which set it last.
    pub fn lookup(&self, name: &str) -> Option<&str> {
        let found = self.visible.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Says whether `ARG` declared a name.
    pub fn declares(&self, name: &str) -> bool {
        self.args.iter().any(|(known, _)| known == name)
    }

    /// The names that have a value, the one that was set last at the end.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.visible.iter().map(|(name, _)| name.as_str())
    }

    /// Says whether a name may have another value than [`Scope::lookup`] says, or one where that says nothing.
    pub(crate) fn is_open(&self, name: &str) -> bool {
        self.open.is_all
            || self.open.names.contains(name)
            || (!self.knows_base_env && self.lookup(name).is_none())
    }

    /// Notes that the value of a name depends on something that is not known.
    pub(crate) fn leave_open(&mut self, name: &str) {
        self.open.names.insert(name.to_owned());
    }

    /// Notes that no value is known any more, because an instruction cannot be read.
    pub(crate) fn leave_all_open(&mut self) {
        self.open.is_all = true;
        self.open.is_directory = true;
    }

    /// The working directory, unless a word that is not known is part of it.
    pub(crate) fn known_dir(&self) -> Option<&WorkingDirectory> {
        (!self.open.is_directory).then_some(&self.working_dir)
    }

    /// Goes to another directory; one of an unknown name is noted as such.
    pub(crate) fn change_dir(&mut self, path: &str, is_known: bool) {
        let is_absolute = is_known && path.starts_with('/');
        self.open.is_directory = !is_known || (self.open.is_directory && !is_absolute);
        self.working_dir = self.working_dir.join(path);
    }

    pub(crate) fn set_env(&mut self, name: String, value: String) {
        self.show(&name, &value);
        match self.env.iter_mut().find(|(known, _)| *known == name) {
            Some(slot) => slot.1 = value,
            None => self.env.push((name, value)),
        }
    }

    /// Declares an argument; a later declaration without a value does not take an earlier value away.
    pub(crate) fn declare(&mut self, argument: &ArgDeclaration, value: Option<String>) {
        let name = &argument.name;
        if let Some(value) = value
            .as_deref()
            .filter(|_| !HIDDEN_ARGS.contains(&name.as_str()))
        {
            self.show(name, value);
        }
        self.args.push((name.clone(), value));
    }

    fn show(&mut self, name: &str, value: &str) {
        self.open.names.remove(name);
        self.visible.retain(|(known, _)| known != name);
        self.visible.push((name.to_owned(), value.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_last_is_seen() {
        let argument = |name: &str| ArgDeclaration {
            name: name.to_owned(),
            default: None,
            range: 0..0,
        };
        let mut scope = Scope::on_scratch();
        scope.set_env("A".into(), "1".into());
        scope.set_env("B".into(), "2".into());
        scope.declare(&argument("A"), Some("3".into()));
        scope.declare(&argument("A"), None);
        scope.declare(&argument("C"), None);
        assert_eq!(scope.lookup("A"), Some("3"));
        assert_eq!(scope.lookup("C"), None);
        assert!(scope.declares("C"));
        assert!(scope.names().eq(["PATH", "B", "A"]));
        let inherited = scope.inherited();
        assert_eq!(inherited.lookup("A"), Some("1"));
        assert!(inherited.names().eq(["PATH", "A", "B"]));
    }

    #[test]
    fn directories_below_an_unknown_base_stay_relative() {
        let base = WorkingDirectory::BelowBase(String::new());
        let cases = [
            ("a/b", WorkingDirectory::BelowBase("a/b".into())),
            ("./a/../b", WorkingDirectory::BelowBase("b".into())),
            ("../a", WorkingDirectory::BelowBase("../a".into())),
            (".", WorkingDirectory::BelowBase(String::new())),
            ("/x//y/.", WorkingDirectory::Absolute("/x/y".into())),
        ];
        for (path, expected) in cases {
            assert_eq!(base.join(path), expected, "{path}");
        }
        let root = WorkingDirectory::Absolute("/".into());
        assert_eq!(root.join("../a"), WorkingDirectory::Absolute("/a".into()));
    }
}
