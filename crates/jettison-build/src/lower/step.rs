//! Instructions that become steps: `RUN`, `COPY` and `WORKDIR`.

use jettison_dockerfile::{
    CopyInstruction, CopySource, Instruction, RunInstruction, RunScript, SourceName,
};

use crate::lower::config::{history_entry, in_shell};
use crate::lower::{LowerError, Lowering, Place, StageState};
use crate::plan::{
    Archives, Chmod, CopyDefinition, CopyFrom, CopyItem, Definition, Hints, Input, RunDefinition,
    RunNetwork, RunSecurity, Step, StepId, WorkdirDefinition,
};

impl Lowering<'_> {
    pub(super) fn run(
        &mut self,
        state: &mut StageState,
        instruction: &Instruction,
        run: &RunInstruction,
        place: Place<'_>,
    ) -> Result<(), LowerError> {
        if !run.mounts.is_empty() {
            return Err(self.error(instruction, "RUN --mount is not supported yet"));
        }
        if run
            .security
            .as_deref()
            .is_some_and(|mode| mode != "sandbox")
        {
            return Err(self.error(instruction, "RUN --security=insecure is not supported yet"));
        }
        if !run.devices.is_empty() {
            return Err(self.error(instruction, "RUN --device is not supported yet"));
        }
        let network = match run.network.as_deref() {
            None | Some("default") => RunNetwork::Default,
            Some("host") => RunNetwork::Host,
            Some("none") => RunNetwork::None,
            Some(other) => {
                let message = format!("unsupported network mode {other:?}");
                return Err(self.error(instruction, &message));
            }
        };
        let argv = match run.script(&instruction.heredocs) {
            RunScript::Exec(argv) => argv,
            RunScript::Shell(script) => in_shell(state, &script),
            RunScript::File { .. } => {
                let message = "a here-document with its own `#!` line is not supported yet";
                return Err(self.error(instruction, message));
            }
        };
        let created_by = run_history(state, &argv);
        let definition = RunDefinition {
            argv,
            env: state.scope.run_env(),
            working_dir: state.working_dir(),
            user: state.config.user.clone(),
            network,
            security: RunSecurity::Sandbox,
            mounts: Vec::new(),
            script: None,
            limits: self.request.limits.clone(),
        };
        self.push(state, instruction, place, Definition::Run(definition));
        state.history.push(history_entry(created_by, false));
        Ok(())
    }

    pub(super) fn copy(
        &mut self,
        state: &mut StageState,
        instruction: &Instruction,
        copy: &CopyInstruction,
        place: Place<'_>,
    ) -> Result<(), LowerError> {
        for (given, flag) in [
            (copy.parents, "--parents"),
            (copy.link, "--link"),
            (!copy.exclude.is_empty(), "--exclude"),
        ] {
            if given {
                let message = format!("COPY {flag} is not supported yet");
                return Err(self.error(instruction, &message));
            }
        }
        let mut sources = Vec::new();
        for source in &copy.sources {
            let CopySource::Path(path) = source else {
                return Err(self.error(instruction, "a here-document in COPY is not supported yet"));
            };
            sources.push(self.expand(state, instruction, path)?);
        }
        let written = self.expand(state, instruction, &copy.destination)?;
        let destination = absolute(&state.working_dir(), &written);
        let chown = match &copy.chown {
            Some(owner) => Some(self.expand(state, instruction, owner)?),
            None => None,
        };
        let chmod_text = match &copy.chmod {
            Some(mode) => Some(self.expand(state, instruction, mode)?),
            None => None,
        };
        let chmod = match &chmod_text {
            Some(mode) => Some(self.chmod(instruction, mode)?),
            None => None,
        };
        let from = match &copy.from {
            Some(name) => CopyFrom::Input(self.copy_from(instruction, name, place)?),
            None => CopyFrom::Context,
        };
        let mut created_by = vec!["COPY".to_string()];
        if let Some(owner) = &chown {
            created_by.push(format!("--chown={owner}"));
        }
        if let Some(mode) = &chmod_text {
            created_by.push(format!("--chmod={mode}"));
        }
        created_by.push(format!("{} {written} # buildkit", sources.join(" ")));
        let definition = CopyDefinition {
            from,
            sources: sources.into_iter().map(CopyItem::Path).collect(),
            destination,
            chown,
            chmod,
            exclude: Vec::new(),
            keeps_parents: false,
            is_linked: false,
            archives: Archives::Kept,
        };
        self.push(state, instruction, place, Definition::Copy(definition));
        state
            .history
            .push(history_entry(created_by.join(" "), false));
        Ok(())
    }

    fn chmod(&self, instruction: &Instruction, mode: &str) -> Result<Chmod, LowerError> {
        let is_octal = !mode.is_empty() && mode.bytes().all(|byte| byte.is_ascii_digit());
        match u32::from_str_radix(mode, 8) {
            Ok(bits) if is_octal && bits <= 0o7777 => Ok(Chmod::Octal(bits)),
            _ if is_octal => Err(self.error(instruction, &format!("invalid chmod parameter: '{mode}'. it should be octal string and between 0 and 07777"))),
            _ => Err(self.error(instruction, &format!("symbolic mode `{mode}` in --chmod is not supported yet"))),
        }
    }

    /// What `--from=name` copies from: a stage, else an image. A number is never an image
    /// (BuildKit: dockerfile2llb/convert.go, `toCommand`).
    fn copy_from(
        &mut self,
        instruction: &Instruction,
        name: &str,
        place: Place<'_>,
    ) -> Result<Input, LowerError> {
        let source = SourceName::Copy(name.to_owned());
        let found = self
            .graph
            .source(&source)
            .map_err(|error| self.error(instruction, &error.message))?;
        if let Some(stage) = found {
            return match self.done.get(&stage.index) {
                Some(done) => Ok(done.result),
                None => Err(self.error(
                    instruction,
                    &format!(
                        "cannot copy from stage {name:?}, it needs to be defined before current stage {:?}",
                        place.stage.label()
                    ),
                )),
            };
        }
        if name == "scratch" {
            return Ok(Input::Scratch);
        }
        Ok(Input::Base(self.base(instruction, name)?))
    }

    pub(super) fn workdir(
        &mut self,
        state: &mut StageState,
        instruction: &Instruction,
        path: &str,
        place: Place<'_>,
    ) -> Result<(), LowerError> {
        let written = self.expand(state, instruction, path)?;
        let path = absolute(&state.working_dir(), &written);
        let path = if path.len() > 1 {
            path.trim_end_matches('/').to_string()
        } else {
            path
        };
        state.config.working_dir.clone_from(&path);
        let created_by = format!("WORKDIR {path}");
        if path == "/" {
            state.note(created_by);
            return Ok(());
        }
        let definition = WorkdirDefinition {
            path,
            user: state.config.user.clone(),
        };
        self.push(state, instruction, place, Definition::Workdir(definition));
        state.history.push(history_entry(created_by, false));
        Ok(())
    }

    fn push(
        &mut self,
        state: &mut StageState,
        instruction: &Instruction,
        place: Place<'_>,
        definition: Definition,
    ) {
        let Place {
            stage,
            instruction: index,
            position,
            total,
        } = place;
        let label = match (&stage.name, self.graph.stages.len()) {
            (Some(name), _) => format!("{name} {position}/{total}"),
            (None, 1) => format!("{position}/{total}"),
            (None, _) => format!("stage-{} {position}/{total}", stage.index),
        };
        let text = one_line(instruction);
        self.steps.push(Step {
            definition,
            parent: state.result,
            hints: Hints {
                title: format!("[{label}] {text}"),
                stage: stage.index,
                instruction: index,
                line: instruction.line,
            },
        });
        state.result = Input::Step(StepId(self.steps.len() - 1));
    }
}

