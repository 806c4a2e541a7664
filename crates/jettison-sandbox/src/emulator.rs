//! Whether programs for other processors can run: what is registered with `binfmt_misc`.
//!
//! See <https://docs.kernel.org/admin-guide/binfmt-misc.html>.

use std::fs;
use std::path::{Path, PathBuf};

/// A processor whose programs this host can run by an emulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emulator {
    /// The processor's name in images, such as `arm64`.
    pub architecture: String,
    /// The program that emulates it.
    pub interpreter: PathBuf,
    /// Whether the kernel has it open, so that it need not be in the image.
    pub is_preloaded: bool,
}

const REGISTRY: &str = "/proc/sys/fs/binfmt_misc";

/// QEMU's names for processors and those in images.
const ARCHITECTURES: [(&str, &str); 12] = [
    ("aarch64", "arm64"),
    ("arm", "arm"),
    ("i386", "386"),
    ("loongarch64", "loong64"),
    ("mips64", "mips64"),
    ("mips64el", "mips64le"),
    ("mips", "mips"),
    ("mipsel", "mipsle"),
    ("ppc64le", "ppc64le"),
    ("riscv64", "riscv64"),
    ("s390x", "s390x"),
    ("x86_64", "amd64"),
];

/// The emulators that are registered and enabled, by the processor's name.
pub fn emulators() -> Vec<Emulator> {
    emulators_in(Path::new(REGISTRY))
}

/// Whether anything can be registered at all.
pub(crate) fn has_registry() -> bool {
    Path::new(REGISTRY).join("status").exists()
}

fn emulators_in(registry: &Path) -> Vec<Emulator> {
    let mut found = Vec::new();
    for entry in fs::read_dir(registry).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let architecture = name
            .to_str()
            .and_then(|name| name.strip_prefix("qemu-"))
            .and_then(|name| ARCHITECTURES.iter().find(|(qemu, _)| *qemu == name));
        let Some((_, architecture)) = architecture else {
            continue;
        };
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        if let Some((interpreter, is_preloaded)) = parse(&text) {
            found.push(Emulator {
                architecture: (*architecture).to_owned(),
                interpreter: PathBuf::from(interpreter),
                is_preloaded,
            });
        }
    }
    found.sort_by(|a, b| a.architecture.cmp(&b.architecture));
    found
}

/// The interpreter, and whether the kernel has it open; `None` if the entry is disabled.
fn parse(text: &str) -> Option<(&str, bool)> {
    let mut lines = text.lines();
    if lines.next()? != "enabled" {
        return None;
    }
    let value = |key| text.lines().find_map(|line| line.strip_prefix(key));
    let flags = value("flags:").unwrap_or_default();
    Some((value("interpreter ")?, flags.contains('F')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enabled_entries_of_qemu_are_emulators() {
        let registry = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(registry.path().join(name), text).unwrap();
        let rest = "offset 0\nmagic 7f454c46\n";
        write("status", "enabled\n");
        write(
            "qemu-riscv64",
            &format!("enabled\ninterpreter /usr/bin/q r\nflags: PO\n{rest}"),
        );
        write(
            "qemu-aarch64",
            &format!("enabled\ninterpreter /usr/bin/q\nflags: POCF\n{rest}"),
        );
        write(
            "qemu-s390x",
            &format!("disabled\ninterpreter /usr/bin/q\nflags: F\n{rest}"),
        );
        write("python3", "enabled\ninterpreter /usr/bin/python3\nflags:\n");
        let found: Vec<String> = emulators_in(registry.path())
            .iter()
            .map(|emulator| {
                let Emulator {
                    architecture,
                    interpreter,
                    is_preloaded,
                } = emulator;
                format!("{architecture} {} {is_preloaded}", interpreter.display())
            })
            .collect();
        assert_eq!(
            found,
            ["arm64 /usr/bin/q true", "riscv64 /usr/bin/q r false"]
        );
        assert_eq!(emulators_in(&registry.path().join("missing")), []);
    }
}
