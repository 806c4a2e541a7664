//! Platforms, such as `linux/arm/v7`.
//!
//! The rules are those of containerd/platforms: `Parse`, `Normalize` and `FormatAll`, platforms.go.

use crate::checks::input::CheckInput;

/// A platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Platform {
    pub(super) os: String,
    /// What stands in parentheses after the operating system, parentheses included.
    os_version: String,
    pub(super) architecture: String,
    variant: String,
}

const SYSTEMS: [&str; 17] = [
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "hurd",
    "illumos",
    "ios",
    "js",
    "linux",
    "nacl",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "windows",
    "zos",
];

const ARCHITECTURES: [&str; 24] = [
    "386",
    "amd64",
    "amd64p32",
    "arm",
    "armbe",
    "arm64",
    "arm64be",
    "ppc64",
    "ppc64le",
    "loong64",
    "mips",
    "mipsle",
    "mips64",
    "mips64le",
    "mips64p32",
    "mips64p32le",
    "ppc",
    "riscv",
    "riscv64",
    "s390",
    "s390x",
    "sparc",
    "sparc64",
    "wasm",
];

impl Platform {
    /// Reads a platform; `host` is the architecture of one that names only an operating system.
    pub(super) fn parse(text: &str, host: &str) -> Option<Platform> {
        let parts: Vec<&str> = text.split('/').collect();
        let (os, os_version) = operating_system(parts[0])?;
        if !parts[1..].iter().all(|part| is_specifier(part)) {
            return None;
        }
        let ((architecture, variant), os) = match parts[1..] {
            [] if SYSTEMS.contains(&os.as_str()) => ((host.to_owned(), String::new()), os),
            [] => {
                let (architecture, variant) = normal_architecture(parts[0], "");
                if !ARCHITECTURES.contains(&architecture.as_str()) {
                    return None;
                }
                ((architecture, variant), "linux".to_owned())
            }
            [architecture] => (normal_architecture(architecture, ""), os),
            [architecture, variant] => (normal_architecture(architecture, variant), os),
            _ => return None,
        };
        Some(Platform {
            os,
            os_version,
            architecture,
            variant,
        })
    }

    /// Says whether two platforms differ in what makes an image run or not.
    pub(super) fn differs(&self, other: &Platform) -> bool {
        (&self.os, &self.architecture) != (&other.os, &other.architecture)
    }

    /// The platform as it is shown.
    pub(super) fn shown(&self) -> String {
        let (architecture, variant) = normal_architecture(&self.architecture, &self.variant);
        let parts = [architecture, variant];
        let mut shown = format!("{}{}", self.os, self.os_version);
        for part in parts.iter().filter(|part| !part.is_empty()) {
            shown.push('/');
            shown.push_str(part);
        }
        shown
    }
}

/// The architecture of the machine that builds, which a platform without one means.
pub(super) fn host<'a>(input: &'a CheckInput<'_>) -> &'a str {
    let known = input.evaluation.predefined.get("BUILDARCH");
    known.map_or("amd64", String::as_str)
}

/// Splits the operating system from what is in parentheses after it.
fn operating_system(part: &str) -> Option<(String, String)> {
    let (name, version) = match part.find('(') {
        Some(open) => part.split_at(open),
        None => (part, ""),
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    if name.is_empty() || !name.chars().all(is_name) {
        return None;
    }
    if !version.is_empty() {
        let inner = version.strip_prefix('(')?.strip_suffix(')')?;
        let is_version = |c: char| c.is_ascii_alphanumeric() || "_.%-+".contains(c);
        if !inner.chars().all(is_version) {
            return None;
        }
    }
    let name = match name.to_lowercase() {
        name if name == "macos" => "darwin".to_owned(),
        name => name,
    };
    Some((name, version.to_owned()))
}

fn is_specifier(part: &str) -> bool {
    !part.is_empty()
        && part
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

/// The usual name of an architecture and its variant.
fn normal_architecture(architecture: &str, variant: &str) -> (String, String) {
    let (architecture, variant) = (architecture.to_lowercase(), variant.to_lowercase());
    let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
        ("i386", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64" | "amd64", variant) => ("amd64", variant),
        ("aarch64" | "arm64", "8" | "v8" | "v8.0") => ("arm64", ""),
        ("aarch64" | "arm64", "9" | "9.0" | "v9.0") => ("arm64", "v9"),
        ("aarch64" | "arm64", variant) => ("arm64", variant),
        ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
        ("armel", _) | ("arm", "6") => ("arm", "v6"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "8") => ("arm", "v8"),
        (architecture, variant) => (architecture, variant),
    };
    (architecture.to_owned(), variant.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_read_as_containerd_reads_them() {
        let shown = |text: &str| Platform::parse(text, "amd64").map(|platform| platform.shown());
        let cases = [
            ("linux", Some("linux/amd64")),
            ("Linux/X86_64", Some("linux/amd64")),
            ("arm", Some("linux/arm/v7")),
            ("linux/arm/6", Some("linux/arm/v6")),
            ("linux/arm64/v8", Some("linux/arm64")),
            (
                "windows(10.0.17763)/amd64",
                Some("windows(10.0.17763)/amd64"),
            ),
            ("macos/arm64", Some("darwin/arm64")),
            ("plan10/weird", Some("plan10/weird")),
            ("plan10", None),
            ("linux/", None),
            ("", None),
            ("a/b/c/d", None),
            ("linux/*", None),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text).as_deref(), expected, "{text}");
        }
    }
}
