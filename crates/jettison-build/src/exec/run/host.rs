//! What the host lends to commands.

use std::path::{Path, PathBuf};

use crate::exec::run::certificates::Certificates;
use jettison_sandbox::{Mount, MountKind, Network, Resources};

/// What the host lends to commands. None of it is in a key or in an image's history.
#[derive(Clone, Debug)]
pub struct RunHost {
    /// The host's resolver configuration.
    pub resolv_conf: PathBuf,
    /// The host's table of names.
    pub hosts: PathBuf,
    /// A file with settings for apt, mounted where only one user ID is mapped: apt cannot change
    /// to its own user there.
    pub apt_settings: Option<PathBuf>,
    /// Proxy settings for every command.
    pub proxies: Vec<(String, String)>,
    /// Limits for each command.
    pub resources: Resources,
    /// Certificates of authorities that commands trust besides those of their image.
    pub certificates: Option<Certificates>,
}

impl RunHost {
    /// What an image's program gets: the host's own files, as its network is the host's own or none.
    pub(super) fn mounts(&self, network: Network) -> Vec<Mount> {
        let mut mounts = Vec::new();
        if network == Network::Host {
            mounts.push(bind(&self.resolv_conf, "/etc/resolv.conf"));
        }
        mounts.push(bind(&self.hosts, "/etc/hosts"));
        mounts
    }

    /// The settings for apt, if a file system of these layers has apt.
    pub(super) fn apt_mount(&self, lowers: &[PathBuf]) -> Option<Mount> {
        let settings = self.apt_settings.as_ref()?;
        lowers
            .iter()
            .any(|lower| lower.join("etc/apt/apt.conf.d").is_dir())
            .then(|| bind(settings, "/etc/apt/apt.conf.d/99single-user-id"))
    }
}

fn bind(source: &Path, target: &str) -> Mount {
    Mount {
        target: PathBuf::from(target),
        kind: MountKind::Bind {
            source: source.to_path_buf(),
            read_only: true,
        },
    }
}
