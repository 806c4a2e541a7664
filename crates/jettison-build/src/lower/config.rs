//! Instructions that change the image's configuration and no file.

use std::collections::BTreeSet;

use jettison_dockerfile::{CommandForm, Instruction, InstructionKind, KeyValue, SourceText};
use jettison_oci::HistoryEntry;

use crate::lower::quote::quoted_list;
use crate::lower::{LowerError, Lowering, Place, StageState};

/// The shell of shell-form commands where no `SHELL` was given.
const DEFAULT_SHELL: [&str; 2] = ["/bin/sh", "-c"];

impl Lowering<'_> {
    pub(super) fn instruction(
        &mut self,
        state: &mut StageState,
        instruction: &Instruction,
        place: Place<'_>,
    ) -> Result<(), LowerError> {
        match &instruction.kind {
            InstructionKind::Run(run) => self.run(state, instruction, run, place),
            InstructionKind::Copy(copy) => self.copy(state, instruction, copy, place),
            InstructionKind::Workdir(path) => self.workdir(state, instruction, path, place),
            InstructionKind::Env(pairs) => self.env(state, instruction, pairs),
            InstructionKind::Label(pairs) => self.label(state, instruction, pairs),
            InstructionKind::Arg(arguments) => {
                let mut shown = vec!["ARG".to_string()];
                for argument in arguments {
                    let declared = state
                        .scope
                        .declare(argument, self.request, self.parse.escape())
                        .map_err(|e| self.error(instruction, &e))?;
                    shown.push(declared);
                }
                state.note(shown.join(" "));
                Ok(())
            }
            InstructionKind::Cmd(form) => {
                let argv = command(state, form);
                state.note(format!("CMD {}", quoted_list(&argv)));
                state.config.cmd = Some(argv);
                state.config.args_escaped = true;
                state.cmd_was_set = true;
                Ok(())
            }
            InstructionKind::Entrypoint(form) => {
                let argv = command(state, form);
                state.note(format!("ENTRYPOINT {}", quoted_list(&argv)));
                state.config.entrypoint = Some(argv);
                // A CMD of the base belonged to the base's entry point.
                if !state.cmd_was_set {
                    state.config.cmd = None;
                }
                Ok(())
            }
            InstructionKind::Expose(ports) => self.expose(state, instruction, ports),
            InstructionKind::User(user) => {
                let user = self.expand(state, instruction, user)?;
                state.note(format!("USER {user}"));
                state.config.user = user;
                Ok(())
            }
            InstructionKind::From(_)
            | InstructionKind::Add(_)
            | InstructionKind::Volume(_)
            | InstructionKind::Shell(_)
            | InstructionKind::Stopsignal(_)
            | InstructionKind::Healthcheck(_)
            | InstructionKind::Onbuild(_)
            | InstructionKind::Maintainer(_) => {
                let message = format!("{} is not supported yet", instruction.keyword);
                Err(self.error(instruction, &message))
            }
            InstructionKind::Unknown | InstructionKind::Invalid => {
                Err(self.error(instruction, "this instruction could not be understood"))
            }
        }
    }

    pub(super) fn expand(
        &self,
        state: &StageState,
        instruction: &Instruction,
        word: &str,
    ) -> Result<String, LowerError> {
        state
            .scope
            .expand(word, self.parse.escape())
            .map_err(|e| self.error(instruction, &e))
    }

    fn env(
        &self,
        state: &mut StageState,
        instruction: &Instruction,
        pairs: &[KeyValue],
    ) -> Result<(), LowerError> {
        // Every pair sees the values from before the instruction.
        let mut shown = vec!["ENV".to_string()];
        let mut new = Vec::new();
        for pair in pairs {
            let key = self.key(state, instruction, &pair.key)?;
            let value = self.expand(state, instruction, &pair.value)?;
            shown.push(format!("{key}={value}"));
            new.push((key, value));
        }
        for (key, value) in new {
            set_variable(&mut state.config.env, &key, &value);
            state.scope.set(&key, &value);
        }
        state.note(shown.join(" "));
        Ok(())
    }

    /// A name that is being set; it cannot be blank.
    fn key(
        &self,
        state: &StageState,
        instruction: &Instruction,
        word: &str,
    ) -> Result<String, LowerError> {
        let key = self.expand(state, instruction, word)?;
        if key.is_empty() {
            let message = format!("{} names can not be blank", instruction.keyword);
            return Err(self.error(instruction, &message));
        }
        Ok(key)
    }

    fn label(
        &self,
        state: &mut StageState,
        instruction: &Instruction,
        pairs: &[KeyValue],
    ) -> Result<(), LowerError> {
        let mut shown = vec!["LABEL".to_string()];
        for pair in pairs {
            let key = self.key(state, instruction, &pair.key)?;
            let value = self.expand(state, instruction, &pair.value)?;
            shown.push(format!("{key}={value}"));
            state.config.labels.insert(key, value);
        }
        state.note(shown.join(" "));
        Ok(())
    }

    fn expose(
        &self,
        state: &mut StageState,
        instruction: &Instruction,
        ports: &[SourceText],
    ) -> Result<(), LowerError> {
        let mut all = BTreeSet::new();
        for word in ports {
            let words = state
                .scope
                .expand_words(word, self.parse.escape())
                .map_err(|e| self.error(instruction, &e))?;
            for word in words {
                all.extend(exposed_ports(&word).map_err(|e| self.error(instruction, &e))?);
            }
        }
        let shown: Vec<&str> = all.iter().map(String::as_str).collect();
        state.note(format!("EXPOSE [{}]", shown.join(" ")));
        state.config.exposed_ports.append(&mut all);
        Ok(())
    }
}

