//! The program that an image starts, and what keeps it from being moved.

use std::path::{Path, PathBuf};

use super::made::{Step, maker};
use super::{Fact, NotApplicable, Origin, reason};
use crate::evidence::elf::{Elf, without_debugging};
use crate::evidence::installed::installed_beside;
use crate::evidence::packages::Packages;
use crate::evidence::program::{ProgramKind, program_kind};
use crate::rootfs::RootDir;

/// The largest program that is read into memory.
const PROGRAM_LIMIT: u64 = 1 << 30;

/// A program file of the image.
#[derive(Debug)]
pub(super) struct Program {
    /// The path by which it is started.
    pub(super) path: PathBuf,
    /// Where that leads.
    pub(super) real_path: PathBuf,
    /// Where it is started.
    pub(super) working_dir: PathBuf,
    pub(super) bytes: Vec<u8>,
    pub(super) elf: Elf,
}

impl Program {
    pub(super) fn contains(&self, text: &str) -> bool {
        self.holds(text.as_bytes())
    }

    pub(super) fn holds(&self, bytes: &[u8]) -> bool {
        memchr::memmem::find(&self.bytes, bytes).is_some()
    }

    /// Whether the strings of a whole C library are among the program's own.
    pub(super) fn has_static_libc(&self) -> bool {
        self.elf.static_glibc || (!self.is_go() && self.elf.needed.is_empty())
    }

    fn is_go(&self) -> bool {
        self.elf.go_buildinfo.is_some()
    }
}

/// The file that the image starts.
pub(super) struct Place<'e> {
    pub(super) path: PathBuf,
    /// Where it is started.
    pub(super) working_dir: PathBuf,
    /// Where programs are looked for.
    pub(super) path_env: &'e str,
}

/// Reads the program at a place, if it is compiled and the Dockerfile itself made it.
pub(super) fn compiled(
    root: &RootDir,
    Place {
        path,
        working_dir,
        path_env,
    }: Place<'_>,
    steps: &[Step],
    packages: &Packages,
    facts: &mut Vec<Fact>,
) -> Result<Program, NotApplicable> {
    let unread = |error: crate::rootfs::RootError| NotApplicable::Read(error.to_string());
    let shown = path.display().to_string();
    let resolved = root.resolve(&path).map_err(unread)?;
    let real_path = resolved.real_path;
    let Some(line) = maker(steps, &real_path) else {
        return Err(reason(format!(
            "{shown} comes from the base image, not from an instruction of this Dockerfile"
        )));
    };
    if packages.owner_either_side(&path).is_some()
        || packages.owner_either_side(&real_path).is_some()
    {
        return Err(reason(format!(
            "{shown} belongs to a Debian package; programs of packages are not moved yet"
        )));
    }
    if let Some(other) = installed_beside(root, steps, (&real_path, path_env))
        .map_err(unread)?
        .first()
    {
        return Err(reason(format!(
            "{shown} was installed together with other programs ({}), which a run may be told to start",
            other.display()
        )));
    }
    let bytes = root.read(&path, PROGRAM_LIMIT).map_err(unread)?;
    let elf = match program_kind(&bytes) {
        ProgramKind::Elf(elf) => *elf,
        ProgramKind::Script(script) => {
            return Err(reason(format!(
                "{shown} is a script for {}; scripts are not moved yet",
                script.path.display()
            )));
        }
        ProgramKind::Unknown => {
            return Err(reason(format!(
                "{shown} is neither an ELF program nor a script"
            )));
        }
    };
    facts.push(Fact {
        text: format!("{shown} is made by this instruction"),
        origin: Origin::Line(line),
    });
    if let Some(info) = &elf.go_buildinfo {
        facts.push(Fact {
            text: format!("{shown} is compiled by {}", info.version),
            origin: Origin::File(path.clone()),
        });
    }
    let program = Program {
        path,
        real_path,
        working_dir,
        bytes: without_debugging(bytes),
        elf,
    };
    refuse_attributes(root, &program)?;
    refuse_link(&program)?;
    refuse_hidden(&program)?;
    refuse_helpers(&program)?;
    Ok(program)
}

