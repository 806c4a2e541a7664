//! Everything that the program takes from its process: environment, clock, home directory. The
//! only place that reads them.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::remote::Reach;

/// What the process was given.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    /// The environment's variables that are text.
    pub(crate) variables: BTreeMap<String, String>,
    /// The time at the start, in Unix seconds.
    pub(crate) now: u64,
}

impl Surroundings {
    pub(crate) fn of_process() -> Surroundings {
        let variables = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        Surroundings { variables, now }
    }

    /// How servers are reached; `ca` is as after `--ca`.
    pub(crate) fn reach(&self, ca: Option<&str>) -> Reach {
        let reach = Reach {
            variables: self.variables.clone(),
            ca: None,
        };
        reach.or_ca(ca)
    }

    /// The time at the start.
    pub(crate) fn time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.now)
    }

    fn directory(&self, variable: &str, below_home: &str) -> Option<PathBuf> {
        match self.variables.get(variable) {
            // The XDG specification says that relative paths are to be ignored.
            Some(path) if Path::new(path).is_absolute() => Some(PathBuf::from(path)),
            _ => self
                .variables
                .get("HOME")
                .filter(|home| !home.is_empty())
                .map(|home| Path::new(home).join(below_home)),
        }
    }

    /// Where images are kept if nothing else was said.
    pub(crate) fn default_root(&self) -> Option<PathBuf> {
        Some(
            self.directory("XDG_DATA_HOME", ".local/share")?
                .join("jettison"),
        )
    }

    /// The user's settings.
    pub(crate) fn user_settings(&self) -> Option<PathBuf> {
        Some(
            self.directory("XDG_CONFIG_HOME", ".config")?
                .join("jettison/config.toml"),
        )
    }

    /// The architecture in the image specification's words.
    pub(crate) fn architecture() -> String {
        match env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            "powerpc64" => "ppc64le",
            other => other,
        }
        .to_string()
    }
}