impl StageState {
    /// Adds a history entry for an instruction that makes no layer.
    pub(super) fn note(&mut self, created_by: String) {
        self.history.push(history_entry(created_by, true));
    }
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
pub(super) fn command(state: &StageState, form: &CommandForm) -> Vec<String> {
    match form {
        CommandForm::Exec(argv) => argv.clone(),
        CommandForm::Shell(text) => in_shell(state, text),
    }
}

/// `text` as the stage's shell runs it.
pub(super) fn in_shell(state: &StageState, text: &str) -> Vec<String> {
    let mut argv = match &state.config.shell {
        Some(shell) if !shell.is_empty() => shell.clone(),
        _ => DEFAULT_SHELL.map(str::to_string).to_vec(),
    };
    argv.push(text.to_string());
    argv
}

fn set_variable(env: &mut Vec<String>, key: &str, value: &str) {
    let pair = format!("{key}={value}");
    let prefix = format!("{key}=");
    match env.iter_mut().find(|known| known.starts_with(&prefix)) {
        Some(slot) => *slot = pair,
        None => env.push(pair),
    }
}

/// The `port/protocol` keys of one word such as `80`, `53/udp` or `8000-8010/tcp`.
fn exposed_ports(word: &str) -> Result<Vec<String>, String> {
    let (range, protocol) = word.split_once('/').unwrap_or((word, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !["tcp", "udp", "sctp"].contains(&protocol.as_str()) {
        return Err(format!("invalid proto: {protocol}"));
    }
    // `ip:host:container` is accepted by BuildKit; only the container's port counts.
    let range = range.rsplit(':').next().unwrap_or(range);
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let number = |text: &str| {
        text.parse::<u16>()
            .map_err(|_| format!("invalid containerPort: {word}"))
    };
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        return Err(format!("invalid containerPort: {word}"));
    }
    Ok((first..=last)
        .map(|port| format!("{port}/{protocol}"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(word: &str, expected: Expect) {
        expected.assert_eq(&match exposed_ports(word) {
            Ok(ports) => ports.join(" "),
            Err(error) => format!("error: {error}"),
        });
    }

    #[test]
    fn a_port_without_a_protocol_is_tcp() {
        check("80", expect!["80/tcp"]);
    }

    #[test]
    fn a_range_is_one_key_for_each_port() {
        check("8000-8002/UDP", expect!["8000/udp 8001/udp 8002/udp"]);
    }

    #[test]
    fn an_address_before_the_port_is_dropped() {
        check("127.0.0.1:80:8080", expect!["8080/tcp"]);
    }

    #[test]
    fn what_is_not_a_port_is_an_error() {
        check("http", expect!["error: invalid containerPort: http"]);
        check("99999", expect!["error: invalid containerPort: 99999"]);
        check("9-1", expect!["error: invalid containerPort: 9-1"]);
        check("80/icmp", expect!["error: invalid proto: icmp"]);
    }

    #[test]
    fn setting_a_variable_again_keeps_its_place() {
        let mut env = vec!["A=1".to_string(), "AB=2".to_string()];
        set_variable(&mut env, "A", "3");
        set_variable(&mut env, "C", "4");
        assert_eq!(env, ["A=3", "AB=2", "C=4"]);
    }
}
