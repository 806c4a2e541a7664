//! What an instruction finds when its turn comes: variables, working directory, user and shell.

use std::collections::BTreeSet;

use crate::instruction::ArgDeclaration;

/// The search path that BuildKit gives to images without one (`util/system/path.go`).
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

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
                let joined = clean(&format!("{directory}/{path}"));
                WorkingDirectory::BelowBase(joined.trim_start_matches('/').to_owned())
            }
        }
    }
}

/// Removes `.`, empty parts and, where it can be done, `..`.
fn clean(path: &str) -> String {
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
}

/// What an instruction finds when its turn comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The environment that is known, in the order in which the names came up.
    pub env: Vec<(String, String)>,
    /// The declared build arguments in order, the last of a name counts; `None` is declared without a value.
    pub args: Vec<(String, Option<String>)>,
    /// The names in `env` that an `ARG` with a value declared later: words and commands see the argument's value,
    /// the image's configuration does not (BuildKit: `dispatchArg`, dockerfile2llb/convert.go).
    pub hidden_env: BTreeSet<String>,
    /// Says whether the base image's environment is among `env`.
    pub knows_base_env: bool,
    /// The working directory.
    pub working_dir: WorkingDirectory,
    /// The user, if an instruction or a known base sets one.
    pub user: Option<String>,
    /// The shell, if an instruction or a known base sets one.
    pub shell: Option<Vec<String>>,
}

impl Scope {
    /// The scope of a stage on `scratch`.
    pub(crate) fn on_scratch() -> Scope {
        Scope {
            env: vec![("PATH".to_owned(), DEFAULT_PATH.to_owned())],
            args: Vec::new(),
            hidden_env: BTreeSet::new(),
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

    /// The scope of a stage on a stage that ends in this one: the image's environment is set anew.
    pub(crate) fn inherited(&self) -> Scope {
        Scope {
            hidden_env: BTreeSet::new(),
            ..self.clone()
        }
    }

    /// The value that a word sees: of the environment or of a build argument, whichever was set later.
    pub fn lookup(&self, name: &str) -> Option<&str> {
        let in_env = self.env.iter().find(|(known, _)| known == name);
        if let Some((_, value)) = in_env
            && !self.hidden_env.contains(name)
        {
            return Some(value);
        }
        // A later declaration without a value does not take an earlier value away.
        let mut declared = self.args.iter().rev().filter(|(known, _)| known == name);
        declared.find_map(|(_, value)| value.as_deref())
    }

    /// Says whether `ARG` declared a name.
    pub fn declares(&self, name: &str) -> bool {
        self.args.iter().any(|(known, _)| known == name)
    }

    /// The names that a word can use.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let env = self.env.iter().map(|(name, _)| name.as_str());
        env.chain(self.args.iter().map(|(name, _)| name.as_str()))
    }

    pub(crate) fn set_env(&mut self, name: String, value: String) {
        self.hidden_env.remove(&name);
        match self.env.iter_mut().find(|(known, _)| *known == name) {
            Some(slot) => slot.1 = value,
            None => self.env.push((name, value)),
        }
    }

    /// Declares an argument.
    pub(crate) fn declare(&mut self, argument: &ArgDeclaration, value: Option<String>) {
        let is_in_env = self.env.iter().any(|(known, _)| *known == argument.name);
        if value.is_some() && is_in_env {
            self.hidden_env.insert(argument.name.clone());
        }
        self.args.push((argument.name.clone(), value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argument(name: &str) -> ArgDeclaration {
        ArgDeclaration {
            name: name.to_owned(),
            default: None,
            range: 0..0,
        }
    }

    #[test]
    fn the_later_of_env_and_arg_wins() {
        let mut scope = Scope::on_scratch();
        scope.set_env("A".into(), "env".into());
        scope.declare(&argument("A"), Some("arg".into()));
        assert_eq!(scope.lookup("A"), Some("arg"));
        scope.set_env("A".into(), "env again".into());
        assert_eq!(scope.lookup("A"), Some("env again"));
    }

    #[test]
    fn a_declaration_without_a_value_keeps_the_value_from_before() {
        let mut scope = Scope::on_scratch();
        scope.declare(&argument("A"), Some("one".into()));
        scope.declare(&argument("A"), None);
        assert_eq!(scope.lookup("A"), Some("one"));
    }

    #[test]
    fn directories_below_an_unknown_base_stay_relative() {
        let base = WorkingDirectory::BelowBase(String::new());
        let cases = [
            ("a/b", WorkingDirectory::BelowBase("a/b".into())),
            ("./a/../b", WorkingDirectory::BelowBase("b".into())),
            ("/x//y/.", WorkingDirectory::Absolute("/x/y".into())),
        ];
        for (path, expected) in cases {
            assert_eq!(base.join(path), expected, "{path}");
        }
        let root = WorkingDirectory::Absolute("/".into());
        assert_eq!(root.join("../a"), WorkingDirectory::Absolute("/a".into()));
    }
}
