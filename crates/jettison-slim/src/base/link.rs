//! Java runtimes linked of the modules that an image is to have, kept beside the packages taken apart.
//!
//! ```text
//! jlink of this host's JDK + jmods of the image's architecture ─► runtime
//! runtime ∩ the files of openjdk-N-jre-headless, and the new `lib/modules` ─► <key>.data, <key>.json
//! ```
//!
//! What is linked has the layout, links and libraries of Debian's package: only `lib/modules`, `release` and archives of
//! classes are made. jlink copies classes and libraries out of jmods, and generates classes of the names of modules: nothing
//! of it depends on the processor that it runs on, as long as its version is that of the jmods. The same is linked once.

mod jars;
mod merge;
mod modules;
mod salt;
mod savings;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use jettison_debian::Architecture;
use jettison_sandbox::Entered;

use crate::base::link::salt::fixed_salt;
use crate::base::link::savings::savings;
use crate::base::recipe::RecipeLink;
use crate::base::tools::{Job, Layout, ToolError, Tools, Workshop, at, is_idle};

pub use crate::base::link::modules::{ModuleReason, NamedClass, NeededModules, needed_modules};

/// The archive of classes.
const ARCHIVE: &str = "lib/server/classes.jsa";
/// What the JDK's programs load beside their own libraries; the last on some processors alone.
pub(super) const LIBRARIES: [&str; 5] =
    ["libc6", "libgcc-s1", "libstdc++6", "zlib1g", "libatomic1"];
/// Where jlink writes.
const RUNTIME: &str = "/out/runtime";
/// The class whose order of small sets decides about bytes of `jdk.internal.module.SystemModules$all`.
const SALTED: &str = "java.base/java/util/ImmutableCollections.class";

/// A Java runtime to be linked.
#[expect(
    missing_debug_implementations,
    reason = "the network behind it has nothing to show"
)]
pub struct LinkRequest<'a> {
    /// Which.
    pub link: &'a RecipeLink,
    /// The slices that are kept.
    pub keep: &'a BTreeSet<String>,
    /// Where it is linked.
    pub workshop: Workshop<'a>,
}

/// Why a Java runtime could not be linked.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The JDK could not be used.
    #[error("cannot use the programs of the JDK")]
    Tools(#[source] ToolError),
    /// A jar cannot be read.
    #[error("cannot look into {name}: {problem}")]
    Jar {
        /// Its name.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A class of the JDK is not as it was in all releases so far.
    #[error("cannot link Java {java} reproducibly: {problem}")]
    Salt {
        /// The release of Java.
        java: u8,
        /// What is different.
        problem: &'static str,
    },
    /// The image's own Java is to be run, and cannot be.
    #[error(
        "an archive of classes for {architecture} is made by a Java that runs there alone, and this host is {host}: go without `--keep java-cds`, or assemble it there"
    )]
    Archive {
        /// The image's architecture.
        architecture: Architecture,
        /// This host's architecture.
        host: Architecture,
    },
}

impl From<ToolError> for LinkError {
    fn from(error: ToolError) -> LinkError {
        LinkError::Tools(error)
    }
}

impl RecipeLink {
    /// The packages with the JDK's programs, which must be as those that they work on.
    pub(super) fn program_packages(&self) -> [String; 2] {
        [self.tools_package(), self.runtime_package()]
    }
}

impl<'a> LinkRequest<'a> {
    /// Under which name the runtime is kept: a digest of all that its bytes depend on.
    pub fn key(&self) -> Result<String, LinkError> {
        Ok(self.job()?.key())
    }

    /// Whether it was linked already.
    pub fn is_linked(&self) -> Result<bool, LinkError> {
        Ok(self.workshop.kept().read(&self.key()?).is_some())
    }

