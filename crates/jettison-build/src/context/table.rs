//! Making one table of the directories that a walk has read.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::context::entries::{EntryKind, Node, Table};
use crate::context::error::ContextError;
use crate::context::walk::{Directory, count, name_of};

/// A directory that is being written to the table.
struct Open {
    node: usize,
    is_ignored: bool,
    names: Vec<u8>,
    targets: Vec<Box<[u8]>>,
    rest: std::vec::IntoIter<Node>,
}

/// Puts directories together, the first of which is that at `base`. Ignored ones that have nothing in them are left out;
/// the table is empty if the first is.
pub(super) fn assemble(
    base: &Path,
    mut listings: BTreeMap<usize, Directory>,
) -> Result<Table, ContextError> {
    let mut table = Table {
        base: base.as_os_str().as_bytes().to_vec(),
        ..Table::default()
    };
    let n_nodes = listings
        .values()
        .map(|directory| directory.children.len())
        .sum::<usize>();
    let n_bytes = listings
        .values()
        .map(|directory| directory.names.len())
        .sum::<usize>();
    if u32::try_from(n_nodes + 2).is_err() || u32::try_from(n_bytes).is_err() {
        return Err(ContextError::Io {
            action: "list",
            path: base.to_path_buf(),
            source: std::io::Error::other("there are too many files"),
        });
    }
    table.nodes.reserve_exact(n_nodes + 1);
    table.names.reserve_exact(n_bytes);
    let mut open = Vec::new();
    if let Some(first) = listings.remove(&0) {
        open.push(table.enter(first, b"", 0));
    }
    while let Some(mut directory) = open.pop() {
        let Some(child) = directory.rest.next() else {
            table.leave(&directory);
            continue;
        };
        let parent = directory.node;
        let name = name_of(&directory.names, &child);
        match child.kind {
            EntryKind::Directory => {
                let Some(inner) = listings.remove(&(child.extra as usize)) else {
                    // It was gone when its turn came.
                    open.push(directory);
                    continue;
                };
                let inner = table.enter(inner, name, parent);
                open.push(directory);
                open.push(inner);
                continue;
            }
            EntryKind::Link => {
                let target = std::mem::take(&mut directory.targets[child.extra as usize]);
                table.targets.push(target);
                let extra = count(table.targets.len());
                table.push(Node { extra, ..child }, name, parent);
            }
            EntryKind::File
            | EntryKind::Fifo
            | EntryKind::CharacterDevice
            | EntryKind::BlockDevice
            | EntryKind::Socket => table.push(child, name, parent),
        }
        open.push(directory);
    }
    Ok(table)
}

impl Table {
    /// A table of one node that is no directory.
    pub(super) fn of_file(base: &Path, node: Node, target: Option<Box<[u8]>>) -> Table {
        let mut table = Table {
            base: base.as_os_str().as_bytes().to_vec(),
            ..Table::default()
        };
        let extra = count(usize::from(target.is_some()));
        table.targets.extend(target);
        let name = base.file_name().unwrap_or_default().as_bytes();
        table.push(Node { extra, ..node }, name, 0);
        table
    }

    fn push(&mut self, node: Node, name: &[u8], parent: usize) {
        let end = count(self.nodes.len() + 1);
        let (at, length) = (count(self.names.len()), name.len());
        self.names.extend(name);
        self.nodes.push(Node {
            parent: count(parent),
            end,
            name: at,
            name_length: u16::try_from(length).unwrap_or(u16::MAX),
            ..node
        });
    }

    fn enter(&mut self, directory: Directory, name: &[u8], parent: usize) -> Open {
        let Directory {
            node,
            attributes,
            is_ignored,
            names,
            targets,
            children,
        } = directory;
        let extra = match attributes {
            Some(digest) => {
                self.attributes.push(digest);
                count(self.attributes.len())
            }
            None => 0,
        };
        let at = self.nodes.len();
        self.push(Node { extra, ..node }, name, parent);
        Open {
            node: at,
            is_ignored,
            names,
            targets,
            rest: children.into_iter(),
        }
    }

    fn leave(&mut self, directory: &Open) {
        let end = self.nodes.len();
        if directory.is_ignored && end == directory.node + 1 {
            // Nothing in it was taken back in.
            self.names
                .truncate(self.nodes[directory.node].name as usize);
            self.nodes.truncate(directory.node);
            return;
        }
        self.nodes[directory.node].end = count(end);
    }
}
