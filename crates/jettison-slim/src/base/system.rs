//! What a fresh root filesystem needs around its packages.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use jettison_debian::{Freshness, Keyring, LockedArchive};
use rustix::fs::{AtFlags, Timespec, Timestamps};

/// Directories that became symbolic links into `/usr` with Debian 12.
const MERGED: [&str; 4] = ["bin", "sbin", "lib", "lib64"];

/// Settings that keep layers made with apt small. Names and meaning are those of Debian's official image
/// (debuerreotype: `debuerreotype-minimizing-config`), for Dockerfiles remove some of them: one that keeps packages in a
/// cache mount starts with `rm -f /etc/apt/apt.conf.d/docker-clean`.
const APT_SETTINGS: [(&str, &str); 4] = [
    (
        "docker-autoremove-suggests",
        "// What was installed for others goes with them, even if something else suggests it.\n\
         APT::AutoRemove::SuggestsImportant \"false\";\n",
    ),
    (
        "docker-clean",
        "// Packages and caches that apt can have again would stay in the layer.\n\
         DPkg::Post-Invoke { \"rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true\"; };\n\
         APT::Update::Post-Invoke { \"rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true\"; };\n\
         Dir::Cache::pkgcache \"\";\n\
         Dir::Cache::srcpkgcache \"\";\n",
    ),
    (
        "docker-gzip-indexes",
        "// Lists stay compressed.\nAcquire::GzipIndexes \"true\";\n",
    ),
    (
        "docker-no-languages",
        "// Translations of descriptions are not fetched.\nAcquire::Languages \"none\";\n",
    ),
];

/// A layer is written whole or thrown away: dpkg need not wait for the disk.
const DPKG_SETTINGS: (&str, &str) = ("docker-apt-speedup", "force-unsafe-io\n");

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