    /// Links it, unless it is there.
    pub fn run(&self, entered: &Entered) -> Result<(), LinkError> {
        let job = self.job()?;
        let key = job.key();
        if self.workshop.kept().read(&key).is_some() {
            return Ok(());
        }
        if self.has("java-cds") && self.workshop.host != self.workshop.architecture {
            return Err(LinkError::Archive {
                architecture: self.workshop.architecture.clone(),
                host: self.workshop.host.clone(),
            });
        }
        let tools = self.lay_out(&job, entered)?;
        for (number, command) in job.commands.iter().enumerate() {
            tools.run(command)?;
            if number == 0 {
                self.fix_salt(&tools.out().join("patch").join(SALTED))?;
            }
        }
        let [runtime, jdk] = [self.link.runtime_package(), self.link.tools_package()];
        let packages = [
            self.workshop.package(&runtime)?,
            self.workshop.package(&jdk)?,
        ];
        let unpacked = self.workshop.unpack(&packages)?;
        let [runtime, jdk] = unpacked.as_slice() else {
            return Ok(());
        };
        let made = tools.out().join("runtime");
        let (entries, data) = self.merged(runtime, &made)?;
        let list = tools
            .run(&self.command("jimage", &["list", "--verbose", "/out/runtime/lib/modules"]))?;
        let saved = savings(jdk, &list)?;
        self.workshop
            .kept()
            .keep_made(&key, runtime.control.clone(), entries, (data, saved))
            .map_err(at("write below", self.workshop.unpacked))?;
        Ok(())
    }

    /// All that is done, and with what.
    fn job(&self) -> Result<Job<'a>, LinkError> {
        let same = self.link.program_packages();
        let class = format!("regex:/{SALTED}");
        let modules = self.modules_file();
        let mut commands = vec![
            self.command(
                "jimage",
                &[
                    "extract",
                    "--include",
                    &class,
                    "--dir",
                    "/out/patch",
                    &modules,
                ],
            ),
            self.link_command(),
        ];
        if self.has("java-cds") {
            // The sizes of heaps are those of OpenJDK's own build (make/Images.gmk: CreateCDSArchive). Which collector Java
            // takes, and with it what is in the archive, else depends on the machine.
            let java = format!("{RUNTIME}/bin/java");
            let archive = format!("-XX:SharedArchiveFile={RUNTIME}/{ARCHIVE}");
            let options = [
                "-Xshare:dump",
                &archive,
                "-Xmx128M",
                "-Xms128M",
                "-XX:+UseG1GC",
            ];
            let options = options.iter().map(ToString::to_string);
            commands.push([java].into_iter().chain(options).collect());
        }
        Ok(Job {
            kind: "java",
            tools: self.workshop.tools(&same, &LIBRARIES)?,
            inputs: vec![
                self.workshop.package(&self.link.tools_package())?,
                self.workshop.package(&self.link.runtime_package())?,
            ],
            commands,
            code: &[
                include_str!("link.rs"),
                include_str!("link/merge.rs"),
                include_str!("link/salt.rs"),
                include_str!("link/savings.rs"),
                include_str!("../java/class.rs"),
            ],
        })
    }

    fn lay_out<'e>(&self, job: &Job<'_>, entered: &'e Entered) -> Result<Tools<'e>, ToolError> {
        let layout = Layout {
            tools: program,
            inputs: jmod,
        };
        Tools::lay_out(&self.workshop, job, layout, entered)
    }

    /// A program of this host's JDK with its arguments.
    fn command(&self, program: &str, arguments: &[&str]) -> Vec<String> {
        let program = format!("/{}/bin/{program}", self.home(self.workshop.host));
        let arguments = arguments.iter().map(ToString::to_string);
        [program].into_iter().chain(arguments).collect()
    }

    fn has(&self, slice: &str) -> bool {
        self.keep.contains(slice)
    }

    /// Makes the order of small sets the same in each run, in the class at `path`.
    fn fix_salt(&self, path: &Path) -> Result<(), LinkError> {
        let java = self.link.java;
        let bytes = fs::read(path).map_err(at("read", path))?;
        let fixed = fixed_salt(&bytes).map_err(|problem| LinkError::Salt { java, problem })?;
        fs::write(path, fixed).map_err(at("write", path))?;
        Ok(())
    }

    /// jlink, and what it is told.
    fn link_command(&self) -> Vec<String> {
        let modules: Vec<&str> = self.link.modules.iter().map(String::as_str).collect();
        let jmods = format!("/target/{}/jmods", self.home(self.workshop.architecture));
        let modules = modules.join(",");
        // It is this host's order, if nothing is said.
        let order = match self.workshop.architecture.as_str() {
            "s390x" => "big",
            _ => "little",
        };
        let mut arguments = vec![
            "-J--patch-module=java.base=/out/patch/java.base",
            "-J-XX:+UseSerialGC",
            "--module-path",
            &jmods,
            "--add-modules",
            &modules,
            "--endian",
            order,
            "--no-header-files",
            "--no-man-pages",
            "--output",
            RUNTIME,
        ];
        if !self.has("java-line-numbers") {
            // Before Java 13, the older option had no other meaning.
            let is_old = self.link.java < 13;
            arguments.push(if is_old {
                "--strip-debug"
            } else {
                "--strip-java-debug-attributes"
            });
        }
        if !self.has("java-plain-locales") && self.link.modules.contains("jdk.localedata") {
            // Debian's layers are compressed as a whole, but these 29 MB are read by few.
            arguments.push(if self.link.java >= 21 {
                "--compress=zip-9:filter=/jdk.localedata/**"
            } else {
                "--compress=2:filter=/jdk.localedata/**"
            });
        }
        self.command("jlink", &arguments)
    }

    /// Where the runtime for `architecture` is, without a slash at its start.
    fn home(&self, architecture: &Architecture) -> String {
        format!("usr/lib/jvm/java-{}-openjdk-{architecture}", self.link.java)
    }

    /// The file with the modules of this host's JDK.
    fn modules_file(&self) -> String {
        format!("/{}/lib/modules", self.home(self.workshop.host))
    }
}

