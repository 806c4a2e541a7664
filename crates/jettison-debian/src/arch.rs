//! Architectures as Debian names them.

use std::fmt;
use std::str::FromStr;

/// A Debian architecture, such as `amd64`, or `all`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Architecture(
    // Invariant: lower-case letters, digits and hyphens, starting with a letter or digit.
    String,
);

/// A text that is not the name of an architecture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read architecture `{text}`")]
pub struct ArchitectureError {
    /// The text that was given.
    pub text: String,
}

impl Architecture {
    /// The architecture of packages that run on every architecture.
    pub fn all() -> Architecture {
        Architecture("all".to_owned())
    }

    /// Debian's name for what Rust calls `name` (`std::env::consts::ARCH`), where Debian has a port for it.
    ///
    /// Names that do not tell the byte order or the floating-point ABI are taken for the port that Debian releases.
    pub fn of_rust(name: &str) -> Option<Architecture> {
        let debian = match name {
            "x86_64" => "amd64",
            "x86" => "i386",
            "aarch64" => "arm64",
            "arm" => "armhf",
            "riscv64" => "riscv64",
            "s390x" => "s390x",
            "powerpc64" => "ppc64el",
            "mips64" => "mips64el",
            "loongarch64" => "loong64",
            _ => return None,
        };
        Some(Architecture(debian.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is `all`.
    pub fn is_all(&self) -> bool {
        self.0 == "all"
    }

    /// Whether `pattern`, which may be a wildcard such as `linux-any` or `any-arm64`, covers this architecture.
    pub fn matches(&self, pattern: &str) -> bool {
        if pattern == self.0 || pattern == "any" {
            return true;
        }
        let (system, cpu) = self.system_and_cpu();
        match pattern.split_once('-') {
            Some((wanted, "any")) => wanted == system,
            Some(("any", wanted)) => wanted == cpu,
            Some(_) | None => false,
        }
    }

    fn system_and_cpu(&self) -> (&str, &str) {
        self.0.rsplit_once('-').unwrap_or(("linux", &self.0))
    }
}

impl FromStr for Architecture {
    type Err = ArchitectureError;

    fn from_str(text: &str) -> Result<Architecture, ArchitectureError> {
        if !is_architecture(text) {
            return Err(ArchitectureError {
                text: text.to_owned(),
            });
        }
        Ok(Architecture(text.to_owned()))
    }
}

/// Whether `text` is the name of an architecture.
pub(crate) fn is_architecture(text: &str) -> bool {
    let is_ok = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && !text.starts_with('-') && text.bytes().all(is_ok)
}

impl fmt::Display for Architecture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_cover_the_system_or_the_processor() {
        let check = |architecture: &str, pattern: &str, expected: bool| {
            let architecture: Architecture = architecture.parse().unwrap();
            assert_eq!(
                architecture.matches(pattern),
                expected,
                "{architecture} {pattern}"
            );
        };
        check("amd64", "amd64", true);
        check("amd64", "arm64", false);
        check("amd64", "any", true);
        check("amd64", "linux-any", true);
        check("amd64", "any-amd64", true);
        check("hurd-amd64", "linux-any", false);
        check("hurd-amd64", "any-amd64", true);
    }

    #[test]
    fn a_rust_architecture_without_a_port_has_no_name() {
        assert_eq!(
            Architecture::of_rust("x86_64").unwrap().to_string(),
            "amd64"
        );
        assert_eq!(Architecture::of_rust("wasm32"), None);
    }

    #[test]
    fn a_path_is_not_an_architecture() {
        for text in ["", "../x", "a/b", "-any", "AMD64"] {
            assert!(text.parse::<Architecture>().is_err(), "{text}");
        }
    }
}
