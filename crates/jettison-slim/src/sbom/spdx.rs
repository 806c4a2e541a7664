//! SPDX 2.3 as JSON (spdx.github.io/spdx-spec/v2.3, schemas/spdx-schema.json).
//!
//! The document describes the image, the image contains the packages, and packages whose files are listed contain those.
//! A package of which the image has a part lists the files that are there; those that are not are excluded from its
//! verification code. Files that no package brought belong to a package of this program's.

mod wire;

use std::collections::BTreeMap;

use jettison_build::timestamp;
use sha1::{Digest as _, Sha1};

use self::wire::{
    Checksum, CreationInfo, Document, ExternalReference, ExtractedLicence, File, Package,
    Relationship, VerificationCode,
};
use super::identity::{identifier, uuid};
use super::licence::licences;
use super::maintainer::maintainer;
use super::purl::{image_url, package_url};
use super::{Sbom, SbomFile, SbomFiles, SbomPackage, hex};

/// What SPDX says where nothing is claimed.
const NO_ASSERTION: &str = "NOASSERTION";
const DOCUMENT: &str = "SPDXRef-DOCUMENT";
const IMAGE: &str = "SPDXRef-image";
const GENERATED: &str = "SPDXRef-generated";

/// The document about `sbom`.
pub fn spdx_json(sbom: &Sbom) -> String {
    let mut document = Document {
        spdx_version: "SPDX-2.3",
        data_license: "CC0-1.0",
        id: DOCUMENT,
        name: sbom.image.clone(),
        namespace: format!("urn:uuid:{}", uuid("spdx", &sbom.digest)),
        creation_info: CreationInfo {
            created: timestamp(sbom.created),
            creators: [format!("Tool: jettison-{}", env!("CARGO_PKG_VERSION"))],
        },
        packages: vec![image_package(sbom)],
        files: Vec::new(),
        extracted_licences: extracted_licences(sbom),
        relationships: vec![relationship(DOCUMENT, "DESCRIBES", IMAGE)],
    };
    let mut files = BTreeMap::new();
    for package in sbom.sorted_packages() {
        let wire = deb_package(sbom, package);
        add(&mut document, &mut files, wire, &package.files);
    }
    if !sbom.generated.is_empty() {
        let generated = SbomFiles::Listed(sbom.generated.clone());
        let wire = generated_package(&generated);
        add(&mut document, &mut files, wire, &generated);
    }
    document.files = files.into_values().collect();
    // Strings and numbers alone: nothing in it can fail to be written.
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

/// Adds `package` with those of its files that the image has, as far as they are listed.
fn add(
    document: &mut Document,
    files: &mut BTreeMap<String, File>,
    package: Package,
    sbom: &SbomFiles,
) {
    let relationships = &mut document.relationships;
    relationships.push(relationship(IMAGE, "CONTAINS", &package.id));
    for file in sbom.kept().unwrap_or_default() {
        // Packages that are installed for several architectures share files; a file has one entry.
        let wire = file_of(file);
        relationships.push(relationship(&package.id, "CONTAINS", &wire.id));
        files.insert(file.path.clone(), wire);
    }
    document.packages.push(package);
}

fn image_package(sbom: &Sbom) -> Package {
    Package {
        version: Some(sbom.digest.to_string()),
        purpose: "CONTAINER",
        checksums: vec![Checksum::sha256(sbom.digest.hex())],
        external_references: vec![ExternalReference::package_url(image_url(sbom))],
        ..Package::named(IMAGE.to_owned(), sbom.image.clone())
    }
}

fn generated_package(files: &SbomFiles) -> Package {
    Package {
        files_analyzed: true,
        verification_code: verification_code(files),
        comment: Some("Files that no package brought: they were made for this image."),
        ..Package::named(GENERATED.to_owned(), "generated-files".to_owned())
    }
}

fn deb_package(sbom: &Sbom, package: &SbomPackage) -> Package {
    let id = format!(
        "SPDXRef-deb-{}-{}",
        identifier(&package.name),
        identifier(&package.architecture)
    );
    let supplier = package.maintainer.as_deref().and_then(maintainer);
    let checksum = |digest: &jettison_oci::Digest| Checksum::sha256(digest.hex());
    let url = package_url(&sbom.distribution, package);
    let is_partial = matches!(package.files, SbomFiles::Partial { .. });
    let verification_code = verification_code(&package.files);
    Package {
        files_analyzed: verification_code.is_some(),
        verification_code,
        version: Some(package.version.clone()),
        supplier: supplier.map(|maintainer| maintainer.spdx()),
        homepage: package.web_page().map(str::to_owned),
        source_info: Some(format!(
            "built from the source package {} {}",
            package.source_name, package.source_version
        )),
        licence_declared: declared_licence(&package.licences),
        checksums: package.archive.iter().map(checksum).collect(),
        external_references: vec![ExternalReference::package_url(url)],
        comment: is_partial.then_some("The image has a part of this package."),
        ..Package::named(id, package.name.clone())
    }
}

/// The SHA-1 of all files' SHA-1s as text, sorted (SPDX 2.3, 7.9).
fn verification_code(files: &SbomFiles) -> Option<VerificationCode> {
    let mut sums: Vec<String> = files
        .kept()?
        .into_iter()
        .map(|file| hex(&file.sha1))
        .collect();
    sums.sort();
    let mut excluded = match files {
        SbomFiles::Whole | SbomFiles::Listed(_) => Vec::new(),
        SbomFiles::Partial { kept: _, removed } => {
            removed.iter().map(|path| format!("./{path}")).collect()
        }
    };
    excluded.sort();
    Some(VerificationCode {
        value: hex(&Sha1::digest(sums.concat())),
        excluded,
    })
}

fn file_of(file: &SbomFile) -> File {
    File {
        id: file_identifier(&file.path),
        name: format!("./{}", file.path),
        checksums: [
            Checksum {
                algorithm: "SHA1",
                value: hex(&file.sha1),
            },
            Checksum::sha256(file.sha256.hex()),
        ],
        licence_concluded: NO_ASSERTION,
        copyright: NO_ASSERTION,
    }
}

/// Paths are too long and too free for identifiers; their hashes are not.
fn file_identifier(path: &str) -> String {
    format!("SPDXRef-file-{}", hex(&Sha1::digest(path)))
}

fn relationship(element: &str, kind: &'static str, related: &str) -> Relationship {
    Relationship {
        element: element.to_owned(),
        kind,
        related: related.to_owned(),
    }
}

/// All of `names` as one expression; nothing is claimed if there are none.
fn declared_licence(names: &[String]) -> String {
    let expression = licences(names).expression;
    if expression.is_empty() {
        NO_ASSERTION.to_owned()
    } else {
        expression
    }
}

/// The licences without an identifier of SPDX's, each with where its text is.
fn extracted_licences(sbom: &Sbom) -> Vec<ExtractedLicence> {
    let mut extracted = BTreeMap::new();
    for package in sbom.sorted_packages() {
        for (id, name) in licences(&package.licences).references {
            extracted
                .entry(id.clone())
                .or_insert_with(|| ExtractedLicence {
                    id,
                    name,
                    text: format!("See /usr/share/doc/{}/copyright.", package.name),
                });
        }
    }
    extracted.into_values().collect()
}
