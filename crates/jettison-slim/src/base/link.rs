//! Java runtimes linked of the modules that an image is to have, kept beside the packages taken apart.
//!
//! ```text
//! packages ─ Tools::lay_out ─► a root with JDK and libraries ─ jlink, in the sandbox ─► runtime
//! runtime ∩ the files of openjdk-N-jre-headless, and the new `lib/modules` ─► <key>.data, <key>.json
//! ```
//!
//! What is linked has the layout, links and libraries of Debian's package: only `lib/modules`, `release` and archives of
//! classes are made. The same key is linked once.

mod modules;
mod salt;
mod tools;
mod zip;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use jettison_debian::{Architecture, Sha256};
use jettison_sandbox::{Entered, SandboxError};

use crate::base::distroless::{DistrolessError, LocalPackage};
use crate::base::link::salt::fixed_salt;
pub(super) use crate::base::link::tools::Tools;
use crate::base::recipe::RecipeLink;
use crate::base::unpacked::{
    MadeData, StoredFile, Unpacked, UnpackedEntry, UnpackedKind, UnpackedPackages,
};

pub use crate::base::link::modules::{ModuleReason, NeededModules, needed_modules};

/// What the linked bytes depend on beyond the request; other rules have another number.
const VERSION: u32 = 1;
/// Files that linking makes.
const MADE: [&str; 6] = [
    "lib/modules",
    "release",
    "lib/server/classes.jsa",
    "lib/server/classes_nocoops.jsa",
    "lib/server/classes_coh.jsa",
    "lib/server/classes_nocoops_coh.jsa",
];

/// A Java runtime to be linked.
#[derive(Debug)]
pub struct LinkRequest<'a> {
    /// Which.
    pub link: &'a RecipeLink,
    /// The packages of the image and those that it is made with, all for this host's architecture.
    pub packages: &'a [LocalPackage],
    /// Their architecture.
    pub architecture: &'a Architecture,
    /// The slices that are kept.
    pub keep: &'a BTreeSet<String>,
    /// Where packages are kept that were taken apart.
    pub unpacked: &'a Path,
}

