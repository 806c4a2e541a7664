//! `CycloneDX` 1.6 as JSON (ECMA-424; cyclonedx.org/docs/1.6/json).
//!
//! The image is the document's subject, every package a component. Listed files are components within their package's. A
//! package of which the image has a part is in a composition that is `incomplete`.

mod wire;

use std::collections::BTreeSet;

use jettison_build::timestamp;

use self::wire::{
    Bom, Component, Composition, Contact, Dependency, ExternalReference, Hash, Licence,
    LicenceChoice, Metadata, Property, Supplier, Tools,
};
use super::identity::uuid;
use super::licence::{is_compound, licences, spdx_identifier};
use super::maintainer::maintainer;
use super::purl::{image_url, package_url};
use super::{Sbom, SbomFile, SbomFiles, SbomPackage, hex};

/// The document about `sbom`.
pub fn cyclonedx_json(sbom: &Sbom) -> String {
    let image = image_component(sbom);
    let packages = sbom.sorted_packages();
    let mut components = vec![distribution_component(sbom)];
    components.extend(packages.iter().map(|package| deb_component(sbom, package)));
    let mut generated: Vec<&SbomFile> = sbom.generated.iter().collect();
    generated.sort();
    generated.dedup();
    // Files that no package brought belong to the image.
    components.extend(
        generated
            .into_iter()
            .map(|file| file_component("image", file)),
    );

    let references = || {
        components
            .iter()
            .map(|component| component.reference.clone())
    };
    let image_reference = image.reference.clone();
    let bom = Bom {
        schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
        format: "CycloneDX",
        spec_version: "1.6",
        serial_number: format!("urn:uuid:{}", uuid("cyclonedx", &sbom.digest)),
        version: 1,
        dependencies: vec![Dependency {
            reference: image_reference.clone(),
            depends_on: references().collect(),
        }],
        compositions: compositions(sbom, image_reference, &packages),
        metadata: Metadata {
            timestamp: timestamp(sbom.created),
            tools: Tools {
                components: [Component {
                    version: Some(env!("CARGO_PKG_VERSION").to_owned()),
                    ..Component::named("application", "jettison".to_owned(), "jettison".to_owned())
                }],
            },
            component: image,
        },
        components,
    };
    // Strings and numbers alone: nothing in it can fail to be written.
    let mut text = serde_json::to_string_pretty(&bom).unwrap_or_default();
    text.push('\n');
    text
}

/// Which components are all there. That of the image says that no package is missing from the list.
fn compositions(sbom: &Sbom, image: String, packages: &[&SbomPackage]) -> Vec<Composition> {
    let mut complete = vec![image];
    let mut incomplete = Vec::new();
    for package in packages {
        let reference = package_url(&sbom.distribution, package);
        match &package.files {
            SbomFiles::Whole | SbomFiles::Listed(_) => complete.push(reference),
            SbomFiles::Partial { .. } => incomplete.push(reference),
        }
    }
    let mut compositions = vec![Composition {
        aggregate: "complete",
        assemblies: complete,
    }];
    if !incomplete.is_empty() {
        compositions.push(Composition {
            aggregate: "incomplete",
            assemblies: incomplete,
        });
    }
    compositions
}

fn image_component(sbom: &Sbom) -> Component {
    let url = image_url(sbom);
    Component {
        version: Some(sbom.digest.to_string()),
        package_url: Some(url.clone()),
        ..Component::named("container", url, sbom.image.clone())
    }
}

/// The release, by which some scanners choose what they know of its packages.
fn distribution_component(sbom: &Sbom) -> Component {
    let distribution = &sbom.distribution;
    let reference = format!("os:{}@{}", distribution.id, distribution.version);
    Component {
        version: Some(distribution.version.clone()),
        ..Component::named("operating-system", reference, distribution.id.clone())
    }
}

fn deb_component(sbom: &Sbom, package: &SbomPackage) -> Component {
    let url = package_url(&sbom.distribution, package);
    let files = package.files.kept().unwrap_or_default().into_iter();
    let archive = package.archive.as_ref();
    let homepage = package.web_page().into_iter().map(|url| ExternalReference {
        kind: "website",
        url: url.to_owned(),
    });
    Component {
        supplier: package.maintainer.as_deref().and_then(supplier),
        version: Some(package.version.clone()),
        hashes: archive
            .map(|digest| Hash::sha256(digest.hex()))
            .into_iter()
            .collect(),
        licences: licence_choices(package),
        package_url: Some(url.clone()),
        external_references: homepage.collect(),
        properties: vec![
            Property::new("jettison:deb:source", package.source_name.clone()),
            Property::new(
                "jettison:deb:source-version",
                package.source_version.clone(),
            ),
        ],
        components: files.map(|file| file_component(&url, file)).collect(),
        ..Component::named("library", url.clone(), package.name.clone())
    }
}

fn supplier(field: &str) -> Option<Supplier> {
    let maintainer = maintainer(field)?;
    let contact = maintainer.email.map(|email| Contact {
        email: email.to_owned(),
    });
    Some(Supplier {
        name: maintainer.name.to_owned(),
        contact: contact.into_iter().collect(),
    })
}

/// The licences of `package`: a list, or one expression if any of them is one, for the format has no list of those.
fn licence_choices(package: &SbomPackage) -> Vec<LicenceChoice> {
    let names = &package.licences;
    if names.iter().any(|name| is_compound(name)) {
        let expression = licences(names).expression;
        return vec![LicenceChoice::Expression(expression)];
    }
    let names: BTreeSet<&str> = names.iter().map(|name| name.trim()).collect();
    let names = names.into_iter().filter(|name| !name.is_empty());
    let licences: BTreeSet<Licence> = names
        .map(|name| match spdx_identifier(name) {
            Some(identifier) => Licence::Identifier(identifier),
            None => Licence::Name(name.to_owned()),
        })
        .collect();
    licences.into_iter().map(LicenceChoice::Licence).collect()
}

fn file_component(owner: &str, file: &SbomFile) -> Component {
    let reference = format!("{owner}#{}", file.path);
    Component {
        hashes: vec![
            Hash {
                algorithm: "SHA-1",
                content: hex(&file.sha1),
            },
            Hash::sha256(file.sha256.hex()),
        ],
        ..Component::named("file", reference, format!("/{}", file.path))
    }
}
