//! Which image of an index runs on a platform (containerd: `Only`, platforms/compare.go).

use crate::descriptor::{Descriptor, Platform};
use crate::registry::error::RegistryError;

/// The images of an index that may run on `wanted`, the best first. Of several equal ones the first counts.
pub(crate) fn choose<'d>(
    manifests: &'d [Descriptor],
    wanted: &Platform,
    reference: &str,
) -> Result<&'d Descriptor, RegistryError> {
    let ranked = manifests.iter().filter(|entry| is_candidate(entry));
    let ranked = ranked.filter_map(|entry| {
        let rank = match &entry.platform {
            Some(platform) => rank(platform, wanted)?,
            // What does not say where it runs is better than nothing.
            None => u8::MAX,
        };
        Some((rank, entry))
    });
    if let Some((_, best)) = ranked.min_by_key(|(rank, _)| *rank) {
        return Ok(best);
    }
    let platforms = manifests.iter().filter(|entry| is_candidate(entry));
    let mut available: Vec<String> = platforms
        .filter_map(|entry| Some(entry.platform.as_ref()?.id()))
        .collect();
    available.dedup();
    Err(RegistryError::Platform {
        reference: reference.to_owned(),
        wanted: wanted.id(),
        available,
    })
}

/// Whether an entry of an index may be an image: attestations say that they run nowhere.
fn is_candidate(entry: &Descriptor) -> bool {
    let is_nowhere = entry
        .platform
        .as_ref()
        .is_some_and(|platform| platform.os == "unknown" || platform.architecture == "unknown");
    let is_attestation = entry.annotations.contains_key("vnd.docker.reference.type");
    !is_nowhere
        && !is_attestation
        && (entry.media_type.is_manifest() || entry.media_type.is_index())
}

/// How well what is made for `platform` runs on `wanted`; 0 is best, `None` not at all.
pub(crate) fn rank(platform: &Platform, wanted: &Platform) -> Option<u8> {
    if platform.os != wanted.os {
        return None;
    }
    let (architecture, variant) = normal(platform);
    let (wanted_architecture, wanted_variant) = normal(wanted);
    if architecture != wanted_architecture {
        // What is made for 32-bit ARM runs on most 64-bit ones, but nobody who says arm64 means that.
        return None;
    }
    let number = |variant: &str| variant.strip_prefix('v')?.parse::<u8>().ok();
    match (number(&variant), number(&wanted_variant)) {
        _ if variant == wanted_variant => Some(0),
        // Later processors run what earlier ones run.
        (Some(older), Some(newer)) if older < newer => Some(newer - older),
        _ => None,
    }
}

/// Architecture and variant with the usual variant said (containerd: `normalizeArch`, platforms/database.go).
fn normal(platform: &Platform) -> (String, String) {
    let architecture = match platform.architecture.to_ascii_lowercase().as_str() {
        "x86_64" | "x86-64" => "amd64".to_owned(),
        "aarch64" => "arm64".to_owned(),
        "i386" => "386".to_owned(),
        "armhf" => return ("arm".to_owned(), "v7".to_owned()),
        "armel" => return ("arm".to_owned(), "v6".to_owned()),
        other => other.to_owned(),
    };
    let said = platform.variant.clone().unwrap_or_default();
    let variant = match (architecture.as_str(), said.to_ascii_lowercase().as_str()) {
        ("amd64", "") => "v1".to_owned(),
        ("arm64", "" | "8") => "v8".to_owned(),
        ("arm", "" | "7") => "v7".to_owned(),
        ("arm", number @ ("5" | "6" | "8")) => format!("v{number}"),
        (_, said) => said.to_owned(),
    };
    (architecture, variant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::media_type::MediaType;
    use expect_test::{Expect, expect};
    use std::collections::BTreeMap;

    fn platform(text: &str) -> Platform {
        let mut parts = text.split('/');
        let mut part = || parts.next().map(str::to_owned);
        Platform {
            os: part().unwrap(),
            architecture: part().unwrap(),
            variant: part(),
            extra: BTreeMap::new(),
        }
    }

    #[track_caller]
    fn check(available: &[&str], wanted: &str, expected: Expect) {
        let manifests: Vec<Descriptor> = available
            .iter()
            .map(|text| {
                let digest = Digest::of(text.as_bytes());
                let mut entry = Descriptor::new(MediaType::OciManifest, digest, 1);
                entry.platform = (*text != "-").then(|| platform(text));
                entry
            })
            .collect();
        let chosen = choose(&manifests, &platform(wanted), "app");
        expected.assert_eq(&match chosen {
            Ok(entry) => entry.platform.as_ref().map_or("-".to_owned(), Platform::id),
            Err(error) => error.to_string(),
        });
    }

    #[test]
    fn the_closest_variant_is_chosen() {
        let arm = [
            "linux/arm/v5",
            "linux/arm/v7",
            "linux/arm/v6",
            "linux/arm64/v8",
        ];
        check(&arm, "linux/arm/v7", expect!["linux/arm/v7"]);
        check(&arm, "linux/arm", expect!["linux/arm/v7"]);
        check(&arm, "linux/arm/v6", expect!["linux/arm/v6"]);
        check(&arm, "linux/arm/v8", expect!["linux/arm/v7"]);
        check(&arm, "linux/arm64", expect!["linux/arm64/v8"]);
        let levels = ["linux/amd64", "linux/amd64/v2"];
        check(&levels, "linux/amd64", expect!["linux/amd64"]);
        check(&levels, "linux/amd64/v3", expect!["linux/amd64/v2"]);
        check(&["linux/arm64"], "linux/arm64/v8", expect!["linux/arm64"]);
    }

    #[test]
    fn what_is_there_is_listed_when_nothing_fits() {
        check(
            &["linux/arm64", "windows/amd64", "unknown/unknown"],
            "linux/amd64",
            expect!["app is not there for linux/amd64, but for linux/arm64, windows/amd64"],
        );
        check(
            &["linux/arm/v7"],
            "linux/arm/v6",
            expect!["app is not there for linux/arm/v6, but for linux/arm/v7"],
        );
        check(
            &[],
            "linux/amd64",
            expect!["app is not there for linux/amd64, but for no platform at all"],
        );
        check(&["-", "linux/arm64"], "linux/amd64", expect!["-"]);
    }
}
