//! Whether what was downloaded is checked.

use crate::checks::input::StageView;

/// Programs that compare a file with a digest or a signature.
const VERIFIERS: [&str; 14] = [
    "sha256sum",
    "sha512sum",
    "sha384sum",
    "sha1sum",
    "md5sum",
    "shasum",
    "b2sum",
    "gpg --verify",
    "gpg --batch --verify",
    "gpgv",
    "--verify",
    "openssl dgst",
    "minisign",
    "cosign",
];

/// Says whether a script compares something with a digest or a signature.
pub(super) fn verifies(script: &str) -> bool {
    VERIFIERS.iter().any(|verifier| script.contains(verifier))
}

/// Says whether a script from the instruction at `index` on, in the same stage, compares something with a digest or a
/// signature.
pub(super) fn is_verified_in(stage: &StageView<'_>, index: usize) -> bool {
    stage
        .instructions()
        .filter(|view| view.index >= index)
        .filter_map(|view| view.script())
        .any(|script| verifies(&script.source))
}
