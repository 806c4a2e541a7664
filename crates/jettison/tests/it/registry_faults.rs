//! A proxy before a real registry lets accidents happen to pulls and pushes: the image is right, or there is a clear error.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use jettison_oci::{Reference, Store};
use jettison_testkit::{
    DockerRegistry, FaultProxy, Mishap, MishapPlan, Outcome, RegistryDemands, Scratch,
};

use crate::PROGRAM;
use crate::registries::{build, id_of, registry};

/// How many cases are tried at a time.
const PARALLEL: usize = 4;
/// More attempts than anybody makes.
const ALWAYS: usize = 1000;

/// An accident, and what it happens to: the method, a part of the path, how many such requests pass first, and to how many it
/// happens.
type Case = (&'static str, &'static str, usize, usize, Mishap);

fn instead(status: u16, name: &str, value: &str) -> Mishap {
    let headers = vec![
        (name.to_owned(), value.to_owned()),
        ("Content-Length".to_owned(), "0".to_owned()),
    ];
    Mishap::Instead(status, headers)
}

fn status(status: u16) -> Mishap {
    instead(status, "X-Mishap", "yes")
}

/// Accidents to pulls.
fn pull_cases() -> Vec<Case> {
    let mut cases: Vec<Case> = vec![
        ("GET", "/v2/", 0, 1, Mishap::Closed),
        ("GET", "/v2/", 0, 1, Mishap::Garbage),
        ("GET", "/v2/", 0, 1, status(500)),
        ("GET", "/manifests/", 0, 1, Mishap::Closed),
        ("GET", "/manifests/", 0, 1, Mishap::Garbage),
        ("GET", "/manifests/", 0, 1, Mishap::Cut(0)),
        ("GET", "/manifests/", 0, 1, Mishap::Cut(100)),
        ("GET", "/manifests/", 0, 1, Mishap::Shortened(100)),
        ("GET", "/manifests/", 0, ALWAYS, Mishap::Shortened(100)),
        (
            "GET",
            "/manifests/",
            0,
            1,
            Mishap::Lengthened(b" ".to_vec()),
        ),
        ("GET", "/manifests/", 0, 1, Mishap::Flipped(300)),
        ("GET", "/manifests/", 0, 1, status(500)),
        ("GET", "/manifests/", 0, 1, instead(429, "Retry-After", "1")),
        (
            "GET",
            "/manifests/",
            0,
            ALWAYS,
            instead(429, "Retry-After", "86400"),
        ),
        ("GET", "/manifests/", 0, ALWAYS, status(404)),
        ("GET", "/manifests/", 0, ALWAYS, status(403)),
        (
            "GET",
            "/manifests/",
            0,
            1,
            Mishap::Delayed(Duration::from_millis(700)),
        ),
        (
            "GET",
            "/manifests/",
            0,
            1,
            Mishap::Header(
                "Docker-Content-Digest",
                format!("sha256:{}", "0".repeat(64)),
            ),
        ),
        (
            "GET",
            "/manifests/",
            0,
            1,
            Mishap::Header(
                "Content-Type",
                "application/vnd.oci.image.index.v1+json".to_owned(),
            ),
        ),
        (
            "GET",
            "/manifests/",
            0,
            1,
            Mishap::Header("Content-Type", "text/html".to_owned()),
        ),
    ];
    cases.extend(blob_cases());
    cases
}

