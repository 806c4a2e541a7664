//! Running an image's own program.

use std::path::PathBuf;
use std::time::Duration;

use jettison_oci::ImageConfig;
use jettison_sandbox::{
    Input, KernelDirectories, MissingCwd, Network, OutputMode, ResolvedUser, Rootfs, Sandbox,
    Security, Terminal, Tracing,
};

use crate::error::BuildError;
use crate::exec::run::host::RunHost;
use crate::exec::run::user::find_user;

/// How an image's program is to be started.
#[derive(Clone, Debug)]
pub struct ImageProcess {
    /// Arguments that replace the image's `CMD`; `None` keeps it.
    pub arguments: Option<Vec<String>>,
    /// Replaces the image's `ENTRYPOINT`; an empty list removes it.
    pub entrypoint: Option<Vec<String>>,
    /// Variables on top of the image's.
    pub env: Vec<(String, String)>,
    /// What it reads.
    pub stdin: Input,
    /// Where its output goes.
    pub output: OutputMode,
    /// Whether it gets the caller's terminal.
    pub terminal: Terminal,
    /// Whether it reaches the network.
    pub network: Network,
    /// After this time it is killed.
    pub time_limit: Option<Duration>,
}

/// The command line that `process` starts, after Docker's rules for `ENTRYPOINT` and `CMD`.
fn command_line(config: &ImageConfig, process: &ImageProcess) -> Vec<String> {
    let config = &config.config;
    let mut argv = match &process.entrypoint {
        Some(replaced) => replaced.clone(),
        None => config.entrypoint.clone().unwrap_or_default(),
    };
    match &process.arguments {
        Some(arguments) => argv.extend(arguments.iter().cloned()),
        // A replaced entry point does not get the image's CMD.
        None if process.entrypoint.is_none() => argv.extend(config.cmd.clone().unwrap_or_default()),
        None => {}
    }
    argv
}

/// A sandbox that runs an image's program on `lowers`. What the program writes is thrown away.
pub fn image_sandbox(
    host: &RunHost,
    config: &ImageConfig,
    lowers: &[PathBuf],
    process: &ImageProcess,
) -> Result<Sandbox, BuildError> {
    let argv = command_line(config, process);
    if argv.is_empty() {
        return Err(BuildError::NoCommand);
    }
    let found = find_user(lowers, &config.config.user)?;
    let ResolvedUser { user, home } = found.map_err(|error| BuildError::User {
        user: config.config.user.clone(),
        reason: error.to_string(),
    })?;
    let mut env: Vec<(String, String)> = config
        .config
        .env
        .iter()
        .map(|pair| match pair.split_once('=') {
            Some((name, value)) => (name.to_string(), value.to_string()),
            None => (pair.clone(), String::new()),
        })
        .collect();
    for (name, value) in &process.env {
        env.retain(|(known, _)| known != name);
        env.push((name.clone(), value.clone()));
    }
    for (name, value) in [
        ("HOME", home.as_str()),
        ("HOSTNAME", "jettison"),
        ("PATH", crate::lower::DEFAULT_PATH),
    ] {
        if !env.iter().any(|(known, _)| known == name) {
            env.push((name.to_string(), value.to_string()));
        }
    }
    let working_dir = if config.config.working_dir.is_empty() {
        "/"
    } else {
        &config.config.working_dir
    };
    Ok(Sandbox {
        rootfs: Rootfs {
            lowers: lowers.to_vec(),
            upper: None,
        },
        mounts: host.mounts(process.network),
        argv,
        env,
        cwd: PathBuf::from(working_dir),
        missing_cwd: MissingCwd::Created,
        user,
        hostname: "jettison".to_string(),
        network: process.network,
        stdin: process.stdin.clone(),
        output: process.output,
        terminal: process.terminal,
        time_limit: process.time_limit,
        read_only: false,
        security: Security::Confined,
        ulimits: Vec::new(),
        shm_size: None,
        resources: host.resources.clone(),
        kernel_directories: KernelDirectories::Removed,
        tracing: Tracing::Off,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jettison_oci::RunConfig;

    fn check(
        entrypoint: Option<&[&str]>,
        cmd: &[&str],
        process: (Option<&[&str]>, Option<&[&str]>),
        expected: &[&str],
    ) {
        let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let config = ImageConfig {
            config: RunConfig {
                entrypoint: entrypoint.map(owned),
                cmd: Some(owned(cmd)),
                ..RunConfig::default()
            },
            ..ImageConfig::default()
        };
        let process = ImageProcess {
            entrypoint: process.0.map(owned),
            arguments: process.1.map(owned),
            env: Vec::new(),
            stdin: Input::Null,
            output: OutputMode::Piped,
            terminal: Terminal::None,
            network: Network::None,
            time_limit: None,
        };
        assert_eq!(command_line(&config, &process), expected);
    }

    #[test]
    fn arguments_replace_cmd_and_not_entrypoint() {
        check(Some(&["app"]), &["serve"], (None, None), &["app", "serve"]);
        check(
            Some(&["app"]),
            &["serve"],
            (None, Some(&["help"])),
            &["app", "help"],
        );
        check(None, &["app"], (None, Some(&["sh"])), &["sh"]);
    }

    #[test]
    fn a_replaced_entrypoint_drops_cmd() {
        check(Some(&["app"]), &["serve"], (Some(&["sh"]), None), &["sh"]);
        check(
            Some(&["app"]),
            &["serve"],
            (Some(&["sh"]), Some(&["-c"])),
            &["sh", "-c"],
        );
    }
}
