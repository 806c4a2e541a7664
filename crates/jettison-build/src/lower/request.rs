//! What a build is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use jettison_dockerfile::Platform;

use crate::plan::{EpochSource, FoundBase, RunLimits, RunNetwork};

/// What a build is asked for.
#[derive(Clone, Debug)]
pub struct LowerRequest {
    /// The stage to build: its name; the last stage if absent.
    pub target: Option<String>,
    /// Values for `ARG`s, by name.
    pub build_args: BTreeMap<String, String>,
    /// Labels that the image gets whatever the Dockerfile says.
    pub labels: BTreeMap<String, String>,
    /// Images and directories that take the places of stages and images, by name; a name may end in `::` and a
    /// platform, for which it then counts alone.
    pub contexts: BTreeMap<String, NamedContext>,
    /// The platform that builds run on.
    pub build_platform: Platform,
    /// The platform that is asked for. Without one it is that of the build, and the image has that of its base.
    pub target_platform: Option<Platform>,
    /// The platforms whose programs this host can run. Variants do not matter.
    pub runnable: Vec<Platform>,
    /// The network of commands that do not say which.
    pub network: RunNetwork,
    /// What the Dockerfile may ask for beyond the usual.
    pub allowed: BTreeSet<Entitlement>,
    /// The names of stages whose commands and copies are executed even if their results are known.
    pub uncached_stages: BTreeSet<String>,
    /// What every command is given.
    pub limits: RunLimits,
}

impl LowerRequest {
    /// A build of the last stage on and for a platform.
    pub fn on(platform: Platform) -> LowerRequest {
        LowerRequest {
            target: None,
            build_args: BTreeMap::new(),
            labels: BTreeMap::new(),
            contexts: BTreeMap::new(),
            runnable: vec![platform.clone()],
            build_platform: platform,
            target_platform: None,
            network: RunNetwork::Default,
            allowed: BTreeSet::new(),
            uncached_stages: BTreeSet::new(),
            limits: RunLimits::default(),
        }
    }

    /// The platform that the build is for.
    pub fn platform(&self) -> &Platform {
        self.target_platform
            .as_ref()
            .unwrap_or(&self.build_platform)
    }
}

/// What takes the place of a stage or an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamedContext {
    /// The files of a directory, which the caller knows by the context's name.
    Directory,
    /// An image, by a name that [`Bases`] knows, or `scratch`.
    Image(String),
    /// The result of the stage of this name.
    Stage(String),
}

/// What a Dockerfile may only ask for if the user allows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entitlement {
    /// `RUN --network=host`
    NetworkHost,
    /// `RUN --security=insecure`
    SecurityInsecure,
}

impl Entitlement {
    /// Its name, as BuildKit has it.
    pub fn name(self) -> &'static str {
        match self {
            Entitlement::NetworkHost => "network.host",
            Entitlement::SecurityInsecure => "security.insecure",
        }
    }
}

/// Finds what a Dockerfile names outside of itself.
pub trait Bases {
    /// The image that `name` stands for on `platform`.
    fn base(
        &self,
        name: &str,
        platform: &Platform,
    ) -> Result<FoundBase, Box<dyn Error + Send + Sync>>;

    /// The time of `source` in seconds since 1970, if it has one.
    fn epoch(&self, source: &EpochSource) -> Result<Option<i64>, Box<dyn Error + Send + Sync>> {
        Err(format!("SOURCE_DATE_EPOCH cannot be taken from {source} yet: give a number").into())
    }
}
