//! What a fresh root filesystem needs around its packages.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use jettison_debian::Archive;

/// Directories that became symbolic links into `/usr` with Debian 12.
const MERGED: [&str; 4] = ["bin", "sbin", "lib", "lib64"];

/// Settings that keep layers made with apt small, as those of Debian's official image do:
/// no archives and no binary caches are kept, lists stay compressed, no translations.
const APT_SETTINGS: &str = "\
// A container image keeps nothing that apt can fetch again.
APT::Keep-Downloaded-Packages \"false\";
Dir::Cache::pkgcache \"\";
Dir::Cache::srcpkgcache \"\";
DPkg::Post-Invoke { \"rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true\"; };
APT::Update::Post-Invoke { \"rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true\"; };
Acquire::GzipIndexes \"true\";
Acquire::Languages \"none\";
APT::AutoRemove::SuggestsImportant \"false\";
";

/// A layer is written whole or thrown away: dpkg need not wait for the disk.
const DPKG_SETTINGS: &str = "force-unsafe-io\n";

/// Services are not started while packages are installed.
const POLICY: &str = "#!/bin/sh\nexit 101\n";

/// Files that only say when and where the packages were installed.
const TRACES: [&str; 10] = [
    "var/log/dpkg.log",
    "var/log/alternatives.log",
    "var/log/bootstrap.log",
    "var/log/apt/history.log",
    "var/log/apt/term.log",
    "var/log/apt/eipp.log.xz",
    "var/cache/ldconfig/aux-cache",
    "var/cache/debconf/config.dat-old",
    "var/cache/debconf/templates.dat-old",
    "var/lib/dpkg/status-old",
];

/// Makes the links that a merged `/usr` needs before the first package is unpacked.
pub(super) fn merge_usr(root: &Path, has_lib64: bool) -> io::Result<()> {
    for name in MERGED {
        if name == "lib64" && !has_lib64 {
            continue;
        }
        fs::create_dir_all(root.join("usr").join(name))?;
        symlink(Path::new("usr").join(name), root.join(name))?;
    }
    Ok(())
}

/// Makes what dpkg expects to find on its first run.
pub(super) fn before_dpkg(root: &Path) -> io::Result<()> {
    for path in [
        "var/lib/dpkg/info",
        "var/lib/dpkg/updates",
        "var/lib/dpkg/parts",
        "var/cache/apt/archives/partial",
        "etc/apt",
    ] {
        fs::create_dir_all(root.join(path))?;
    }
    for path in ["var/lib/dpkg/status", "var/lib/dpkg/available"] {
        if !root.join(path).exists() {
            fs::write(root.join(path), "")?;
        }
    }
    fs::create_dir_all(root.join("usr/sbin"))?;
    write_with_mode(&root.join("usr/sbin/policy-rc.d"), POLICY, 0o755)
}

/// Sets up apt for containers and removes the traces of this installation.
pub(super) fn after_dpkg(root: &Path, archives: &[Archive]) -> io::Result<()> {
    if root.join("etc/apt/apt.conf.d").is_dir() {
        write_with_mode(
            &root.join("etc/apt/apt.conf.d/90container-image"),
            APT_SETTINGS,
            0o644,
        )?;
        fs::create_dir_all(root.join("etc/apt/sources.list.d"))?;
        write_with_mode(
            &root.join("etc/apt/sources.list.d/debian.sources"),
            &sources(archives),
            0o644,
        )?;
    }
    fs::create_dir_all(root.join("etc/dpkg/dpkg.cfg.d"))?;
    write_with_mode(
        &root.join("etc/dpkg/dpkg.cfg.d/container-image"),
        DPKG_SETTINGS,
        0o644,
    )?;
    for path in TRACES {
        match fs::remove_file(root.join(path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn write_with_mode(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// apt's sources for `archives`.
fn sources(archives: &[Archive]) -> String {
    let mut text = String::new();
    for archive in archives {
        if !text.is_empty() {
            text.push('\n');
        }
        let _infallible = writeln!(
            text,
            "Types: deb\nURIs: {}\nSuites: {}\nComponents: {}\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg",
            archive.uri,
            archive.suite,
            archive.components.join(" "),
        );
    }
    text
}
