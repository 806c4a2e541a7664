//! Lists of artifacts that several write at the same moment.

use std::sync::Mutex;

use super::*;
use crate::registry::artifacts::RepositoryArtifacts;
use crate::registry::message::{Method, Request, Response, Transport, TransportError};

/// Writes lists over those that others have just written.
struct Meddler {
    registry: MemoryRegistry,
    lists: Mutex<Vec<Vec<&'static str>>>,
}

impl Transport for Meddler {
    fn send(&self, request: Request<'_>) -> Result<Response, TransportError> {
        let is_list = request.method == Method::Put && request.url.rest().ends_with("/main");
        let answer = self.registry.send(request);
        if is_list {
            let mut lists = lock(&self.lists);
            if !lists.is_empty() {
                let json = ImageIndex::new(entries(&lists.remove(0))).to_json();
                let kind = MediaType::OciIndex;
                self.registry
                    .put_manifest("cache", "main", kind.as_str(), &json);
            }
        }
        answer
    }
}

fn entries(names: &[&str]) -> Vec<Descriptor> {
    let entry = |name: &&str| {
        let digest = Digest::of(name.as_bytes());
        let mut entry = Descriptor::new(MediaType::OciManifest, digest, 1);
        entry
            .annotations
            .insert("name".to_owned(), (*name).to_owned());
        entry
    };
    names.iter().map(entry).collect()
}

/// Adds `ours` to a list, which others write over in turn with `theirs`. Returns what is listed in the end, and how often
/// the list was written.
#[track_caller]
fn check(theirs: &[&[&'static str]], expected: Expect) {
    let meddler = Meddler {
        registry: MemoryRegistry::default(),
        lists: Mutex::new(theirs.iter().map(|list| list.to_vec()).collect()),
    };
    let (clock, keys) = (TestClock::default(), TestKeys(Credentials::Anonymous));
    let client = RegistryClient::new(&meddler, &keys, &clock, RegistryOptions::new(1));
    let reference: Reference = "r.test/cache:main".parse().unwrap();
    let artifacts = RepositoryArtifacts::open(&client, &reference).unwrap();
    let updated = artifacts.update(&mut |list| {
        let ours = entries(&["ours"]);
        list.retain(|entry| entry.digest != ours[0].digest);
        list.extend(ours);
    });
    let listed = artifacts.manifests().unwrap();
    let names = listed
        .iter()
        .map(|entry| entry.annotations["name"].as_str());
    let names = names.collect::<Vec<_>>().join(" ");
    let log = meddler.registry.log();
    let written = log.iter().filter(|line| line.starts_with("PUT")).count();
    let text = match updated {
        Ok(()) => format!("{names}: written {written} times"),
        Err(error) => line(&error),
    };
    expected.assert_eq(&text);
}

#[test]
fn what_was_written_over_is_written_again_beside_what_others_wrote() {
    check(&[], expect!["ours: written 1 times"]);
    check(&[&["theirs"]], expect!["theirs ours: written 2 times"]);
    // They have added theirs to what was there.
    check(
        &[&["theirs", "ours"]],
        expect!["theirs ours: written 1 times"],
    );
    check(
        &[&["one"], &["two", "one"], &["three"]],
        expect!["three ours: written 4 times"],
    );
    check(
        &[&["theirs"][..]; 20],
        expect!["cannot use cache:main: others write its list all the time"],
    );
}
