//! Platforms, such as `linux/arm/v7`.
//!
//! The rules are those of containerd/platforms: `Parse`, `Normalize` and `FormatAll`, platforms.go.

use crate::quote::quoted;

/// A platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Platform {
    pub(crate) os: String,
    /// What stands in parentheses after the operating system, parentheses included.
    os_version: String,
    pub(crate) architecture: String,
    variant: String,
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
    /// Reads a platform; `host` is the architecture of one that names only an operating system. The error is in
    /// containerd's words.
    pub(crate) fn parse(text: &str, host: &str) -> Result<Platform, String> {
        let whole = quoted(text);
        if text.contains('*') {
            return Err(format!("{whole}: wildcards not yet supported: {INVALID}"));
        }
        let parts: Vec<&str> = text.splitn(4, '/').collect();
        let (os, os_version) = operating_system(parts[0], &whole)?;
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
            architecture,
            variant,
        })
    }

    /// Says whether two platforms differ in what makes an image run or not.
    pub(crate) fn differs(&self, other: &Platform) -> bool {
        (&self.os, &self.architecture) != (&other.os, &other.architecture)
    }

    /// The platform as it is shown.
    pub(crate) fn shown(&self) -> String {
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

/// Splits the operating system from what is in parentheses after it: a version, and features with a plus each.
fn operating_system(part: &str, whole: &str) -> Result<(String, String), String> {
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
    let name = match name.to_lowercase() {
        name if name == "macos" => "darwin".to_owned(),
        name => name,
    };
    Ok((name, version.to_owned()))
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
