//! The directories in which `ldconfig` looks, in its order.

use super::super::{Node, Tree};

/// A directory with libraries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Directory {
    /// As the cache names it, with a leading `/`.
    pub(super) path: String,
    /// Where it lies, without links.
    pub(super) place: String,
    /// The name of the directory below `glibc-hwcaps` that it is.
    pub(super) hwcaps: Option<String>,
}

/// The directories of `etc/ld.so.conf`, then those built into Debian's loader. A directory that has several names keeps
/// the first, as in `ldconfig`, which compares inodes (`add_single_dir`, elf/ldconfig.c).
pub(super) fn directories(tree: &Tree<'_>, triplet: &str) -> Vec<Directory> {
    let mut paths = Vec::new();
    read_configuration(tree, "etc/ld.so.conf", &mut Vec::new(), &mut paths);
    // Debian's order (`ldconfig -v -r` of Debian 12 on an empty root).
    paths.push(format!("/lib/{triplet}"));
    paths.push(format!("/usr/lib/{triplet}"));
    paths.push("/lib".to_owned());
    paths.push("/usr/lib".to_owned());
    let mut found: Vec<Directory> = Vec::new();
    for path in paths {
        let Some((place, Node::Directory)) = tree.resolve(&path) else {
            continue;
        };
        if add(&mut found, path.clone(), place.clone(), None) {
            add_hwcaps(tree, &mut found, &path, &place);
        }
    }
    found
}

fn add(found: &mut Vec<Directory>, path: String, place: String, hwcaps: Option<String>) -> bool {
    let is_new = found.iter().all(|directory| directory.place != place);
    if is_new {
        found.push(Directory {
            path,
            place,
            hwcaps,
        });
    }
    is_new
}

/// Adds the directories for better processors below `path`.
fn add_hwcaps(tree: &Tree<'_>, found: &mut Vec<Directory>, path: &str, place: &str) {
    let Some((parent, Node::Directory)) = tree.resolve(&format!("{place}/glibc-hwcaps")) else {
        return;
    };
    for (name, _) in tree.children(&parent) {
        // The loader separates these names by `:` (elf/ldconfig.c, `add_glibc_hwcaps_subdirectories`).
        if name.starts_with('.') || name.contains(':') {
            continue;
        }
        if let Some((place, Node::Directory)) = tree.resolve(&format!("{parent}/{name}")) {
            let path = format!("{path}/glibc-hwcaps/{name}");
            add(found, path, place, Some(name.to_owned()));
        }
    }
}

/// Adds what the file `path` names to `paths` (`parse_conf`, elf/ldconfig.c). A file that was `read` before says nothing
/// new.
fn read_configuration(
    tree: &Tree<'_>,
    path: &str,
    read: &mut Vec<String>,
    paths: &mut Vec<String>,
) {
    let Some((place, Node::File(bytes))) = tree.resolve(path) else {
        return;
    };
    if read.contains(&place) {
        return;
    }
    read.push(place);
    let text = String::from_utf8_lossy(bytes);
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some(patterns) = line.strip_prefix("include").filter(starts_blank) {
            for pattern in patterns.split_ascii_whitespace() {
                for file in matches(tree, pattern) {
                    read_configuration(tree, &file, read, paths);
                }
            }
            continue;
        }
        let is_old_setting = line
            .strip_prefix("hwcap")
            .is_some_and(|rest| starts_blank(&rest));
        // `DIRECTORY=TYPE` is a notation from the time of libc5.
        let directory = line.split('=').next().unwrap_or_default();
        let directory = directory.trim_end().trim_end_matches('/');
        if directory.starts_with('/') && !is_old_setting {
            paths.push(directory.to_owned());
        }
    }
}

fn starts_blank(rest: &&str) -> bool {
    rest.starts_with([' ', '\t'])
}

