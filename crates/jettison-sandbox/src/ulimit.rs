//! Limits that the kernel keeps for single processes, by the names that Docker has for them.

use std::fmt;
use std::str::FromStr;

use rustix::process::{Resource, Rlimit};

/// A limit on what each process may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ulimit {
    /// What is limited.
    pub kind: UlimitKind,
    /// What holds at first, in the units of setrlimit(2); `None` is no limit.
    pub soft: Option<u64>,
    /// What the program itself may raise it to; `None` is no limit.
    pub hard: Option<u64>,
}

/// What a [`Ulimit`] limits. See setrlimit(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum UlimitKind {
    /// Bytes of address space.
    As,
    /// Bytes of a core dump.
    Core,
    /// Seconds of CPU time.
    Cpu,
    /// Bytes of data.
    Data,
    /// Bytes of a file.
    Fsize,
    /// Locks on files.
    Locks,
    /// Bytes of locked memory.
    Memlock,
    /// Bytes in message queues.
    Msgqueue,
    /// How far the priority may be raised.
    Nice,
    /// File descriptors.
    Nofile,
    /// Processes of the user.
    Nproc,
    /// Bytes of resident memory.
    Rss,
    /// The real-time priority.
    Rtprio,
    /// Microseconds of real-time scheduling.
    Rttime,
    /// Queued signals.
    Sigpending,
    /// Bytes of stack.
    Stack,
}

const NAMES: [(UlimitKind, &str, Resource); 16] = [
    (UlimitKind::As, "as", Resource::As),
    (UlimitKind::Core, "core", Resource::Core),
    (UlimitKind::Cpu, "cpu", Resource::Cpu),
    (UlimitKind::Data, "data", Resource::Data),
    (UlimitKind::Fsize, "fsize", Resource::Fsize),
    (UlimitKind::Locks, "locks", Resource::Locks),
    (UlimitKind::Memlock, "memlock", Resource::Memlock),
    (UlimitKind::Msgqueue, "msgqueue", Resource::Msgqueue),
    (UlimitKind::Nice, "nice", Resource::Nice),
    (UlimitKind::Nofile, "nofile", Resource::Nofile),
    (UlimitKind::Nproc, "nproc", Resource::Nproc),
    (UlimitKind::Rss, "rss", Resource::Rss),
    (UlimitKind::Rtprio, "rtprio", Resource::Rtprio),
    (UlimitKind::Rttime, "rttime", Resource::Rttime),
    (UlimitKind::Sigpending, "sigpending", Resource::Sigpending),
    (UlimitKind::Stack, "stack", Resource::Stack),
];

impl fmt::Display for UlimitKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(kind, _, _)| kind == self);
        formatter.write_str(name.map_or("", |(_, name, _)| name))
    }
}

/// There is no limit of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no limit called `{name}`")]
pub struct UlimitError {
    name: String,
}

impl FromStr for UlimitKind {
    type Err = UlimitError;

    fn from_str(text: &str) -> Result<UlimitKind, UlimitError> {
        // BuildKit makes `RLIMIT_<NAME>` of it (executor/oci/spec_linux.go, generateRlimitOpts).
        let name = text.to_ascii_lowercase();
        NAMES
            .iter()
            .find(|(_, known, _)| *known == name)
            .map(|(kind, _, _)| *kind)
            .ok_or(UlimitError { name })
    }
}

/// Puts this process, and what it becomes, under the limit called `name`.
pub(crate) fn set(name: &str, soft: Option<u64>, hard: Option<u64>) -> rustix::io::Result<()> {
    let resource = NAMES
        .iter()
        .find(|(_, known, _)| *known == name)
        .map(|(_, _, resource)| *resource)
        .ok_or(rustix::io::Errno::INVAL)?;
    let limit = Rlimit {
        current: soft,
        maximum: hard,
    };
    rustix::process::setrlimit(resource, limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_docker_in_any_case() {
        for (kind, name, _) in NAMES {
            assert_eq!(name.parse(), Ok(kind));
            assert_eq!(name.to_uppercase().parse(), Ok(kind));
            assert_eq!(kind.to_string(), name);
        }
        let error = "nofiles".parse::<UlimitKind>().unwrap_err();
        assert_eq!(error.to_string(), "there is no limit called `nofiles`");
    }
}
