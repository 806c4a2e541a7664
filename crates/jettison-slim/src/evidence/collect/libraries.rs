//! What the loader and the C library open for a program.

use std::path::{Path, PathBuf};

use jettison_oci::RunConfig;

use super::{Fact, NotApplicable, Origin, Program, reason, variable};
use crate::evidence::closure::{ClosureFile, ElfClosure, elf_closure};
use crate::evidence::elf::Elf;
use crate::refactor::{KeptPath, Rung};
use crate::rootfs::RootDir;

/// The largest library that is read.
const LIBRARY_LIMIT: u64 = 1 << 30;
/// Libraries that belong to every compiler: what they can do matters only if a program asks for it.
const RUNTIMES: [&str; 12] = [
    "ld-linux",
    "ld-musl",
    "libc.",
    "libdl.",
    "libpthread.",
    "librt.",
    "libm.",
    "libgcc_s.",
    "libstdc++.",
    "libresolv.",
    "libutil.",
    "libatomic.",
];

/// What a program needs before its first instruction.
#[derive(Debug)]
pub(super) struct Libraries {
    pub(super) rung: Rung,
    pub(super) kept: Vec<KeptPath>,
    pub(super) fact: Fact,
}

/// The interpreter and libraries that the program asks for.
pub(super) fn libraries(
    root: &RootDir,
    program: &Program,
    config: &RunConfig,
) -> Result<Libraries, NotApplicable> {
    let path = &program.path;
    let elf = &program.elf;
    let origin = Origin::File(path.clone());
    if variable(&config.env, "LD_PRELOAD").is_some_and(|value| !value.is_empty())
        || root.target(Path::new("/etc/ld.so.preload")).is_some()
    {
        return Err(reason("libraries are preloaded into every program"));
    }
    if elf.interpreter.is_none() && elf.needed.is_empty() {
        let text = format!("{} asks for no interpreter and no library", path.display());
        return Ok(Libraries {
            rung: Rung::Scratch,
            kept: Vec::new(),
            fact: Fact { text, origin },
        });
    }
    let library_path = variable(&config.env, "LD_LIBRARY_PATH").unwrap_or("");
    let ElfClosure { files, missing } = elf_closure(root, path, library_path)
        .map_err(|error| NotApplicable::Read(error.to_string()))?;
    if let Some((needing, soname)) = missing.first() {
        return Err(reason(format!(
            "{} needs {soname}, which the image does not have",
            needing.display()
        )));
    }
    let files: Vec<ClosureFile> = files
        .into_iter()
        .filter(|file| file.real_path != program.real_path && file.path != *path)
        .collect();
    let mut kept = Vec::new();
    for file in &files {
        check_library(root, &file.path)?;
        kept.push(KeptPath {
            path: file.path.clone(),
            reason: file.why.to_string(),
            is_directory: false,
        });
    }
    if files.iter().any(|file| !is_trusted(&file.path)) {
        kept.extend(if_there(
            root,
            "/etc/ld.so.cache",
            "the dynamic linker finds libraries by it",
        ));
    }
    kept.extend(services(root, program, &files)?);
    let text = format!("{} asks for {}", path.display(), elf.needed.join(", "));
    Ok(Libraries {
        rung: Rung::Base,
        kept,
        fact: Fact { text, origin },
    })
}

/// A library may do on its own what a program is refused for.
fn check_library(root: &RootDir, path: &Path) -> Result<(), NotApplicable> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if RUNTIMES.iter().any(|runtime| name.starts_with(runtime)) {
        return Ok(());
    }
    let bytes = root
        .read(path, LIBRARY_LIMIT)
        .map_err(|error| NotApplicable::Read(error.to_string()))?;
    let elf = Elf::parse(&bytes).map_err(|error| NotApplicable::Read(error.to_string()))?;
    for (used, what) in [
        (elf.starts_programs, "start other programs"),
        (elf.uses_dlopen, "load libraries by name"),
        (elf.uses_iconv, "convert character sets by modules"),
    ] {
        if used {
            return Err(reason(format!(
                "{} can {what}, which is not traced yet",
                path.display()
            )));
        }
    }
    Ok(())
}

/// Whether the dynamic linker looks into the directory of `path` by itself.
fn is_trusted(path: &Path) -> bool {
    let Some(dir) = path.parent() else {
        return false;
    };
    let below = dir.strip_prefix("/usr").unwrap_or(dir);
    let below = below.strip_prefix("/").unwrap_or(below);
    let parts: Vec<String> = below
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    match parts.as_slice() {
        [lib] => lib == "lib" || lib == "lib64",
        [lib, triplet] => lib == "lib" && triplet.contains("-linux-"),
        _ => false,
    }
}

