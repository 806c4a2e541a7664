//! Instructions that change the image's configuration and no file, and `WORKDIR`.

use jettison_dockerfile::{
    ArgDeclaration, CommandForm, Instruction, InstructionKind, KeyValue, SourceText, exposed_ports,
    is_signal,
};
use jettison_oci::HistoryEntry;

use crate::lower::health;
use crate::lower::path;
use crate::lower::quote::quoted_list;
use crate::lower::{LowerError, Lowering, Place, StageState};
use crate::plan::{Definition, WorkdirDefinition};

/// The shell of shell-form commands where no `SHELL` was given.
const DEFAULT_SHELL: [&str; 2] = ["/bin/sh", "-c"];
/// The same for Windows.
const WINDOWS_SHELL: [&str; 3] = ["cmd", "/S", "/C"];

/// What an instruction says in the history, if it is there.
type Note = Result<Option<String>, LowerError>;

impl Lowering<'_> {
    pub(super) fn instruction(
        &mut self,
        state: &mut StageState,
        instruction: &Instruction,
        place: Place<'_>,
    ) -> Result<(), LowerError> {
        match &instruction.kind {
            InstructionKind::Run(run) => self.run(state, instruction, run, place),
            InstructionKind::Copy(copy) | InstructionKind::Add(copy) => {
                self.copy(state, instruction, copy, place)
            }
            InstructionKind::Workdir(path) => self.workdir(state, instruction, path, place),
            InstructionKind::From(_)
            | InstructionKind::Cmd(_)
            | InstructionKind::Entrypoint(_)
            | InstructionKind::Label(_)
            | InstructionKind::Env(_)
            | InstructionKind::Arg(_)
            | InstructionKind::Expose(_)
            | InstructionKind::Volume(_)
            | InstructionKind::User(_)
            | InstructionKind::Shell(_)
            | InstructionKind::Stopsignal(_)
            | InstructionKind::Healthcheck(_)
            | InstructionKind::Onbuild(_)
            | InstructionKind::Maintainer(_)
            | InstructionKind::Unknown
            | InstructionKind::Invalid => {
                if let Some(created_by) = self.configure(state, &instruction.kind, place)? {
                    state.history.push(history_entry(created_by, true));
                }
                Ok(())
            }
        }
    }

    /// Changes the configuration.
    fn configure(&self, state: &mut StageState, kind: &InstructionKind, place: Place<'_>) -> Note {
        match kind {
            InstructionKind::Env(pairs) => self.env(state, pairs, place),
            InstructionKind::Label(pairs) => self.label(state, pairs, place),
            InstructionKind::Arg(declarations) => self.arg(state, declarations, place),
            InstructionKind::Cmd(form) => {
                let argv = command(state, form);
                let note = format!("CMD {}", quoted_list(&argv));
                state.config.cmd = some(argv);
                state.config.args_escaped = true;
                state.cmd_was_set = true;
                Ok(Some(note))
            }
            InstructionKind::Entrypoint(form) => {
                let argv = command(state, form);
                let note = format!("ENTRYPOINT {}", quoted_list(&argv));
                state.config.entrypoint = some(argv);
                // A CMD of the base belonged to the base's entry point.
                if !state.cmd_was_set {
                    state.config.cmd = None;
                }
                Ok(Some(note))
            }
            InstructionKind::Expose(ports) => self.expose(state, ports, place),
            InstructionKind::Volume(paths) => self.volume(state, paths, place),
            InstructionKind::User(user) => {
                state.config.user = self.expand(state, place, user)?;
                Ok(Some(format!("USER {}", state.config.user)))
            }
            InstructionKind::Shell(shell) => {
                state.config.shell = some(shell.clone());
                Ok(Some(format!("SHELL [{}]", shell.join(" "))))
            }
            InstructionKind::Stopsignal(signal) => {
                let signal = self.expand(state, place, signal)?;
                if !is_signal(&signal) {
                    return Err(self.error(place, &format!("invalid signal: {signal}")));
                }
                let note = format!("STOPSIGNAL {signal}");
                state.config.stop_signal = Some(signal);
                Ok(Some(note))
            }
            InstructionKind::Healthcheck(check) => {
                state.config.healthcheck = Some(health::config(check));
                Ok(Some(health::shown(check)))
            }
            InstructionKind::Onbuild(onbuild) => {
                state.config.on_build.push(onbuild.expression.clone());
                Ok(None)
            }
            InstructionKind::Maintainer(maintainer) => {
                state.author = some(maintainer.to_string());
                Ok(Some(format!("MAINTAINER {maintainer}")))
            }
            InstructionKind::From(_)
            | InstructionKind::Run(_)
            | InstructionKind::Copy(_)
            | InstructionKind::Add(_)
            | InstructionKind::Workdir(_)
            | InstructionKind::Unknown
            | InstructionKind::Invalid => {
                Err(self.error(place, "this instruction could not be understood"))
            }
        }
    }

    fn env(&self, state: &mut StageState, pairs: &[KeyValue], place: Place<'_>) -> Note {
        // Every pair sees the values from before the instruction.
        let pairs = self.pairs(state, pairs, place)?;
        for (key, value) in &pairs {
            set_variable(&mut state.config.env, key, value);
            state.scope.set_env(key, value);
        }
        Ok(Some(note("ENV", &pairs)))
    }

    fn label(&self, state: &mut StageState, pairs: &[KeyValue], place: Place<'_>) -> Note {
        let pairs = self.pairs(state, pairs, place)?;
        let note = note("LABEL", &pairs);
        state.config.labels.extend(pairs);
        Ok(Some(note))
    }

    fn pairs(
        &self,
        state: &StageState,
        pairs: &[KeyValue],
        place: Place<'_>,
    ) -> Result<Vec<(String, String)>, LowerError> {
        let expanded = pairs.iter().map(|pair| {
            let key = self.expand(state, place, &pair.key)?;
            Ok((key, self.expand(state, place, &pair.value)?))
        });
        expanded.collect()
    }

    fn arg(
        &self,
        state: &mut StageState,
        declarations: &[ArgDeclaration],
        place: Place<'_>,
    ) -> Note {
        let mut shown = vec!["ARG".to_string()];
        for declaration in declarations {
            let value = self
                .arguments
                .value(declaration, &state.scope, self.parse.escape())
                .map_err(|message| self.error(place, &message))?;
            shown.push(match &value {
                Some(value) => format!("{}={value}", declaration.name),
                None => declaration.name.to_string(),
            });
            state.scope.declare(declaration, value.as_deref());
        }
        Ok(Some(shown.join(" ")))
    }

    fn expose(&self, state: &mut StageState, ports: &[SourceText], place: Place<'_>) -> Note {
        let mut words = Vec::new();
        for port in ports {
            words.extend(self.expand_words(state, place, port)?);
        }
        let mut exposed = Vec::new();
        for word in &words {
            exposed.extend(exposed_ports(word).map_err(|message| self.error(place, &message))?);
        }
        let note = format!("EXPOSE [{}]", exposed.join(" "));
        state.config.exposed_ports.extend(exposed);
        Ok(Some(note))
    }

    fn volume(&self, state: &mut StageState, paths: &[SourceText], place: Place<'_>) -> Note {
        let mut volumes = Vec::new();
        for path in paths {
            volumes.push(self.expand(state, place, path)?);
        }
        if volumes.iter().any(String::is_empty) {
            let message = "VOLUME specified can not be an empty string";
            return Err(self.error(place, message));
        }
        let note = format!("VOLUME [{}]", volumes.join(" "));
        state.config.volumes.extend(volumes);
        Ok(Some(note))
    }

    fn workdir(
        &mut self,
        state: &mut StageState,
        instruction: &Instruction,
        written: &str,
        place: Place<'_>,
    ) -> Result<(), LowerError> {
        let written = self.expand(state, place, written)?;
        let is_windows = state.platform.os == "windows";
        let current = if is_windows {
            state.config.working_dir.replace('\\', "/")
        } else {
            state.config.working_dir.clone()
        };
        let directory = path::working_dir(&current, &written);
        state.config.working_dir = if is_windows {
            directory.replace('/', "\\")
        } else {
            directory.clone()
        };
        let created_by = format!("WORKDIR {directory}");
        if directory == "/" {
            state.history.push(history_entry(created_by, true));
            return Ok(());
        }
        let definition = WorkdirDefinition {
            path: path::clean(&directory),
            user: state.config.user.clone(),
            time: self.epoch,
        };
        let step = (Definition::Workdir(definition), created_by);
        self.push(state, instruction, place, step);
        Ok(())
    }
}

