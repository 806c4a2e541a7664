//! What a run found out, as data; its forms are in the modules below.

mod base;
mod explain;
mod facts;
mod facts_json;
mod json;
mod text;
mod why;

use std::time::Duration;

use crate::audit::Audit;
use crate::verify::{ProbeOutcome, Verdict};

pub use crate::report::base::base_facts;
pub use crate::report::explain::{explanation, lower_bound, overview};
pub use crate::report::facts::{Facts, FileOwner, FileReason, Maker, OwnerFacts, OwnerKind};
pub use crate::report::facts_json::{facts_json, read_facts};
pub use crate::report::json::{to_json, verification_json};
pub use crate::report::text::{Row, rows, size_text, table};
pub use crate::report::why::{WhyAnswer, why};

/// Everything that there is to say about making one image smaller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What is known about the new image.
    pub verdict: Verdict,
    /// The original image.
    pub before: ImageFacts,
    /// The new image, if there is one.
    pub after: Option<ImageFacts>,
    /// The probes that the verdict rests on.
    pub outcomes: Vec<ProbeOutcome>,
    /// The new Dockerfile, if there is one.
    pub dockerfile: Option<String>,
    /// Remarks for the user, one sentence each.
    pub notes: Vec<String>,
    /// Why the files of the new image are there, and others are not, if there is one.
    pub facts: Option<Facts>,
    /// What of the original's runs could not be watched, so that what they used then may not be kept.
    pub gaps: Vec<String>,
}

/// What was measured of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFacts {
    /// The name by which the image is known.
    pub reference: String,
    /// The digest of its configuration.
    pub image_id: String,
    /// The size of its files, in bytes.
    pub unpacked_size: u64,
    /// The size of its blobs as they are stored and sent, in bytes.
    pub stored_size: u64,
    /// What its file system holds.
    pub audit: Audit,
    /// How long a build with an empty cache took.
    pub build_time: Duration,
    /// How long the next build took.
    pub rebuild_time: Duration,
}

/// Everything that there is to say about comparing two images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// What is known about the candidate.
    pub verdict: Verdict,
    /// The original.
    pub original: VerifiedImage,
    /// What is to behave the same.
    pub candidate: VerifiedImage,
    /// The probes that the verdict rests on.
    pub outcomes: Vec<ProbeOutcome>,
    /// The probes of our own that were left out, because the original takes long.
    pub left_out: Vec<String>,
    /// A probe for the settings, if nobody gave one.
    pub suggestion: Option<String>,
    /// Remarks for the user, one sentence each.
    pub notes: Vec<String>,
}

/// An image that is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedImage {
    /// The name by which the image was given.
    pub reference: String,
    /// The digest of its configuration.
    pub image_id: String,
    /// The size of its files, in bytes.
    pub unpacked_size: u64,
}

#[cfg(test)]
pub(crate) mod examples {
    //! The report that the tests of both forms show.

    use std::path::PathBuf;

    use super::*;
    use crate::refactor::Rung;
    use crate::verify::{
        Action, Answer, Ending, ExitKind, HttpRequest, HttpResponse, MissKind, Observation,
        OwnedMiss, Probe, ProbeOrigin, Ready, Served, Server, Talk, Trail,
    };

    /// A Go server that lost its toolchain.
    pub(crate) fn report() -> Report {
        Report {
            verdict: Verdict::Proven,
            before: before(),
            after: Some(after()),
            outcomes: vec![outcome(b"1.0\n", b"1.0\n"), outcome(b"1.0\n", b"1.1\n")],
            dockerfile: Some("FROM scratch\nCOPY server /\n".to_owned()),
            notes: vec!["the binary is static".to_owned()],
            facts: Some(facts()),
            gaps: Vec::new(),
        }
    }

    /// What the small image holds, and what it does not.
    pub(crate) fn facts() -> Facts {
        let file = |path: &str, size, note: Option<&str>| FileReason {
            path: path.into(),
            size,
            link: None,
            is_touched: note.is_some_and(|note| note.contains("probe")),
            note: note.map(str::to_owned),
        };
        let owner = |kind, name: &str, reasons: &[&str], files| OwnerFacts {
            owner: FileOwner {
                kind,
                name: name.to_owned(),
            },
            reasons: reasons.iter().map(|reason| (*reason).to_owned()).collect(),
            files,
        };
        let mut link = file("/lib", 0, None);
        link.link = Some("usr/lib".into());
        Facts {
            source: "server:latest (sha256:aaaa)".to_owned(),
            maker: Maker::Optimizer(Rung::Base),
            kept: vec![
                owner(
                    OwnerKind::Package,
                    "libc6",
                    &["it is needed by /server"],
                    vec![
                        file(
                            "/usr/lib/ld.so",
                            200_000,
                            Some("loaded to start a program by /server in probe `version`"),
                        ),
                        file("/usr/lib/libm.so.6", 900_000, None),
                    ],
                ),
                owner(
                    OwnerKind::Instruction,
                    "line 5: RUN go build -o server",
                    &["it is what the image starts: /server"],
                    vec![file(
                        "/server",
                        790_000,
                        Some("started by the image's own command in probe `version`"),
                    )],
                ),
                owner(OwnerKind::Base, "", &["used: /lib"], vec![link]),
            ],
            left_out: vec![
                owner(
                    OwnerKind::Package,
                    "golang",
                    &["no run used a file of it, and nothing that is kept needs it"],
                    vec![file("/usr/lib/go/bin/go", 12_000_000, None)],
                ),
                owner(
                    OwnerKind::Package,
                    "libc6",
                    &["manuals"],
                    vec![file("/usr/share/man/man1/x", 1_000, Some("manuals"))],
                ),
            ],
        }
    }

