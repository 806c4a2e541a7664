//! Several suites at once: what is trusted, what is kept, and which version is the candidate.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Mutex;

use expect_test::{Expect, expect};
use jettison_debian::{
    Archive, ArchiveSource, Downgrade, Fetch, FetchError, Fetched, Freshness, IndexCache,
    KeptRelease, Pin, PinnedVersions, Sha256, Sources, Supply, Universe, load_universe,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::SignatureType;

use crate::memory::{Memory, release_text, stanza, xz};
use crate::openpgp::{Claims, NOW, Role, Signer};

const URI: &str = "http://archive.example/debian";

/// A suite to publish.
#[derive(Clone)]
struct Published {
    suite: &'static str,
    /// Fields of the Release file besides `Suite` and `Date`.
    fields: &'static str,
    date: &'static str,
    packages: String,
    signer: u64,
}

impl Published {
    fn new(suite: &'static str, packages: &str) -> Published {
        Published {
            suite,
            fields: "Architectures: all amd64 arm64\nComponents: main\n\
                     No-Support-for-Architecture-all: Packages\n",
            date: "Tue, 14 Nov 2023 22:20:00 UTC",
            packages: packages.to_owned(),
            signer: 1,
        }
    }

    fn release(&self) -> String {
        let packed = xz(self.packages.as_bytes());
        let files: [(&str, &[u8]); 2] = [
            ("main/binary-amd64/Packages", self.packages.as_bytes()),
            ("main/binary-amd64/Packages.xz", &packed),
        ];
        let fields = format!(
            "Suite: {}\nDate: {}\n{}",
            self.suite, self.date, self.fields
        );
        release_text(&fields, &files)
    }

    fn directory(&self) -> String {
        format!("{URI}/dists/{}", self.suite)
    }

    /// Puts the suite's files into `memory`, with the signature around its Release file.
    fn publish(&self, memory: &mut Memory) {
        let signer = Signer::ed25519(self.signer);
        let text = signer.sign(&self.release(), Role::Subkey, HashAlgorithm::Sha256);
        let dir = self.directory();
        memory
            .files
            .insert(format!("{dir}/InRelease"), text.into_bytes());
        memory.files.insert(
            format!("{dir}/main/binary-amd64/Packages.xz"),
            xz(self.packages.as_bytes()),
        );
    }

    fn source(&self) -> ArchiveSource {
        let signer = Signer::ed25519(self.signer);
        ArchiveSource {
            archive: Archive {
                uri: URI.to_owned(),
                suite: self.suite.to_owned(),
                components: vec!["main".to_owned()],
            },
            keyring: signer.keyring(&Claims::good(), &Claims::good()),
            priority: None,
            freshness: Freshness::Checked,
            downgrade: Downgrade::Refused,
        }
    }
}

/// Keeps everything.
#[derive(Default)]
struct Shelf {
    releases: Mutex<BTreeMap<String, KeptRelease>>,
    indexes: Mutex<BTreeMap<String, String>>,
}

impl IndexCache for Shelf {
    fn release(&self, url: &str) -> Option<KeptRelease> {
        self.releases.lock().unwrap().get(url).cloned()
    }

    fn keep_release(&self, url: &str, release: &KeptRelease) {
        let release = release.clone();
        self.releases
            .lock()
            .unwrap()
            .insert(url.to_owned(), release);
    }

    fn index(&self, digest: &Sha256, size: u64) -> Option<String> {
        let indexes = self.indexes.lock().unwrap();
        let text = indexes.get(&digest.to_string())?;
        assert_eq!(text.len() as u64, size);
        Some(text.clone())
    }

    fn keep_index(&self, digest: &Sha256, text: &str) {
        let mut indexes = self.indexes.lock().unwrap();
        indexes.insert(digest.to_string(), text.to_owned());
    }
}

/// A memory whose files have marks: their digests.
struct Marked<'m>(&'m Memory);

impl Fetch for Marked<'_> {
    fn fetch(&self, url: &str, limit: u64) -> Result<Option<Vec<u8>>, FetchError> {
        self.0.fetch(url, limit)
    }

    fn refetch(&self, url: &str, limit: u64, mark: Option<&str>) -> Result<Fetched, FetchError> {
        let Some(bytes) = self.0.fetch(url, limit)? else {
            return Ok(Fetched::Missing);
        };
        let own = Sha256::of(&bytes).to_string();
        if mark == Some(&own) {
            return Ok(Fetched::Unchanged);
        }
        let mark = Some(own);
        Ok(Fetched::File { bytes, mark })
    }
}

