//! What dpkg says is installed: `/var/lib/dpkg/status`, and the files of `/var/lib/dpkg/status.d`.

use crate::arch::Architecture;
use crate::deb822::{field_of, stanza_ranges};
use crate::package::source_package;
use crate::version::Version;

/// A package as dpkg's status describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// Its architecture; some status files of distroless images do not say.
    pub architecture: Option<Architecture>,
    /// How far its installation has come.
    pub status: InstallStatus,
    /// Whether every Debian system must have it.
    pub essential: bool,
    /// The name of its source package.
    pub source: String,
    /// The version of its source package.
    pub source_version: String,
    /// Roughly how many bytes it takes, where the status says so.
    pub installed_size: Option<u64>,
    /// Its configuration files, by absolute path.
    pub conffiles: Vec<String>,
    /// The whole stanza.
    pub control: String,
}

/// How far the installation of a package has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstallStatus {
    /// It is not installed.
    NotInstalled,
    /// Only its configuration files are left.
    ConfigFiles,
    /// Unpacking it was not finished.
    HalfInstalled,
    /// It is unpacked, but not configured.
    Unpacked,
    /// Configuring it was not finished.
    HalfConfigured,
    /// It waits for another package's trigger.
    TriggersAwaited,
    /// A trigger of its own has yet to run.
    TriggersPending,
    /// It is unpacked and configured.
    Installed,
}

impl InstalledPackage {
    /// Whether its files are there.
    pub fn is_unpacked(&self) -> bool {
        self.status >= InstallStatus::Unpacked
    }
}

/// Reads the text of a status file.
///
/// A stanza without a package name and a valid version does not describe a package, and is left out: dpkg itself
/// writes such stanzas for packages that were never installed. A stanza without a status, as in `status.d`, describes
/// a package that is installed.
pub fn parse_status(text: &str) -> Vec<InstalledPackage> {
    stanza_ranges(text)
        .filter_map(|(start, end)| installed_package(&text[start..end]))
        .collect()
}

fn installed_package(stanza: &str) -> Option<InstalledPackage> {
    let field = |name| field_of(stanza, name);
    let name = field("Package").filter(|name| !name.is_empty())?;
    let version: Version = field("Version")?.parse().ok()?;
    let (source, source_version) = source_package(field("Source")).unwrap_or((name, None));
    let size_kib: Option<u64> = field("Installed-Size").and_then(|size| size.parse().ok());
    Some(InstalledPackage {
        name: name.to_owned(),
        architecture: field("Architecture").and_then(|one| one.parse().ok()),
        status: parse_install_status(field("Status")),
        essential: field("Essential") == Some("yes"),
        source: source.to_owned(),
        source_version: source_version.unwrap_or(version.as_str()).to_owned(),
        version,
        installed_size: size_kib.and_then(|size| size.checked_mul(1024)),
        conffiles: parse_conffiles(field("Conffiles").unwrap_or_default()),
        control: stanza.to_owned(),
    })
}

/// The third word of `install ok installed`.
fn parse_install_status(field: Option<&str>) -> InstallStatus {
    let Some(field) = field else {
        return InstallStatus::Installed;
    };
    match field.split_ascii_whitespace().next_back() {
        Some("installed") => InstallStatus::Installed,
        Some("triggers-pending") => InstallStatus::TriggersPending,
        Some("triggers-awaited") => InstallStatus::TriggersAwaited,
        Some("half-configured") => InstallStatus::HalfConfigured,
        Some("unpacked") => InstallStatus::Unpacked,
        Some("half-installed") => InstallStatus::HalfInstalled,
        Some("config-files") => InstallStatus::ConfigFiles,
        Some(_) | None => InstallStatus::NotInstalled,
    }
}

/// The paths in lines of `path digest [obsolete]`; a path may hold spaces.
fn parse_conffiles(field: &str) -> Vec<String> {
    let path = |line: &str| {
        let line = line.strip_suffix(" remove-on-upgrade").unwrap_or(line);
        let line = line.strip_suffix(" obsolete").unwrap_or(line);
        line.rsplit_once(' ').map(|(path, _)| path.to_owned())
    };
    field.lines().map(str::trim).filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(text: &str, expected: Expect) {
        let show = |package: &InstalledPackage| {
            format!(
                "{} {} {:?} {:?} essential={} source={} {} {:?} {:?}\n",
                package.name,
                package.version,
                package.architecture.as_ref().map(Architecture::as_str),
                package.status,
                package.essential,
                package.source,
                package.source_version,
                package.installed_size,
                package.conffiles,
            )
        };
        expected.assert_eq(&parse_status(text).iter().map(show).collect::<String>());
    }

    #[test]
    fn a_status_file_lists_packages_with_their_state() {
        check(
            "Package: base-files\nEssential: yes\nStatus: install ok installed\nInstalled-Size: 340\n\
             Architecture: amd64\nVersion: 12.4+deb12u11\nConffiles:\n /etc/issue 123\n /etc/a b 456 obsolete\n\n\
             Package: libfoo1\nStatus: deinstall ok config-files\nArchitecture: amd64\nSource: foo (1:2.0)\n\
             Version: 1:2.0+b1\n\nPackage: gone\nStatus: purge ok not-installed\nArchitecture: amd64\n",
            expect![[r#"
                base-files 12.4+deb12u11 Some("amd64") Installed essential=true source=base-files 12.4+deb12u11 Some(348160) ["/etc/issue", "/etc/a b"]
                libfoo1 1:2.0+b1 Some("amd64") ConfigFiles essential=false source=foo 1:2.0 None []
            "#]],
        );
    }

    #[test]
    fn a_package_of_a_distroless_image_is_installed() {
        check(
            "Package: tzdata\nVersion: 2025b-0+deb12u2\nSource: tz\n",
            expect![[r"
                tzdata 2025b-0+deb12u2 None Installed essential=false source=tz 2025b-0+deb12u2 None []
            "]],
        );
    }

    #[test]
    fn states_say_whether_files_are_there() {
        let is_unpacked = |state: &str| {
            let text = format!("Package: a\nVersion: 1\nStatus: install ok {state}\n");
            parse_status(&text)[0].is_unpacked()
        };
        for state in [
            "installed",
            "unpacked",
            "half-configured",
            "triggers-pending",
            "triggers-awaited",
        ] {
            assert!(is_unpacked(state), "{state}");
        }
        for state in [
            "not-installed",
            "config-files",
            "half-installed",
            "nonsense",
        ] {
            assert!(!is_unpacked(state), "{state}");
        }
    }
}
