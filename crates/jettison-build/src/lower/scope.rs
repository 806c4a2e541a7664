//! The variables that are in scope at an instruction.

use std::collections::BTreeMap;

use jettison_dockerfile::{
    ArgDeclaration, InstructionKind, Parse, StageGraph, expand, expand_words,
};

use crate::lower::{Located, LowerError, LowerRequest};

/// Build arguments that every `RUN` gets without an `ARG`, and no key or history.
const PROXIES: [&str; 5] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
];

/// Build arguments and environment variables: of one name, the later instruction counts, be it `ARG` or `ENV`.
///
/// The reference says that `ENV` always wins; BuildKit keeps both in one environment (`dispatchArg` and
/// `dispatchEnv`, dockerfile2llb/convert.go), and only `ENV` in the image's configuration as well.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    /// The names of declared arguments, in order.
    declared: Vec<String>,
    /// What words and commands see.
    env: Vec<(String, String)>,
    /// Values that a declaration without a default takes up.
    inherited: BTreeMap<String, String>,
}

impl Scope {
    /// The scope of a stage that does not start from another stage.
    pub(crate) fn stage(globals: &Scope) -> Scope {
        let mut inherited = globals.inherited.clone();
        inherited.extend(globals.env.iter().cloned());
        Scope {
            inherited,
            ..Scope::default()
        }
    }

    /// Takes over an image's environment.
    pub(crate) fn with_env(mut self, env: &[String]) -> Scope {
        for pair in env {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            self.set(name, value);
        }
        self
    }

    /// Gives a variable a value.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        match self.env.iter_mut().find(|(known, _)| known == name) {
            Some(slot) => slot.1 = value.to_string(),
            None => self.env.push((name.to_string(), value.to_string())),
        }
    }

    /// The environment of a `RUN`.
    pub(crate) fn run_env(&self) -> Vec<(String, String)> {
        self.env.clone()
    }

    /// What the history of a `RUN` says of the declared arguments: every name once, with the value that
    /// the command sees.
    pub(crate) fn shown_args(&self) -> Vec<String> {
        let mut shown: Vec<(&str, String)> = Vec::new();
        for name in &self.declared {
            if !shown.iter().any(|(known, _)| known == name) {
                shown.push((name, self.lookup(name).unwrap_or_default()));
            }
        }
        let pair = |(name, value): (&str, String)| format!("{name}={value}");
        shown.into_iter().map(pair).collect()
    }

    /// The value that a word sees.
    pub(crate) fn lookup(&self, name: &str) -> Option<String> {
        let found = self.env.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    }

    /// Expands one word.
    pub(crate) fn expand(&self, word: &str, escape: char) -> Result<String, String> {
        expand(word, escape, &|name| self.lookup(name)).map_err(|error| error.to_string())
    }

    /// Expands a word that may become several.
    pub(crate) fn expand_words(&self, word: &str, escape: char) -> Result<Vec<String>, String> {
        expand_words(word, escape, &|name| self.lookup(name)).map_err(|error| error.to_string())
    }

    /// Declares `argument` and returns what the history says of it.
    pub(crate) fn declare(
        &mut self,
        argument: &ArgDeclaration,
        request: &LowerRequest,
        escape: char,
    ) -> Result<String, String> {
        let name = argument.name.as_str();
        let value = if let Some(given) = request.build_args.get(name) {
            Some(given.clone())
        } else if let Some(default) = &argument.default {
            Some(self.expand(default, escape)?)
        } else {
            self.inherited.get(name).cloned()
        };
        let shown = match &value {
            Some(value) => format!("{name}={value}"),
            None => name.to_owned(),
        };
        self.declared.push(name.to_owned());
        // A declaration without a value does not take an earlier value away.
        if let Some(value) = value {
            self.set(name, &value);
        }
        Ok(shown)
    }
}

/// The scope of `FROM`: arguments before the first stage, and the platform's.
pub(crate) fn global_args(
    parse: &Parse,
    graph: &StageGraph,
    request: &LowerRequest,
) -> Result<Scope, LowerError> {
    let mut scope = Scope {
        inherited: platform_args(request),
        ..Scope::default()
    };
    for (name, value) in scope.inherited.clone() {
        scope.set(&name, &value);
    }
    for index in &graph.global_args {
        let instruction = &parse.instructions()[*index];
        let InstructionKind::Arg(arguments) = &instruction.kind else {
            continue;
        };
        for argument in arguments {
            scope
                .declare(argument, request, parse.escape())
                .map_err(|message| {
                    LowerError::Instruction(Located {
                        line: instruction.line,
                        column: 1,
                        range: Some(instruction.range.clone()),
                        message,
                        hints: Vec::new(),
                    })
                })?;
        }
    }
    Ok(scope)
}

/// BuildKit's predefined platform arguments (reference: "Automatic platform ARGs").
fn platform_args(request: &LowerRequest) -> BTreeMap<String, String> {
    let mut args = BTreeMap::new();
    for side in ["BUILD", "TARGET"] {
        args.insert(
            format!("{side}PLATFORM"),
            format!("linux/{}", request.architecture),
        );
        args.insert(format!("{side}OS"), "linux".to_string());
        args.insert(format!("{side}ARCH"), request.architecture.clone());
        args.insert(format!("{side}VARIANT"), String::new());
    }
    args.insert(
        "TARGETSTAGE".to_string(),
        request
            .target
            .clone()
            .unwrap_or_else(|| "default".to_string()),
    );
    for (name, value) in &mut args {
        if let Some(given) = request.build_args.get(name) {
            value.clone_from(given);
        }
    }
    args
}

/// The proxy settings among the build arguments: for every `RUN`, in no key and no history.
pub fn proxies(build_args: &BTreeMap<String, String>) -> Vec<(String, String)> {
    build_args
        .iter()
        .filter(|(name, _)| PROXIES.contains(&name.to_ascii_uppercase().as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
