//! What a build was made of, as buildx has it in its metadata: the materials of SLSA's provenance 0.2, by package URLs
//! (buildx: `fetchProvenance`, build/provenance.go; BuildKit: `slsaMaterials`, solver/llbsolver/provenance).

use std::collections::BTreeMap;

use jettison_build::{Built, PlannedBase};
use jettison_oci::Reference;
use serde::Serialize;

/// What is said of a build: all of it is known, and there is more to be known of others.
#[derive(Debug, Serialize)]
pub(super) struct Provenance {
    materials: Vec<Material>,
    invocation: Invocation,
}

/// Something that an image was made of.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Material {
    uri: String,
    digest: BTreeMap<&'static str, String>,
}

#[derive(Debug, Serialize)]
struct Invocation {
    environment: Environment,
}

#[derive(Debug, Serialize)]
struct Environment {
    platform: String,
}

/// The provenance of each build by its key: a platform is named where there are several.
pub(super) fn provenances(builds: &[Built]) -> BTreeMap<String, Provenance> {
    let pairs = builds.iter().map(|built| {
        let platform = built.image.platform().id();
        let key = if builds.len() > 1 {
            format!("buildx.build.provenance/{platform}")
        } else {
            "buildx.build.provenance".to_owned()
        };
        (key, provenance(built, platform))
    });
    pairs.collect()
}

fn provenance(built: &Built, platform: String) -> Provenance {
    let mut materials: Vec<Material> = built.plan.bases.iter().map(material).collect();
    materials.sort_by(|a, b| a.uri.cmp(&b.uri));
    materials.dedup();
    Provenance {
        materials,
        invocation: Invocation {
            environment: Environment { platform },
        },
    }
}

/// A base. One that is in no registry has the digest of its configuration.
fn material(base: &PlannedBase) -> Material {
    let digest = base.digest.unwrap_or_else(|| base.image.id().0);
    let uri = match base.address.parse::<Reference>() {
        Ok(reference) if !base.address.contains("://") => {
            package_url(&reference, &base.image.platform().id())
        }
        Ok(_) | Err(_) => base.address.clone(),
    };
    Material {
        uri,
        digest: BTreeMap::from([("sha256", digest.hex().clone())]),
    }
}

/// The package URL of an image (BuildKit: `RefToPURL`, util/purl/image.go; <https://github.com/package-url/purl-spec>).
fn package_url(reference: &Reference, platform: &str) -> String {
    let familiar = reference.familiar();
    let name = familiar.split('@').next().unwrap_or_default();
    let name = match reference.tag() {
        Some(tag) => name.strip_suffix(&format!(":{tag}")).unwrap_or(name),
        None => name,
    };
    let segments: Vec<String> = name.split('/').map(escaped).collect();
    let tag = reference.tag().map(|tag| format!("@{}", escaped(tag)));
    let digest = reference.digest();
    let digest = digest.map(|digest| format!("digest={digest}&"));
    format!(
        "pkg:docker/{}{}?{}platform={}",
        segments.join("/"),
        tag.unwrap_or_default(),
        digest.unwrap_or_default(),
        escaped(platform)
    )
}

/// A text with what is not plain in it by its bytes' numbers.
fn escaped(text: &str) -> String {
    let escape = |byte: u8| {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(reference: &str, expected: Expect) {
        let reference = reference.parse().unwrap();
        expected.assert_eq(&package_url(&reference, "linux/arm64/v8"));
    }

    #[test]
    fn images_have_package_urls() {
        check(
            "debian",
            expect!["pkg:docker/debian@latest?platform=linux%2Farm64%2Fv8"],
        );
        check(
            "lab.test:5000/team/app:1.2",
            expect!["pkg:docker/lab.test:5000/team/app@1.2?platform=linux%2Farm64%2Fv8"],
        );
        let pinned = format!("moby/buildkit@sha256:{}", "0".repeat(64));
        check(
            &pinned,
            expect![[
                "pkg:docker/moby/buildkit?digest=sha256:0000000000000000000000000000000000000000000000000000000000000000&platform=linux%2Farm64%2Fv8"
            ]],
        );
    }
}