fn sources(list: Vec<ArchiveSource>, pins: Vec<Pin>) -> Sources {
    let architecture = "amd64".parse().unwrap();
    Sources {
        list,
        architecture,
        pins,
    }
}

fn load(memory: &Memory, shelf: &Shelf, sources: &Sources) -> Result<Universe, String> {
    let supply = Supply {
        fetch: &Marked(memory),
        cache: shelf,
        now: NOW,
    };
    load_universe(&supply, sources).map_err(|error| {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text = format!("{text}\n  cause: {error}");
            cause = error.source();
        }
        text
    })
}

/// The candidates, with the suites that they are from, or what is wrong.
fn shown(loaded: Result<Universe, String>) -> String {
    let universe = match loaded {
        Ok(universe) => universe,
        Err(error) => return error + "\n",
    };
    let show = |package: jettison_debian::Package<'_>| {
        let suite = &universe.suite_of(package).unwrap().archive.suite;
        format!("{} {} {suite}\n", package.name(), package.version())
    };
    universe.packages.iter().map(show).collect()
}

fn check(published: &[Published], pins: &[Pin], expected: Expect) {
    let mut memory = Memory::default();
    let list = published.iter().map(|one| {
        one.publish(&mut memory);
        one.source()
    });
    let list = list.collect();
    let sources = sources(list, pins.to_vec());
    expected.assert_eq(&shown(load(&memory, &Shelf::default(), &sources)));
}

fn stable() -> Published {
    let packages = stanza("a", "1", "") + &stanza("b", "1", "");
    Published::new("stable", &packages)
}

fn security() -> Published {
    let packages = stanza("b", "1+deb1", "");
    Published {
        fields: "Architectures: amd64 arm64\nComponents: updates/main updates/contrib\n",
        ..Published::new("stable-security", &packages)
    }
}

fn backports() -> Published {
    let packages = stanza("a", "2~bpo", "") + &stanza("c", "1", "");
    Published {
        fields: "Architectures: amd64\nComponents: main\nNotAutomatic: yes\nButAutomaticUpgrades: yes\n",
        ..Published::new("stable-backports", &packages)
    }
}

