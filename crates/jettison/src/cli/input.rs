//! Where a build's inputs are: the options that `build` and `optimize` share.

use std::path::PathBuf;

use clap::Args;

/// Where a build's inputs are.
#[derive(Debug, Args)]
pub(crate) struct InputArgs {
    /// The build context: a directory, an archive, the address of a Git repository or of a file, or `-`, standard input
    #[arg(default_value = ".", value_name = "PATH | URL | -")]
    pub(crate) context: PathBuf,
    /// The Dockerfile [default: PATH/Dockerfile]; `-` reads standard input
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Set a build argument
    #[arg(long = "build-arg", value_name = "NAME[=VALUE]")]
    pub(crate) build_args: Vec<String>,
    /// Execute every step, whatever the cache holds
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Ask registries for base images, and assemble others anew, even if they are in the store
    #[arg(long)]
    pub(crate) pull: bool,
    /// Where Debian's packages come from [default: settings, else the host's apt sources]
    #[arg(long, value_name = "URL")]
    pub(crate) archive: Option<String>,
}