/// Why a Java runtime could not be linked.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The lock lacks a package.
    #[error("the lock has no package {name}: `jettison base update` writes it anew")]
    Missing {
        /// The package.
        name: String,
    },
    /// The packages cannot be read.
    #[error("cannot read the packages that programs are taken from")]
    Packages(#[source] Box<DistrolessError>),
    /// The operating system refused.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A program could not be started.
    #[error("cannot run {program}")]
    Sandbox {
        /// The program.
        program: String,
        /// Why not.
        source: SandboxError,
    },
    /// A program failed.
    #[error("{program} failed ({outcome}): {output}")]
    Program {
        /// The program.
        program: String,
        /// How it ended.
        outcome: String,
        /// The end of what it said.
        output: String,
    },
    /// A jar cannot be read.
    #[error("cannot look into {name}: {problem}")]
    Jar {
        /// Its name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A class of the JDK is not as it was in all releases so far.
    #[error("cannot link Java {java} reproducibly: {problem}")]
    Salt {
        /// The release of Java.
        java: u8,
        /// What is different.
        problem: &'static str,
    },
}

impl LinkRequest<'_> {
    /// Under which name the runtime is kept: a digest of all that its bytes depend on.
    pub fn key(&self) -> Result<String, LinkError> {
        let mut text = format!("link {VERSION} {} {}\n", self.link.java, self.architecture);
        let [runtime, tools] = [self.link.runtime_package(), self.link.tools_package()];
        for name in [runtime.as_str(), tools.as_str(), "libc6", "zlib1g"] {
            let package = self.package(name)?;
            let _infallible = writeln!(text, "{name} {}", package.sha256);
        }
        for argument in self.arguments() {
            text.push_str(&argument);
            text.push('\n');
        }
        let key = Sha256::of(text.as_bytes()).to_string();
        Ok(format!("java-{}", key.trim_start_matches("sha256:")))
    }

    /// Whether it was linked already.
    pub fn is_linked(&self) -> Result<bool, LinkError> {
        Ok(self.kept().read(&self.key()?).is_some())
    }

    /// Links it, unless it is there.
    pub fn run(&self, entered: &Entered) -> Result<(), LinkError> {
        let key = self.key()?;
        if self.kept().read(&key).is_some() {
            return Ok(());
        }
        let tools = Tools::lay_out(self, entered)?;
        let java = self.link.java;
        tools.run(
            "jimage",
            &[
                "extract",
                "--include",
                "regex:/java.base/java/util/ImmutableCollections.class",
                "--dir",
                "/out/patch",
                &self.modules_file(),
            ],
        )?;
        let class = tools
            .out()
            .join("patch/java.base/java/util/ImmutableCollections.class");
        let bytes = fs::read(&class).map_err(at("read", &class))?;
        let fixed = fixed_salt(&bytes).map_err(|problem| LinkError::Salt { java, problem })?;
        fs::write(&class, fixed).map_err(at("write", &class))?;
        let arguments = self.arguments();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        tools.run("jlink", &arguments)?;
        let runtime = self.unpack(&self.link.runtime_package())?;
        let linked = self.merged(&runtime, &tools.out().join("runtime"), &tools)?;
        self.kept()
            .keep_made(&key, runtime.control, linked.0, linked.1)
            .map_err(at("write below", self.unpacked))
    }

    /// What jlink is told.
    fn arguments(&self) -> Vec<String> {
        let has = |slice: &str| self.keep.contains(slice);
        let modules: Vec<&str> = self.link.modules.iter().map(String::as_str).collect();
        let mut arguments = vec![
            // The order of small sets decides about bytes of jdk.internal.module.SystemModules$all.
            "-J--patch-module=java.base=/out/patch/java.base".to_string(),
            "-J-XX:+UseSerialGC".to_string(),
            "--module-path".to_string(),
            format!("/{}/jmods", self.home()),
            "--add-modules".to_string(),
            modules.join(","),
            "--no-header-files".to_string(),
            "--no-man-pages".to_string(),
            "--output".to_string(),
            "/out/runtime".to_string(),
        ];
        if !has("java-line-numbers") {
            arguments.push("--strip-java-debug-attributes".to_string());
        }
        if !has("java-plain-locales") && self.link.modules.contains("jdk.localedata") {
            // Debian's layers are compressed as a whole, but these 29 MB are read by few.
            let kind = if self.link.java >= 21 { "zip-9" } else { "2" };
            arguments.push(format!("--compress={kind}:filter=/jdk.localedata/**"));
        }
        if has("java-cds") {
            arguments.push("--generate-cds-archive".to_string());
        }
        arguments
    }

    /// Where the runtime is, without a slash at its start.
    fn home(&self) -> String {
        let (java, architecture) = (self.link.java, self.architecture);
        format!("usr/lib/jvm/java-{java}-openjdk-{architecture}")
    }

    /// The file with the modules of the package's runtime, in the tools' root.
    fn modules_file(&self) -> String {
        format!("/{}/lib/modules", self.home())
    }

    fn package(&self, name: &str) -> Result<&LocalPackage, LinkError> {
        let found = self.packages.iter().find(|package| package.name == name);
        found.ok_or_else(|| LinkError::Missing {
            name: name.to_string(),
        })
    }

    fn kept(&self) -> UnpackedPackages<'_> {
        UnpackedPackages { dir: self.unpacked }
    }

    fn unpack(&self, name: &str) -> Result<Unpacked, LinkError> {
        let package = self.package(name)?;
        self.kept()
            .get(&package.path, package.sha256)
            .map_err(|error| LinkError::Packages(Box::new(error)))
    }

    /// The files of the package as far as `made`, the linked runtime, has them, and their contents.
    fn merged(
        &self,
        runtime: &Unpacked,
        made: &Path,
        tools: &Tools<'_>,
    ) -> Result<(Vec<UnpackedEntry>, MadeData), LinkError> {
        let home = format!("{}/", self.home());
        let mut data = self
            .kept()
            .made_data()
            .map_err(at("write below", self.unpacked))?;
        let mut entries = Vec::new();
        let without = self.settings_without_module();
        for entry in &runtime.entries {
            let Some(path) = entry.path.strip_prefix(&home) else {
                if !without.iter().any(|start| entry.path.starts_with(start)) {
                    self.copy(entry, runtime, &mut data, &mut entries)?;
                }
                continue;
            };
            let file = made.join(path);
            let is_linked = file.symlink_metadata().is_ok();
            match &entry.kind {
                UnpackedKind::File(_) if MADE.contains(&path) && is_linked => {
                    let facts = if path == "release" {
                        let text = release(&tools.read(&file)?, &read(runtime, entry)?);
                        data.store(&mut text.as_bytes())
                    } else {
                        let mut file = File::open(&file).map_err(at("read", &file))?;
                        data.store(&mut file)
                    };
                    let facts = facts.map_err(at("write below", self.unpacked))?;
                    let kind = UnpackedKind::File(facts);
                    entries.push(UnpackedEntry {
                        kind,
                        ..entry.clone()
                    });
                }
                UnpackedKind::Directory | UnpackedKind::File(_) | UnpackedKind::HardLink(_) => {
                    if is_linked {
                        self.copy(entry, runtime, &mut data, &mut entries)?;
                    }
                }
                // Most lead to /etc, where the package has what is below `conf` and more.
                UnpackedKind::Symlink(target) => {
                    let target = target.trim_start_matches('/');
                    if file.parent().is_some_and(Path::is_dir)
                        && !without.iter().any(|start| target.starts_with(start))
                    {
                        entries.push(entry.clone());
                    }
                }
            }
        }
        Ok((entries, data))
    }

    /// What the package has below `/etc` for modules that are not linked.
    fn settings_without_module(&self) -> Vec<String> {
        let has = |name: &str| self.link.modules.contains(name);
        // The modules of the recipes for images are many; those of small ones are named one by one.
        if has("java.se") {
            return Vec::new();
        }
        let settings = [
            ("jdk.jfr", "jfr/"),
            ("java.management", "management/"),
            ("java.desktop", "psfont"),
            ("java.desktop", "sound."),
            ("java.desktop", "swing."),
            ("java.desktop", "accessibility."),
        ];
        settings
            .iter()
            .filter(|(module, _)| !has(module))
            .map(|(_, start)| format!("etc/java-{}-openjdk/{start}", self.link.java))
            .collect()
    }

    fn copy(
        &self,
        entry: &UnpackedEntry,
        from: &Unpacked,
        data: &mut MadeData,
        entries: &mut Vec<UnpackedEntry>,
    ) -> Result<(), LinkError> {
        let mut copy = entry.clone();
        if let UnpackedKind::File(facts) = &entry.kind {
            let mut content = StoredFile::open(&from.data, facts);
            let facts = data
                .store(&mut content)
                .map_err(at("write below", self.unpacked))?;
            copy.kind = UnpackedKind::File(facts);
        }
        entries.push(copy);
        Ok(())
    }
}

