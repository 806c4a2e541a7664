//! A program run on files that were laid out, in a sandbox without a network.

use std::path::PathBuf;

use jettison_sandbox::{
    Entered, Input, KernelDirectories, MissingCwd, Mount, Network, Output, OutputMode, Resources,
    Rootfs, Sandbox, SandboxError, Security, Terminal, Tracing, User,
};

/// A program, and what it sees.
#[derive(Debug)]
pub(super) struct Program<'a> {
    /// The files.
    pub(super) rootfs: Rootfs,
    /// What is mounted over them.
    pub(super) mounts: Vec<Mount>,
    /// The program and its arguments.
    pub(super) argv: Vec<String>,
    /// Its environment.
    pub(super) env: &'a [(&'a str, &'a str)],
    /// Where it starts.
    pub(super) cwd: &'a str,
    /// Whether what it says and what it complains of are told apart.
    pub(super) output: OutputMode,
}

impl Program<'_> {
    /// Runs it to its end, as the root of its sandbox.
    pub(super) fn run(self, entered: &Entered) -> Result<Output, SandboxError> {
        let variables = self.env.iter();
        let sandbox = Sandbox {
            rootfs: self.rootfs,
            mounts: self.mounts,
            argv: self.argv,
            env: variables
                .map(|(name, value)| ((*name).to_string(), (*value).to_string()))
                .collect(),
            cwd: PathBuf::from(self.cwd),
            missing_cwd: MissingCwd::Refused,
            user: User {
                uid: 0,
                gid: 0,
                groups: Vec::new(),
            },
            hostname: "debian".to_string(),
            network: Network::None,
            stdin: Input::Null,
            output: self.output,
            terminal: Terminal::None,
            time_limit: None,
            read_only: false,
            security: Security::Confined,
            ulimits: Vec::new(),
            shm_size: None,
            resources: Resources::UNLIMITED,
            kernel_directories: KernelDirectories::Removed,
            tracing: Tracing::Off,
        };
        sandbox.spawn(entered)?.wait_with_output()
    }
}

/// The last `count` lines of what a program said.
pub(super) fn last_lines(said: &[u8], count: usize) -> String {
    let text = String::from_utf8_lossy(said);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_shown() {
        assert_eq!(last_lines(b"a\nb\nc\n", 2), "b\nc");
        assert_eq!(last_lines(b"a\n", 2), "a");
        assert_eq!(last_lines(b"", 2), "");
    }
}
