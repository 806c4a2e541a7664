//! Platforms, such as `linux/arm/v7`.
//!
//! The rules are those of containerd/platforms: `Parse`, `Normalize` and `FormatAll`, platforms.go.

use std::fmt;

use crate::quote::quoted;

/// An operating system and a processor architecture, in Go's words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    /// The operating system, such as `linux`.
    pub os: String,
    /// Its version as it is written; mostly empty.
    pub os_version: String,
    /// What it has to offer besides; mostly nothing.
    pub os_features: Vec<String>,
    /// The architecture, such as `amd64`.
    pub architecture: String,
    /// The variant of the architecture, such as `v7`; mostly empty.
    pub variant: String,
}

/// Why a text is no platform, in containerd's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PlatformError {
    /// The words.
    pub message: String,
}

/// What an operating system must match, as messages show it.
const SYSTEM_PATTERN: &str =
    r"^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.%-]*)((?:\+[A-Za-z0-9_.%-]+)*)\))?$";

/// What an architecture or a variant must match.
const PART_PATTERN: &str = "^[A-Za-z0-9_.-]+$";

/// How all messages end but those about escapes.
const INVALID: &str = "invalid argument";

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
    /// A platform without a variant.
    pub fn new(os: &str, architecture: &str) -> Platform {
        Platform {
            os: os.to_owned(),
            os_version: String::new(),
            os_features: Vec::new(),
            architecture: architecture.to_owned(),
            variant: String::new(),
        }
    }

    /// Reads a platform; `host` is the architecture of one that names only an operating system.
    pub fn parse(text: &str, host: &str) -> Result<Platform, PlatformError> {
        Platform::read(text, host).map_err(|message| PlatformError { message })
    }

    fn read(text: &str, host: &str) -> Result<Platform, String> {
        let whole = quoted(text);
        if text.contains('*') {
            return Err(format!("{whole}: wildcards not yet supported: {INVALID}"));
        }
        let parts: Vec<&str> = text.splitn(4, '/').collect();
        let (os, options) = operating_system(parts[0], &whole)?;
        let mut options = options.into_iter();
        let os_version = options.next().unwrap_or_default();
        if let Some(part) = parts[1..].iter().find(|part| !is_specifier(part)) {
            return Err(format!(
                "{} is an invalid component of {whole}: platform specifier component must match {}: {INVALID}",
                quoted(part),
                quoted(PART_PATTERN)
            ));
        }
        let ((architecture, variant), os) = match parts[1..] {
            [] if SYSTEMS.contains(&os.as_str()) => ((host.to_owned(), String::new()), os),
            [] => {
                let (architecture, variant) = normal_architecture(parts[0], "");
                if !ARCHITECTURES.contains(&architecture.as_str()) {
                    return Err(format!(
                        "{whole}: unknown operating system or architecture: {INVALID}"
                    ));
                }
                ((architecture, variant), "linux".to_owned())
            }
            [architecture] => (normal_architecture(architecture, ""), os),
            [architecture, variant] => (normal_architecture(architecture, variant), os),
            _ => {
                return Err(format!(
                    "{whole}: cannot parse platform specifier: {INVALID}"
                ));
            }
        };
        Ok(Platform {
            os,
            os_version,
            os_features: options.collect(),
            architecture,
            variant,
        })
    }

    /// The same in the usual words: `arm64` has no variant `v8`, `arm` without one is `v7` (containerd: `Normalize`).
    #[must_use]
    pub fn normalized(&self) -> Platform {
        let (architecture, variant) = normal_architecture(&self.architecture, &self.variant);
        Platform {
            os: normal_system(&self.os),
            architecture,
            variant,
            ..self.clone()
        }
    }

    /// Says whether two platforms differ in what makes an image run or not.
    pub(crate) fn differs(&self, other: &Platform) -> bool {
        (&self.os, &self.architecture) != (&other.os, &other.architecture)
    }

    /// The platform in the usual words, as it is shown.
    pub(crate) fn shown(&self) -> String {
        self.normalized().to_string()
    }
}

/// `os[(version[+feature…])]/architecture[/variant]` (containerd: `FormatAll`).
impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.os)?;
        if !self.os_version.is_empty() || !self.os_features.is_empty() {
            let features = self.os_features.iter().map(|feature| format!("+{feature}"));
            let features: String = features.collect();
            write!(formatter, "({}{features})", self.os_version)?;
        }
        for part in [&self.architecture, &self.variant] {
            if !part.is_empty() {
                write!(formatter, "/{part}")?;
            }
        }
        Ok(())
    }
}

/// Splits the operating system from what is in parentheses after it: a version, and features with a plus each.
fn operating_system(part: &str, whole: &str) -> Result<(String, Vec<String>), String> {
    let (name, version) = match part.find('(') {
        Some(open) => part.split_at(open),
        None => (part, ""),
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    let is_option = |c: char| c.is_ascii_alphanumeric() || "_.%-".contains(c);
    let inner = match version {
        "" => Some(""),
        version => version
            .strip_prefix('(')
            .and_then(|version| version.strip_suffix(')')),
    };
    let options: Option<Vec<&str>> = inner.map(|inner| inner.split('+').collect());
    let is_good = !name.is_empty()
        && name.chars().all(is_name)
        && options.as_ref().is_some_and(|options| {
            let is_there = options[1..].iter().all(|feature| !feature.is_empty());
            is_there && options.iter().all(|option| option.chars().all(is_option))
        });
    if !is_good {
        return Err(format!(
            "{} is an invalid OS component of {whole}: OSAndVersion specifier component must match {}: {INVALID}",
            quoted(part),
            quoted(SYSTEM_PATTERN)
        ));
    }
    for (index, option) in options.iter().flatten().enumerate() {
        let Some(escape) = bad_escape(option) else {
            continue;
        };
        let problem = format!("invalid URL escape {}", quoted(escape));
        return Err(match index {
            0 => format!(
                "{whole} has an invalid OS version {}: {problem}",
                quoted(option)
            ),
            _ => format!(
                "{whole} has invalid OS features: invalid os feature {}: {problem}",
                quoted(option)
            ),
        });
    }
    let options = options.unwrap_or_default();
    Ok((
        normal_system(name),
        options.into_iter().map(str::to_owned).collect(),
    ))
}

fn normal_system(name: &str) -> String {
    match name.to_lowercase() {
        name if name == "macos" => "darwin".to_owned(),
        name => name,
    }
}

/// The first `%` that two hexadecimal digits do not follow, with what does (Go: `url.PathUnescape`).
fn bad_escape(text: &str) -> Option<&str> {
    text.match_indices('%').find_map(|(at, _)| {
        let escape = &text[at..text.len().min(at + 3)];
        let is_good = escape.len() == 3 && escape[1..].bytes().all(|b| b.is_ascii_hexdigit());
        (!is_good).then_some(escape)
    })
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
        let shown = |text: &str| {
            Platform::parse(text, "amd64")
                .ok()
                .map(|platform| platform.shown())
        };
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
