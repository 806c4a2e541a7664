//! Where Debian's packages come from: the command line, the settings, the host's own apt sources,
//! then a public default.

mod credentials;

use std::fs;
use std::path::Path;

use jettison_debian::{
    AptSource, Architecture, Archive, ArchiveSource, Keyring, Sources, SourcesFormat, apt_sources,
};

pub(crate) use crate::archives::credentials::Credentials;

use crate::archives::credentials::without_credentials;
use crate::settings::{DebianSettings, FurtherArchive, Settings};

/// The archive of hosts that have no apt sources for the suite.
const DEFAULT_ARCHIVE: &str = "http://ftp.debian.org/debian";

/// The releases that Debian's main archive has.
const RELEASES: [&str; 9] = [
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "oldstable",
    "stable",
    "testing",
    "sid",
    "unstable",
];

/// The archives of one suite, and what is missing among them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Archives {
    /// The suite itself, then its updates.
    pub(crate) list: Vec<Archive>,
    /// What the user should know.
    pub(crate) note: Option<String>,
}

/// The archives that serve `suite`. `chosen` and `security` come from the command line or the settings.
pub(crate) fn archives(
    suite: &str,
    chosen: Option<&str>,
    security: Option<&str>,
    host: &[AptSource],
) -> Archives {
    let of_host = |wanted: &str| {
        let usable = || host.iter().filter(|source| is_usable(source));
        let exact = usable().find(|source| source.archive.suite == wanted);
        // An archive of one release has the others, too.
        let other = || {
            let kind = release_kind(wanted)?;
            usable().find(|source| release_kind(&source.archive.suite) == Some(kind))
        };
        let source = exact.or_else(other)?;
        Some(source.archive.uri.trim_end_matches('/').to_string())
    };
    let main = |uri: &str, suite: &str| Archive {
        uri: without_credentials(uri.trim_end_matches('/')),
        suite: suite.to_string(),
        components: vec!["main".to_string()],
    };
    let uri = chosen
        .map(str::to_string)
        .or_else(|| of_host(suite))
        .unwrap_or_else(|| DEFAULT_ARCHIVE.to_string());
    let mut list = vec![main(&uri, suite)];
    if ["sid", "unstable", "experimental"].contains(&suite) {
        return Archives { list, note: None };
    }
    list.push(main(&uri, &format!("{suite}-updates")));
    let security_suite = format!("{suite}-security");
    // A chosen archive is the only one that is asked, unless another was chosen for security.
    let of_host = if chosen.is_none() {
        of_host(&security_suite)
    } else {
        None
    };
    let Some(uri) = security.map(str::to_string).or(of_host) else {
        let note = format!(
            "no archive of {security_suite} is known, so the base is built without security updates; name one as `security-archive` under `[debian]` in the settings"
        );
        return Archives {
            list,
            note: Some(note),
        };
    };
    list.push(main(&uri, &security_suite));
    Archives { list, note: None }
}

/// Whether binary packages of Debian's own can come from the source.
fn is_usable(source: &AptSource) -> bool {
    source.enabled
        && source.types.iter().any(|kind| kind == "deb")
        && source.archive.components.iter().any(|name| name == "main")
}

/// What a suite of a release of Debian's is, without the release's name; nothing, if it is none.
fn release_kind(suite: &str) -> Option<&str> {
    let rest = RELEASES.iter().find_map(|name| suite.strip_prefix(name))?;
    matches!(rest, "" | "-updates" | "-security").then_some(rest)
}

impl Archives {
    /// The archives with the keys that Debian signs with, and those that the settings add to them.
    pub(crate) fn sources(
        &self,
        architecture: Architecture,
        settings: &DebianSettings,
    ) -> Result<Sources, String> {
        let keyring = Keyring::debian();
        let source = |archive: &Archive| ArchiveSource {
            archive: archive.clone(),
            keyring: keyring.clone(),
            priority: None,
            freshness: settings.freshness,
            downgrade: settings.downgrade,
        };
        let mut list: Vec<ArchiveSource> = self.list.iter().map(source).collect();
        for further in settings.archives_for(self.suite()) {
            let mut source = further.source()?;
            source.archive.uri = without_credentials(&source.archive.uri);
            list.push(source);
        }
        Ok(Sources {
            list,
            architecture,
            pins: settings.pins.clone(),
        })
    }