/// Nothing, if there is nothing in it: an empty list is not written into a configuration.
fn some<T: Default + PartialEq>(value: T) -> Option<T> {
    (value != T::default()).then_some(value)
}

fn note(keyword: &str, pairs: &[(String, String)]) -> String {
    let mut words = vec![keyword.to_owned()];
    words.extend(pairs.iter().map(|(key, value)| format!("{key}={value}")));
    words.join(" ")
}

/// A history entry as BuildKit writes it; the time is filled in when the image is made.
pub(super) fn history_entry(created_by: String, empty_layer: bool) -> HistoryEntry {
    HistoryEntry {
        created_by: Some(created_by),
        comment: Some("buildkit.dockerfile.v0".to_string()),
        empty_layer,
        ..HistoryEntry::default()
    }
}

/// The command line that a form stands for.
fn command(state: &StageState, form: &CommandForm) -> Vec<String> {
    match form {
        CommandForm::Exec(argv) => argv.clone(),
        CommandForm::Shell(text) => in_shell(state, text),
    }
}

/// `text` as the stage's shell runs it.
pub(super) fn in_shell(state: &StageState, text: &str) -> Vec<String> {
    let mut argv = match &state.config.shell {
        Some(shell) if !shell.is_empty() => shell.clone(),
        _ if state.platform.os == "windows" => WINDOWS_SHELL.map(str::to_string).to_vec(),
        _ => DEFAULT_SHELL.map(str::to_string).to_vec(),
    };
    argv.push(text.to_string());
    argv
}

fn set_variable(env: &mut Vec<String>, key: &str, value: &str) {
    let pair = format!("{key}={value}");
    let is_it = |known: &&mut String| known.split('=').next() == Some(key);
    match env.iter_mut().find(is_it) {
        Some(slot) => *slot = pair,
        None => env.push(pair),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_a_variable_again_keeps_its_place() {
        let mut env = vec!["A=1".to_string(), "AB=2".to_string(), "B".to_string()];
        set_variable(&mut env, "A", "3");
        set_variable(&mut env, "C", "4");
        set_variable(&mut env, "B", "5");
        assert_eq!(env, ["A=3", "AB=2", "B=5", "C=4"]);
    }
}
