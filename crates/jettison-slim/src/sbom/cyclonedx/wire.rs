//! `CycloneDX`'s names for things.

use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Bom {
    #[serde(rename = "$schema")]
    pub(super) schema: &'static str,
    #[serde(rename = "bomFormat")]
    pub(super) format: &'static str,
    #[serde(rename = "specVersion")]
    pub(super) spec_version: &'static str,
    #[serde(rename = "serialNumber")]
    pub(super) serial_number: String,
    pub(super) version: u32,
    pub(super) metadata: Metadata,
    pub(super) components: Vec<Component>,
    pub(super) dependencies: Vec<Dependency>,
    pub(super) compositions: Vec<Composition>,
}

#[derive(Serialize)]
pub(super) struct Metadata {
    pub(super) timestamp: String,
    pub(super) tools: Tools,
    pub(super) component: Component,
}

#[derive(Serialize)]
pub(super) struct Tools {
    pub(super) components: [Component; 1],
}

#[derive(Serialize)]
pub(super) struct Component {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(rename = "bom-ref")]
    pub(super) reference: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) supplier: Option<Supplier>,
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) hashes: Vec<Hash>,
    #[serde(rename = "licenses", skip_serializing_if = "Vec::is_empty")]
    pub(super) licences: Vec<LicenceChoice>,
    #[serde(rename = "purl", skip_serializing_if = "Option::is_none")]
    pub(super) package_url: Option<String>,
    #[serde(rename = "externalReferences", skip_serializing_if = "Vec::is_empty")]
    pub(super) external_references: Vec<ExternalReference>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) properties: Vec<Property>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) components: Vec<Component>,
}

impl Component {
    /// A component of which only this is known.
    pub(super) fn named(kind: &'static str, reference: String, name: String) -> Component {
        Component {
            kind,
            reference,
            supplier: None,
            name,
            version: None,
            hashes: Vec::new(),
            licences: Vec::new(),
            package_url: None,
            external_references: Vec::new(),
            properties: Vec::new(),
            components: Vec::new(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct Supplier {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) contact: Vec<Contact>,
}

#[derive(Serialize)]
pub(super) struct Contact {
    pub(super) email: String,
}

#[derive(Serialize)]
pub(super) struct Hash {
    #[serde(rename = "alg")]
    pub(super) algorithm: &'static str,
    pub(super) content: String,
}

impl Hash {
    pub(super) fn sha256(content: String) -> Hash {
        Hash {
            algorithm: "SHA-256",
            content,
        }
    }
}

#[derive(Serialize)]
pub(super) enum LicenceChoice {
    #[serde(rename = "license")]
    Licence(Licence),
    #[serde(rename = "expression")]
    Expression(String),
}

#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Licence {
    #[serde(rename = "id")]
    Identifier(&'static str),
    #[serde(rename = "name")]
    Name(String),
}

#[derive(Serialize)]
pub(super) struct ExternalReference {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) url: String,
}

#[derive(Serialize)]
pub(super) struct Property {
    name: &'static str,
    value: String,
}

impl Property {
    pub(super) fn new(name: &'static str, value: String) -> Property {
        Property { name, value }
    }
}

#[derive(Serialize)]
pub(super) struct Dependency {
    #[serde(rename = "ref")]
    pub(super) reference: String,
    #[serde(rename = "dependsOn")]
    pub(super) depends_on: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Composition {
    pub(super) aggregate: &'static str,
    pub(super) assemblies: Vec<String>,
}
