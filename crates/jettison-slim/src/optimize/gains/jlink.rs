//! A Java runtime of the modules that a program needs, linked of the JDK's own in the build stage.
//!
//! The JDK's tree loses the files that the linked runtime does not have, and gets its `lib/modules`: everything else in it,
//! settings and certificates above all, stays the original's, under its path. Debugging information stays in the classes,
//! since traces of the stack show it.

mod idle;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use jettison_build::DEFAULT_PATH;
use jettison_sandbox::Trace;

use self::idle::idle;
use super::Situation;
use crate::evidence::{find_program, java_release, linked_files, variable};
use crate::java::image::JdkModules;
use crate::java::mentions::{Mentions, Need};
use crate::java::rules::roots;
use crate::refactor::{Claim, Equality, Gain, ShellStep};
use crate::rootfs::RootError;

/// The largest file that is looked into, in bytes.
const LIMIT: u64 = 1 << 30;
/// Where jlink writes.
const LINKED: &str = "/jre";
/// Words that ask for every module there is, or for an archive of classes, which a linked runtime does not have.
const WHOLE: [&str; 6] = [
    "ALL-DEFAULT",
    "ALL-SYSTEM",
    "-Xshare:on",
    "RequireSharedSpaces",
    "SharedArchiveFile",
    "SharedClassListFile",
];
/// Where nothing lies that a program of Java loads.
const SYSTEM: [&str; 8] = [
    "/etc/ssl",
    "/usr/lib/locale",
    "/usr/share/doc",
    "/usr/share/i18n",
    "/usr/share/locale",
    "/usr/share/perl",
    "/usr/share/zoneinfo",
    "/var/lib/dpkg",
];

/// The gain, if the candidate has one Java runtime of a JDK that has jlink and jmods.
pub(super) fn find(situation: &Situation<'_>) -> Result<Option<Gain>, RootError> {
    let files = files(situation)?;
    let Some(home) = home(situation, &files) else {
        return Ok(None);
    };
    let Some(java) = java_release(situation.root, &home) else {
        return Ok(None);
    };
    let bytes = situation.root.read(&home.join("lib/modules"), LIMIT)?;
    let Some(jdk) = JdkModules::parse(&bytes) else {
        return Ok(None);
    };
    drop(bytes);
    let Some((mentions, count)) = mentions(situation, (&jdk, java), (&home, &files)) else {
        return Ok(None);
    };
    let needs = mentions.into_needs();
    let modules = roots(&jdk, needs.keys());
    let closure = jdk.closure(modules.iter().map(String::as_str));
    if closure.len() == jdk.declarations().count() {
        return Ok(None);
    }
    let Some(mut linked) = linked_files(situation.root, &home, closure.keys().copied()) else {
        return Ok(None);
    };
    let spared = spared(situation, &home, &linked);
    linked.extend(spared.iter().map(|name| home.join(name)));
    let is_gone = |path: &Path| path.starts_with(&home) && !linked.contains(path);
    let idle = idle(situation, &files, &is_gone)?;
    let why = |module: &String| match needs.get(module) {
        Some(Need::Rule(_)) | None => module.clone(),
        Some(need) => format!("{module} ({need})"),
    };
    let named: Vec<String> = modules.iter().map(why).collect();
    Ok(Some(Gain {
        name: "jlink",
        reason: format!(
            "the Java runtime in {} is linked anew of {} of its {} modules, since {count} jars and classes need {} and what these require; \
             lib/modules is another file, and the archive of classes with which Java starts faster is left out",
            home.display(),
            closure.len(),
            jdk.declarations().count(),
            named.join(", "),
        ),
        build: vec![step(situation, (&home, java), &modules, &spared)],
        dropped_packages: idle.packages,
        left_out: idle.left_out,
        claims: vec![Claim {
            path: home,
            equality: Equality::Answers,
        }],
        ..Gain::default()
    }))
}

/// The candidate's regular files.
fn files(situation: &Situation<'_>) -> Result<Vec<PathBuf>, RootError> {
    let mut files = Vec::new();
    situation.candidate.walk(&mut |path, metadata| {
        if metadata.is_file() {
            files.push(path.to_path_buf());
        }
    })?;
    Ok(files)
}

/// The tree of the candidate's only Java runtime, if one can be linked of it.
fn home(situation: &Situation<'_>, files: &[PathBuf]) -> Option<PathBuf> {
    let root = situation.root;
    let mut homes = files.iter().filter_map(|path| {
        let home = path.parent()?.parent()?;
        let is_home = path.ends_with("lib/modules")
            && root
                .target(&home.join("bin/java"))
                .is_some_and(|found| found.is_file());
        is_home.then(|| home.to_path_buf())
    });
    let (home, None) = (homes.next()?, homes.next()) else {
        return None;
    };
    let is_jdk = ["bin/jlink", "jmods/java.base.jmod"].iter().all(|name| {
        root.target(&home.join(name))
            .is_some_and(|found| found.is_file())
    });
    let is_free = root.target(Path::new(LINKED)).is_none();
    (is_jdk && is_free && super::is_word(&home)).then_some(home)
}

