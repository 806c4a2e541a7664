use std::fs;

use tempfile::TempDir;

use super::*;
use crate::evidence::collect::Step;
use crate::evidence::collect::tests::program;
use crate::evidence::owner::Owners;

/// An image in which an instruction wrote some files.
struct World {
    root: TempDir,
    made: TempDir,
}

impl World {
    fn new() -> World {
        World {
            root: tempfile::tempdir().unwrap(),
            made: tempfile::tempdir().unwrap(),
        }
        .base("/etc/passwd", "shop:x:1000:1000::/home/shop:/bin/sh\n")
        .base("/etc/skel/.bashrc", "alias l=ls\n")
    }

    fn base(self, path: &str, bytes: impl AsRef<[u8]>) -> World {
        write(&self.root, path, bytes.as_ref());
        self
    }

    fn made(self, path: &str, bytes: impl AsRef<[u8]>) -> World {
        write(&self.made, path, bytes.as_ref());
        self.base(path, bytes)
    }

    fn made_link(self, path: &str, target: &str) -> World {
        for dir in [&self.root, &self.made] {
            let path = dir.path().join(&path[1..]);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(target, path).unwrap();
        }
        self
    }

    /// The settings that are kept if `used` is used by the user `shop`.
    #[track_caller]
    fn check(&self, used: &str, expected: &[&str]) {
        let root = RootDir::open(self.root.path()).unwrap();
        let steps = [Step {
            files: self.made.path().to_path_buf(),
            line: 1,
            copies: false,
            ..Step::default()
        }];
        let mut keeper = Keeper::new(&root, Owners::read(&root, &steps).unwrap(), "");
        keeper.add_home("shop").unwrap();
        keeper
            .add(Path::new(used), UseKind::Looked, "used")
            .unwrap();
        keeper.close().unwrap();
        keeper.add_written_settings().unwrap();
        let kept = keeper
            .kept()
            .paths
            .keys()
            .filter(|path| **path != Path::new(used) && **path != Path::new("/etc/passwd"));
        let kept: Vec<&Path> = kept.map(PathBuf::as_path).collect();
        let expected: Vec<&Path> = expected.iter().map(Path::new).collect();
        assert_eq!(kept, expected, "{used}");
    }
}

fn write(dir: &TempDir, path: &str, bytes: &[u8]) {
    let path = dir.path().join(&path[1..]);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn hidden_files_in_a_home_stay_with_the_language_whose_programs_may_read_them() {
    let world = World::new()
        .base("/usr/bin/python3.11", program(b"x", false))
        .base("/usr/bin/git", program(b"~/.gitconfig", false))
        .base("/usr/bin/bash", program(b"~/.bashrc", false))
        .base("/usr/bin/zsh", program(b"~/.zshrc", false))
        .base("/usr/bin/tool", program(b"x", false))
        .base("/root/.base", "x")
        .made("/root/.gitconfig", "[user]\n")
        .made("/root/.ssh/config", "Host *\n")
        .made("/root/.ssh/known_hosts", "x")
        .made("/root/.cache/pip/x", "x")
        .made("/root/.npm/_logs/x", "x")
        .made("/root/.config/shop/a.toml", "x")
        .base(
            "/usr/local/bin/start",
            "#!/bin/sh\n. ~/.config/shop/a.toml\n",
        )
        .made("/root/.config/go/telemetry/mode", "x")
        .made("/root/.local/share/virtualenvs/x", "x")
        .made("/root/.profile", ". \"$HOME/.cargo/env\"\n")
        .made("/root/.bashrc", "export A=1\n")
        .made("/root/.zshrc", "export P=\"$HOME/.bun\"\n")
        .made("/root/notes.txt", "x")
        .made("/home/shop/.bashrc", "alias l=ls\n")
        .made("/home/shop/.netrc", "machine shop\n")
        .made("/home/other/.netrc", "machine shop\n");
    world.check(
        "/usr/bin/python3.11",
        &["/home/shop/.netrc", "/root/.config/shop", "/root/.ssh"],
    );
    world.check("/usr/bin/git", &["/root/.gitconfig"]);
    world.check("/usr/bin/bash", &["/root/.bashrc"]);
    world.check("/usr/bin/zsh", &[]);
    world.check("/usr/local/bin/start", &["/root/.config/shop"]);
    world.check("/usr/bin/tool", &[]);
}

#[test]
fn what_an_instruction_wrote_into_etc_stays_with_the_program_that_names_it() {
    let world = World::new()
        .base("/usr/bin/whole", program(b"\0/etc/mailrc\0", false))
        .base("/usr/bin/pieces", program(b"\0/etc\0.mailrc\0", false))
        .base(
            "/usr/bin/other",
            program(b"\0/etc/mailrc.d\0mailrc\0", false),
        )
        .base(
            "/usr/bin/users",
            program(b"\0/etc/shadow\0/etc/base\0", false),
        )
        .base("/etc/base", "x")
        .made("/etc/mailrc", "set smtp=host\n")
        .made("/etc/shadow", "root:*:\n");
    world.check("/usr/bin/whole", &["/etc/mailrc"]);
    world.check("/usr/bin/pieces", &["/etc/mailrc"]);
    world.check("/usr/bin/other", &[]);
    world.check("/usr/bin/users", &[]);
}

#[test]
fn what_an_instruction_wrote_beside_a_packages_settings_stays_with_the_package() {
    let world = World::new()
        .base("/usr/bin/ssh", program(b"\0/etc/ssh/ssh_config\0", false))
        .base("/usr/bin/other", program(b"\0", false))
        .base(
            "/etc/ssh/ssh_config",
            "Include /etc/ssh/ssh_config.d/*.conf\n",
        )
        .base(
            "/var/lib/dpkg/info/openssh-client.list",
            "/.\n/etc\n/etc/ssh\n/etc/ssh/ssh_config\n/etc/ssh/ssh_config.d\n/usr/bin/ssh\n",
        )
        .made(
            "/etc/ssh/ssh_config.d/10-ci.conf",
            "Host build-*\n  User ci\n",
        )
        .made("/etc/tool/tool.conf", "x\n")
        .made("/etc/motd", "hello\n");
    world.check("/usr/bin/ssh", &["/etc/ssh/ssh_config.d"]);
    world.check("/usr/bin/other", &[]);
}

#[test]
fn a_link_that_turns_something_on_stays_where_that_is_kept() {
    let world = World::new()
        .base("/usr/bin/draw", program(b"\0", false))
        .base("/usr/share/draw/rules/slight.conf", "x\n")
        .base("/usr/share/other/rules/own.conf", "x\n")
        .base(
            "/var/lib/dpkg/info/draw.list",
            "/etc/draw\n/etc/draw/conf.d\n/usr/bin/draw\n/usr/share/draw/rules/slight.conf\n",
        )
        .base(
            "/var/lib/dpkg/info/other.list",
            "/usr/share/other/rules/own.conf\n",
        )
        .made_link(
            "/etc/draw/conf.d/10.conf",
            "/usr/share/draw/rules/slight.conf",
        )
        .made_link(
            "/etc/draw/conf.d/20.conf",
            "/usr/share/other/rules/own.conf",
        )
        .made_link("/etc/draw/conf.d/30.conf", "/usr/share/gone.conf")
        .made_link("/etc/draw.conf", "/usr/share/draw/rules/slight.conf");
    world.check("/usr/bin/draw", &["/etc/draw/conf.d/10.conf"]);
}
