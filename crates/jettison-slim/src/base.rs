//! Base images assembled from Debian packages.

mod assemble;
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the recipes for images begin to use it")
)]
#[expect(unused_imports, reason = "the recipes for images begin to use it")]
mod generate;
mod source;
mod system;
mod unpack;

pub use crate::base::assemble::{
    AssembleError, AssembleRequest, Assembled, Downloads, assemble, base_reference,
};
pub use crate::base::source::{DebianBase, DebianBaseError, DebianVariant};