/// The files that `pattern` names, which may have `*` and `?` in its last part, in the order of their bytes.
fn matches(tree: &Tree<'_>, pattern: &str) -> Vec<String> {
    // A pattern without a directory is taken from where the file that includes it lies: always `/etc` in Debian.
    let pattern = match pattern.strip_prefix('/') {
        Some(pattern) => pattern.to_owned(),
        None => format!("etc/{pattern}"),
    };
    let Some((directory, last)) = pattern.rsplit_once('/') else {
        return vec![pattern];
    };
    if !last.contains(['*', '?']) {
        return vec![pattern];
    }
    let Some((place, Node::Directory)) = tree.resolve(directory) else {
        return Vec::new();
    };
    let children = tree.children(&place).into_iter();
    children
        .filter(|(name, _)| !name.starts_with('.') && fits(last.as_bytes(), name.as_bytes()))
        .map(|(name, _)| format!("{place}/{name}"))
        .collect()
}

/// Whether `name` fits `pattern`, in which `*` stands for any bytes and `?` for one.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut used) = (0, 0);
    // Where the last `*` was, and how much of the name it has taken so far. An earlier one need not be tried again.
    let mut star: Option<(usize, usize)> = None;
    while used < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, used));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[used] => {
                at += 1;
                used += 1;
            }
            Some(_) | None => {
                let Some((place, taken)) = star else {
                    return false;
                };
                star = Some((place, taken + 1));
                at = place + 1;
                used = taken + 1;
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(tree: &Tree<'_>, expected: Expect) {
        let found = directories(tree, "x86_64-linux-gnu");
        let lines: Vec<String> = found
            .iter()
            .map(
                |Directory {
                     path,
                     place,
                     hwcaps,
                 }| match hwcaps {
                    Some(name) => format!("{path} = {place} ({name})\n"),
                    None => format!("{path} = {place}\n"),
                },
            )
            .collect();
        expected.assert_eq(&lines.concat());
    }

    #[test]
    fn a_directory_keeps_the_name_under_which_it_comes_first() {
        let mut tree = Tree::default();
        tree.insert("lib", Node::Link("usr/lib"));
        tree.insert("usr/lib/x86_64-linux-gnu", Node::Directory);
        check(
            &tree,
            expect![[r"
                /lib/x86_64-linux-gnu = usr/lib/x86_64-linux-gnu
                /lib = usr/lib
            "]],
        );
    }

    #[test]
    fn configured_directories_come_before_those_of_the_loader() {
        let mut tree = Tree::default();
        tree.insert(
            "etc/ld.so.conf",
            Node::File(b"include /etc/ld.so.conf.d/*.conf\n/opt/last"),
        );
        tree.insert(
            "etc/ld.so.conf.d/b.conf",
            Node::File(b"  /usr/lib/x86_64-linux-gnu/ # twice\n"),
        );
        tree.insert(
            "etc/ld.so.conf.d/a.conf",
            Node::File(b"# first\n/usr/local/lib\n/absent\nhwcap 1 x\n"),
        );
        tree.insert("etc/ld.so.conf.d/c.conf.bak", Node::File(b"/opt/never\n"));
        for directory in [
            "usr/local/lib",
            "opt/last",
            "opt/never",
            "lib",
            "usr/lib/x86_64-linux-gnu",
        ] {
            tree.insert(directory, Node::Directory);
        }
        tree.insert(
            "usr/local/lib/glibc-hwcaps/x86-64-v3/libm.so.6",
            Node::File(b""),
        );
        tree.insert("usr/local/lib/glibc-hwcaps/README", Node::File(b""));
        check(
            &tree,
            expect![[r"
                /usr/local/lib = usr/local/lib
                /usr/local/lib/glibc-hwcaps/x86-64-v3 = usr/local/lib/glibc-hwcaps/x86-64-v3 (x86-64-v3)
                /usr/lib/x86_64-linux-gnu = usr/lib/x86_64-linux-gnu
                /opt/last = opt/last
                /lib = lib
                /usr/lib = usr/lib
            "]],
        );
    }

    #[test]
    fn a_file_that_includes_itself_ends() {
        let mut tree = Tree::default();
        tree.insert("etc/ld.so.conf", Node::File(b"include ld.so.conf\n/lib\n"));
        tree.insert("lib", Node::Directory);
        check(
            &tree,
            expect![[r"
            /lib = lib
        "]],
        );
    }
}
