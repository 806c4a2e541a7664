use super::*;
use expect_test::expect_file;

/// A package of which all is in the image.
pub(super) fn package(name: &str, version: &str) -> SbomPackage {
    SbomPackage {
        name: name.to_owned(),
        version: version.to_owned(),
        architecture: "amd64".to_owned(),
        source_name: name.to_owned(),
        source_version: version.to_owned(),
        maintainer: None,
        homepage: None,
        licences: Vec::new(),
        archive: None,
        files: SbomFiles::Whole,
    }
}

/// Packages of all kinds.
fn sbom() -> Sbom {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Sbom {
        image: "distroless://cc-debian12:nonroot".to_owned(),
        digest: Digest::of(b"manifest"),
        created: 1_767_225_600,
        distribution: SbomDistribution {
            id: "debian".to_owned(),
            version: "12".to_owned(),
        },
        packages: vec![
            SbomPackage {
                source_name: "gcc-12".to_owned(),
                source_version: "12.2.0-14".to_owned(),
                maintainer: Some("GCC Maintainers <gcc@example.org>".to_owned()),
                homepage: Some("http://gcc.example.org/".to_owned()),
                licences: words(&["GPL-3+", "Expat", "GPL-3+ with GCC exception"]),
                archive: Some(Digest::of(b"deb")),
                files: SbomFiles::Listed(vec![
                    SbomFile::of("usr/share/doc/libstdc++6/copyright", b"free"),
                    SbomFile::of("usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30", b"code"),
                ]),
                ..package("libstdc++6", "12.2.0-14+b1")
            },
            SbomPackage {
                maintainer: Some("Ada Lovelace <ada@example.org>".to_owned()),
                files: SbomFiles::Partial {
                    kept: vec![SbomFile::of("usr/share/zoneinfo/Etc/UTC", b"utc")],
                    removed: words(&[
                        "usr/share/zoneinfo/Europe/Kyiv",
                        "usr/share/doc/tzdata/README",
                    ]),
                },
                architecture: "all".to_owned(),
                ..package("tzdata", "2025b-0+deb12u1")
            },
            SbomPackage {
                licences: words(&["LGPL-2.1+", "GPL-2+ or Carnegie"]),
                ..package("libc6", "2.36-9+deb12u13")
            },
        ],
        generated: vec![SbomFile::of("etc/passwd", b"root:x:0:0")],
    }
}

#[test]
fn spdx_names_packages_files_and_what_is_missing() {
    expect_file!["../../tests/golden/sbom.spdx.json"].assert_eq(&spdx_json(&sbom()));
}

#[test]
fn cyclonedx_names_packages_files_and_what_is_missing() {
    expect_file!["../../tests/golden/sbom.cdx.json"].assert_eq(&cyclonedx_json(&sbom()));
}

#[test]
fn the_order_of_packages_and_files_does_not_matter() {
    let mut other = sbom();
    other.packages.reverse();
    for package in &mut other.packages {
        if let SbomFiles::Listed(files) = &mut package.files {
            files.reverse();
        }
    }
    assert_eq!(spdx_json(&other), spdx_json(&sbom()));
    assert_eq!(cyclonedx_json(&other), cyclonedx_json(&sbom()));
}

#[test]
fn a_listed_package_is_verified_as_spdx_says() {
    // (printf code | sha1sum; printf free | sha1sum) | cut -c1-40 | sort | tr -d "\n" | sha1sum
    let text = spdx_json(&sbom());
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let packages = document["packages"].as_array().unwrap();
    let found = packages
        .iter()
        .find(|package| package["name"] == "libstdc++6");
    let code = &found.unwrap()["packageVerificationCode"]["packageVerificationCodeValue"];
    assert_eq!(
        code.as_str().unwrap(),
        "27a8d779decdcd17fd239fe4ec612decaa78e704"
    );
}

#[test]
fn a_homepage_that_is_no_address_is_left_out() {
    let with = |homepage: &str| SbomPackage {
        homepage: Some(homepage.to_owned()),
        ..package("a", "1")
    };
    assert_eq!(
        with(" https://example.org/a?b#c ").web_page(),
        Some("https://example.org/a?b#c")
    );
    for wrong in [
        "example.org",
        "javascript:alert(1)",
        "http://a b",
        "http://é",
        "",
    ] {
        assert_eq!(with(wrong).web_page(), None, "{wrong}");
    }
}
