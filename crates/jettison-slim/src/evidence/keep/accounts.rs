//! Who somebody is, and whether it is them: the tables of accounts, what asks for passwords (PAM), and where names are looked up
//! (`nsswitch.conf`).
//!
//! Both load modules by the names that settings have, so that no linker knows of them, and a run has come to one module of many.

use std::path::Path;

use super::{Keeper, UseKind};
use crate::evidence::collect::name_services;
use crate::rootfs::RootError;

/// Packages with programs that change users and groups, or ask for passwords (`pam_unix`).
const OF_ACCOUNTS: [&str; 3] = ["adduser", "libpam-modules", "passwd"];
/// What these read and write besides: `usermod` and its like change all of them together, keep a copy of each that they change
/// (`/etc/passwd-`), and leave one out that is not there.
const WITH_ACCOUNTS: [&str; 11] = [
    "/etc/.pwd.lock",
    "/etc/group-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/passwd-",
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/subgid",
    "/etc/subgid-",
    "/etc/subuid",
    "/etc/subuid-",
];

/// What PAM is without its library, which programs are linked with: its modules, their programs, and the settings that name them.
const OF_PAM: [&str; 3] = ["libpam-modules", "libpam-modules-bin", "libpam-runtime"];
/// The settings of PAM and of its modules that no package need list.
const WITH_PAM: [&str; 2] = ["/etc/pam.d", "/etc/security"];
/// What its modules read besides: `pam_env`, `pam_umask` and `pam_unix`.
const READ_BY_PAM: [&str; 3] = ["/etc/default/locale", "/etc/environment", "/etc/login.defs"];

/// Sources of names and where they look them up.
const OF_NAME_SERVICES: [(&str, &str); 5] = [
    ("altfiles", "/usr/lib/group"),
    ("altfiles", "/usr/lib/passwd"),
    ("extrausers", "/var/lib/extrausers"),
    ("mdns", "/etc/mdns.allow"),
    ("sss", "/etc/sssd"),
];

impl Keeper<'_> {
    /// Keeps the tables of passwords and ranges with whoever changes users: an entry that makes the program's user one of the
    /// host's (`PUID`) does so only where a run says so.
    pub(super) fn add_accounts(&mut self) -> Result<(), RootError> {
        let Some(package) = OF_ACCOUNTS.iter().find(|name| self.keeps_package(name)) else {
            return Ok(());
        };
        let reason = format!("package {package} changes users, or asks for passwords");
        for path in WITH_ACCOUNTS {
            self.add(Path::new(path), UseKind::Looked, &reason)?;
        }
        Ok(())
    }

    /// Keeps what asks for passwords, and the settings of all programs that have it do so, with the library that loads it.
    pub(super) fn add_pam(&mut self) -> Result<(), RootError> {
        let is_library = |package: &String| package.starts_with("libpam0");
        if !self.kept.packages.keys().any(is_library) {
            return Ok(());
        }
        let reason = "PAM loads what its settings name";
        for package in OF_PAM {
            if self.owners.files_of(package).next().is_some() {
                self.add_package(package, reason);
            }
        }
        for place in WITH_PAM.map(Path::new) {
            if self.root.entry(place).is_some_and(|found| found.is_dir()) {
                self.keep_path(place.to_path_buf(), reason);
            }
        }
        for path in READ_BY_PAM {
            self.add(Path::new(path), UseKind::Looked, "modules of PAM read it")?;
        }
        Ok(())
    }

    /// Keeps the libraries that the C library loads for the sources of names in `/etc/nsswitch.conf`, and what they read.
    pub(super) fn add_name_services(&mut self) -> Result<(), RootError> {
        let settings = Path::new("/etc/nsswitch.conf");
        if !self.keeps_c_library() || self.root.target(settings).is_none() {
            return Ok(());
        }
        let places = self.library_places()?;
        for service in name_services(self.root) {
            let reason = format!("/etc/nsswitch.conf names {service}");
            let library = format!("libnss_{service}.so.2");
            let paths = places.iter().map(|place| place.join(&library));
            let there = paths.filter(|path| self.root.target(path).is_some());
            let found: Vec<_> = there.collect();
            for path in &found {
                self.add(path, UseKind::Looked, &reason)?;
            }
            if found.is_empty() {
                continue;
            }
            let of_service = OF_NAME_SERVICES
                .iter()
                .filter(|(name, _)| service.starts_with(name));
            for path in of_service.map(|(_, path)| Path::new(path)) {
                match self.root.target(path) {
                    Some(found) if found.is_dir() => {
                        self.keep_path(self.root.resolve(path)?.real_path, &reason);
                    }
                    Some(_) => self.add(path, UseKind::Looked, &reason)?,
                    None => {}
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::rules::tests::World;
    use super::OF_PAM;

    #[test]
    fn who_changes_users_has_the_tables_of_passwords() {
        let world = World::new()
            .package("passwd", &["/usr/sbin/usermod"])
            .file("/etc/shadow", "root:*:")
            .file("/etc/subuid", "")
            .file("/etc/gshadow-", "root:*::");
        world.check_paths(&["/etc/passwd"]);
        world.used("/usr/sbin/usermod").check_paths(&[
            "/etc/gshadow-",
            "/etc/passwd",
            "/etc/shadow",
            "/etc/subuid",
        ]);
    }

    #[test]
    fn who_asks_for_passwords_has_the_modules_and_settings_that_do() {
        let world = World::new()
            .package("libpam0g:amd64", &["/usr/lib/libpam.so.0"])
            .package("libpam-modules:amd64", &["/usr/lib/security/pam_unix.so"])
            .package("libpam-modules-bin", &["/usr/sbin/unix_chkpwd"])
            .package("libpam-runtime", &["/etc/pam.d/other"])
            .file("/etc/pam.d/common-auth", "auth required pam_unix.so")
            .file("/etc/pam.d/shop", "@include common-auth")
            .file("/etc/login.defs", "")
            .file("/etc/shadow", "root:*:");
        assert!(!world.kept_by_rule().contains("pam"));
        let world = world.used("/usr/lib/libpam.so.0");
        world.check_paths(&[
            "/etc/login.defs",
            "/etc/pam.d",
            "/etc/passwd",
            "/etc/shadow",
        ]);
        let kept = world.kept_by_rule();
        for package in OF_PAM {
            assert!(kept.contains(&format!("{package}: PAM loads")), "{kept}");
        }
    }

    #[test]
    fn sources_of_names_keep_the_library_that_looks_there_and_what_it_reads() {
        let world = |sources: &str| {
            World::new()
                .package("libnss-extrausers", &["/usr/lib/libnss_extrausers.so.2"])
                .package("libnss-ldapd", &["/usr/lib/libnss_ldap.so.2"])
                .file("/etc/nsswitch.conf", format!("passwd: {sources}\n"))
                .file("/var/lib/extrausers/passwd", "shop:x:1000:1000::/:")
        };
        let kept = world("files").kept_by_rule();
        assert!(!kept.contains("extrausers"), "{kept}");
        let world = world("files extrausers");
        world.check_paths(&["/etc/nsswitch.conf", "/etc/passwd", "/var/lib/extrausers"]);
        let kept = world.kept_by_rule();
        assert!(kept.contains("libnss-extrausers: /etc/nsswitch.conf names extrausers"));
        assert!(!kept.contains("ldap"), "{kept}");
    }
}
