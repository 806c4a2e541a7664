//! Whether processes compute, or wait.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// What processes and their descendants are doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Activity {
    /// Whether a thread runs, wants to, or waits for a disk.
    pub is_busy: bool,
    /// How long the threads that are there have run, if the kernel counts it.
    pub run_time: Duration,
}

impl Activity {
    /// That of the processes `pids`; what ends meanwhile does nothing.
    pub(crate) fn of(pids: &[i32]) -> Activity {
        let mut activity = Activity::default();
        let mut pending: Vec<String> = pids.iter().map(ToString::to_string).collect();
        let mut seen = BTreeSet::new();
        let mut families = None;
        while let Some(pid) = pending.pop() {
            if !seen.insert(pid.clone()) {
                continue;
            }
            let Ok(tasks) = fs::read_dir(Path::new("/proc").join(&pid).join("task")) else {
                continue;
            };
            // Only kernels that are made for it tell of children (linux: `CONFIG_PROC_CHILDREN`).
            let mut is_told = true;
            for task in tasks.flatten() {
                let text = |name: &str| fs::read_to_string(task.path().join(name));
                let state = text("stat").ok().and_then(|stat| state(&stat));
                activity.is_busy |= state.is_some_and(is_busy);
                let run_time = text("schedstat").ok().and_then(|line| run_time(&line));
                activity.run_time += run_time.unwrap_or_default();
                match text("children") {
                    Ok(children) => {
                        pending.extend(children.split_ascii_whitespace().map(str::to_owned));
                    }
                    Err(_) => is_told = false,
                }
            }
            if !is_told {
                let families: &Families = families.get_or_insert_with(families_of_all);
                pending.extend(families.get(&pid).into_iter().flatten().cloned());
            }
        }
        activity
    }
}

/// The children of each process.
type Families = BTreeMap<String, Vec<String>>;

/// Those of all processes that are there.
fn families_of_all() -> Families {
    let mut families = Families::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        if let Some(parent) = parent(&stat) {
            families.entry(parent).or_default().push(name);
        }
    }
    families
}

/// The parent in `/proc/PID/stat`, behind the state.
fn parent(stat: &str) -> Option<String> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(1).map(str::to_owned)
}

/// The state in `/proc/PID/stat`, behind the name, which may hold anything (linux: `Documentation/filesystems/proc.rst`).
fn state(stat: &str) -> Option<char> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.trim_start().chars().next()
}

/// Whether a thread in this state goes on without anything else happening: it runs, waits for a disk, or a tracer looks at it.
fn is_busy(state: char) -> bool {
    matches!(state, 'R' | 'D' | 't')
}

/// The first number of `/proc/PID/schedstat`, in nanoseconds (linux: `Documentation/scheduler/sched-stats.rst`).
fn run_time(line: &str) -> Option<Duration> {
    let nanoseconds = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_state_stands_behind_the_name() {
        assert_eq!(state("7 (a) R b) S 1 7"), Some('S'));
        assert_eq!(state("7"), None);
        assert_eq!(parent("7 (a) R b) S 1 7"), Some("1".to_owned()));
        assert_eq!(parent("7 (a"), None);
        assert_eq!(run_time("1500000 3 4"), Some(Duration::from_micros(1500)));
        assert_eq!(run_time(""), None);
    }

    #[test]
    fn a_program_that_waits_for_one_that_computes_is_busy() {
        // The shell waits for another one, which does not end by itself.
        let mut waiting = Command::new("sh")
            .args(["-c", "sh -c 'while :; do :; done'; true"])
            .spawn()
            .unwrap();
        let pid = i32::try_from(waiting.id()).unwrap();
        let is_busy = (0..500).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            let is_waiting = fs::read_to_string(format!("/proc/{pid}/stat"))
                .is_ok_and(|stat| state(&stat) == Some('S'));
            is_waiting && Activity::of(&[pid]).is_busy
        });
        for child in families_of_all()
            .get(&pid.to_string())
            .into_iter()
            .flatten()
        {
            Command::new("kill").arg(child).status().unwrap();
        }
        waiting.wait().unwrap();
        assert!(is_busy);
    }

    #[test]
    fn a_program_that_waits_is_idle_and_one_that_computes_is_busy() {
        let mut waiting = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let pid = i32::try_from(waiting.id()).unwrap();
        let is_idle = (0..200).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            !Activity::of(&[pid]).is_busy
        });
        assert!(is_idle);
        // It ends when nobody can write to it any more.
        drop(waiting.stdin.take());
        waiting.wait().unwrap();
        assert_eq!(Activity::of(&[pid]), Activity::default());
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(Activity::of(&[own]).is_busy);
        // One that is named and is a descendant of another one counts once.
        assert!(Activity::of(&[pid, own, own]).is_busy);
    }
}