/// Sets up apt for containers and removes the traces of this installation. `date` is the base's, in Unix seconds.
pub(super) fn after_dpkg(root: &Path, archives: &[LockedArchive], date: u64) -> io::Result<()> {
    if root.join("etc/apt/apt.conf.d").is_dir() {
        for (name, text) in APT_SETTINGS {
            write_with_mode(&root.join("etc/apt/apt.conf.d").join(name), text, 0o644)?;
        }
        fs::create_dir_all(root.join("etc/apt/sources.list.d"))?;
        write_with_mode(
            &root.join("etc/apt/sources.list.d/debian.sources"),
            &apt_sources(archives),
            0o644,
        )?;
    }
    let (name, text) = DPKG_SETTINGS;
    let folder = root.join("etc/dpkg/dpkg.cfg.d");
    fs::create_dir_all(&folder)?;
    write_with_mode(&folder.join(name), text, 0o644)?;
    for path in TRACES {
        match fs::remove_file(root.join(path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    clamp_passwords(&root.join("etc/shadow"), date)
}

/// Says that passwords were changed on the base's day, where programs that know no `SOURCE_DATE_EPOCH` wrote a later one:
/// the third field is that day, counted from 1970 (shadow(5)).
fn clamp_passwords(path: &Path, date: u64) -> io::Result<()> {
    // A link would lead the file's owner, who is the base, out of it.
    if !fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return Ok(());
    }
    let today = date / 86_400;
    let text = fs::read_to_string(path)?;
    let line = |line: &str| {
        let mut fields: Vec<String> = line.split(':').map(str::to_string).collect();
        if let Some(day) = fields.get_mut(2)
            && day.parse::<u64>().is_ok_and(|day| day > today)
        {
            *day = today.to_string();
        }
        fields.join(":") + "\n"
    };
    let clamped: String = text.lines().map(line).collect();
    if clamped == text {
        return Ok(());
    }
    fs::write(path, clamped)
}

/// Gives every file below `root` that is newer than `latest` that time, so that the directory and
/// the layer made of it say the same.
pub(super) fn clamp_times(root: &Path, latest: i64) -> io::Result<()> {
    let time = Timespec {
        tv_sec: latest,
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let path = entry.path();
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            clamp_times(&path, latest)?;
        }
        if metadata.mtime() >= latest {
            rustix::fs::utimensat(rustix::fs::CWD, &path, &times, AtFlags::SYMLINK_NOFOLLOW)?;
        }
    }
    Ok(())
}

fn write_with_mode(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// apt's file of the `archives`; suites of one archive stand in one stanza, as in Debian's official image. Archives with
/// keys of their own are left out, for their keys are not in the image.
fn apt_sources(archives: &[LockedArchive]) -> String {
    let mut stanzas: Vec<(&LockedArchive, Vec<&str>)> = Vec::new();
    let debian = Keyring::debian().fingerprints();
    let is_of_the_past = archives
        .iter()
        .any(|archive| archive.freshness == Freshness::IgnoreValidUntil);
    let option = if is_of_the_past {
        "Check-Valid-Until: no\n"
    } else {
        ""
    };
    for archive in archives {
        if !archive.signers.iter().any(|one| debian.contains(one)) {
            continue;
        }
        let same = stanzas
            .iter_mut()
            .find(|(first, _)| first.uri == archive.uri && first.components == archive.components);
        match same {
            // A lock of several architectures has a suite twice, if it had changed in between.
            Some((_, suites)) if suites.contains(&archive.suite.as_str()) => {}
            Some((_, suites)) => suites.push(&archive.suite),
            None => stanzas.push((archive, vec![&archive.suite])),
        }
    }
    let stanza = |(archive, suites): &(&LockedArchive, Vec<&str>)| {
        format!(
            "Types: deb\nURIs: {}\nSuites: {}\nComponents: {}\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n{option}",
            archive.uri,
            suites.join(" "),
            archive.components.join(" "),
        )
    };
    stanzas.iter().map(stanza).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use jettison_debian::Sha256;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn only_newer_files_get_another_time() {
        let dir = tempfile::tempdir().unwrap();
        let old = dir.path().join("etc/old");
        fs::create_dir(dir.path().join("etc")).unwrap();
        fs::write(&old, "").unwrap();
        fs::write(dir.path().join("etc/new"), "").unwrap();
        symlink("nowhere", dir.path().join("etc/link")).unwrap();
        let past = UNIX_EPOCH + Duration::from_secs(1000);
        fs::File::open(&old).unwrap().set_modified(past).unwrap();
        clamp_times(dir.path(), 2000).unwrap();
        let time = |name: &str| fs::symlink_metadata(dir.path().join(name)).unwrap().mtime();
        assert_eq!(
            [
                time("etc/old"),
                time("etc/new"),
                time("etc/link"),
                time("etc")
            ],
            [1000, 2000, 2000, 2000]
        );
    }

    #[test]
    fn suites_of_one_archive_stand_in_one_stanza() {
        let source = |uri: &str, suite: &str| LockedArchive {
            uri: uri.to_string(),
            suite: suite.to_string(),
            codename: suite.to_string(),
            components: vec!["main".to_string()],
            date: 0,
            release: Sha256::of(b""),
            signers: Keyring::debian().fingerprints(),
            freshness: Freshness::Checked,
        };
        let other = LockedArchive {
            signers: vec!["00".to_string()],
            ..source("http://other.example/apt", "stable")
        };
        let text = apt_sources(&[
            source("http://a.example/debian", "trixie"),
            other,
            source("http://a.example/debian", "trixie-updates"),
            source("http://a.example/debian", "trixie"),
            source("http://a.example/debian-security", "trixie-security"),
        ]);
        expect![[r"
            Types: deb
            URIs: http://a.example/debian
            Suites: trixie trixie-updates
            Components: main
            Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

            Types: deb
            URIs: http://a.example/debian-security
            Suites: trixie-security
            Components: main
            Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
        "]]
        .assert_eq(&text);
    }

    #[test]
    fn passwords_were_changed_on_the_bases_day_or_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shadow");
        clamp_passwords(&path, 0).unwrap();
        fs::write(
            &path,
            "root:*:20783:0:99999:7:::\nold:*:5:0:::\nnone:*::\nx\n",
        )
        .unwrap();
        clamp_passwords(&path, 20_000 * 86_400 + 5).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "root:*:20000:0:99999:7:::\nold:*:5:0:::\nnone:*::\nx\n"
        );
    }

    #[test]
    fn links_of_a_merged_usr_lead_into_usr() {
        let dir = tempfile::tempdir().unwrap();
        merge_usr(dir.path(), false).unwrap();
        assert_eq!(
            fs::read_link(dir.path().join("lib")).unwrap(),
            Path::new("usr/lib")
        );
        assert!(!dir.path().join("lib64").exists());
    }
}
