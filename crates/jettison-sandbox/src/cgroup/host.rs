//! Where this process is in the host's control groups, and where others may be made.

use std::fs;
use std::path::{Path, PathBuf};

/// Which kind of tree it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    Two,
}

/// A part of the kernel that limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Controller {
    Memory,
    Cpu,
    Cpuset,
}

impl Controller {
    /// The kernel's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Controller::Memory => "memory",
            Controller::Cpu => "cpu",
            Controller::Cpuset => "cpuset",
        }
    }

    /// What it limits.
    pub(crate) fn subject(self) -> &'static str {
        match self {
            Controller::Memory => "the memory",
            Controller::Cpu => "the CPU time",
            Controller::Cpuset => "the CPUs",
        }
    }
}

/// A tree of groups, and where this process is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    pub(crate) version: Version,
    /// Where it is mounted.
    pub(crate) top: PathBuf,
    /// This process's group.
    pub(crate) own: PathBuf,
}

/// The tree that `controller` is in; or why there is none.
pub(crate) fn hierarchy(controller: Controller) -> Result<Hierarchy, String> {
    let read = |path: &str| {
        fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"))
    };
    let (groups, mounts) = (read("/proc/self/cgroup")?, read("/proc/self/mountinfo")?);
    find(&groups, &mounts, controller)
        .ok_or_else(|| format!("this host has no `{}` control groups", controller.name()))
}

/// A controller that a version 1 tree has is in no other.
fn find(groups: &str, mounts: &str, controller: Controller) -> Option<Hierarchy> {
    let in_list = |list: &str| list.split(',').any(|word| word == controller.name());
    let place = |version, path: &str, is_it: &dyn Fn(&str, &str) -> bool| {
        mounts.lines().find_map(|line| {
            let (front, back) = line.split_once(" - ")?;
            let (mut front, mut back) = (front.split(' ').skip(3), back.split(' '));
            let (root, point) = (front.next()?, front.next()?);
            let (kind, options) = (back.next()?, back.nth(1)?);
            // Elsewhere mounted trees begin lower; ours has to be in it.
            let below = Path::new(path).strip_prefix(root).ok()?;
            is_it(kind, options).then(|| Hierarchy {
                version,
                top: PathBuf::from(point),
                // Without a slash at the end, which an empty path would add.
                own: Path::new(point).join(below).components().collect(),
            })
        })
    };
    let mut unified = None;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_number), Some(list), Some(path)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        if in_list(list) {
            return place(Version::One, path, &|kind, options| {
                kind == "cgroup" && in_list(options)
            });
        }
        if list.is_empty() {
            unified = place(Version::Two, path, &|kind, _options| kind == "cgroup2");
        }
    }
    unified
}

impl Hierarchy {
    /// The group below which a sandbox's is made. In version 2 `controller` has to be enabled for its children.
    pub(crate) fn parent(
        &self,
        controller: Controller,
        asked: Option<&Path>,
    ) -> Result<PathBuf, String> {
        let is_top = self.own == self.top;
        let parent = match (asked, self.version) {
            (Some(asked), _) => self.top.join(asked.strip_prefix("/").unwrap_or(asked)),
            (None, Version::Two) if !is_top => self.own.parent().unwrap_or(&self.own).to_path_buf(),
            (None, _) => self.own.clone(),
        };
        if asked.is_some() {
            fs::create_dir_all(&parent)
                .map_err(|error| format!("cannot create {}: {error}", parent.display()))?;
        }
        if self.version == Version::Two {
            enable(&parent, controller)?;
        }
        Ok(parent)
    }
}

fn enable(parent: &Path, controller: Controller) -> Result<(), String> {
    let list = |file: &str| fs::read_to_string(parent.join(file)).unwrap_or_default();
    let has = |text: &str| {
        text.split_whitespace()
            .any(|word| word == controller.name())
    };
    if has(&list("cgroup.subtree_control")) {
        return Ok(());
    }
    let shown = parent.display();
    let name = controller.name();
    if !has(&list("cgroup.controllers")) {
        return Err(format!("`{name}` is not delegated to {shown}"));
    }
    fs::write(parent.join("cgroup.subtree_control"), format!("+{name}"))
        .map_err(|error| format!("cannot enable `{name}` in {shown}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(groups: &str, mounts: &str, expected: Expect) {
        let lines = [Controller::Memory, Controller::Cpu].map(|controller| {
            match find(groups, mounts, controller) {
                Some(found) => format!(
                    "{:?} {} {}\n",
                    found.version,
                    found.top.display(),
                    found.own.display()
                ),
                None => "none\n".to_owned(),
            }
        });
        expected.assert_eq(&lines.concat());
    }

    const V1: &str = "30 24 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      31 24 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n";
    const V2: &str =
        "24 23 0:25 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn one_tree() {
        check(
            "0::/user.slice/a.scope\n",
            V2,
            expect![[r"
                Two /sys/fs/cgroup /sys/fs/cgroup/user.slice/a.scope
                Two /sys/fs/cgroup /sys/fs/cgroup/user.slice/a.scope
            "]],
        );
    }

    #[test]
    fn a_tree_for_each_controller() {
        check(
            "5:cpu,cpuacct:/\n4:memory:/jobs/1\n0::/\n",
            &format!("{V1}24 23 0:25 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"),
            expect![[r"
                One /sys/fs/cgroup/memory /sys/fs/cgroup/memory/jobs/1
                One /sys/fs/cgroup/cpu,cpuacct /sys/fs/cgroup/cpu,cpuacct
            "]],
        );
    }

    #[test]
    fn a_tree_of_which_only_a_part_is_mounted() {
        let mounts = "30 24 0:26 /docker/1 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
        check(
            "4:memory:/docker/1/x\n",
            mounts,
            expect![[r"
                One /sys/fs/cgroup/memory /sys/fs/cgroup/memory/x
                none
            "]],
        );
        check(
            "4:memory:/elsewhere\n",
            mounts,
            expect![[r"
                none
                none
            "]],
        );
    }
}