/// Accidents to blobs that are pulled: the configuration, a small layer and a large one.
fn blob_cases() -> Vec<Case> {
    let mut cases: Vec<Case> = vec![
        (
            "GET",
            "/blobs/",
            0,
            ALWAYS,
            instead(307, "Location", "/v2/loop/blobs/x"),
        ),
        (
            "GET",
            "/blobs/",
            0,
            ALWAYS,
            instead(307, "Location", "http://127.0.0.1:1/x"),
        ),
        (
            "GET",
            "/blobs/",
            0,
            ALWAYS,
            instead(302, "Location", "file:///etc/passwd"),
        ),
        ("GET", "/blobs/", 0, ALWAYS, Mishap::Flipped(5)),
        ("GET", "/blobs/", 0, ALWAYS, Mishap::Lengthened(vec![0; 9])),
        ("GET", "/blobs/", 0, ALWAYS, Mishap::Shortened(9)),
        ("GET", "/blobs/", 2, ALWAYS, status(404)),
        ("GET", "/blobs/", 1, 1, status(416)),
        ("GET", "/blobs/", 1, 1, status(206)),
    ];
    for blob in 0..3 {
        for mishap in [
            Mishap::Closed,
            Mishap::Garbage,
            Mishap::Cut(0),
            Mishap::Cut(70),
            Mishap::Cut(1_000_000),
            Mishap::Flipped(50),
            Mishap::Flipped(2_000_000),
            Mishap::Shortened(60),
            Mishap::Lengthened(vec![7; 1000]),
            status(503),
            instead(429, "Retry-After", "1"),
        ] {
            cases.push(("GET", "/blobs/", blob, 1, mishap));
        }
    }
    // Again and again, with some progress each time.
    cases.push(("GET", "/blobs/", 0, 9, Mishap::Cut(700_000)));
    cases
}

/// Accidents to pushes.
fn push_cases() -> Vec<Case> {
    let mut cases: Vec<Case> = vec![
        ("HEAD", "/blobs/", 0, 1, Mishap::Closed),
        ("HEAD", "/blobs/", 0, 1, status(500)),
        ("HEAD", "/blobs/", 0, 1, instead(200, "Content-Length", "7")),
        ("POST", "/uploads/", 0, 1, Mishap::Closed),
        ("POST", "/uploads/", 1, 1, status(502)),
        ("POST", "/uploads/", 1, 1, Mishap::Unheard),
        ("POST", "/uploads/", 0, ALWAYS, status(403)),
        (
            "POST",
            "/uploads/",
            0,
            ALWAYS,
            instead(202, "X-No", "location"),
        ),
        ("POST", "/uploads/", 0, 1, instead(429, "Retry-After", "1")),
        ("PATCH", "/uploads/", 0, 1, Mishap::Closed),
        ("PATCH", "/uploads/", 0, 1, Mishap::Unheard),
        ("PATCH", "/uploads/", 0, 1, Mishap::SentFlipped),
        ("PATCH", "/uploads/", 0, ALWAYS, Mishap::SentFlipped),
        (
            "PATCH",
            "/uploads/",
            0,
            1,
            Mishap::HalfSent(Arc::new(|| ())),
        ),
        (
            "PATCH",
            "/uploads/",
            0,
            3,
            Mishap::HalfSent(Arc::new(|| ())),
        ),
        ("PATCH", "/uploads/", 0, 1, status(500)),
        ("PATCH", "/uploads/", 0, 1, status(416)),
        ("PATCH", "/uploads/", 0, 1, status(404)),
        ("PATCH", "/uploads/", 0, ALWAYS, status(413)),
        (
            "PATCH",
            "/uploads/",
            0,
            1,
            Mishap::Header("Range", "0-17".to_owned()),
        ),
        (
            "PATCH",
            "/uploads/",
            0,
            1,
            Mishap::Header("Range", "0-99999999".to_owned()),
        ),
        (
            "PUT",
            "/manifests/",
            0,
            1,
            Mishap::Header(
                "Docker-Content-Digest",
                format!("sha256:{}", "0".repeat(64)),
            ),
        ),
        ("PUT", "/manifests/", 0, 1, Mishap::Closed),
        ("PUT", "/manifests/", 0, 1, Mishap::Unheard),
        ("PUT", "/manifests/", 0, 1, Mishap::SentFlipped),
        ("PUT", "/manifests/", 0, 1, status(500)),
        ("PUT", "/manifests/", 0, ALWAYS, status(400)),
    ];
    cases.extend(upload_cases());
    cases
}

/// Accidents to the ends of uploads.
fn upload_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for upload in 0..3 {
        for mishap in [
            Mishap::Closed,
            Mishap::Unheard,
            Mishap::Cut(0),
            Mishap::SentFlipped,
            status(503),
            status(404),
        ] {
            cases.push(("PUT", "/uploads/", upload, 1, mishap));
        }
    }
    cases
}

