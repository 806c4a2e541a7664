//! What maintainer scripts would have made, and what recipes add.

use std::sync::Arc;

use crate::base::contents::{Content, Contents, Node, NodeKind};
use crate::base::distroless::DistrolessError;
use crate::base::recipe::{Generator, RecipeContent, RecipeFile, RecipePart};

/// The files being made, and what is known while they are.
#[derive(Debug)]
pub(super) struct Steps<'a> {
    pub(super) contents: &'a mut Contents,
    /// What all levels so far say.
    pub(super) part: &'a RecipePart,
    /// Debian's name of the architecture.
    pub(super) architecture: &'a str,
    /// The time that files get, in Unix seconds.
    pub(super) date: i64,
}

impl Steps<'_> {
    /// Makes the links of a merged `/usr`, and those that lead out of `/var`.
    pub(super) fn links(&mut self) -> Result<(), DistrolessError> {
        for name in ["bin", "sbin", "lib", "lib64"] {
            if name == "lib64" && self.architecture != "amd64" {
                continue;
            }
            self.directory(&format!("usr/{name}"), 0o755, (0, 0))?;
            self.link(name, &format!("usr/{name}"))?;
        }
        // The package has directories there, which its script replaces (Debian Policy 9.1.4).
        self.directory("run/lock", 0o1777, (0, 0))?;
        self.link("var/run", "/run")?;
        self.link("var/lock", "/run/lock")
    }

    /// Does one of them.
    pub(super) fn generate(&mut self, generator: Generator) -> Result<(), DistrolessError> {
        match generator {
            Generator::Directories => self.directories(),
            Generator::Accounts => self.accounts(),
            Generator::OsRelease => self.os_release(),
            Generator::NameService => self.name_service(),
            Generator::TimeZone => self.time_zone(),
            Generator::CaBundle
            | Generator::JavaTrustStore
            | Generator::LibraryCache
            | Generator::Fonts
            | Generator::BusyboxLinks
            | Generator::ByteCode => Ok(()),
        }
    }

    /// Adds a file that the recipe has.
    pub(super) fn file(&mut self, file: &RecipeFile) -> Result<(), DistrolessError> {
        let path = file.path.trim_start_matches('/');
        let path = path.replace("${arch}", self.architecture);
        let kind = match &file.content {
            RecipeContent::Directory => return self.directory(&path, file.mode, file.owner),
            RecipeContent::Text(text) => NodeKind::File(Content::Bytes(text.as_bytes().into())),
            RecipeContent::Link(target) => {
                NodeKind::Symlink(target.replace("${arch}", self.architecture))
            }
        };
        let node = Node {
            kind,
            mode: file.mode,
            uid: file.owner.0,
            gid: file.owner.1,
            mtime: self.date,
            package: Some(file.owned_by.as_deref().unwrap_or("base-files").into()),
        };
        self.put(&path, node)
    }

    /// Puts a file there, unless the same is there already.
    fn put(&mut self, path: &str, node: Node) -> Result<(), DistrolessError> {
        let old = self.contents.get(path);
        let is_same = old.is_some_and(|old| {
            old.kind == node.kind && (old.mode, old.uid, old.gid) == (node.mode, node.uid, node.gid)
        });
        if is_same {
            return Ok(());
        }
        self.contents.replace(path, node)
    }

    fn directory(
        &mut self,
        path: &str,
        mode: u32,
        (uid, gid): (u32, u32),
    ) -> Result<(), DistrolessError> {
        let node = Node {
            kind: NodeKind::Directory,
            mode,
            uid,
            gid,
            mtime: self.date,
            package: None,
        };
        self.put(path, node)
    }

    fn link(&mut self, path: &str, target: &str) -> Result<(), DistrolessError> {
        let node = Node {
            kind: NodeKind::Symlink(target.to_string()),
            mode: 0o777,
            uid: 0,
            gid: 0,
            mtime: self.date,
            package: Some("base-files".into()),
        };
        self.put(path, node)
    }

    /// Writes a regular file that `package` lists.
    fn write(&mut self, path: &str, bytes: &[u8], package: &str) -> Result<(), DistrolessError> {
        let node = Node {
            kind: NodeKind::File(Content::Bytes(bytes.into())),
            mode: 0o644,
            uid: 0,
            gid: 0,
            mtime: self.date,
            package: Some(Arc::from(package)),
        };
        self.put(path, node)
    }

    /// Targets of mounts, which a read-only root cannot make (base-files.postinst).
    fn directories(&mut self) -> Result<(), DistrolessError> {
        for path in [
            "dev",
            "media",
            "mnt",
            "opt",
            "proc",
            "srv",
            "sys",
            "usr/local/bin",
            "usr/local/lib",
            "usr/local/sbin",
            "usr/local/share",
        ] {
            self.directory(path, 0o755, (0, 0))?;
        }
        Ok(())
    }

    /// `/etc/passwd` and `/etc/group`, sorted as the recipes have them.
    fn accounts(&mut self) -> Result<(), DistrolessError> {
        let mut passwd = String::new();
        let mut group = String::new();
        for user in &self.part.users {
            let (name, home, shell) = (&user.name, &user.home, &user.shell);
            passwd += &format!("{name}:x:{}:{}:{name}:{home}:{shell}\n", user.uid, user.gid);
        }
        for one in &self.part.groups {
            group += &format!("{}:x:{}:\n", one.name, one.gid);
        }
        self.write("etc/passwd", passwd.as_bytes(), "base-files")?;
        self.write("etc/group", group.as_bytes(), "base-files")
    }

    /// Debian's own, under the name that the images of the family have.
    fn os_release(&mut self) -> Result<(), DistrolessError> {
        let path = "usr/lib/os-release";
        let Some(NodeKind::File(content)) = self.contents.get(path).map(|node| &node.kind) else {
            return Ok(());
        };
        let bytes = content.read().map_err(|source| DistrolessError::Io {
            action: "read",
            path: path.into(),
            source,
        })?;
        let text = String::from_utf8_lossy(&bytes);
        let mut changed = String::new();
        for line in text.lines() {
            changed += match line {
                _ if line.starts_with("PRETTY_NAME=") => "PRETTY_NAME=\"Distroless\"",
                _ => line,
            };
            changed.push('\n');
        }
        self.write(path, changed.as_bytes(), "base-files")
    }

    /// Users from files, hosts from files and DNS.
    fn name_service(&mut self) -> Result<(), DistrolessError> {
        let text = "\
passwd:    files
group:     files
shadow:    files
hosts:     files dns
networks:  files
protocols: files
services:  files
ethers:    files
rpc:       files
";
        self.write("etc/nsswitch.conf", text.as_bytes(), "base-files")
    }

    /// UTC. Without a link there, ICU reads every zone to find the one that `/etc/localtime` is.
    fn time_zone(&mut self) -> Result<(), DistrolessError> {
        let node = Node {
            kind: NodeKind::Symlink("/usr/share/zoneinfo/Etc/UTC".to_string()),
            mode: 0o777,
            uid: 0,
            gid: 0,
            mtime: self.date,
            package: Some("tzdata".into()),
        };
        self.put("etc/localtime", node)?;
        self.write("etc/timezone", b"Etc/UTC\n", "tzdata")
    }
}
