//! What Java's files say: classes, archives of classes, and the modules of a JDK.

pub(crate) mod class;
mod declaration;
pub(crate) mod image;
pub(crate) mod jars;
pub(crate) mod mentions;
pub(crate) mod rules;
pub(crate) mod zip;
