//! Debian's names of architectures, and those of images.

use jettison_debian::Architecture;

/// Architecture and variant in the image specification's words, and Debian's word (its table of ports).
const ARCHITECTURES: [(&str, &str, &str); 7] = [
    ("amd64", "", "amd64"),
    ("arm64", "", "arm64"),
    ("arm", "v7", "armhf"),
    ("386", "", "i386"),
    ("ppc64le", "", "ppc64el"),
    ("riscv64", "", "riscv64"),
    ("s390x", "", "s390x"),
];

/// Debian's architecture for that of an image; none, if Debian has no packages for it.
pub fn debian_architecture(architecture: &str, variant: Option<&str>) -> Option<Architecture> {
    let found = ARCHITECTURES.iter().find(|(name, known, _)| {
        *name == architecture
            && (known.is_empty() || variant.is_none_or(|variant| variant == *known))
    });
    found.and_then(|(_, _, debian)| debian.parse().ok())
}

/// The architecture and variant of images for Debian's architecture.
pub(super) fn image_architecture(architecture: &Architecture) -> (String, Option<String>) {
    let name = architecture.as_str();
    match ARCHITECTURES.iter().find(|(_, _, debian)| *debian == name) {
        Some((architecture, variant, _)) => (
            (*architecture).to_string(),
            (!variant.is_empty()).then(|| (*variant).to_string()),
        ),
        None => (name.to_string(), None),
    }
}
