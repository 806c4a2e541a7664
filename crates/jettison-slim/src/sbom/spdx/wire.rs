//! SPDX's names for things.

use serde::Serialize;

use super::NO_ASSERTION;

#[derive(Serialize)]
pub(super) struct Document {
    #[serde(rename = "spdxVersion")]
    pub(super) spdx_version: &'static str,
    #[serde(rename = "dataLicense")]
    pub(super) data_license: &'static str,
    #[serde(rename = "SPDXID")]
    pub(super) id: &'static str,
    pub(super) name: String,
    #[serde(rename = "documentNamespace")]
    pub(super) namespace: String,
    #[serde(rename = "creationInfo")]
    pub(super) creation_info: CreationInfo,
    pub(super) packages: Vec<Package>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) files: Vec<File>,
    #[serde(
        rename = "hasExtractedLicensingInfos",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub(super) extracted_licences: Vec<ExtractedLicence>,
    pub(super) relationships: Vec<Relationship>,
}

#[derive(Serialize)]
pub(super) struct CreationInfo {
    pub(super) created: String,
    pub(super) creators: [String; 1],
}

#[derive(Serialize)]
pub(super) struct Package {
    #[serde(rename = "SPDXID")]
    pub(super) id: String,
    pub(super) name: String,
    #[serde(rename = "versionInfo", skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) supplier: Option<String>,
    #[serde(rename = "downloadLocation")]
    pub(super) download_location: &'static str,
    #[serde(rename = "filesAnalyzed")]
    pub(super) files_analyzed: bool,
    #[serde(
        rename = "packageVerificationCode",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) verification_code: Option<VerificationCode>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) checksums: Vec<Checksum>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) homepage: Option<String>,
    #[serde(rename = "sourceInfo", skip_serializing_if = "Option::is_none")]
    pub(super) source_info: Option<String>,
    #[serde(rename = "licenseConcluded")]
    pub(super) licence_concluded: &'static str,
    #[serde(rename = "licenseDeclared")]
    pub(super) licence_declared: String,
    #[serde(rename = "copyrightText")]
    pub(super) copyright: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) comment: Option<&'static str>,
    #[serde(rename = "externalRefs", skip_serializing_if = "Vec::is_empty")]
    pub(super) external_references: Vec<ExternalReference>,
    #[serde(rename = "primaryPackagePurpose")]
    pub(super) purpose: &'static str,
}

impl Package {
    /// A package of which only this is known.
    pub(super) fn named(id: String, name: String) -> Package {
        Package {
            id,
            name,
            version: None,
            supplier: None,
            download_location: NO_ASSERTION,
            files_analyzed: false,
            verification_code: None,
            checksums: Vec::new(),
            homepage: None,
            source_info: None,
            licence_concluded: NO_ASSERTION,
            licence_declared: NO_ASSERTION.to_owned(),
            copyright: NO_ASSERTION,
            comment: None,
            external_references: Vec::new(),
            purpose: "INSTALL",
        }
    }
}

#[derive(Serialize)]
pub(super) struct VerificationCode {
    #[serde(rename = "packageVerificationCodeValue")]
    pub(super) value: String,
    #[serde(
        rename = "packageVerificationCodeExcludedFiles",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub(super) excluded: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Checksum {
    pub(super) algorithm: &'static str,
    #[serde(rename = "checksumValue")]
    pub(super) value: String,
}

impl Checksum {
    pub(super) fn sha256(value: String) -> Checksum {
        Checksum {
            algorithm: "SHA256",
            value,
        }
    }
}

#[derive(Serialize)]
pub(super) struct ExternalReference {
    #[serde(rename = "referenceCategory")]
    category: &'static str,
    #[serde(rename = "referenceType")]
    kind: &'static str,
    #[serde(rename = "referenceLocator")]
    locator: String,
}

impl ExternalReference {
    pub(super) fn package_url(url: String) -> ExternalReference {
        ExternalReference {
            category: "PACKAGE-MANAGER",
            kind: "purl",
            locator: url,
        }
    }
}

#[derive(Serialize)]
pub(super) struct File {
    #[serde(rename = "SPDXID")]
    pub(super) id: String,
    #[serde(rename = "fileName")]
    pub(super) name: String,
    pub(super) checksums: [Checksum; 2],
    #[serde(rename = "licenseConcluded")]
    pub(super) licence_concluded: &'static str,
    #[serde(rename = "copyrightText")]
    pub(super) copyright: &'static str,
}

#[derive(Serialize)]
pub(super) struct ExtractedLicence {
    #[serde(rename = "licenseId")]
    pub(super) id: String,
    pub(super) name: String,
    #[serde(rename = "extractedText")]
    pub(super) text: String,
}

#[derive(Serialize)]
pub(super) struct Relationship {
    #[serde(rename = "spdxElementId")]
    pub(super) element: String,
    #[serde(rename = "relationshipType")]
    pub(super) kind: &'static str,
    #[serde(rename = "relatedSpdxElement")]
    pub(super) related: String,
}
