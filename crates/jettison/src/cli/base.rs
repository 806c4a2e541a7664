//! Options of `jettison base`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct BaseArgs {
    #[command(subcommand)]
    pub(crate) command: BaseCommand,
}

/// What can be done with bases.
#[derive(Debug, Subcommand)]
pub(crate) enum BaseCommand {
    /// Assemble a base from Debian's packages
    Build(BaseBuildArgs),
    /// Assemble a base with the modules of Java that the programs in jars need, and no others
    Java(BaseJavaArgs),
    /// List the recipes
    #[command(visible_alias = "ls")]
    List(BaseListArgs),
    /// Show the packages of a base: versions, sizes, why each is in, and what was left out
    Show(BaseShowArgs),
    /// Look for newer packages than lock files have, and write them anew
    Update(BaseUpdateArgs),
    /// Show how two bases differ: packages, what newer ones fix, configuration
    Diff(BaseDiffArgs),
}

/// Which bases are compared.
#[derive(Debug, Args)]
pub(crate) struct BaseDiffArgs {
    /// A name, a file with a recipe, a lock file (`….lock`), or an image of the store
    #[arg(value_name = "A")]
    pub(crate) first: String,
    /// Another
    #[arg(value_name = "B")]
    pub(crate) second: String,
    #[command(flatten)]
    pub(crate) platform: BasePlatform,
    #[command(flatten)]
    pub(crate) origin: PackageOrigin,
}

/// Where packages come from.
#[derive(Clone, Debug, Args)]
pub(crate) struct PackageOrigin {
    /// The archive that packages come from [default: as in the settings]
    #[arg(long, value_name = "URL")]
    pub(crate) archive: Option<String>,
    /// Trust these certificate authorities, too: a PEM file [default: `ca` of [build] in the settings]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<String>,
}

/// What a base is to run on.
#[derive(Clone, Debug, Args)]
pub(crate) struct BasePlatform {
    /// For which platform, such as linux/arm64 [default: this host's]
    #[arg(id = "platform", long = "platform", value_name = "PLATFORM")]
    pub(crate) name: Option<String>,
}

/// How a base is made.
#[derive(Clone, Debug, Args)]
pub(crate) struct BaseMaking {
    #[command(flatten)]
    pub(crate) platform: BasePlatform,
    /// Do not leave this slice out of packages; `all` keeps everything
    #[arg(long = "keep", value_name = "SLICE")]
    pub(crate) keep: Vec<String>,
    #[command(flatten)]
    pub(crate) origin: PackageOrigin,
    /// The file that says which packages in which versions; made if it is missing [default: that of the address]
    #[arg(long, value_name = "FILE")]
    pub(crate) lock: Option<PathBuf>,
}

/// Which base, and where its packages come from.
#[derive(Debug, Args)]
pub(crate) struct BaseChoice {
    /// A name such as `java21-debian13:nonroot` or `base+libpq5`, a file with a recipe, a name that `[bases]` has in the
    /// settings, or an address such as `debian://trixie`
    #[arg(value_name = "NAME[+PACKAGE…][:VARIANT]|FILE.toml")]
    pub(crate) base: String,
    /// For which release of Debian a recipe in a file is assembled: 12, 13 [default: the newest]
    #[arg(long, value_name = "RELEASE")]
    pub(crate) debian: Option<u8>,
    #[command(flatten)]
    pub(crate) making: BaseMaking,
}

#[derive(Debug, Args)]
pub(crate) struct BaseBuildArgs {
    #[command(flatten)]
    pub(crate) choice: BaseChoice,
    /// Name of the image; may be given several times
    #[arg(short, long = "tag", value_name = "NAME[:TAG]")]
    pub(crate) tags: Vec<String>,
    /// Write a bill of materials; may be given several times
    #[arg(long = "sbom", value_name = "spdx|cyclonedx=FILE", value_parser = sbom)]
    pub(crate) sboms: Vec<SbomSpec>,
    /// Print the image's ID alone
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// A bill of materials that is asked for.
#[derive(Clone, Debug)]
pub(crate) struct SbomSpec {
    pub(crate) format: SbomFormat,
    /// Where it is written.
    pub(crate) file: PathBuf,
}

/// How a bill of materials is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SbomFormat {
    /// SPDX 2.3, as JSON.
    Spdx,
    /// `CycloneDX` 1.6, as JSON.
    CycloneDx,
}

fn sbom(text: &str) -> Result<SbomSpec, String> {
    let (format, file) = text
        .split_once('=')
        .ok_or("take spdx=FILE or cyclonedx=FILE")?;
    let format = match format {
        "spdx" => SbomFormat::Spdx,
        "cyclonedx" => SbomFormat::CycloneDx,
        _ => return Err(format!("`{format}` is no format: take spdx or cyclonedx")),
    };
    Ok(SbomSpec {
        format,
        file: file.into(),
    })
}

#[derive(Debug, Args)]
pub(crate) struct BaseJavaArgs {
    /// A jar whose programs the base is for, with the jars in it; may be given several times
    #[arg(long = "for", value_name = "JAR")]
    pub(crate) jars: Vec<PathBuf>,
    /// Modules beyond those that the jars are found to need, such as `jdk.localedata,jdk.zipfs`
    #[arg(long, value_name = "MODULE,…", value_delimiter = ',')]
    pub(crate) add_modules: Vec<String>,
    /// The release of Java: 11, 17, 21, 25 [default: 21, or that of --debian]
    #[arg(long, value_name = "RELEASE")]
    pub(crate) java: Option<u8>,
    /// The release of Debian: 11 has Java 11, 12 has 17, 13 has 21 and 25 [default: that of --java]
    #[arg(long, value_name = "RELEASE")]
    pub(crate) debian: Option<u8>,
    /// For a user without privileges
    #[arg(long)]
    pub(crate) nonroot: bool,
    #[command(flatten)]
    pub(crate) making: BaseMaking,
    /// Name of the image; may be given several times
    #[arg(short, long = "tag", value_name = "NAME[:TAG]")]
    pub(crate) tags: Vec<String>,
    /// Print the image's ID alone
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BaseListArgs {
    /// How to print them: `table`, `json`, a Go template, or `table` and a template
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct BaseShowArgs {
    #[command(flatten)]
    pub(crate) choice: BaseChoice,
    /// How to print the packages: `table`, `json`, a Go template, or `table` and a template
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct BaseUpdateArgs {
    /// The base, as after `base build` [default: all that name a lock file in `[bases]` of the settings]
    #[arg(value_name = "NAME[+PACKAGE…][:VARIANT]|FILE.toml")]
    pub(crate) base: Option<String>,
    /// For which release of Debian a recipe in a file is assembled: 12, 13 [default: the newest]
    #[arg(long, value_name = "RELEASE")]
    pub(crate) debian: Option<u8>,
    /// For which platform, such as linux/arm64 [default: those in the lock file, else this host's]
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<String>,
    #[command(flatten)]
    pub(crate) origin: PackageOrigin,
    /// The lock file [default: that of the address]
    #[arg(long, value_name = "FILE", requires = "base")]
    pub(crate) lock: Option<PathBuf>,
    /// Show what moved, and leave the lock file as it is
    #[arg(long)]
    pub(crate) dry_run: bool,
}