    /// Two images of which one answers something else.
    pub(crate) fn verification() -> Verification {
        let image = |reference: &str| VerifiedImage {
            reference: reference.to_owned(),
            image_id: "sha256:aaaa".to_owned(),
            unpacked_size: 1000,
        };
        Verification {
            verdict: Verdict::Failed,
            original: image("a"),
            candidate: image("b"),
            outcomes: vec![ProbeOutcome {
                trail: missed(),
                ..served()
            }],
            left_out: vec!["argument --help".to_owned()],
            suggestion: None,
            notes: Vec::new(),
        }
    }

    /// A path that was looked up in vain.
    pub(crate) fn missed() -> Trail {
        Trail::Misses(vec![OwnedMiss {
            path: "/usr/share/zoneinfo/UTC".into(),
            kind: MissKind::Missing,
            aspects: Vec::new(),
            owner: Some("tzdata".to_owned()),
        }])
    }

    /// A server that answers twice, and once something else.
    pub(crate) fn served() -> ProbeOutcome {
        let response = |body: &str| {
            Answer::Response(HttpResponse {
                status: 200,
                headers: Vec::new(),
                body: body.as_bytes().to_vec(),
                cut: None,
            })
        };
        let ran = |body: &str| {
            let mut run = Observation::ended(ExitKind::Killed);
            run.served = Some(Served {
                port: Some(80),
                answers: vec![
                    ("GET /".to_owned(), response(body)),
                    (
                        "raw \"x\"".to_owned(),
                        Answer::Nothing("it is late".to_owned()),
                    ),
                ],
                ..Served::default()
            });
            run
        };
        let mut probe = Probe::run("front page", ProbeOrigin::Own, Duration::from_secs(1));
        probe.action = Action::Serve(Server {
            port: None,
            ready: Ready::Listening(Duration::from_secs(1)),
            talk: Talk::Http(vec![HttpRequest::new("GET", "/")]),
            ending: Ending::by(jettison_sandbox::Signal::TERM),
        });
        let again = [ran("1 b\n")];
        ProbeOutcome::of_repeated(probe, (ran("1 a\n"), &again), ran("2 c\n"))
    }

    /// The same without a new image.
    pub(crate) fn failed() -> Report {
        let verdict = Verdict::Failed;
        Report {
            verdict,
            after: None,
            outcomes: Vec::new(),
            dockerfile: None,
            facts: None,
            ..report()
        }
    }

    fn before() -> ImageFacts {
        ImageFacts {
            reference: "server:latest".to_owned(),
            image_id: "sha256:aaaa".to_owned(),
            unpacked_size: 918_600_000,
            stored_size: 312_000_000,
            audit: Audit {
                files: 20_412,
                packages: vec!["bash".to_owned(), "dpkg".to_owned()],
                shells: vec![
                    PathBuf::from("/usr/bin/bash"),
                    PathBuf::from("/usr/bin/dash"),
                ],
                package_managers: vec![PathBuf::from("/usr/bin/dpkg")],
                setuid_files: vec![PathBuf::from("/usr/bin/su")],
                user: "root".to_owned(),
            },
            build_time: Duration::from_millis(72_345),
            rebuild_time: Duration::from_micros(12_340_567),
        }
    }

    fn after() -> ImageFacts {
        ImageFacts {
            reference: "server:slim".to_owned(),
            image_id: "sha256:bbbb".to_owned(),
            unpacked_size: 1_890_000,
            stored_size: 1_100_000,
            audit: Audit {
                files: 3,
                packages: Vec::new(),
                shells: Vec::new(),
                package_managers: Vec::new(),
                setuid_files: Vec::new(),
                user: "65532".to_owned(),
            },
            build_time: Duration::from_secs(75),
            rebuild_time: Duration::from_millis(850),
        }
    }

    fn outcome(original: &[u8], candidate: &[u8]) -> ProbeOutcome {
        let ran = |stdout: &[u8]| Observation {
            stdout: stdout.to_vec(),
            ..Observation::ended(ExitKind::Code(0))
        };
        let mut probe = Probe::run("version", ProbeOrigin::Given, Duration::from_secs(10));
        probe.arguments = Some(vec!["--version".to_owned()]);
        probe.expect_exit = Some(0);
        ProbeOutcome::of(probe, ran(original), ran(candidate))
    }
}
