//! What maintainer scripts would have made, and what recipes add.

use std::sync::Arc;

use crate::base::contents::{Content, Contents, Node, NodeKind};
use crate::base::distroless::DistrolessError;
use crate::base::generate::{
    CertificateFile, Libraries, Node as TreeNode, Tree, bundle, busybox_applets, certificates,
    font_links, is_certificate, java_trust_store, library_cache, links, may_be_library,
};
use crate::base::recipe::{
    Generator, RecipeContent, RecipeFile, RecipeGroup, RecipePart, RecipeUser,
};

/// The files being made, and what is known while they are.
#[derive(Debug)]
pub(super) struct Steps<'a> {
    pub(super) contents: &'a mut Contents,
    /// Files that others are made from, and that the image lacks.
    pub(super) sources: &'a Contents,
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
            Generator::CaBundle => self.ca_bundle(),
            Generator::JavaTrustStore => self.java_trust_store(),
            Generator::LibraryCache => self.library_cache(),
            Generator::Fonts => self.fonts(),
            Generator::BusyboxLinks => self.busybox_links(),
            // A program makes it, which is run by whoever has a sandbox.
            Generator::ByteCode => Ok(()),
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
        self.link_of(path, target, "base-files")
    }

    fn link_of(&mut self, path: &str, target: &str, package: &str) -> Result<(), DistrolessError> {
        let node = Node {
            kind: NodeKind::Symlink(target.to_string()),
            mode: 0o777,
            uid: 0,
            gid: 0,
            mtime: self.date,
            package: Some(package.into()),
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
        let user = |user: &RecipeUser| {
            let (name, home, shell) = (&user.name, &user.home, &user.shell);
            format!("{name}:x:{}:{}:{name}:{home}:{shell}\n", user.uid, user.gid)
        };
        let group = |group: &RecipeGroup| format!("{}:x:{}:\n", group.name, group.gid);
        let passwd: Vec<String> = self.part.users.iter().map(user).collect();
        let groups: Vec<String> = self.part.groups.iter().map(group).collect();
        self.write("etc/passwd", passwd.concat().as_bytes(), "base-files")?;
        self.write("etc/group", groups.concat().as_bytes(), "base-files")
    }

    /// Debian's own, under the name that the images of the family have.
    fn os_release(&mut self) -> Result<(), DistrolessError> {
        let path = "usr/lib/os-release";
        let Some(NodeKind::File(content)) = self.contents.get(path).map(|node| &node.kind) else {
            return Err(cannot(
                "os-release",
                "there is none: add the package `base-files`",
            ));
        };
        let bytes = read(path, content)?;
        let text = String::from_utf8_lossy(&bytes);
        let mut changed = String::new();
        for line in text.lines() {
            if line.starts_with("PRETTY_NAME=") {
                changed.push_str("PRETTY_NAME=\"Distroless\"");
            } else if let Some(version) = line.strip_prefix("VERSION=\"") {
                changed.push_str("VERSION=\"Debian GNU/Linux ");
                changed.push_str(version);
            } else {
                changed.push_str(line);
            }
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
        self.link_of("etc/localtime", "/usr/share/zoneinfo/Etc/UTC", "tzdata")?;
        self.write("etc/timezone", b"Etc/UTC\n", "tzdata")
    }

    /// All certificates in one file, which `SSL_CERT_FILE` names; and where OpenSSL looks without that.
    fn ca_bundle(&mut self) -> Result<(), DistrolessError> {
        let sources = self.certificate_sources()?;
        let bytes = bundle(&files_of(&sources));
        self.write(
            "etc/ssl/certs/ca-certificates.crt",
            &bytes,
            "ca-certificates",
        )?;
        if self.contents.get("usr/share/ca-certificates").is_some() {
            let all = links(&files_of(&sources)).map_err(|error| DistrolessError::Generate {
                what: "links to certificates",
                problem: error.to_string(),
            })?;
            for link in all {
                self.link_of(&link.path, &link.target, "ca-certificates")?;
            }
        }
        // The package `openssl` has these two, which no image of the family has.
        self.link_of("usr/lib/ssl/certs", "/etc/ssl/certs", "ca-certificates")?;
        let target = "/etc/ssl/certs/ca-certificates.crt";
        self.link_of("usr/lib/ssl/cert.pem", target, "ca-certificates")
    }

    /// The same certificates for Java.
    fn java_trust_store(&mut self) -> Result<(), DistrolessError> {
        let sources = self.certificate_sources()?;
        let certificates =
            certificates(&files_of(&sources)).map_err(|error| DistrolessError::Generate {
                what: "Java trust store",
                problem: error.to_string(),
            })?;
        let bytes = java_trust_store(&certificates);
        self.write("etc/ssl/certs/java/cacerts", &bytes, "ca-certificates")
    }

    /// The single certificates, which the image itself may lack.
    fn certificate_sources(&self) -> Result<Vec<(String, Vec<u8>)>, DistrolessError> {
        let is_wanted = |(path, _): &(&str, &Node)| is_certificate(path);
        // Those that a recipe adds are in the image.
        let added = |(path, _): &(&str, &Node)| path.starts_with("usr/local/");
        let found: Vec<(String, Vec<u8>)> = self
            .sources
            .iter()
            .chain(self.contents.iter().filter(added))
            .filter(is_wanted)
            .filter_map(|(path, node)| match &node.kind {
                NodeKind::File(content) => Some((path, content)),
                NodeKind::Directory | NodeKind::Symlink(_) => None,
            })
            .map(|(path, content)| Ok((path.to_string(), read(path, content)?)))
            .collect::<Result<_, DistrolessError>>()?;
        if found.is_empty() {
            let problem = "there are none: add the package `ca-certificates` to the recipe";
            return Err(cannot("store of certificates", problem));
        }
        Ok(found)
    }

    /// What `ldconfig` makes.
    fn library_cache(&mut self) -> Result<(), DistrolessError> {
        let unknown = || DistrolessError::Generate {
            what: "cache of libraries",
            problem: format!(
                "what it is like on {} is not known: there are amd64 and arm64",
                self.architecture
            ),
        };
        let architecture = self.architecture.parse().map_err(|_| unknown())?;
        let mut bytes: Vec<(&str, Vec<u8>)> = Vec::new();
        let mut known = Libraries::new();
        for (path, node) in self.contents.iter() {
            let name = path.rsplit('/').next().unwrap_or(path);
            let NodeKind::File(content) = &node.kind else {
                continue;
            };
            if path.starts_with("etc/ld.so.conf") {
                bytes.push((path, read(path, content)?));
            } else if may_be_library(name) {
                let library = content.library(&architecture).map_err(cannot_read(path))?;
                known.extend(library.map(|library| (path.to_owned(), library)));
            }
        }
        let mut tree = Tree::default();
        for (path, node) in self.contents.iter() {
            tree.insert(
                path,
                match &node.kind {
                    NodeKind::Directory => TreeNode::Directory,
                    NodeKind::Symlink(target) => TreeNode::Link(target),
                    NodeKind::File(_) => TreeNode::File(b""),
                },
            );
        }
        for (path, bytes) in &bytes {
            tree.insert(path, TreeNode::File(bytes));
        }
        let cache = library_cache(&tree, &known, &architecture, "jettison").ok_or_else(unknown)?;
        drop(tree);
        for link in &cache.links {
            self.link_of(&link.path, &link.target, "libc6")?;
        }
        self.write("etc/ld.so.cache", &cache.bytes, "libc6")
    }

    /// What debconf makes of fontconfig's configuration.
    fn fonts(&mut self) -> Result<(), DistrolessError> {
        let mut bytes: Vec<(&str, Vec<u8>)> = Vec::new();
        let mut tree = Tree::default();
        for (path, node) in self.contents.iter() {
            match &node.kind {
                NodeKind::File(content) if path.contains("fontconfig") => {
                    bytes.push((path, read(path, content)?));
                }
                NodeKind::File(_) => tree.insert(path, TreeNode::File(b"")),
                NodeKind::Directory => tree.insert(path, TreeNode::Directory),
                NodeKind::Symlink(target) => tree.insert(path, TreeNode::Link(target)),
            }
        }
        for (path, bytes) in &bytes {
            tree.insert(path, TreeNode::File(bytes));
        }
        let links = font_links(&tree);
        drop(tree);
        for link in &links {
            self.link_of(&link.path, &link.target, "fontconfig-config")?;
        }
        Ok(())
    }

    /// A name for each applet, beside busybox itself.
    fn busybox_links(&mut self) -> Result<(), DistrolessError> {
        let path = "busybox/busybox";
        let Some(NodeKind::File(content)) = self.contents.get(path).map(|node| &node.kind) else {
            let problem =
                "there is no /busybox/busybox: add the package `busybox-static`, and `move`";
            return Err(cannot("links to busybox", problem));
        };
        let bytes = read(path, content)?;
        let applets = busybox_applets(&bytes).ok_or_else(|| {
            cannot(
                "links to busybox",
                "the program's table of applets was not found",
            )
        })?;
        for applet in applets {
            if applet != "busybox" {
                self.link_of(
                    &format!("busybox/{applet}"),
                    "/busybox/busybox",
                    "busybox-static",
                )?;
            }
        }
        Ok(())
    }
}

fn cannot(what: &'static str, problem: &str) -> DistrolessError {
    DistrolessError::Generate {
        what,
        problem: problem.to_string(),
    }
}

fn files_of(sources: &[(String, Vec<u8>)]) -> Vec<CertificateFile<'_>> {
    sources
        .iter()
        .map(|(path, bytes)| CertificateFile { path, bytes })
        .collect()
}

fn read(path: &str, content: &Content) -> Result<Vec<u8>, DistrolessError> {
    content.read().map_err(cannot_read(path))
}

fn cannot_read(path: &str) -> impl FnOnce(std::io::Error) -> DistrolessError {
    let path = path.into();
    move |source| DistrolessError::Io {
        action: "read",
        path,
        source,
    }
}
