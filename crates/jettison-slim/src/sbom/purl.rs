//! Package URLs, by which scanners name packages (package-url/purl-spec; the types `deb` and `oci`).

use std::fmt::Write as _;

use super::{Sbom, SbomDistribution, SbomPackage};

/// The package URL of `package`, such as `pkg:deb/debian/libssl3@3.0.17-1?arch=amd64&distro=debian-12&upstream=openssl`.
///
/// Scanners look for faults by the source package, so it is named wherever its name or version is another.
pub fn package_url(distribution: &SbomDistribution, package: &SbomPackage) -> String {
    let mut qualifiers = vec![
        ("arch", package.architecture.clone()),
        (
            "distro",
            format!("{}-{}", distribution.id, distribution.version),
        ),
    ];
    if package.source_version != package.version {
        let upstream = format!("{}@{}", package.source_name, package.source_version);
        qualifiers.push(("upstream", upstream));
    } else if package.source_name != package.name {
        qualifiers.push(("upstream", package.source_name.clone()));
    }
    let namespace = distribution.id.to_ascii_lowercase();
    let name = format!("{}/{}", encoded(&namespace), encoded(&package.name));
    url("deb", &name, &package.version, &qualifiers)
}

/// The package URL of the image.
pub(super) fn image_url(sbom: &Sbom) -> String {
    let (name, tag) = name_and_tag(&sbom.image);
    let tag = tag.map(|tag| ("tag", tag.to_owned()));
    let qualifiers: Vec<_> = tag.into_iter().collect();
    let name = encoded(&name.to_lowercase());
    url("oci", &name, &sbom.digest.to_string(), &qualifiers)
}

/// The last part of an image's name, and its tag.
fn name_and_tag(image: &str) -> (&str, Option<&str>) {
    let name = image.split('@').next().unwrap_or(image);
    let name = name.rsplit('/').next().unwrap_or(name);
    match name.split_once(':') {
        Some((name, tag)) => (name, Some(tag)),
        None => (name, None),
    }
}

/// The parts put together; `name` is encoded, and `qualifiers` are sorted by their keys.
fn url(kind: &str, name: &str, version: &str, qualifiers: &[(&str, String)]) -> String {
    let mut url = format!("pkg:{kind}/{name}@{}", encoded(version));
    for (index, (key, value)) in qualifiers.iter().enumerate() {
        let separator = if index == 0 { '?' } else { '&' };
        let _infallible = write!(url, "{separator}{key}={}", encoded(value));
    }
    url
}

/// Everything but letters, digits, `.-_~` and `:` as a percent sign and two digits (purl-specification, "Character
/// encoding").
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b".-_~:".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _infallible = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::super::tests::package;
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(names: [&str; 4], expected: &str) {
        let [name, version, source_name, source_version] = names;
        let mut package = package(name, version);
        package.source_name = source_name.to_owned();
        package.source_version = source_version.to_owned();
        let distribution = SbomDistribution {
            id: "debian".to_owned(),
            version: "12".to_owned(),
        };
        assert_eq!(package_url(&distribution, &package), expected);
    }

    // What packageurl-python 0.17.6 makes of the same parts.
    #[test]
    fn parts_are_encoded_and_qualifiers_sorted() {
        check(
            ["zlib1g", "1:1.2.13", "zlib1g", "1:1.2.13"],
            "pkg:deb/debian/zlib1g@1:1.2.13?arch=amd64&distro=debian-12",
        );
        check(
            ["libstdc++6", "1:12.2.0-14+deb12u1~x", "gcc-12", "12.2.0-14"],
            "pkg:deb/debian/libstdc%2B%2B6@1:12.2.0-14%2Bdeb12u1~x?arch=amd64&distro=debian-12&upstream=gcc-12%4012.2.0-14",
        );
        check(
            ["libssl3", "3.0.17", "openssl", "3.0.17"],
            "pkg:deb/debian/libssl3@3.0.17?arch=amd64&distro=debian-12&upstream=openssl",
        );
    }

    #[test]
    fn an_image_is_named_by_its_last_part() {
        let cases = [
            (
                "distroless://java21-debian13:nonroot",
                "java21-debian13",
                Some("nonroot"),
            ),
            ("localhost:5000/a/B", "B", None),
            ("a@sha256:00", "a", None),
        ];
        for (image, name, tag) in cases {
            assert_eq!(name_and_tag(image), (name, tag), "{image}");
        }
    }

    proptest! {
        #[test]
        fn decoding_gives_the_text_back(text in "\\PC{0,8}") {
            let encoded = encoded(&text);
            let mut decoded = Vec::new();
            let mut parts = encoded.split('%');
            decoded.extend(parts.next().unwrap_or_default().bytes());
            for part in parts {
                decoded.push(u8::from_str_radix(&part[..2], 16).unwrap());
                decoded.extend(part[2..].bytes());
            }
            prop_assert_eq!(String::from_utf8(decoded).unwrap(), text);
        }
    }
}