/// Permissions that go beyond the file's mode bits.
fn refuse_attributes(root: &RootDir, program: &Program) -> Result<(), NotApplicable> {
    use std::os::unix::fs::MetadataExt as _;
    let shown = program.path.display();
    let metadata = root
        .metadata(&program.path)
        .map_err(|error| NotApplicable::Read(error.to_string()))?;
    if metadata.mode() & 0o6000 != 0 {
        return Err(reason(format!(
            "{shown} is setuid or setgid, and not every builder's COPY keeps that"
        )));
    }
    let has_capabilities = root
        .has_attribute(&program.path, "security.capability")
        .map_err(|error| NotApplicable::Read(error.to_string()))?;
    if has_capabilities {
        return Err(reason(format!(
            "{shown} has capabilities (setcap), and not every builder's COPY keeps them"
        )));
    }
    Ok(())
}

/// COPY follows links, so a program behind one would find itself at another place.
fn refuse_link(program: &Program) -> Result<(), NotApplicable> {
    if program.path == program.real_path {
        return Ok(());
    }
    let looks = if program.is_go() {
        program.contains("os.Executable") || program.contains("os.executable")
    } else {
        program.contains("/proc/self/exe")
    };
    let searches = program
        .elf
        .rpath
        .iter()
        .chain(&program.elf.run_path)
        .any(|entry| entry.contains("ORIGIN"));
    if looks || searches {
        return Err(reason(format!(
            "{} is a link to {}, and the program asks for its own place; start it by its real path",
            program.path.display(),
            program.real_path.display()
        )));
    }
    Ok(())
}

/// A program that unpacks itself shows nothing of what it does.
fn refuse_hidden(program: &Program) -> Result<(), NotApplicable> {
    let shown = program.path.display();
    if program.holds(b"UPX!") && (!program.elf.has_sections || !program.is_go()) {
        return Err(reason(format!(
            "{shown} is packed (UPX), so nothing can be seen of what it needs"
        )));
    }
    if !program.elf.has_sections && !program.is_go() {
        return Err(reason(format!(
            "{shown} has no section headers, so it may be packed and nothing can be seen of what it needs"
        )));
    }
    if program.elf.static_glibc && !program.elf.knows_functions {
        return Err(reason(format!(
            "{shown} is linked statically with glibc and stripped, so it cannot be told whether it loads modules of glibc (name service, character sets); leave its symbols in or link it with musl"
        )));
    }
    if program.has_static_libc() && program.elf.static_glibc {
        for (used, what) in [
            (program.elf.uses_nss, "asks the name service"),
            (program.elf.uses_iconv, "converts character sets"),
        ] {
            if used {
                return Err(reason(format!(
                    "{shown} is linked statically and {what}, for which glibc loads libraries after all"
                )));
            }
        }
    }
    Ok(())
}

/// Programs that start other programs or load libraries by name need more than can be seen.
fn refuse_helpers(program: &Program) -> Result<(), NotApplicable> {
    const GO_STARTS: [&str; 4] = [
        "os/exec.(*Cmd).Start",
        "os.StartProcess",
        "syscall.Exec",
        "syscall.StartProcess",
    ];
    // Without symbols, the words that the C library's functions for it need.
    const C_STARTS: [&str; 3] = ["/bin/sh", ":/bin:/usr/bin", "/bin:/usr/bin"];
    let shown = program.path.display();
    let starts = |what: &str| {
        Err(reason(format!(
            "{shown} can start other programs ({what}), which are not traced yet"
        )))
    };
    if program.is_go() {
        if let Some(name) = GO_STARTS.iter().find(|name| program.contains(name)) {
            return starts(name);
        }
    } else if !program.elf.knows_functions
        && let Some(word) = C_STARTS.iter().find(|word| program.contains(word))
    {
        return starts(word);
    }
    if program.elf.starts_programs {
        return starts("exec");
    }
    if program.elf.uses_dlopen && !program.has_static_libc() {
        return Err(reason(format!(
            "{shown} can load libraries by name (dlopen), which is not traced yet"
        )));
    }
    Ok(())
}

/// The user could write there in the original and could not in the final stage, where all
/// directories above what is copied are made by root.
pub(super) fn refuse_writable(
    root: &RootDir,
    user: &str,
    directories: &[&Path],
) -> Result<(), NotApplicable> {
    use std::os::unix::fs::MetadataExt as _;
    let Some((uid, gid)) = user.split_once(':') else {
        return Ok(());
    };
    for directory in directories {
        let Some(metadata) = root.target(directory) else {
            continue;
        };
        let mode = metadata.mode();
        let writes = (metadata.uid().to_string() == uid && mode & 0o200 != 0)
            || (metadata.gid().to_string() == gid && mode & 0o020 != 0)
            || mode & 0o002 != 0;
        if writes {
            return Err(reason(format!(
                "the image's user {user} may write into {}, which would belong to root in the final stage",
                directory.display()
            )));
        }
    }
    Ok(())
}