/// Tries all cases, a few at a time.
fn check(
    cases: &[Case],
    registry: &DockerRegistry,
    try_one: impl Fn(usize, &FaultProxy) -> Outcome + Sync,
) {
    let share = cases.len().div_ceil(PARALLEL);
    let n_errors = thread::scope(|scope| {
        let parts = cases.chunks(share).enumerate().map(|(part, cases)| {
            let try_one = &try_one;
            scope.spawn(move || {
                let mut n_errors = 0;
                for (number, case) in cases.iter().enumerate() {
                    let (method, path, after, times, mishap) = case.clone();
                    let proxy = FaultProxy::start(&registry.authority());
                    proxy.plan(MishapPlan {
                        method,
                        path: path.to_owned(),
                        after,
                        times,
                        mishap,
                    });
                    let outcome = try_one(part * share + number, &proxy);
                    assert!(
                        proxy.has_happened(times),
                        "{case:?} did not happen:\n{outcome}"
                    );
                    assert!(
                        outcome.code == 0 || outcome.code == 2,
                        "{case:?}\n{outcome}"
                    );
                    if outcome.code == 2 {
                        let is_clear = outcome.stderr.contains("error: cannot ")
                            && outcome.stderr.contains("  cause: ");
                        assert!(is_clear, "{case:?}\n{outcome}");
                        n_errors += 1;
                    }
                    let passes = times < ALWAYS;
                    let is_over = outcome.code == 0;
                    assert!(
                        !passes || is_over,
                        "{case:?} should have passed:\n{outcome}"
                    );
                }
                n_errors
            })
        });
        let parts: Vec<_> = parts.collect();
        parts
            .into_iter()
            .map(|part| part.join().unwrap())
            .sum::<i32>()
    });
    assert!(n_errors > 0);
}

#[test]
fn a_pull_through_accidents_gives_the_right_image_or_an_error() {
    let Some(registry) = registry(&RegistryDemands::default()) else {
        return;
    };
    let maker = Scratch::new(PROGRAM);
    let name = format!("{}/app:1", registry.authority());
    let id = build(&maker, &name);
    maker.jettison(&["push", &name]).succeeded();
    let cases = pull_cases();
    assert!(cases.len() >= 50);
    check(&cases, &registry, |_, proxy| {
        let scratch = Scratch::new(PROGRAM);
        let name = format!("{}/app:1", proxy.authority());
        let outcome = scratch.jettison(&["pull", "--jobs", "1", &name]);
        let store = Store::open(scratch.root()).unwrap();
        let reference: Reference = name.parse().unwrap();
        match store.find(&reference).unwrap() {
            None => assert_ne!(outcome.code, 0),
            Some(image) => {
                assert_eq!(outcome.code, 0);
                assert_eq!(image.id().to_string(), id);
                for layer in image.layers() {
                    // Reading verifies.
                    store.read(&layer.blob.digest).unwrap();
                }
            }
        }
        outcome
    });
}

#[test]
fn a_push_through_accidents_gives_the_right_image_or_an_error() {
    let Some(registry) = registry(&RegistryDemands::default()) else {
        return;
    };
    check(&push_cases(), &registry, |number, proxy| {
        let repository = format!("case{number}");
        let name = format!("{}/{repository}:1", proxy.authority());
        let scratch = Scratch::new(PROGRAM);
        let id = build(&scratch, &name);
        let outcome = scratch.jettison(&["push", "--jobs", "1", &name]);
        let direct = format!("{}/{repository}:1", registry.authority());
        let other = Scratch::new(PROGRAM);
        let pulled = other.jettison(&["pull", "-q", &direct]);
        // What is tagged is complete and right, whatever was said about the push.
        if let Some(pulled) = id_of(&other, &direct) {
            assert!(
                id.contains(pulled.trim_start_matches("sha256:")),
                "{id} {pulled}"
            );
        } else {
            assert_ne!(outcome.code, 0, "{outcome}\n{pulled}");
        }
        outcome
    });
}