/// What all programs of Java in the candidate mention, and how many jars and classes there are; none if something cannot be
/// read, or asks for the whole runtime.
fn mentions<'j>(
    situation: &Situation<'_>,
    (jdk, java): (&'j JdkModules, u8),
    (home, files): (&Path, &[PathBuf]),
) -> Option<(Mentions<'j>, usize)> {
    let mut mentions = Mentions::new(jdk, java);
    let config = situation.config;
    let commands = [&config.entrypoint, &config.cmd]
        .into_iter()
        .flatten()
        .flatten();
    let values = config
        .env
        .iter()
        .filter_map(|pair| Some(pair.split_once('=')?.1));
    let mut words: Vec<String> = commands
        .map(String::as_str)
        .chain(values)
        .flat_map(str::split_whitespace)
        .map(str::to_owned)
        .collect();
    for path in files {
        let is_other = path.starts_with(home)
            || is_setting_of_java(path)
            || SYSTEM.iter().any(|above| path.starts_with(above));
        if is_other {
            continue;
        }
        let bytes = situation.candidate.content(path, LIMIT)?;
        if bytes.starts_with(b"\x7fELF") {
            continue;
        }
        if bytes.starts_with(b"#!") {
            let text = String::from_utf8_lossy(&bytes);
            words.extend(text.split_whitespace().map(str::to_owned));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        mentions.add_file(&name, &bytes).ok()?;
    }
    for word in &words {
        if WHOLE.iter().any(|whole| word.contains(whole)) {
            return None;
        }
        mentions.add_option(word);
    }
    let count = mentions.files();
    Some((mentions, count))
}

/// Whether `path` is a setting of Debian's Java itself, to which a link in its tree leads.
fn is_setting_of_java(path: &Path) -> bool {
    path.starts_with("/etc")
        && path.iter().nth(2).is_some_and(|name| {
            let name = name.to_string_lossy();
            name.starts_with("java-") && name.ends_with("-openjdk")
        })
}

/// What a linked runtime does not have of `home` and is kept all the same, by paths in it: what runs have used, and a library
/// that the virtual machine itself opens where the processor can use it.
fn spared(situation: &Situation<'_>, home: &Path, linked: &BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
    let vectors = home.join("lib/libjsvml.so");
    let used = situation.trace.into_iter().flat_map(Trace::found);
    let used = used.map(|(path, _)| path).chain([vectors.as_path()]);
    used.filter(|path| !linked.contains(*path))
        .filter(|path| path.extension().is_none_or(|end| end != "jsa"))
        .filter(|path| {
            let found = situation.root.symlink_metadata(path);
            found.is_ok_and(|found| !found.is_dir()) && super::is_word(path)
        })
        .filter_map(|path| path.strip_prefix(home).ok())
        .filter(|path| {
            !path.starts_with("legal")
                && *path != Path::new("lib/modules")
                && *path != Path::new("release")
        })
        .map(Path::to_path_buf)
        .collect()
}

/// What links, and puts what was linked in the place of the whole.
fn step(
    situation: &Situation<'_>,
    (home, java): (&Path, u8),
    modules: &[String],
    spared: &BTreeSet<PathBuf>,
) -> ShellStep {
    let path_env = variable(&situation.config.env, "PATH").unwrap_or(DEFAULT_PATH);
    let program = home.join("bin/jlink");
    let is_on_path = find_program(situation.root, "jlink", Path::new("/"), path_env)
        .ok()
        .and_then(|path| situation.root.resolve(&path).ok())
        .is_some_and(|found| found.real_path == program);
    let jlink = if is_on_path {
        "jlink".to_owned()
    } else {
        program.display().to_string()
    };
    // JDK-8293499: Java 21 has other names for what was `2`.
    let compress = if java >= 21 { "zip-6" } else { "2" };
    let tree = home.to_path_buf();
    let home = home.display();
    let mut spared_names = String::new();
    for name in spared {
        let _infallible = write!(spared_names, " ! -path ./{}", name.display());
    }
    ShellStep {
        comment: "Of the Java runtime, the modules that the program needs.".to_owned(),
        commands: vec![
            format!(
                "{jlink} --add-modules {} \\\n        --no-header-files --no-man-pages --compress {compress} --output {LINKED}",
                modules.join(","),
            ),
            format!("cd {home}"),
            format!(
                "find . ! -type d ! -path './conf/*'{spared_names} | while IFS= read -r path; do [ -e \"{LINKED}/$path\" ] || rm \"$path\"; done"
            ),
            "find . -mindepth 1 -type d -empty -delete".to_owned(),
            format!("mv {LINKED}/lib/modules lib/modules"),
        ],
        trees: vec![tree],
        ..ShellStep::default()
    }
}
