//! Layers that are not in the store when a build begins.
//!
//! What a base image says of itself is enough for a plan. Its files are wanted by a step that looks at them, if that is
//! executed: a `RUN`, a `COPY` without `--link`, a `COPY --from`. So an image that only gets further layers and another
//! configuration is made without its base's files. So does BuildKit, whose file operations extract what they work on, and whose
//! merges do not (solver/llbsolver/ops/file.go: `unlazyResultFunc`; `dispatchCopy`, `dockerfile2llb`).

use std::error::Error;
use std::fmt::Debug;

use jettison_oci::Image;

/// Fetches layers.
pub trait Supplier: Debug + Sync {
    /// Brings the layers of an image into the store that are not there. Gives the same image with all that is known then.
    fn supply(&self, image: &Image) -> Result<Image, Box<dyn Error + Send + Sync>>;
}
