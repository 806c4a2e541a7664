//! `--attest`, `--provenance` and `--sbom`: what BuildKit attaches to images. It is understood, and not made here.

use crate::cli::values::fields::pairs;
use crate::cli::values::switch::switch;

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attestation {
    /// `provenance` or `sbom`.
    pub(crate) kind: String,
    /// Whether it is wanted.
    pub(crate) is_wanted: bool,
}

/// Reads `type=KIND[,disabled=true][,…]` (buildx: `ParseAttests`, util/buildflags).
pub(crate) fn attestation(text: &str) -> Result<Attestation, String> {
    let mut found = None;
    let mut is_wanted = true;
    for (key, value) in pairs(text)? {
        match key.as_str() {
            "type" => found = Some(value),
            "disabled" => is_wanted = !switch(&value)?,
            _ => {}
        }
    }
    match found {
        Some(kind) if ["provenance", "sbom"].contains(&kind.as_str()) => {
            Ok(Attestation { kind, is_wanted })
        }
        Some(kind) => Err(format!(
            "there is no attestation called `{kind}`: take provenance or sbom"
        )),
        None => Err("`type` is missing".to_string()),
    }
}

/// Reads the value of `--provenance` or `--sbom`: a truth value, or parameters (buildx: `CanonicalizeAttest`). BuildKit
/// takes a mode alone, too.
pub(crate) fn attestation_of(kind: &str, value: &str) -> Result<Attestation, String> {
    let wanted = |is_wanted| Attestation {
        kind: kind.to_string(),
        is_wanted,
    };
    match switch(value) {
        Ok(is_wanted) => Ok(wanted(is_wanted)),
        Err(_) if ["min", "max"].contains(&value) => Ok(wanted(true)),
        Err(_) => attestation(&format!("type={kind},{value}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(read: Result<Attestation, String>) -> String {
        match read {
            Ok(Attestation { kind, is_wanted }) => format!("{kind} {is_wanted}"),
            Err(problem) => problem,
        }
    }

    #[test]
    fn attestations_are_read_as_buildx_reads_them() {
        for (text, expected) in [
            ("type=sbom", "sbom true"),
            ("type=sbom,generator=image", "sbom true"),
            ("type=provenance,mode=max", "provenance true"),
            ("type=provenance,disabled=true", "provenance false"),
            ("mode=max", "`type` is missing"),
            (
                "type=x",
                "there is no attestation called `x`: take provenance or sbom",
            ),
            ("sbom", "`sbom` is not `key=value`"),
        ] {
            assert_eq!(shown(attestation(text)), expected, "{text}");
        }
    }

    #[test]
    fn the_short_forms_are_truth_values_modes_or_parameters() {
        for (text, expected) in [
            ("false", "provenance false"),
            ("0", "provenance false"),
            ("true", "provenance true"),
            ("max", "provenance true"),
            ("mode=max", "provenance true"),
            ("disabled=true", "provenance false"),
            ("maximal", "`maximal` is not `key=value`"),
        ] {
            assert_eq!(
                shown(attestation_of("provenance", text)),
                expected,
                "{text}"
            );
        }
    }
}
