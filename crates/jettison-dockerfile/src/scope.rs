//! What an instruction finds when its turn comes: variables, working directory, user and shell.

use std::sync::Arc;

use crate::instruction::ArgDeclaration;
use crate::layered::Layered;

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

/// More variables than anybody writes by hand.
const MOST_BY_HAND: usize = 1000;

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
    /// Its entrypoint, empty if it has none; `None` if that is not known.
    pub entrypoint: Option<Vec<String>>,
    /// The platform that it is for, such as `linux/arm64`, if that is known.
    pub platform: Option<String>,
}

/// What an instruction finds when its turn comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Says whether the base image's environment is known.
    pub knows_base_env: bool,
    /// The working directory.
    pub working_dir: WorkingDirectory,
    /// The user, if an instruction or a known base sets one.
    pub user: Option<String>,
    /// The shell, if an instruction or a known base sets one.
    pub shell: Option<Vec<String>>,
    /// The environment that the image gets, as far as it is known.
    env: Layered<Arc<str>, Variable>,
    /// What a word sees: environment and build arguments together.
    // In BuildKit both are one list, so that an `ARG` after an `ENV` hides it, whatever the reference says
    // (`dispatchArg` and `dispatchEnv`, dockerfile2llb/convert.go; `EnvList`, client/llb/meta.go).
    visible: Layered<Arc<str>, Variable>,
    /// The declarations by their position; one without a value is `None`.
    declarations: Layered<usize, Declaration>,
    declared: Layered<Arc<str>, ()>,
    n_declarations: usize,
    /// How often something was set.
    clock: usize,
    open: Open,
}

/// What depends on something that is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Open {
    /// The values of names that are `true`.
    names: Layered<Arc<str>, bool>,
    /// Every value: an instruction that cannot be read may have set it.
    is_all: bool,
    /// The working directory.
    is_directory: bool,
}

/// A build argument that was declared, and its value if it has one.
type Declaration = (Arc<str>, Option<Arc<str>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Variable {
    /// When it was set, for the order.
    time: usize,
    value: Arc<str>,
}

impl Scope {
    /// The scope without any variables, which is the one before the first stage.
    pub fn global() -> Scope {
        Scope {
            knows_base_env: true,
            working_dir: WorkingDirectory::Absolute("/".to_owned()),
            user: None,
            shell: None,
            env: Layered::default(),
            visible: Layered::default(),
            declarations: Layered::default(),
            declared: Layered::default(),
            n_declarations: 0,
            clock: 0,
            open: Open::default(),
        }
    }

    /// The scope of a stage on `scratch`.
    pub(crate) fn on_scratch() -> Scope {
        let mut scope = Scope::global();
        scope.set_env("PATH", DEFAULT_PATH);
        scope
    }

    /// The scope of a stage on an image of which nothing is known but that there is a search path.
    pub(crate) fn on_unknown_image() -> Scope {
        let mut scope = Scope {
            knows_base_env: false,
            working_dir: WorkingDirectory::BelowBase(String::new()),
            ..Scope::on_scratch()
        };
        scope.leave_open("PATH");
        scope
    }

    /// The scope of a stage on an image whose configuration is known.
    pub(crate) fn on_image(image: KnownImage) -> Scope {
        let mut scope = Scope::on_scratch();
        for (name, value) in &image.env {
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
        for (name, value) in self.env() {
            scope.show(name, value);
        }
        scope.open.clone_from(&self.open);
        scope
    }

    /// The environment that the image gets, as far as it is known, in the order in which the names came up.
    pub fn env(&self) -> Vec<(&str, &str)> {
        in_order(&self.env)
    }

    /// The variables that a word or a command sees, the one that was set last at the end.
    pub fn variables(&self) -> Vec<(&str, &str)> {
        in_order(&self.visible)
    }

    /// The value that a word sees: that of the `ENV` or `ARG` which set it last.
    pub fn lookup(&self, name: &str) -> Option<&str> {
        self.visible.get(name).map(|variable| &*variable.value)
    }

    /// Says whether `ARG` declared a name.
    pub fn declares(&self, name: &str) -> bool {
        self.declared.get(name).is_some()
    }

    /// The declarations of build arguments in order, with their values.
    pub fn declarations(&self) -> Vec<(&str, Option<&str>)> {
        let entries = self.declarations.entries().into_values();
        entries
            .map(|(name, value)| (&**name, value.as_deref()))
            .collect()
    }

    /// How many declarations there are.
    pub(crate) fn n_declarations(&self) -> usize {
        self.n_declarations
    }

    /// The value of a declaration, by its position.
    pub(crate) fn declared_value(&self, position: usize) -> Option<&str> {
        let (_, value) = self.declarations.get(&position)?;
        value.as_deref()
    }

    /// Says whether there are so many variables that nobody wrote them by hand.
    pub(crate) fn is_crowded(&self) -> bool {
        self.visible.len_at_most() > MOST_BY_HAND
    }

    /// The names that have a value, the one that was set last at the end.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables().into_iter().map(|(name, _)| name)
    }

    /// Says whether a name may have another value than [`Scope::lookup`] says, or one where that says nothing.
    pub(crate) fn is_open(&self, name: &str) -> bool {
        self.open.is_all
            || self.open.names.get(name) == Some(&true)
            || (!self.knows_base_env && self.lookup(name).is_none())
    }

    /// Notes that the value of a name depends on something that is not known.
    pub(crate) fn leave_open(&mut self, name: &str) {
        self.open.names.insert(name.into(), true);
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

    /// Sets a variable of the environment that the image gets.
    pub fn set_env(&mut self, name: &str, value: &str) {
        self.show(name, value);
        let known = self.env.get(name).map(|variable| variable.time);
        let variable = Variable {
            time: known.unwrap_or(self.clock),
            value: value.into(),
        };
        self.env.insert(name.into(), variable);
    }

    /// Declares an argument; a later declaration without a value does not take an earlier value away.
    pub fn declare(&mut self, argument: &ArgDeclaration, value: Option<&str>) {
        let name = argument.name.as_str();
        if let Some(value) = value.filter(|_| !HIDDEN_ARGS.contains(&name)) {
            self.show(name, value);
        }
        let declaration = (name.into(), value.map(Arc::from));
        self.declarations.insert(self.n_declarations, declaration);
        self.n_declarations += 1;
        self.declared.insert(name.into(), ());
    }

    fn show(&mut self, name: &str, value: &str) {
        if self.open.names.get(name) == Some(&true) {
            self.open.names.insert(name.into(), false);
        }
        self.clock += 1;
        let variable = Variable {
            time: self.clock,
            value: value.into(),
        };
        self.visible.insert(name.into(), variable);
    }
}

fn in_order(variables: &Layered<Arc<str>, Variable>) -> Vec<(&str, &str)> {
    let mut ordered: Vec<(&Arc<str>, &Variable)> = variables.entries().into_iter().collect();
    ordered.sort_by_key(|(_, variable)| variable.time);
    ordered
        .into_iter()
        .map(|(name, variable)| (&**name, &*variable.value))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_last_is_seen() {
        let argument = |name: &str| ArgDeclaration {
            name: name.into(),
            default: None,
            range: 0..0,
        };
        let mut scope = Scope::on_scratch();
        scope.set_env("A", "1");
        scope.set_env("B", "2");
        scope.declare(&argument("A"), Some("3"));
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
