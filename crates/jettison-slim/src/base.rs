//! Base images assembled from Debian packages.

mod assemble;
mod bill;
mod byte_code;
mod changelog;
mod contents;
mod distroless;
mod family;
mod generate;
mod host_tools;
mod levels;
mod link;
mod name;
mod platform;
mod program;
mod recipe;
mod slices;
mod source;
mod steps;
mod system;
mod tools;
mod unpack;
mod unpacked;

pub use crate::base::assemble::{
    AssembleError, AssembleRequest, Assembled, Downloads, assemble, base_request, choose_base,
};
pub use crate::base::byte_code::ByteCodeRequest;
pub use crate::base::changelog::{SecurityFixes, security_fixes};
pub use crate::base::distroless::{
    DistrolessError, DistrolessImage, DistrolessRequest, FileFact, LocalPackage, PackageFacts,
    SliceFacts, assemble_distroless,
};
pub use crate::base::family::{
    DistrolessBase, DistrolessNameError, DistrolessVariant, Levels, Recipes, codename,
};
pub use crate::base::host_tools::{Making, host_tools};
pub use crate::base::levels::choose_packages;
pub use crate::base::link::{
    LinkError, LinkRequest, ModuleReason, NamedClass, NeededModules, needed_modules,
};
pub use crate::base::name::{base_reference, distroless_reference};
pub use crate::base::platform::debian_architecture;
pub use crate::base::recipe::{
    Generator, Recipe, RecipeContent, RecipeError, RecipeFile, RecipeGroup, RecipeLink, RecipePart,
    RecipeUser, is_module_name,
};
pub use crate::base::slices::Slice;
pub use crate::base::source::{DebianBase, DebianBaseError, DebianVariant};
pub use crate::base::tools::{ToolError, Workshop};
