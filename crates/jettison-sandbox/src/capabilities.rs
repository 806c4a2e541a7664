//! Capabilities, by the names that users and Docker have for them.

/// A set of capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities(u64);

/// All capabilities, each at its number. See capabilities(7).
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// What Docker lets a container's root do.
const DOCKER: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

impl Capabilities {
    /// None.
    pub const NONE: Capabilities = Capabilities(0);

    /// What Docker lets a container's root do.
    pub fn docker() -> Capabilities {
        DOCKER
            .iter()
            .filter_map(|name| Capabilities::named(name))
            .fold(Capabilities::NONE, Capabilities::with)
    }

    /// The capability called `name`, with or without `CAP_`, in any case; `ALL` are all.
    pub fn named(name: &str) -> Option<Capabilities> {
        let upper = name.to_ascii_uppercase();
        let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
        if name == "ALL" {
            return Some(Capabilities((1 << NAMES.len()) - 1));
        }
        let number = NAMES.iter().position(|known| *known == name)?;
        Some(Capabilities(1 << number))
    }

    /// These and `others`.
    #[must_use]
    pub fn with(self, others: Capabilities) -> Capabilities {
        Capabilities(self.0 | others.0)
    }

    /// These without `others`.
    #[must_use]
    pub fn without(self, others: Capabilities) -> Capabilities {
        Capabilities(self.0 & !others.0)
    }

    /// A bit for each, at its number.
    pub(crate) fn bits(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use rustix::thread::CapabilitySet;

    use super::*;

    #[test]
    fn names_have_the_numbers_of_the_kernel() {
        let pairs = [
            ("CAP_CHOWN", CapabilitySet::CHOWN),
            ("net_admin", CapabilitySet::NET_ADMIN),
            ("SYS_PTRACE", CapabilitySet::SYS_PTRACE),
            ("SYS_ADMIN", CapabilitySet::SYS_ADMIN),
            ("AUDIT_WRITE", CapabilitySet::AUDIT_WRITE),
            ("SYSLOG", CapabilitySet::SYSLOG),
            ("CHECKPOINT_RESTORE", CapabilitySet::CHECKPOINT_RESTORE),
        ];
        for (name, set) in pairs {
            let bits = Capabilities::named(name).map(Capabilities::bits);
            assert_eq!(bits, Some(set.bits()), "{name}");
        }
        assert_eq!(Capabilities::named("FLY"), None);
    }

    #[test]
    fn sets_are_joined_and_cut() {
        let all = Capabilities::named("ALL").unwrap();
        assert_eq!(all.without(all), Capabilities::NONE);
        assert_eq!(Capabilities::docker().with(all), all);
        assert_eq!(Capabilities::docker().bits().count_ones(), 14);
    }
}
