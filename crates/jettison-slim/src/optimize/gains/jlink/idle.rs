//! What only those libraries of a Java runtime needed that are left out: packages, and modules of the C library.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jettison_sandbox::Trace;

use super::LIMIT;
use crate::evidence::{
    Elf, GCONV_FILES, Owner, Owners, converts, elf_closure, has_other_character_sets,
    needed_by_idle_alone, variable,
};
use crate::optimize::gains::Situation;
use crate::rootfs::{RootDir, RootError};

/// What nobody needs any more.
#[derive(Debug, Default)]
pub(super) struct Idle {
    pub(super) packages: BTreeSet<String>,
    /// What is left out of the packages that stay, as [`crate::refactor::RootfsStage::left_out`].
    pub(super) left_out: Vec<String>,
}

/// A program or a library.
struct Binary {
    /// Its package, if it belongs to one.
    package: Option<String>,
    is_gone: bool,
    /// The packages of the libraries that are loaded with it.
    needs: BTreeSet<String>,
    converts: bool,
}

/// What nobody needs any more when the files that are gone are.
pub(super) fn idle(
    situation: &Situation<'_>,
    files: &[PathBuf],
    is_gone: &dyn Fn(&Path) -> bool,
) -> Result<Idle, RootError> {
    let root = situation.root;
    let mut owners = Owners::read(root, situation.steps)?;
    let mut package = |path: &Path| match owners.of(path) {
        Owner::Package(name) => Some(name),
        Owner::Module(_) | Owner::Instruction(_) | Owner::Base => None,
    };
    let library_path = variable(&situation.config.env, "LD_LIBRARY_PATH").unwrap_or("");
    let mut binaries = Vec::new();
    for path in files {
        let Some(bytes) = situation.candidate.content(path, LIMIT) else {
            continue;
        };
        let Ok(elf) = Elf::parse(&bytes) else {
            continue;
        };
        let needs = libraries_of(root, path, library_path);
        binaries.push(Binary {
            package: package(path),
            is_gone: is_gone(path),
            needs: needs.iter().filter_map(|path| package(path)).collect(),
            converts: converts(path, &elf),
        });
    }
    let found = situation.trace.into_iter().flat_map(Trace::found);
    let found: Vec<&Path> = found.map(|(path, _)| path).collect();
    let used: BTreeSet<String> = found.iter().filter_map(|path| package(path)).collect();
    let mut packages = idle_packages(&binaries, &used);
    // With a library its data go.
    let kept = situation.runtime.rootfs.as_ref();
    let kept = kept.map_or(&[][..], |stage| &stage.packages);
    let mut data = needed_by_idle_alone(root, kept, &packages)?;
    data.retain(|package| {
        let mut owners = binaries.iter().filter_map(|binary| binary.package.as_ref());
        !used.contains(package) && owners.all(|owner| owner != package)
    });
    packages.extend(data);
    let is_here = |binary: &Binary| {
        let is_idle = |package: &String| packages.contains(package);
        !binary.is_gone && !binary.package.as_ref().is_some_and(is_idle)
    };
    let is_module = |path: &&Path| {
        path.parent()
            .is_some_and(|parent| parent.ends_with("gconv"))
            && path.extension().is_some_and(|end| end == "so")
    };
    let converts = binaries
        .iter()
        .filter(|binary| is_here(binary))
        .any(|binary| binary.converts)
        || has_other_character_sets(root)
        || found.iter().any(is_module);
    let left_out = if converts {
        Vec::new()
    } else {
        vec![GCONV_FILES.to_owned()]
    };
    Ok(Idle { packages, left_out })
}

/// The files that are loaded with the program or library `path`.
fn libraries_of(root: &RootDir, path: &Path, library_path: &str) -> Vec<PathBuf> {
    let closure = elf_closure(root, path, library_path);
    let files = closure.map(|closure| closure.files).unwrap_or_default();
    let real = |path: &PathBuf| Some(root.resolve(path).ok()?.real_path);
    let others = files.iter().skip(1);
    others.filter_map(|file| real(&file.path)).collect()
}

/// The packages that what is gone needed, and what their own libraries needed, unless something that stays needs them; `used` are
/// those of which a run has used a file.
fn idle_packages(binaries: &[Binary], used: &BTreeSet<String>) -> BTreeSet<String> {
    let mut needs: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut needed_by_gone = BTreeSet::new();
    for binary in binaries {
        let names = binary.needs.iter().map(String::as_str);
        match &binary.package {
            _ if binary.is_gone => needed_by_gone.extend(names),
            Some(package) => needs.entry(package).or_default().extend(names),
            None => {}
        }
    }
    let reached = |from: BTreeSet<&'_ str>| -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        let mut pending: Vec<String> = from.into_iter().map(str::to_owned).collect();
        while let Some(name) = pending.pop() {
            if all.insert(name.clone()) {
                let more = needs.get(name.as_str()).into_iter().flatten();
                pending.extend(more.map(|name| (*name).to_owned()));
            }
        }
        all
    };
    let idle = reached(needed_by_gone);
    // What is of no such package stays, and what it needs with it.
    let mut kept: BTreeSet<&str> = used.iter().map(String::as_str).collect();
    for binary in binaries.iter().filter(|binary| !binary.is_gone) {
        if !binary
            .package
            .as_ref()
            .is_some_and(|package| idle.contains(package))
        {
            kept.extend(binary.needs.iter().map(String::as_str));
        }
    }
    let kept = reached(kept);
    idle.difference(&kept).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Binaries by lines such as `package: needs`; `-` is no package, and `!` one that is gone.
    #[track_caller]
    fn check(lines: &[&str], used: &[&str], expected: &[&str]) {
        let binaries: Vec<Binary> = lines
            .iter()
            .map(|line| {
                let (package, needs) = line.split_once(':').unwrap();
                Binary {
                    package: (!["-", "!"].contains(&package)).then(|| package.to_owned()),
                    is_gone: package == "!",
                    needs: needs.split_whitespace().map(str::to_owned).collect(),
                    converts: false,
                }
            })
            .collect();
        let used = used.iter().map(ToString::to_string).collect();
        let found: Vec<String> = idle_packages(&binaries, &used).into_iter().collect();
        assert_eq!(found, expected, "{lines:?}");
    }

    #[test]
    fn what_only_idle_packages_need_is_idle_too() {
        let glib = "libglib: libc6 libmount libselinux libpcre2";
        let mount = "libmount: libc6 libselinux libblkid libpcre2";
        let selinux = "libselinux: libc6 libpcre2";
        let gone = "!: libc6 libharfbuzz libglib libpcre2";
        let all = [
            gone,
            "libharfbuzz: libglib libpcre2",
            glib,
            mount,
            selinux,
            "-: libc6",
        ];
        let idle = [
            "libblkid",
            "libglib",
            "libharfbuzz",
            "libmount",
            "libpcre2",
            "libselinux",
        ];
        check(&all, &[], &idle);
        let with_a_user = [&all[..], &["sed: libc6 libselinux libpcre2"]].concat();
        check(
            &with_a_user,
            &[],
            &["libblkid", "libglib", "libharfbuzz", "libmount"],
        );
        check(&all, &["libmount"], &["libglib", "libharfbuzz"]);
    }

    #[test]
    fn what_nothing_gone_has_needed_stays() {
        check(&["a: b", "-: c"], &[], &[]);
        check(&["!: c", "-: c"], &[], &[]);
    }
}
