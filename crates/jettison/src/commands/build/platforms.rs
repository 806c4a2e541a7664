//! `--platform`: what is built for, and what this host can run.

use std::fs;
use std::path::Path;

use jettison_dockerfile::Platform;

use crate::cli::BuildArgs;
use crate::failure::Failure;
use crate::surroundings::Surroundings;

/// Where the kernel lists the formats of programs that others interpret.
const FORMATS: &str = "/proc/sys/fs/binfmt_misc";

/// The names that qemu's interpreters have for architectures, where they are not the image specification's.
const INTERPRETERS: [(&str, &str); 9] = [
    ("aarch64", "arm64"),
    ("x86_64", "amd64"),
    ("i386", "386"),
    ("ppc64le", "ppc64le"),
    ("mips64el", "mips64le"),
    ("mipsel", "mipsle"),
    ("loongarch64", "loong64"),
    ("riscv64", "riscv64"),
    ("s390x", "s390x"),
];

/// This host's platform.
pub(super) fn host() -> Platform {
    Platform::new("linux", &Surroundings::architecture())
}

/// The platforms that the command line asks for, none twice; `local` is this host's.
pub(super) fn wanted(args: &BuildArgs) -> Result<Vec<Platform>, Failure> {
    let mut platforms: Vec<Platform> = Vec::new();
    for text in args.image.platforms.iter().filter(|text| !text.is_empty()) {
        let platform = if text == "local" {
            host()
        } else {
            Platform::parse(text, &Surroundings::architecture())
                .map_err(|error| {
                    Failure::user(format!("cannot build for platform {text}")).because(&error)
                })?
                .normalized()
        };
        if !platforms.contains(&platform) {
            platforms.push(platform);
        }
    }
    Ok(platforms)
}

/// The platforms whose programs run here: this one's, and those that an interpreter is registered for.
pub(super) fn runnable() -> Vec<Platform> {
    let mut platforms = vec![host()];
    if host().architecture == "amd64" {
        platforms.push(Platform::new("linux", "386"));
    }
    let Ok(entries) = fs::read_dir(FORMATS) else {
        return platforms;
    };
    let formats = entries.flatten().filter_map(|entry| format(&entry.path()));
    platforms.extend(formats.map(|architecture| Platform::new("linux", &architecture)));
    platforms
}

/// The architecture that a format is for, if programs of it run in other file systems as well.
fn format(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?.strip_prefix("qemu-")?;
    let text = fs::read_to_string(path).ok()?;
    let is_enabled = text.lines().next() == Some("enabled");
    // With this flag the kernel opens the interpreter when it is registered, and needs no path to it later.
    let is_fixed = text.lines().any(|line| {
        line.strip_prefix("flags:")
            .is_some_and(|flags| flags.contains('F'))
    });
    let known = INTERPRETERS.iter().find(|(ours, _)| *ours == name);
    (is_enabled && is_fixed).then(|| known.map_or(name, |(_, usual)| usual).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_counts_if_its_interpreter_is_at_hand_everywhere() {
        let dir = tempfile::tempdir().unwrap();
        let cases = [
            (
                "qemu-aarch64",
                "enabled\ninterpreter /usr/bin/q\nflags: OCF\n",
                Some("arm64"),
            ),
            ("qemu-arm", "enabled\nflags: F\n", Some("arm")),
            (
                "qemu-s390x",
                "enabled\ninterpreter /usr/bin/q\nflags: OC\n",
                None,
            ),
            ("qemu-riscv64", "disabled\nflags: F\n", None),
            ("python3.13", "enabled\nflags: F\n", None),
        ];
        for (name, text, expected) in cases {
            let path = dir.path().join(name);
            fs::write(&path, text).unwrap();
            assert_eq!(format(&path).as_deref(), expected, "{name}");
        }
    }
}
