//! Limits for all processes of a sandbox together, by control groups.
//!
//! A group is made for each sandbox that has limits, and for no other. Version 1 has a tree for each controller, and the
//! group is made below our own. Version 2 has one tree, in which a group with processes may have no limited children
//! (unless it is the root); so there the group is made beside our own, where the host has to let us.
//!
//! The names are `jettison-<pid>-<n>`. What a killed process has left behind is removed by the next that comes along.

mod host;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::sandbox::SandboxError;

pub(crate) use crate::cgroup::host::{Controller, Hierarchy, Version, hierarchy};

/// Limits for all processes of a sandbox together. What is `None` is not limited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resources {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Bytes of memory and swap space together; -1 is no limit for swap space.
    pub memory_swap: Option<i64>,
    /// The weight against others, as Docker counts it: 1024 is usual.
    pub cpu_shares: Option<u64>,
    /// The period of `cpu_quota` in microseconds; by default 100,000.
    pub cpu_period: Option<u64>,
    /// CPU time in each period, in microseconds.
    pub cpu_quota: Option<i64>,
    /// The CPUs that may be used, such as `0-2,7`.
    pub cpuset_cpus: Option<String>,
    /// The memory nodes that may be used.
    pub cpuset_mems: Option<String>,
    /// The group, counted from the root of the tree, below which the sandbox's is made.
    pub parent: Option<PathBuf>,
}

impl Resources {
    /// No limits.
    pub const UNLIMITED: Resources = Resources {
        memory: None,
        memory_swap: None,
        cpu_shares: None,
        cpu_period: None,
        cpu_quota: None,
        cpuset_cpus: None,
        cpuset_mems: None,
        parent: None,
    };

    /// The controllers that are needed, each with the files that are written.
    fn settings(&self, version: impl Fn(Controller) -> Version) -> Vec<(Controller, Settings)> {
        let mut all = vec![
            (
                Controller::Memory,
                self.memory_settings(version(Controller::Memory)),
            ),
            (Controller::Cpu, self.cpu_settings(version(Controller::Cpu))),
        ];
        let mut cpuset = Settings::new();
        cpuset.extend(self.cpuset_cpus.clone().map(|cpus| ("cpuset.cpus", cpus)));
        cpuset.extend(self.cpuset_mems.clone().map(|mems| ("cpuset.mems", mems)));
        all.push((Controller::Cpuset, cpuset));
        all.retain(|(controller, settings)| {
            !settings.is_empty() || (*controller == Controller::Memory && self.parent.is_some())
        });
        all
    }

    fn memory_settings(&self, version: Version) -> Settings {
        let mut settings = Settings::new();
        let or_max = |limit: Option<u64>, max: &str| {
            limit.map_or_else(|| max.to_owned(), |limit| limit.to_string())
        };
        match version {
            Version::One => {
                settings.extend(
                    self.memory
                        .map(|memory| ("memory.limit_in_bytes", memory.to_string())),
                );
                settings.extend(
                    self.memory_swap
                        .map(|both| ("memory.memsw.limit_in_bytes", both.to_string())),
                );
            }
            Version::Two => {
                settings.extend(self.memory.map(|memory| ("memory.max", memory.to_string())));
                settings.extend(self.memory_swap.map(|both| {
                    let swap = u64::try_from(both)
                        .ok()
                        .map(|both| both.saturating_sub(self.memory.unwrap_or(0)));
                    ("memory.swap.max", or_max(swap, "max"))
                }));
            }
        }
        settings
    }

    fn cpu_settings(&self, version: Version) -> Settings {
        const PERIOD: u64 = 100_000;
        let mut settings = Settings::new();
        match version {
            Version::One => {
                settings.extend(
                    self.cpu_shares
                        .map(|shares| ("cpu.shares", shares.to_string())),
                );
                settings.extend(
                    self.cpu_period
                        .map(|period| ("cpu.cfs_period_us", period.to_string())),
                );
                settings.extend(
                    self.cpu_quota
                        .map(|quota| ("cpu.cfs_quota_us", quota.to_string())),
                );
            }
            Version::Two => {
                // The weights from 1 to 10,000 stand for the shares from 2 to 262,144, as in runc.
                settings.extend(self.cpu_shares.map(|shares| {
                    let shares = shares.clamp(2, 262_144);
                    (
                        "cpu.weight",
                        (1 + (shares - 2) * 9999 / 262_142).to_string(),
                    )
                }));
                if self.cpu_quota.is_some() || self.cpu_period.is_some() {
                    let period = self.cpu_period.unwrap_or(PERIOD);
                    let quota = self.cpu_quota.and_then(|quota| u64::try_from(quota).ok());
                    let quota = quota.map_or_else(|| "max".to_owned(), |quota| quota.to_string());
                    settings.push(("cpu.max", format!("{quota} {period}")));
                }
            }
        }
        settings
    }
}

/// Files of a group and what is written to them, in order.
type Settings = Vec<(&'static str, String)>;

/// The groups of one sandbox. They are removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Cgroup {
    // Invariant: no directory is in it twice.
    directories: Vec<PathBuf>,
    memory: Option<(Version, PathBuf)>,
}

/// What is different for groups of one process.
static COUNTER: AtomicU64 = AtomicU64::new(0);

