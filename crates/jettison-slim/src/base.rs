//! Base images assembled from Debian packages.

mod assemble;
mod source;
mod system;
mod unpack;

pub use crate::base::assemble::{
    AssembleError, AssembleRequest, Assembled, Downloads, assemble, base_reference,
};
pub use crate::base::source::{DebianBase, DebianBaseError, DebianVariant};