    /// All that tells these sources from others, in lines.
    pub(crate) fn identity(&self, settings: &DebianSettings) -> String {
        let further = settings.archives_for(self.suite());
        let all = self.list.iter().chain(further.map(FurtherArchive::archive));
        let line = |archive: &Archive| {
            format!(
                "{} {} {}\n",
                without_credentials(&archive.uri),
                archive.suite,
                archive.components.join(" ")
            )
        };
        let pins = settings.pins.iter().map(|pin| format!("{pin:?}\n"));
        all.map(line).chain(pins).collect()
    }

    /// The suite that was asked for.
    fn suite(&self) -> &str {
        self.list.first().map_or("", |archive| &archive.suite)
    }
}

/// The credentials for archives: of the addresses on the command line, in the settings and in the host's apt sources, then
/// those that the host's apt has for them.
pub(crate) fn credentials(settings: &Settings, chosen: Option<&str>) -> Credentials {
    let root = Path::new("/");
    let host = host_sources(root);
    let further = &settings.debian.archives;
    let said = chosen
        .into_iter()
        .chain(settings.archive.as_deref())
        .chain(settings.security_archive.as_deref())
        .chain(further.iter().map(|one| one.archive().uri.as_str()))
        .chain(host.iter().map(|source| source.archive.uri.as_str()));
    Credentials::of_addresses(said).or(Credentials::of_host(root))
}

/// What the host's apt uses. Files that cannot be read say nothing.
pub(crate) fn host_sources(root: &Path) -> Vec<AptSource> {
    let mut sources = Vec::new();
    let mut add = |path: &Path, format| {
        if let Ok(text) = fs::read_to_string(path)
            && let Ok(found) = apt_sources(&text, format)
        {
            sources.extend(found);
        }
    };
    add(&root.join("etc/apt/sources.list"), SourcesFormat::OneLine);
    let mut paths: Vec<_> = fs::read_dir(root.join("etc/apt/sources.list.d"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    for path in paths {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("list") => add(&path, SourcesFormat::OneLine),
            Some("sources") => add(&path, SourcesFormat::Deb822),
            _ => {}
        }
    }
    sources
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    const HOST: &str = "\
deb http://mirror.example/debian bookworm main contrib
deb-src http://source.example/debian trixie main
deb http://mirror.example/security bookworm-security main
# deb http://off.example/debian trixie main
";

    #[track_caller]
    fn check(suite: &str, chosen: Option<&str>, expected: Expect) {
        let host = apt_sources(HOST, SourcesFormat::OneLine).unwrap();
        let Archives { list, note } = archives(suite, chosen, None, &host);
        let mut text: Vec<String> = list
            .iter()
            .map(|a| format!("{} {} {}", a.uri, a.suite, a.components.join(",")))
            .collect();
        text.extend(note.map(|note| note.split(',').next().unwrap_or_default().to_string()));
        expected.assert_eq(&text.join("\n"));
    }

    #[test]
    fn the_hosts_own_archive_is_used() {
        check(
            "bookworm",
            None,
            expect![[r"
            http://mirror.example/debian bookworm main
            http://mirror.example/debian bookworm-updates main
            http://mirror.example/security bookworm-security main"]],
        );
    }

    #[test]
    fn another_release_comes_from_the_hosts_archive() {
        check(
            "trixie",
            None,
            expect![[r"
            http://mirror.example/debian trixie main
            http://mirror.example/debian trixie-updates main
            http://mirror.example/security trixie-security main"]],
        );
    }

    #[test]
    fn a_suite_that_is_none_of_debians_comes_from_the_default() {
        check(
            "sid",
            None,
            expect!["http://mirror.example/debian sid main"],
        );
        check(
            "kali-rolling",
            None,
            expect![[r"
            http://ftp.debian.org/debian kali-rolling main
            http://ftp.debian.org/debian kali-rolling-updates main
            no archive of kali-rolling-security is known"]],
        );
    }

    #[test]
    fn credentials_are_no_part_of_an_archive() {
        check(
            "sid",
            Some("https://me:secret@here.example/debian/"),
            expect!["https://here.example/debian sid main"],
        );
    }

    #[test]
    fn a_chosen_archive_is_the_only_one() {
        check(
            "bookworm",
            Some("http://here.example/debian/"),
            expect![[r"
            http://here.example/debian bookworm main
            http://here.example/debian bookworm-updates main
            no archive of bookworm-security is known"]],
        );
    }
}