impl Cgroup {
    /// Makes the groups for `resources`; `None` if nothing is limited.
    pub(crate) fn create(resources: &Resources) -> Result<Option<Cgroup>, SandboxError> {
        if *resources == Resources::UNLIMITED {
            return Ok(None);
        }
        let version_of = |controller| {
            hierarchy(controller).map_or(Version::Two, |hierarchy: Hierarchy| hierarchy.version)
        };
        let name = format!(
            "jettison-{}-{}",
            std::process::id(),
            COUNTER.fetch_add(1, Ordering::Relaxed)
        );
        let mut group = Cgroup {
            directories: Vec::new(),
            memory: None,
        };
        for (controller, settings) in resources.settings(version_of) {
            let fail = |reason: String| SandboxError::Resource {
                what: controller.subject(),
                reason,
            };
            let hierarchy = hierarchy(controller).map_err(fail)?;
            let parent = hierarchy
                .parent(controller, resources.parent.as_deref())
                .map_err(fail)?;
            remove_abandoned(&parent);
            let directory = parent.join(&name);
            if !group.directories.contains(&directory) {
                make(&directory).map_err(fail)?;
                group.directories.push(directory.clone());
            }
            if controller == Controller::Cpuset && hierarchy.version == Version::One {
                inherit_cpuset(&parent, &directory).map_err(fail)?;
            }
            for (file, value) in settings {
                write(&directory.join(file), &value).map_err(fail)?;
            }
            if controller == Controller::Memory {
                group.memory = Some((hierarchy.version, directory));
            }
        }
        Ok(Some(group))
    }

    /// Puts a process, and what it will fork, into the groups.
    pub(crate) fn add(&self, pid: i32) -> Result<(), SandboxError> {
        for directory in &self.directories {
            write(&directory.join("cgroup.procs"), &pid.to_string()).map_err(|reason| {
                SandboxError::Resource {
                    what: "the processes",
                    reason,
                }
            })?;
        }
        Ok(())
    }

    /// The most memory that the processes had together, in bytes, where the kernel tells.
    pub(crate) fn peak(&self) -> Option<u64> {
        let (version, directory) = self.memory.as_ref()?;
        let file = match version {
            Version::One => "memory.max_usage_in_bytes",
            Version::Two => "memory.peak",
        };
        fs::read_to_string(directory.join(file))
            .ok()?
            .trim()
            .parse()
            .ok()
    }

    /// Whether a process was killed because the memory was used up.
    pub(crate) fn ran_out_of_memory(&self) -> bool {
        let Some((version, directory)) = &self.memory else {
            return false;
        };
        let file = match version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        let text = fs::read_to_string(directory.join(file)).unwrap_or_default();
        text.lines()
            .filter_map(|line| line.strip_prefix("oom_kill "))
            .any(|count| count.trim() != "0")
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for directory in &self.directories {
            // The last process may still be on its way out.
            for _try in 0..100 {
                match fs::remove_dir(directory) {
                    Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    _ => break,
                }
            }
        }
    }
}

fn make(directory: &Path) -> Result<(), String> {
    fs::create_dir_all(directory)
        .map_err(|error| format!("cannot create {}: {error}", directory.display()))
}

fn write(file: &Path, value: &str) -> Result<(), String> {
    fs::write(file, value)
        .map_err(|error| format!("cannot write `{value}` to {}: {error}", file.display()))
}

/// A new group of version 1 has no CPUs and no memory nodes, and so can have no processes.
fn inherit_cpuset(parent: &Path, directory: &Path) -> Result<(), String> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let path = parent.join(file);
        let value = fs::read_to_string(&path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        write(&directory.join(file), value.trim())?;
    }
    Ok(())
}

/// Removes the groups of processes that are gone. A group with processes cannot be removed.
fn remove_abandoned(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.strip_prefix("jettison-")?.split('-').next());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _in_use = fs::remove_dir(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(resources: &Resources, version: Version, expected: Expect) {
        let lines: Vec<String> = resources
            .settings(|_controller| version)
            .into_iter()
            .flat_map(|(_controller, settings)| settings)
            .map(|(file, value)| format!("{file} = {value}\n"))
            .collect();
        expected.assert_eq(&lines.concat());
    }

    fn everything() -> Resources {
        Resources {
            memory: Some(1 << 20),
            memory_swap: Some(3 << 20),
            cpu_shares: Some(1024),
            cpu_period: None,
            cpu_quota: Some(50_000),
            cpuset_cpus: Some("0-1".to_owned()),
            cpuset_mems: Some("0".to_owned()),
            parent: None,
        }
    }

    #[test]
    fn each_version_has_its_files() {
        check(
            &everything(),
            Version::One,
            expect![[r"
                memory.limit_in_bytes = 1048576
                memory.memsw.limit_in_bytes = 3145728
                cpu.shares = 1024
                cpu.cfs_quota_us = 50000
                cpuset.cpus = 0-1
                cpuset.mems = 0
            "]],
        );
        check(
            &everything(),
            Version::Two,
            expect![[r"
                memory.max = 1048576
                memory.swap.max = 2097152
                cpu.weight = 39
                cpu.max = 50000 100000
                cpuset.cpus = 0-1
                cpuset.mems = 0
            "]],
        );
    }

    #[test]
    fn unlimited_swap_space_and_time_have_their_words() {
        let resources = Resources {
            memory_swap: Some(-1),
            cpu_quota: Some(-1),
            ..Resources::UNLIMITED
        };
        check(
            &resources,
            Version::Two,
            expect![[r"
                memory.swap.max = max
                cpu.max = max 100000
            "]],
        );
        check(&Resources::UNLIMITED, Version::Two, expect![""]);
    }
}
