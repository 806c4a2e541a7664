//! The bill of materials of a distroless image.

use jettison_oci::Digest;

use crate::base::distroless::{DistrolessImage, FileFact, PackageFacts};
use crate::sbom::{Sbom, SbomDistribution, SbomFile, SbomFiles, SbomPackage};

impl DistrolessImage {
    /// What the image, which is called `name`, holds.
    pub fn sbom(&self, name: &str) -> Sbom {
        Sbom {
            image: name.to_string(),
            digest: self.image.manifest_digest().0,
            created: self.date,
            distribution: SbomDistribution {
                id: "debian".to_string(),
                version: self.release.to_string(),
            },
            packages: self.packages.iter().map(package).collect(),
            // What was made in place of scripts belongs to the packages whose scripts these are.
            generated: Vec::new(),
        }
    }
}

fn package(facts: &PackageFacts) -> SbomPackage {
    let field = |name| facts.field(name);
    let (name, version) = (facts.name.clone(), field("Version").unwrap_or_default());
    // `Source: name` or `Source: name (version)`; without it both are the package's own (Debian Policy 5.6.1).
    let source = field("Source").unwrap_or_else(|| name.clone());
    let (source_name, source_version) = match source.split_once(" (") {
        Some((source, of_source)) => (source, of_source.trim_end_matches(')')),
        None => (source.as_str(), version.as_str()),
    };
    let kept = facts.files.iter().filter_map(file).collect();
    SbomPackage {
        source_name: source_name.to_string(),
        source_version: source_version.to_string(),
        architecture: field("Architecture").unwrap_or_default(),
        maintainer: field("Maintainer"),
        homepage: field("Homepage"),
        licences: facts.licences.clone(),
        archive: format!("sha256:{}", facts.sha256).parse::<Digest>().ok(),
        files: if facts.removed.is_empty() {
            SbomFiles::Listed(kept)
        } else {
            SbomFiles::Partial {
                kept,
                removed: facts.removed.clone(),
            }
        },
        name,
        version,
    }
}

fn file(fact: &FileFact) -> Option<SbomFile> {
    let mut sha1 = [0; 20];
    for (place, byte) in sha1.iter_mut().enumerate() {
        *byte = u8::from_str_radix(fact.sha1.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(SbomFile {
        path: fact.path.clone(),
        sha1,
        sha256: format!("sha256:{}", fact.sha256).parse().ok()?,
    })
}
