//! The programs that were installed together with one that is used.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Keeper, UseKind};
use crate::evidence::installed::installed_beside;
use crate::evidence::owner::Owner;
use crate::evidence::program::find_program;
use crate::evidence::script::script_interpreter;
use crate::rootfs::{RootError, if_there};

/// The largest script that is looked at, in bytes.
const SCRIPT_LIMIT: u64 = 4 << 20;

impl Keeper<'_> {
    /// Keeps the programs that an instruction has installed beside one that is used, with what they need. Scripts only if their
    /// interpreter is kept: what nothing in the image can run is left out, as `--explain` tells.
    pub(super) fn add_installed(&mut self) -> Result<(), RootError> {
        let mut seen = BTreeSet::new();
        let places: Vec<PathBuf> = self
            .kept
            .used
            .iter()
            .filter(|path| !self.owners.is_packaged(path))
            .cloned()
            .collect();
        for place in places {
            if !seen.insert(place.clone()) {
                continue;
            }
            // Those lists have a script of each module, and modules are units of their own.
            if self.owners.is_script_of_a_module(&place) {
                continue;
            }
            let beside = (place.as_path(), self.path_env.as_str());
            for program in installed_beside(self.root, self.owners.steps(), beside)? {
                if seen.insert(program.clone()) && self.goes_along(&program)? {
                    let reason = format!("it was installed together with {}", place.display());
                    self.add(&program, UseKind::Looked, &reason)?;
                }
            }
        }
        Ok(())
    }

    /// Whether `program`, which lies beside one that is used, belongs to nothing else and can be started.
    fn goes_along(&mut self, program: &Path) -> Result<bool, RootError> {
        if self.kept.used.contains(program) || self.owners.is_script_of_a_module(program) {
            return Ok(false);
        }
        let Some(found) = if_there(self.root.resolve(program))? else {
            return Ok(false);
        };
        let real = found.real_path;
        match self.owners.of(&real) {
            Owner::Package(_) | Owner::Module(_) | Owner::Base => return Ok(false),
            Owner::Instruction(_) => {}
        }
        if self.root.head(&real, 2)? != b"#!" {
            return Ok(true);
        }
        let bytes = self.root.read(&real, SCRIPT_LIMIT)?;
        Ok(self.starts_with_what_is_kept(&bytes))
    }

    /// Whether the interpreter of a script is kept.
    fn starts_with_what_is_kept(&mut self, script: &[u8]) -> bool {
        let Some(interpreter) = script_interpreter(script) else {
            return false;
        };
        let named = if interpreter.path.ends_with("env") {
            let words = interpreter.argument.unwrap_or_default();
            let name = words.split_whitespace().find(|word| !word.starts_with('-'));
            name.and_then(|name| {
                find_program(self.root, name, &self.working_dir, &self.path_env).ok()
            })
        } else {
            Some(interpreter.path)
        };
        // Nothing starts a script whose interpreter is not there.
        let real = named.and_then(|path| self.root.resolve(&path).ok());
        real.is_some_and(|found| match self.owners.of(&found.real_path) {
            Owner::Package(package) => self.kept.packages.contains_key(&package),
            Owner::Module(_) | Owner::Instruction(_) | Owner::Base => self.covers(&found.real_path),
        })
    }
}