#[test]
fn the_latest_version_of_all_suites_is_the_candidate() {
    check(
        &[stable(), security()],
        &[],
        expect![[r"
            a 1 stable
            b 1+deb1 stable-security
        "]],
    );
}

#[test]
fn a_suite_that_is_not_automatic_gives_what_nobody_else_has() {
    check(
        &[stable(), backports()],
        &[],
        expect![[r"
            a 1 stable
            b 1 stable
            c 1 stable-backports
        "]],
    );
}

#[test]
fn a_pin_makes_another_version_the_candidate() {
    let pin = |package: &str, versions, priority| Pin {
        package: package.to_owned(),
        versions,
        priority,
    };
    let of_suite = |suite: &str| PinnedVersions::OfSuite(suite.to_owned());
    let all = [stable(), security(), backports()];
    check(
        &all,
        &[Pin::exactly("b", "1")],
        expect![[r"
            a 1 stable
            b 1 stable
            c 1 stable-backports
        "]],
    );
    check(
        &all,
        &[pin("*", of_suite("stable-backports"), 501)],
        expect![[r"
            a 2~bpo stable-backports
            b 1+deb1 stable-security
            c 1 stable-backports
        "]],
    );
    // Of two pins the first counts, and one that names the package before one for all.
    check(
        &all,
        &[
            pin("*", of_suite("stable-backports"), 501),
            pin("a", of_suite("stable-backports"), 1),
            pin("c", of_suite("stable-backports"), -1),
            pin("c", of_suite("stable-backports"), 500),
        ],
        expect![[r"
            a 1 stable
            b 1+deb1 stable-security
        "]],
    );
    check(
        &all,
        &[pin("?", PinnedVersions::OfHost("archive.*".to_owned()), -1)],
        expect![[""]],
    );
}

#[test]
fn a_source_of_higher_priority_wins_over_later_versions() {
    let mut memory = Memory::default();
    let (stable, security) = (stable(), security());
    stable.publish(&mut memory);
    security.publish(&mut memory);
    let first = ArchiveSource {
        priority: Some(600),
        ..stable.source()
    };
    let sources = sources(vec![first, security.source()], Vec::new());
    let universe = load(&memory, &Shelf::default(), &sources).unwrap();
    let versions: Vec<String> = universe
        .packages
        .versions("b")
        .iter()
        .map(|package| package.version().to_string())
        .collect();
    assert_eq!(versions, ["1", "1+deb1"], "the candidate comes first");
    let of_other = universe.packages.versions("b")[1];
    assert_eq!(universe.packages.package(of_other.id()), Some(of_other));
}

#[test]
fn every_archive_has_its_own_keys() {
    let other = Published {
        signer: 2,
        ..Published::new("other", &stanza("d", "1", ""))
    };
    check(
        &[stable(), other.clone()],
        &[],
        expect![[r"
            a 1 stable
            b 1 stable
            d 1 other
        "]],
    );
    let mut memory = Memory::default();
    other.publish(&mut memory);
    let source = ArchiveSource {
        keyring: stable().source().keyring,
        ..other.source()
    };
    let error = load(
        &memory,
        &Shelf::default(),
        &sources(vec![source], Vec::new()),
    );
    let error = error.unwrap_err();
    assert!(
        error.starts_with("cannot load suite other\n")
            && error.ends_with(": its key is not in the keyring"),
        "{error}"
    );
}

#[test]
fn what_a_suite_does_not_have_is_told() {
    let without_amd64 = Published {
        fields: "Architectures: arm64 armhf\nComponents: main\n",
        ..stable()
    };
    check(
        &[without_amd64],
        &[],
        expect![[r"
            cannot use suite stable: it has no packages for amd64, only for arm64, armhf
        "]],
    );
    let without_main = Published {
        fields: "Architectures: amd64\nComponents: contrib non-free\n",
        ..stable()
    };
    check(
        &[without_main],
        &[],
        expect![[r"
            cannot use suite stable: it has no component `main`, only contrib, non-free
        "]],
    );
}

/// Loads the suite twice and shows both outcomes, and what was asked for each time.
fn twice(first: &Published, second: &Published, expected: Expect) {
    let shelf = Shelf::default();
    let mut text = String::new();
    for published in [first, second] {
        let mut memory = Memory::default();
        published.publish(&mut memory);
        let sources = sources(vec![published.source()], Vec::new());
        text += &shown(load(&memory, &shelf, &sources));
        for url in memory.asked.lock().unwrap().iter() {
            text.extend(["  asked for ", &url.replace(URI, ""), "\n"]);
        }
    }
    expected.assert_eq(&text);
}

#[test]
fn what_has_not_changed_is_not_fetched_again() {
    twice(
        &stable(),
        &stable(),
        expect![[r"
            a 1 stable
            b 1 stable
              asked for /dists/stable/InRelease
              asked for /dists/stable/main/binary-amd64/Packages.xz
            a 1 stable
            b 1 stable
              asked for /dists/stable/InRelease
        "]],
    );
    let with_another_date = Published {
        date: "Tue, 14 Nov 2023 22:21:00 UTC",
        ..stable()
    };
    twice(
        &stable(),
        &with_another_date,
        expect![[r"
            a 1 stable
            b 1 stable
              asked for /dists/stable/InRelease
              asked for /dists/stable/main/binary-amd64/Packages.xz
            a 1 stable
            b 1 stable
              asked for /dists/stable/InRelease
        "]],
    );
}

#[test]
fn a_suite_that_is_older_than_before_is_refused() {
    let older = Published {
        date: "Tue, 14 Nov 2023 22:19:59 UTC",
        ..stable()
    };
    twice(
        &stable(),
        &older,
        expect![[r"
            a 1 stable
            b 1 stable
              asked for /dists/stable/InRelease
              asked for /dists/stable/main/binary-amd64/Packages.xz
            cannot load suite stable
              cause: cannot use http://archive.example/debian/dists/stable/InRelease: it is of 2023-11-14 22:19:59 UTC, and one of 2023-11-14 22:20:00 UTC has been here before
              asked for /dists/stable/InRelease
        "]],
    );
}

#[test]
fn an_older_suite_that_is_permitted_is_the_one_to_compare_with() {
    let older = Published {
        date: "Tue, 14 Nov 2023 22:19:59 UTC",
        ..stable()
    };
    let shelf = Shelf::default();
    let load_as = |published: &Published, downgrade| {
        let mut memory = Memory::default();
        published.publish(&mut memory);
        let source = ArchiveSource {
            downgrade,
            ..published.source()
        };
        load(&memory, &shelf, &sources(vec![source], Vec::new())).map(|universe| universe.date())
    };
    let newer = load_as(&stable(), Downgrade::Refused).unwrap();
    assert!(load_as(&older, Downgrade::Refused).is_err());
    assert_eq!(load_as(&older, Downgrade::Permitted), Ok(newer - 1));
    assert_eq!(load_as(&older, Downgrade::Refused), Ok(newer - 1));
}

#[test]
fn a_suite_is_refused_once_it_is_not_valid_any_more() {
    let expired = Published {
        fields: "Valid-Until: Tue, 14 Nov 2023 22:21:00 UTC\nArchitectures: amd64\nComponents: main\n",
        ..stable()
    };
    check(
        std::slice::from_ref(&expired),
        &[],
        expect![[r"
            cannot load suite stable
              cause: cannot use http://archive.example/debian/dists/stable/InRelease: it was valid until 2023-11-14 22:21:00 UTC
        "]],
    );
    let mut memory = Memory::default();
    expired.publish(&mut memory);
    let source = ArchiveSource {
        freshness: Freshness::IgnoreValidUntil,
        ..expired.source()
    };
    let loaded = load(
        &memory,
        &Shelf::default(),
        &sources(vec![source], Vec::new()),
    );
    assert_eq!(loaded.unwrap().packages.len(), 2);
}

/// Publishes with the signature beside the Release file.
fn publish_beside(published: &Published, memory: &mut Memory, signature: Vec<u8>) {
    published.publish(memory);
    let dir = published.directory();
    memory.files.remove(&format!("{dir}/InRelease"));
    let release = published.release().into_bytes();
    memory.files.insert(format!("{dir}/Release"), release);
    memory.files.insert(format!("{dir}/Release.gpg"), signature);
}

#[test]
fn a_signature_may_lie_beside_its_file() {
    let stable = stable();
    let signer = Signer::ed25519(1);
    let release = stable.release();
    let sources = sources(vec![stable.source()], Vec::new());
    for typ in [SignatureType::Binary, SignatureType::Text] {
        let (binary, armored) = signer.sign_beside(release.as_bytes(), typ);
        let (_, other) = Signer::ed25519(2).sign_beside(release.as_bytes(), typ);
        let both = other + &armored;
        for signature in [binary, armored.into_bytes(), both.into_bytes()] {
            let mut memory = Memory::default();
            publish_beside(&stable, &mut memory, signature);
            let shelf = Shelf::default();
            for _once_and_again in 0..2 {
                let universe = load(&memory, &shelf, &sources).unwrap();
                assert_eq!(universe.suites[0].release.signers.len(), 1);
            }
        }
    }
}

#[test]
fn a_signature_beside_another_file_is_refused() {
    let stable = stable();
    let sources = sources(vec![stable.source()], Vec::new());
    let check = |signature: Option<&[u8]>, expected: Expect| {
        let mut memory = Memory::default();
        publish_beside(&stable, &mut memory, signature.unwrap_or_default().to_vec());
        if signature.is_none() {
            memory
                .files
                .remove(&format!("{}/Release.gpg", stable.directory()));
        }
        let error = load(&memory, &Shelf::default(), &sources).unwrap_err();
        let is_key = |word: &&str| word.len() < 40;
        let words: Vec<&str> = error.split(' ').filter(is_key).collect();
        expected.assert_eq(&words.join(" "));
    };
    let (wrong, _) = Signer::ed25519(1).sign_beside(b"something else", SignatureType::Binary);
    check(
        Some(&wrong),
        expect![[r"
            cannot load suite stable
              cause: cannot verify the signature by it does not match the text"]],
    );
    check(None, expect!["cannot find"]);
    check(
        Some(b""),
        expect![[r"
            cannot load suite stable
              cause: cannot verify it has no signature"]],
    );
    check(
        Some(b"hello"),
        expect![[r"
            cannot load suite stable
              cause: cannot verify its signature cannot be read: IO error: unknown packet header version 1101000"]],
    );
}