impl StageState {
    fn working_dir(&self) -> String {
        if self.config.working_dir.is_empty() {
            "/".to_string()
        } else {
            self.config.working_dir.clone()
        }
    }
}

/// `RUN |2 A=1 B=2 /bin/sh -c make # buildkit` (BuildKit: `runCommandString`).
fn run_history(state: &StageState, argv: &[String]) -> String {
    let build_args = state.scope.shown_args();
    let mut words = vec!["RUN".to_string()];
    if !build_args.is_empty() {
        words.push(format!("|{}", build_args.len()));
        words.extend(build_args);
    }
    words.extend(argv.iter().cloned());
    words.push("# buildkit".to_string());
    words.join(" ")
}

/// `path` below `working_dir` unless it is absolute, without `.`, `..` and double slashes; a
/// trailing slash, which says "a directory", is kept.
fn absolute(working_dir: &str, path: &str) -> String {
    let joined = if path.starts_with('/') {
        path.to_string()
    } else {
        format!("{working_dir}/{path}")
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    let is_directory = path.ends_with('/') || path == "." || path.ends_with("/.");
    let slash = if is_directory && !parts.is_empty() {
        "/"
    } else {
        ""
    };
    format!("/{}{slash}", parts.join("/"))
}

/// An instruction in one line, for people.
fn one_line(instruction: &Instruction) -> String {
    let words = instruction.logical_line.split_whitespace().skip(1);
    let keyword = instruction.keyword.to_string();
    let words: Vec<&str> = std::iter::once(keyword.as_str()).chain(words).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(working_dir: &str, path: &str, expected: Expect) {
        expected.assert_eq(&absolute(working_dir, path));
    }

    #[test]
    fn a_relative_path_is_below_the_working_directory() {
        check("/app", "bin", expect!["/app/bin"]);
        check("/app", ".", expect!["/app/"]);
    }

    #[test]
    fn dots_do_not_leave_the_root() {
        check("/app", "../../../etc", expect!["/etc"]);
        check("/", "..", expect!["/"]);
    }

    #[test]
    fn a_trailing_slash_stays() {
        check("/", "/a//b/", expect!["/a/b/"]);
    }
}