/// Modules and tables of the C library that it opens for the functions that the program uses.
fn services(
    root: &RootDir,
    program: &Program,
    files: &[ClosureFile],
) -> Result<Vec<KeptPath>, NotApplicable> {
    let mut kept = Vec::new();
    let shown = program.path.display();
    let libc = files.iter().find(|file| {
        let name = file.path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libc.so")
    });
    let beside = |name: &str| -> Option<PathBuf> { Some(libc?.path.parent()?.join(name)) };
    let below_usr = |path: PathBuf| {
        let usr = Path::new("/usr").join(path.strip_prefix("/").unwrap_or(&path));
        if root.target(&usr).is_some() {
            usr
        } else {
            path
        }
    };
    if program.elf.uses_iconv
        && let Some(gconv) = beside("gconv").map(below_usr)
    {
        let why = format!("{shown} converts character sets");
        kept.extend(if_there(root, &gconv, &why));
    }
    if ["setlocale", "newlocale"]
        .iter()
        .any(|name| program.contains(name))
    {
        let why = format!("{shown} sets a locale");
        kept.extend(if_there(root, "/usr/lib/locale", &why));
    }
    // A run may be told of any time zone, by `TZ`.
    if ["localtime", "mktime", "tzset"]
        .iter()
        .any(|name| program.contains(name))
    {
        let why = format!("{shown} tells local times");
        for path in ["/usr/share/zoneinfo", "/etc/localtime"] {
            kept.extend(if_there(root, path, &why));
        }
    }
    if program.contains("bindtextdomain") {
        return Err(reason(format!(
            "{shown} says things in the language of the environment (gettext), and its catalogs are not among its own strings"
        )));
    }
    let asks = program.elf.uses_nss || files.iter().any(|file| library_asks(root, &file.path));
    if !asks {
        return Ok(kept);
    }
    let why = format!("{shown} asks the name service");
    for path in [
        "/etc/nsswitch.conf",
        "/etc/passwd",
        "/etc/group",
        "/etc/services",
        "/etc/protocols",
        "/etc/gai.conf",
        "/etc/host.conf",
    ] {
        kept.extend(if_there(root, path, &why));
    }
    for service in name_services(root) {
        let Some(module) = beside(&format!("libnss_{service}.so.2")) else {
            continue;
        };
        if root.target(&module).is_none() {
            continue;
        }
        if !["files", "dns"].contains(&service.as_str()) {
            return Err(reason(format!(
                "{shown} asks the name service, which loads {}; that is not traced yet",
                module.display()
            )));
        }
        kept.extend(if_there(root, &module, &why));
    }
    Ok(kept)
}

fn library_asks(root: &RootDir, path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    !RUNTIMES.iter().any(|runtime| name.starts_with(runtime))
        && root
            .content(path, LIBRARY_LIMIT)
            .and_then(|bytes| Elf::parse(&bytes).ok())
            .is_some_and(|elf| elf.uses_nss)
}

/// The services that `/etc/nsswitch.conf` names, or glibc's defaults.
pub(crate) fn name_services(root: &RootDir) -> Vec<String> {
    let text = match root.read(Path::new("/etc/nsswitch.conf"), 1 << 20) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => "hosts: files dns".to_string(),
    };
    let mut names: Vec<String> = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .filter_map(|line| line.split_once(':'))
        .flat_map(|(_, services)| services.split_whitespace())
        .filter(|word| word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
        .map(str::to_string)
        .collect();
    names.sort();
    names.dedup();
    names
}

fn if_there(root: &RootDir, path: impl AsRef<Path>, reason: &str) -> Option<KeptPath> {
    let path = path.as_ref();
    root.target(path).is_some().then(|| KeptPath {
        path: path.to_path_buf(),
        reason: reason.to_string(),
        is_directory: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_linker_looks_into_the_systems_directories_by_itself() {
        for path in [
            "/lib/x86_64-linux-gnu/libc.so.6",
            "/usr/lib/aarch64-linux-gnu/libz.so.1",
            "/lib64/ld-linux-x86-64.so.2",
        ] {
            assert!(is_trusted(Path::new(path)), "{path}");
        }
        for path in [
            "/usr/local/lib/libx.so",
            "/app/libx.so",
            "/usr/lib/x/liby.so",
        ] {
            assert!(!is_trusted(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn name_services_are_read_without_their_actions() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        std::fs::write(
            dir.path().join("etc/nsswitch.conf"),
            "passwd: files systemd # x\nhosts: files [NOTFOUND=return] dns\n",
        )
        .unwrap();
        let root = RootDir::open(dir.path()).unwrap();
        assert_eq!(name_services(&root), ["dns", "files", "systemd"]);
    }
}
