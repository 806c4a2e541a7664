//! What scripts of the system start: `service cron start` runs `/etc/init.d/cron`, which reads functions of a package that nothing
//! depends on.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

use super::seen::Look;
use super::{Keeper, UseKind};
use crate::rootfs::RootError;

/// Where the scripts are by which services are started.
const SCRIPTS: &str = "/etc/init.d";
/// The largest such script, in bytes.
const LIMIT: u64 = 1 << 20;

impl Keeper<'_> {
    /// Keeps what the services need that the commands of a shell in `text` start.
    pub(super) fn add_services(&mut self, text: &str) -> Result<(), RootError> {
        for name in services(text) {
            let path = Path::new(SCRIPTS).join(name);
            if !self.seen.note(Look::Services, &path) {
                continue;
            }
            let Some(bytes) = self.root.content(&path, LIMIT) else {
                continue;
            };
            self.add(&path, UseKind::Looked, "it starts a service")?;
            let script = String::from_utf8_lossy(&bytes);
            self.add_sourced(&path, &script)?;
            self.add_commands(&path, &script, false)?;
        }
        Ok(())
    }

    /// Keeps the files that the script `text` at `path` reads as a part of itself, if it names them from the root on.
    pub(super) fn add_sourced(&mut self, path: &Path, text: &str) -> Result<(), RootError> {
        let reason = format!("{} reads it", path.display());
        for named in sourced(text) {
            self.add(&named, UseKind::Looked, &reason)?;
        }
        Ok(())
    }
}

/// The names of the services that the commands in `text` start or ask after.
fn services(text: &str) -> BTreeSet<&str> {
    static CALL: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(
            r"(?m)(?:^|[\s;&|(`])(?:(?:\S*/)?(?:service|invoke-rc\.d)\s+|/etc/init\.d/)([A-Za-z0-9][\w.+-]*)\s+(?:force-reload|reload|restart|start|status|stop)\b",
        )
        .ok()
    });
    let calls = CALL.iter().flat_map(|call| call.captures_iter(text));
    let names = calls.filter_map(|call| call.get(1));
    names.map(|name| name.as_str()).collect()
}

/// The paths from the root on that a shell is told to read in `text`.
fn sourced(text: &str) -> Vec<PathBuf> {
    let lines = text
        .lines()
        .flat_map(|line| line.split([';', '&', '|', '{']));
    let paths = lines.filter_map(|command| {
        let mut words = command.split_whitespace();
        let is_read = words.find(|word| !["then", "do", "else"].contains(word));
        let path = words.next().map(|word| word.trim_matches(['"', '\'']));
        path.filter(|path| matches!(is_read, Some("." | "source")) && path.starts_with('/'))
    });
    paths.map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_what_scripts_start_by_name() {
        let text = "[ \"$C\" = 1 ] && service cron start\n/etc/init.d/ssh restart; /usr/sbin/service nginx reload\n\
                    # the service is started\nservice --status-all\nservice \"$x\" start\nmy-service a start\n";
        assert_eq!(Vec::from_iter(services(text)), ["cron", "nginx", "ssh"]);
    }

    #[test]
    fn what_a_script_reads_is_named_from_the_root_on() {
        let text = ". /lib/lsb/init-functions\n[ -r /etc/default/x ] && . /etc/default/x\nif true; then source \"/opt/a.sh\"; fi\n\
                    . ./near\n. \"$D/x\"\necho . /no\ncat /x\n";
        let found = ["/lib/lsb/init-functions", "/etc/default/x", "/opt/a.sh"];
        assert_eq!(sourced(text), found.map(PathBuf::from));
    }
}
