//! `RUN` (BuildKit: `dispatchRun`, dockerfile2llb/convert.go).

use jettison_dockerfile::{Instruction, RunInstruction, RunScript};

use crate::lower::config::in_shell;
use crate::lower::path;
use crate::lower::quote::quoted;
use crate::lower::request::Entitlement;
use crate::lower::{LowerError, Lowering, Place, StageState};
use crate::plan::{
    Definition, RunDefinition, RunLimits, RunMount, RunMountKind, RunNetwork, RunScriptFile,
    RunSecurity,
};

/// Where here-documents with a `#!` line of their own are mounted.
const PIPES: &str = "/dev/pipes";

impl Lowering<'_> {
    pub(super) fn run(
        &mut self,
        state: &mut StageState,
        instruction: &Instruction,
        run: &RunInstruction,
        place: Place<'_>,
    ) -> Result<(), LowerError> {
        self.can_run(state, place)?;
        let (argv, script) = match run.script(&instruction.heredocs) {
            RunScript::Exec(argv) => (argv, None),
            RunScript::Shell(script) => (in_shell(state, &script), None),
            RunScript::File { name, content } => {
                let program = path::clean(&format!("{PIPES}/{name}"));
                let text = content;
                let script = Some(RunScriptFile { name, text });
                (in_shell(state, &program), script)
            }
        };
        let mounts = self.mounts(state, run, place)?;
        if argv.is_empty() {
            return Err(self.error(place, "arguments are required"));
        }
        // None are there, and the others may be missing (BuildKit: `Manager.FindDevices`, llbsolver/cdidevices).
        if let Some(device) = run.required_device() {
            let message = format!("required device {} is not registered", quoted(&device));
            return Err(self.error(place, &message));
        }
        let created_by = format!("RUN {}", shown(state, &argv));
        let definition = RunDefinition {
            argv,
            env: env(state, &mounts),
            working_dir: state.working_dir().to_owned(),
            user: state.config.user.clone(),
            network: self.network(run, place)?,
            security: self.security(run, place)?,
            mounts,
            script,
            limits: self.limits(),
        };
        let step = (Definition::Run(definition), created_by);
        self.push(state, instruction, place, step);
        Ok(())
    }

    /// Refuses commands for processors that this host cannot run.
    fn can_run(&self, state: &StageState, place: Place<'_>) -> Result<(), LowerError> {
        let platform = &state.platform;
        let mut runnable = self.request.runnable.iter();
        let is_known = runnable.any(|known| {
            (&known.os, &known.architecture) == (&platform.os, &platform.architecture)
        });
        if is_known {
            return Ok(());
        }
        let mut error = self.located(
            place,
            &format!(
                "this host cannot run commands for {}",
                platform.normalized()
            ),
        );
        error.hints = vec![
            format!(
                "register an emulator for {} with binfmt_misc, such as qemu-user-static",
                platform.architecture
            ),
            "or run the command in a stage `FROM --platform=$BUILDPLATFORM` and copy its results"
                .to_owned(),
        ];
        Err(LowerError::Instruction(error))
    }

    fn network(&self, run: &RunInstruction, place: Place<'_>) -> Result<RunNetwork, LowerError> {
        match run.network.as_deref() {
            None | Some("default") => Ok(self.request.network),
            Some("host") => {
                self.allow(Entitlement::NetworkHost, place)?;
                Ok(RunNetwork::Host)
            }
            Some("none") => Ok(RunNetwork::None),
            Some(other) => {
                let message = format!("unsupported network mode {other:?}");
                Err(self.error(place, &message))
            }
        }
    }

    fn security(&self, run: &RunInstruction, place: Place<'_>) -> Result<RunSecurity, LowerError> {
        match run.security.as_deref() {
            None | Some("sandbox") => Ok(RunSecurity::Sandbox),
            Some("insecure") => {
                self.allow(Entitlement::SecurityInsecure, place)?;
                Ok(RunSecurity::Insecure)
            }
            Some(other) => {
                let message = format!("unsupported security mode {other:?}");
                Err(self.error(place, &message))
            }
        }
    }

    /// Refuses what the user has not allowed (BuildKit: `Set.Check`, util/entitlements/entitlements.go).
    fn allow(&self, entitlement: Entitlement, place: Place<'_>) -> Result<(), LowerError> {
        if self.request.allowed.contains(&entitlement) {
            return Ok(());
        }
        let name = entitlement.name();
        let mut error = self.located(place, &format!("{name} is not allowed"));
        error.hints = vec![format!("allow it with --allow {name}")];
        Err(LowerError::Instruction(error))
    }

    fn limits(&self) -> RunLimits {
        let mut limits = self.request.limits.clone();
        let hostname = self.request.build_args.get("BUILDKIT_SANDBOX_HOSTNAME");
        if let Some(hostname) = hostname.filter(|hostname| !hostname.is_empty()) {
            limits.hostname = Some(hostname.clone());
        }
        limits
    }
}

/// The environment of a command: what words see, and where the first agent's socket is.
fn env(state: &StageState, mounts: &[RunMount]) -> Vec<(String, String)> {
    let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let mut env: Vec<(String, String)> = state.scope.variables().into_iter().map(pair).collect();
    let is_agent = |mount: &&RunMount| matches!(mount.kind, RunMountKind::Ssh { .. });
    let socket = mounts.iter().find(is_agent);
    if let Some(socket) = socket.and_then(|mount| mount.target.clone())
        && state.scope.lookup("SSH_AUTH_SOCK").is_none()
    {
        env.push(("SSH_AUTH_SOCK".to_owned(), socket));
    }
    env
}

/// `|2 A=1 B=2 /bin/sh -c make # buildkit`: every declared argument once, with the value that the command sees
/// (BuildKit: `runCommandString`).
fn shown(state: &StageState, argv: &[String]) -> String {
    let mut arguments: Vec<(&str, &str)> = Vec::new();
    for (name, declared) in state.scope.declarations() {
        let value = state.scope.lookup(name).or(declared).unwrap_or_default();
        match arguments.iter_mut().find(|(known, _)| *known == name) {
            Some(argument) => argument.1 = value,
            None => arguments.push((name, value)),
        }
    }
    let mut words = Vec::new();
    if !arguments.is_empty() {
        words.push(format!("|{}", arguments.len()));
        words.extend(
            arguments
                .iter()
                .map(|(name, value)| format!("{name}={value}")),
        );
    }
    words.extend(argv.iter().cloned());
    words.push("# buildkit".to_string());
    words.join(" ")
}
