//! Base images assembled from Debian packages.

mod assemble;
mod family;
mod recipe;
mod source;
mod system;
mod unpack;

pub use crate::base::assemble::{
    AssembleError, AssembleRequest, Assembled, Downloads, assemble, base_reference,
};
pub use crate::base::family::{
    DistrolessBase, DistrolessNameError, DistrolessVariant, Levels, Recipes, codename,
};
pub use crate::base::recipe::{
    Generator, Recipe, RecipeContent, RecipeError, RecipeFile, RecipeGroup, RecipePart, RecipeUser,
};
pub use crate::base::source::{DebianBase, DebianBaseError, DebianVariant};
