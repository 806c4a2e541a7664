//! Build arguments: those of the command line, the predefined ones, and those before the first `FROM`.

use std::collections::BTreeMap;

use jettison_dockerfile::{
    ArgDeclaration, InstructionKind, Parse, Scope, StageGraph, platform_args_of,
};

use crate::lower::request::LowerRequest;
use crate::lower::words::expand;
use crate::lower::{LowerError, error_at};

/// Build arguments that every `RUN` gets without an `ARG`, and no key or history.
const PROXIES: [&str; 5] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
];

/// The values that `ARG` instructions take up.
#[derive(Clone, Debug)]
pub(super) struct Arguments {
    /// Those of the command line, which win over defaults.
    pub(super) given: BTreeMap<String, String>,
    /// Those of the global scope, predefined ones included.
    pub(super) global: BTreeMap<String, String>,
}

impl Arguments {
    /// Follows the `ARG`s before the first stage.
    pub(super) fn new(
        parse: &Parse,
        graph: &StageGraph,
        request: &LowerRequest,
    ) -> Result<Arguments, LowerError> {
        let given = request.build_args.clone();
        let mut global = predefined(graph, request);
        for (name, value) in &mut global {
            if let Some(given) = given.get(name) {
                value.clone_from(given);
            }
        }
        let mut arguments = Arguments { given, global };
        for index in &graph.global_args {
            let instruction = &parse.instructions()[*index];
            let InstructionKind::Arg(declarations) = &instruction.kind else {
                continue;
            };
            for declaration in declarations {
                let name = declaration.name.to_string();
                let value = match (arguments.given.get(&name), &declaration.default) {
                    (Some(given), _) => given.clone(),
                    (None, Some(default)) => {
                        let lookup = |name: &str| arguments.global.get(name).cloned();
                        expand(default, parse.escape(), &lookup)
                            .map_err(|message| error_at(parse, instruction, &message))?
                    }
                    (None, None) => continue,
                };
                arguments.global.insert(name, value);
            }
        }
        Ok(arguments)
    }

    /// Gives an argument another value wherever it has one; without a value it is gone.
    pub(super) fn replace(&mut self, name: &str, value: Option<&str>) {
        for values in [&mut self.given, &mut self.global] {
            match value {
                Some(value) if values.contains_key(name) => {
                    values.insert(name.to_owned(), value.to_owned());
                }
                Some(_) => {}
                None => {
                    values.remove(name);
                }
            }
        }
    }

    /// The value of a declaration in a stage where `scope` is in force, if it gets one.
    pub(super) fn value(
        &self,
        declaration: &ArgDeclaration,
        scope: &Scope,
        escape: char,
    ) -> Result<Option<String>, String> {
        let name: &str = &declaration.name;
        if let Some(given) = self.given.get(name) {
            return Ok(Some(given.clone()));
        }
        match &declaration.default {
            Some(default) => {
                let lookup = |name: &str| scope.lookup(name).map(str::to_owned);
                expand(default, escape, &lookup).map(Some)
            }
            None => Ok(self.global.get(name).cloned()),
        }
    }
}

/// The predefined arguments (BuildKit: `defaultArgs`, dockerfile2llb/platform.go).
pub(super) fn predefined(graph: &StageGraph, request: &LowerRequest) -> BTreeMap<String, String> {
    let mut args = platform_args_of(request.platform(), &request.build_platform);
    let last = || graph.stages.last().and_then(|stage| stage.name.clone());
    if let Some(target) = request.target.clone().or_else(last) {
        args.insert("TARGETSTAGE".to_owned(), target);
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
