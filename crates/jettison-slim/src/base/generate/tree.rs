//! The files of an image that is being assembled, as its generated files are made from them.

use std::collections::BTreeMap;

/// How many links are followed before a path is taken for a loop (Linux: `MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// What lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Node<'a> {
    /// A directory.
    Directory,
    /// A regular file's bytes; those of files that no step reads may be left out.
    File(&'a [u8]),
    /// What a symbolic link holds.
    Link(&'a str),
}

/// The files of an image, by path from the root.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree<'a> {
    // Invariant: no path begins or ends with `/`, or has an empty, `.` or `..` part; the parents of each are there.
    nodes: BTreeMap<String, Node<'a>>,
}

impl<'a> Tree<'a> {
    /// Puts `node` at `path`, in place of what was there, and makes directories above it where there is nothing.
    pub(crate) fn insert(&mut self, path: &str, node: Node<'a>) {
        let mut at = String::new();
        for part in path.split('/') {
            match part {
                "" | "." => continue,
                ".." => return,
                _ => {}
            }
            if !at.is_empty() {
                self.nodes.entry(at.clone()).or_insert(Node::Directory);
                at.push('/');
            }
            at.push_str(part);
        }
        if !at.is_empty() {
            self.nodes.insert(at, node);
        }
    }

    /// The path and the node that `path` leads to, through links; the root is the empty path.
    pub(crate) fn resolve(&self, path: &str) -> Option<(String, Node<'a>)> {
        let mut pending: Vec<&str> = path.split('/').rev().collect();
        let mut at = String::new();
        let mut links = 0;
        let mut node = Node::Directory;
        while let Some(part) = pending.pop() {
            match part {
                "" | "." => continue,
                ".." => {
                    at.truncate(at.rfind('/').unwrap_or(0));
                    node = Node::Directory;
                    continue;
                }
                _ => {}
            }
            let parent = at.len();
            if parent > 0 {
                at.push('/');
            }
            at.push_str(part);
            node = *self.nodes.get(&at)?;
            if let Node::Link(target) = node {
                links += 1;
                if links > MAX_LINKS {
                    return None;
                }
                at.truncate(if target.starts_with('/') { 0 } else { parent });
                node = Node::Directory;
                pending.extend(target.split('/').rev());
            }
        }
        Some((at, node))
    }

    /// Whether anything lies at `path`, which is a path without links: a link counts, wherever it leads.
    pub(crate) fn contains(&self, path: &str) -> bool {
        self.nodes.contains_key(path)
    }

    /// The names and nodes that lie directly in `directory`, which is a path without links, in the order of their bytes.
    pub(crate) fn children<'tree>(&'tree self, directory: &str) -> Vec<(&'tree str, Node<'a>)> {
        let prefix = if directory.is_empty() {
            String::new()
        } else {
            format!("{directory}/")
        };
        let below = self.nodes.range(prefix.clone()..);
        let mut children: Vec<(&str, Node<'a>)> = below
            .map_while(|(path, node)| Some((path.strip_prefix(&prefix)?, *node)))
            .filter(|(name, _)| !name.contains('/'))
            .collect();
        children.sort_unstable_by_key(|(name, _)| *name);
        children
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Tree<'static> {
        let mut tree = Tree::default();
        tree.insert("lib", Node::Link("usr/lib"));
        tree.insert("/usr/lib/a/libz.so.1.3", Node::File(b"z"));
        tree.insert("usr/lib/a/libz.so.1", Node::Link("libz.so.1.3"));
        tree.insert("usr/lib/b", Node::Link("/lib/./a"));
        tree.insert("usr/lib/up", Node::Link("../../lib/a/libz.so.1"));
        tree.insert("loop", Node::Link("loop"));
        tree.insert("usr/../etc/passwd", Node::File(b""));
        tree
    }

    #[track_caller]
    fn check(path: &str, expected: Option<(&str, Node<'static>)>) {
        let found = tree().resolve(path);
        assert_eq!(
            found,
            expected.map(|(path, node)| (path.to_owned(), node)),
            "{path}"
        );
    }

    #[test]
    fn links_are_followed_within_the_tree() {
        let file = Some(("usr/lib/a/libz.so.1.3", Node::File(b"z")));
        check("lib/a/libz.so.1", file);
        check("/lib/b/libz.so.1.3", file);
        check("usr/lib/up", file);
        check("lib/b/..", Some(("usr/lib", Node::Directory)));
        check("../..", Some(("", Node::Directory)));
        check("loop", None);
        check("usr/lib/c", None);
        check("etc/passwd", None);
    }

    #[test]
    fn children_are_those_directly_below() {
        let tree = tree();
        let names = |directory| -> Vec<&str> {
            let children = tree.children(directory);
            children.into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(names(""), ["lib", "loop", "usr"]);
        assert_eq!(names("usr/lib"), ["a", "b", "up"]);
        assert_eq!(names("usr/lib/a"), ["libz.so.1", "libz.so.1.3"]);
    }
}