/// The content of a package's file.
fn read(package: &Unpacked, entry: &UnpackedEntry) -> Result<String, LinkError> {
    let mut bytes = Vec::new();
    if let UnpackedKind::File(facts) = &entry.kind {
        StoredFile::open(&package.data, facts)
            .read_to_end(&mut bytes)
            .map_err(at("read", Path::new(&entry.path)))?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What the package says about itself, with the modules that were linked.
fn release(linked: &str, package: &str) -> String {
    let is_modules = |line: &&str| line.starts_with("MODULES=");
    let modules = linked.lines().find(is_modules).unwrap_or_default();
    let mut text = String::new();
    for line in package.lines().filter(|line| !is_modules(line)) {
        text += line;
        text.push('\n');
    }
    text += modules;
    text.push('\n');
    text
}

pub(super) fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LinkError {
    let path = path.to_path_buf();
    move |source| LinkError::Io {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_file_is_the_packages_but_for_the_modules() {
        let package =
            "IMPLEMENTOR=\"Debian\"\nMODULES=\"java.base jdk.compiler\"\nJAVA_VERSION=\"21.0.1\"\n";
        let linked = "JAVA_VERSION=\"21.0.1\"\nMODULES=\"java.base\"\n";
        assert_eq!(
            release(linked, package),
            "IMPLEMENTOR=\"Debian\"\nJAVA_VERSION=\"21.0.1\"\nMODULES=\"java.base\"\n"
        );
    }

    #[test]
    fn the_key_tells_requests_apart_by_modules_and_slices() {
        let packages: Vec<LocalPackage> = [
            "libc6",
            "zlib1g",
            "openjdk-21-jre-headless",
            "openjdk-21-jdk-headless",
        ]
        .map(|name| LocalPackage {
            name: name.to_string(),
            version: "1".parse().unwrap(),
            architecture: "amd64".parse().unwrap(),
            sha256: Sha256::of(name.as_bytes()),
            path: PathBuf::new(),
        })
        .into();
        let architecture: Architecture = "amd64".parse().unwrap();
        let key = |modules: &[&str], keep: &[&str], packages: &[LocalPackage]| {
            LinkRequest {
                link: &RecipeLink {
                    java: 21,
                    modules: modules.iter().map(ToString::to_string).collect(),
                },
                packages,
                architecture: &architecture,
                keep: &keep.iter().map(ToString::to_string).collect(),
                unpacked: Path::new("/nowhere"),
            }
            .key()
        };
        let base = key(&["java.base"], &[], &packages).unwrap();
        assert_eq!(key(&["java.base"], &["gconv"], &packages).unwrap(), base);
        for (modules, keep) in [
            (&["java.base", "java.sql"][..], &[][..]),
            (&["java.base"], &["java-line-numbers"]),
            (&["java.base"], &["java-cds"]),
        ] {
            assert_ne!(key(modules, keep, &packages).unwrap(), base);
        }
        let error = key(&["java.base"], &[], &packages[..3]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the lock has no package openjdk-21-jdk-headless: `jettison base update` writes it anew"
        );
    }
}
