//! Under which names assembled bases are kept in the store: another program, recipe or slice makes another image, and
//! has another name for it.

use jettison_debian::Architecture;
use jettison_oci::{Digest, Reference};

use crate::base::family::Levels;
use crate::base::slices::SLICES;
use crate::base::source::DebianBase;

/// Counts the ways in which images have been made of the same packages and recipes.
///
/// A test holds it against an image (`what_is_made_has_a_number`): whoever changes what generators, slices or layers
/// are like raises it, and everybody's bases are made anew, of the packages that they have.
pub(super) const GENERATION: u32 = 1;

/// The name under which a base is kept in the store. `packages` is what says which packages those are: a lock, or the
/// archives and pins that they were chosen by, in any words that tell them from others.
pub fn base_reference(
    base: &DebianBase,
    architecture: &Architecture,
    packages: &str,
) -> Option<Reference> {
    let text = format!("{}\n{base}\n{architecture}\n{packages}", program());
    let digest = Digest::of(text.as_bytes()).hex();
    format!("localhost/debian:{}-{}", base.suite, &digest[..12])
        .parse()
        .ok()
}

/// The name under which a distroless base is kept in the store; `packages` as for [`base_reference`].
pub fn distroless_reference(
    levels: &Levels,
    architecture: &Architecture,
    packages: &str,
) -> Option<Reference> {
    let text = format!(
        "{}\n{levels:?}\n{SLICES}\n{architecture}\n{packages}",
        program()
    );
    let digest = Digest::of(text.as_bytes()).hex();
    // The name is for those who read lists; the digest tells bases apart.
    let mut names = levels.levels.iter().rev().map(|(name, _)| name.as_str());
    let name = names.find(|name| *name != "debug" && !name.starts_with('+'));
    let name = name.unwrap_or("base");
    format!("localhost/distroless:{name}-{}", &digest[..12])
        .parse()
        .ok()
}

fn program() -> String {
    format!("{} {GENERATION}", env!("CARGO_PKG_VERSION"))
}