/// Where a file belongs that the JDK's programs need.
fn program(path: &str) -> Option<String> {
    let is_needed = path.starts_with("usr/lib") || path.starts_with("etc/java");
    let is_large = path.contains("/jmods/")
        || ["lib/ct.sym", "lib/src.zip", ".jsa"]
            .iter()
            .any(|end| path.ends_with(end));
    (is_needed && !is_large && !is_idle(path)).then(|| path.to_string())
}

/// Where a file belongs that jlink reads.
fn jmod(path: &str) -> Option<String> {
    path.contains("/jmods/").then(|| path.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use expect_test::{Expect, expect};
    use jettison_debian::{Lock, PackageFile, Sha256, parse_lock};

    use crate::base::assemble::Downloads;

    /// A lock of the JDK, in one version for arm64 and in another one for amd64, and of its libraries.
    fn lock(version: &str, of_tools: &str) -> Lock {
        let digest = |text: &str| Sha256::of(text.as_bytes());
        let mut text = format!(
            "version = 1\n[[archive]]\nuri = \"http://archive.example\"\nsuite = \"trixie\"\ncodename = \"trixie\"\ndate = 2026-01-01T00:00:00Z\nrelease = \"{}\"\nsigners = []\n",
            digest("release")
        );
        let tables = [("package.arm64", version), ("tool.arm64.amd64", of_tools)];
        for (table, version) in tables {
            for name in [
                "openjdk-21-jre-headless",
                "openjdk-21-jdk-headless",
                "libc6",
                "tzdata",
            ] {
                let sha256 = digest(&format!("{table} {name} {version}"));
                let package = format!(
                    "[[{table}]]\nname = \"{name}\"\nversion = \"{version}\"\narchive = 0\npath = \"pool/{name}.deb\"\nsize = 1\nsha256 = \"{sha256}\"\n"
                );
                text.push_str(&package);
            }
        }
        parse_lock("test.lock", &text).unwrap()
    }

    struct Nothing;

    impl Downloads for Nothing {
        fn files(
            &self,
            _wanted: &[PackageFile],
        ) -> Result<Vec<PathBuf>, Box<dyn std::error::Error + Send + Sync>> {
            Ok(Vec::new())
        }
    }

    fn key(lock: &Lock, host: &str, modules: &[&str], keep: &[&str]) -> Result<String, String> {
        let request = LinkRequest {
            link: &RecipeLink {
                java: 21,
                modules: modules.iter().map(ToString::to_string).collect(),
            },
            keep: &keep.iter().map(ToString::to_string).collect(),
            workshop: Workshop {
                lock,
                architecture: &"arm64".parse().unwrap(),
                host: &host.parse().unwrap(),
                downloads: &Nothing,
                snapshots: None,
                unpacked: Path::new("/nowhere"),
            },
        };
        request.key().map_err(|error| match error {
            LinkError::Tools(error) => error.to_string(),
            other => other.to_string(),
        })
    }

    #[test]
    fn the_key_tells_requests_apart_by_all_that_goes_in() {
        let lock_1 = lock("1", "1");
        let base = key(&lock_1, "amd64", &["java.base"], &[]).unwrap();
        let same = [
            key(&lock_1, "amd64", &["java.base"], &["gconv"]),
            // jlink does not run them.
            key(&without(&lock_1, "tzdata"), "amd64", &["java.base"], &[]),
        ];
        for other in same {
            assert_eq!(other.as_ref(), Ok(&base));
        }
        let others = [
            key(&lock_1, "amd64", &["java.base", "java.sql"], &[]),
            key(&lock_1, "amd64", &["java.base"], &["java-line-numbers"]),
            key(&lock_1, "amd64", &["java.base"], &["java-cds"]),
            key(&lock_1, "arm64", &["java.base"], &[]),
            key(&lock("2", "2"), "amd64", &["java.base"], &[]),
            key(&without(&lock_1, "libc6"), "amd64", &["java.base"], &[]),
        ];
        for other in others {
            assert_ne!(other.unwrap(), base);
        }
    }

    /// The lock without one of its tools.
    fn without(lock: &Lock, name: &str) -> Lock {
        let mut lock = lock.clone();
        for tools in lock.tools.values_mut().flat_map(BTreeMap::values_mut) {
            tools.retain(|tool| tool.name != name);
        }
        lock
    }

    #[track_caller]
    fn check(lock: &Lock, host: &str, expected: Expect) {
        expected.assert_eq(&key(lock, host, &["java.base"], &[]).unwrap_err());
    }

    #[test]
    fn programs_that_are_missing_or_of_another_version_are_an_error() {
        let lock_1 = lock("1", "1");
        check(
            &without(&lock_1, "openjdk-21-jdk-headless"),
            "amd64",
            expect![
                "the lock has no package openjdk-21-jdk-headless for amd64, where what arm64 gets is to be made: `jettison base update` writes it anew"
            ],
        );
        check(
            &lock_1,
            "riscv64",
            expect![
                "the lock has no package openjdk-21-jdk-headless for riscv64, where what arm64 gets is to be made: `jettison base update` writes it anew"
            ],
        );
        check(
            &lock("1", "2"),
            "amd64",
            expect![
                "openjdk-21-jdk-headless is of version 2 for amd64 and of version 1 for arm64, which do not go together: `jettison base update` takes newer ones"
            ],
        );
        let mut nothing = lock_1;
        nothing.packages.clear();
        check(
            &nothing,
            "amd64",
            expect![
                "the lock has no package openjdk-21-jdk-headless: `jettison base update` writes it anew"
            ],
        );
    }

    #[test]
    fn libraries_and_java_are_needed_to_run_it() {
        let check = |path: &str, expected: bool| {
            assert_eq!(program(path).is_some(), expected, "{path}");
        };
        check("usr/lib/x86_64-linux-gnu/libc.so.6", true);
        check("usr/lib64/ld-linux-x86-64.so.2", true);
        check("etc/java-21-openjdk/jvm-amd64.cfg", true);
        check("etc/passwd", false);
        check("usr/share/doc/libc6/copyright", false);
        check("usr/lib/x86_64-linux-gnu/gconv/EUC-JP.so", false);
        check("usr/lib/jvm/java-21-openjdk-amd64/lib/ct.sym", false);
        check(
            "usr/lib/jvm/java-21-openjdk-amd64/jmods/java.base.jmod",
            false,
        );
    }
}
