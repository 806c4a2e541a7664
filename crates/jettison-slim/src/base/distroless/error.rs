//! Why an image cannot be assembled.

use std::io;
use std::path::PathBuf;

use jettison_debian::{DebError, PackagesError, RelationError, Sha256, SolveError};
use jettison_oci::{ImageError, LayerError, StoreError};

/// Why an image cannot be assembled.
#[derive(Debug, thiserror::Error)]
pub enum DistrolessError {
    /// A package is not the one that was asked for.
    #[error("cannot use {}: its SHA-256 is {actual} and should be {expected}", .path.display())]
    Digest {
        /// Its file.
        path: PathBuf,
        /// The digest that was asked for.
        expected: Sha256,
        /// Its digest.
        actual: Sha256,
    },
    /// A package cannot be read.
    #[error("cannot read {}", .path.display())]
    Package {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        source: DebError,
    },
    /// The files of a package cannot be read.
    #[error("cannot take {} apart", .path.display())]
    Files {
        /// Its file.
        path: PathBuf,
        /// Why not.
        source: LayerError,
    },
    /// A package has a file that no image gets.
    #[error("cannot take `{path}` from {}: {reason}", .package.display())]
    Refused {
        /// The package's file.
        package: PathBuf,
        /// The file.
        path: String,
        /// Why not.
        reason: &'static str,
    },
    /// Two packages have different files of the same name.
    #[error("`{path}` is in {first} and in {second}, which cannot be in one image")]
    Conflict {
        /// The path.
        path: String,
        /// One of the packages.
        first: String,
        /// The other.
        second: String,
    },
    /// A file cannot be where it is said to belong.
    #[error("cannot put `/{path}` into the image: {problem}")]
    Place {
        /// The path, without a slash at its start.
        path: String,
        /// Why not.
        problem: &'static str,
    },
    /// A package is not the one whose name it has in the lock.
    #[error("cannot use {}: it is the package `{actual}` and should be `{expected}`", .path.display())]
    Name {
        /// Its file.
        path: PathBuf,
        /// The name that was asked for.
        expected: String,
        /// What it says.
        actual: String,
    },
    /// A recipe gives a file to a package that the image lacks.
    #[error("`{path}` cannot be owned by `{package}`: the image has no such package")]
    Owner {
        /// The file.
        path: String,
        /// The package.
        package: String,
    },
    /// The packages do not fit together.
    #[error("cannot choose packages")]
    Solve(#[source] SolveError),
    /// What a recipe asks for cannot be the name of a package.
    #[error("cannot ask for package `{name}`")]
    Relation {
        /// What it asks for.
        name: String,
        /// Why not.
        source: RelationError,
    },
    /// The control file of a package is none.
    #[error("cannot read the control files of the packages")]
    ControlFile(#[source] PackagesError),
    /// Links lead in a circle.
    #[error("cannot place `{path}`: symbolic links lead in a circle")]
    Circle {
        /// The path.
        path: String,
    },
    /// A slice does not exist.
    #[error("there is no slice `{name}`: there are {}", known.join(", "))]
    Slice {
        /// The name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// A pattern cannot be read.
    #[error("cannot read a pattern of the recipe: {problem}")]
    Pattern {
        /// What is wrong.
        problem: String,
    },
    /// Something could not be made in place of a script.
    #[error("cannot make the {what}: {problem}")]
    Generate {
        /// What was to be made.
        what: &'static str,
        /// Why it cannot be.
        problem: String,
    },
    /// The operating system refused.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A layer could not be written.
    #[error("cannot write the base's layer")]
    Layer(#[source] LayerError),
    /// The parts do not make an image.
    #[error("cannot make an image of the base")]
    Image(#[source] ImageError),
    /// The store failed.
    #[error("cannot store the base")]
    Store(#[source] StoreError),
}
