//! Which files of a directory enter the cache, and under which names (`search_dir`, elf/ldconfig.c).

use std::cmp::Ordering;

use super::super::{Node, Tree};
use super::directories::Directory;
use super::elf::Library;
use super::order::compare_names;
use super::{Abi, Libraries};

/// A library of one directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// The name by which programs ask for it.
    pub(super) soname: String,
    /// The name of the file, or of the link if it is one.
    pub(super) file: String,
    /// Whether the file is a link whose target is called as the library is.
    is_link: bool,
    /// The level of the instruction set that it needs.
    pub(super) isa_level: u32,
}

/// Whether `ldconfig` would look into a file of this name (`_dl_is_dso`, elf/dl-is_dso.h, and `skip_dso_based_on_name`).
pub(crate) fn may_be_library(name: &str) -> bool {
    let is_loader = ["ld-", "ld.so.", "ld64.so."];
    let has_prefix =
        name.starts_with("lib") || is_loader.iter().any(|prefix| name.starts_with(prefix));
    let is_unfinished = [".dpkg-new", ".dpkg-tmp", ".#prelink#"];
    has_prefix && name.contains(".so") && !is_unfinished.iter().any(|suffix| name.ends_with(suffix))
}

/// The libraries of `directory`, one for each name.
pub(super) fn libraries(
    tree: &Tree<'_>,
    known: &Libraries,
    abi: &Abi,
    directory: &Directory,
) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for (name, node) in tree.children(&directory.place) {
        if !may_be_library(name) {
            continue;
        }
        let Some(library) = library(tree, known, directory, name, node) else {
            continue;
        };
        match found
            .iter_mut()
            .find(|other| other.soname == library.soname)
        {
            Some(other) if is_better(&library, other, abi) => *other = library,
            Some(_) => {}
            None => found.push(library),
        }
    }
    found
}

fn library(
    tree: &Tree<'_>,
    known: &Libraries,
    directory: &Directory,
    name: &str,
    node: Node<'_>,
) -> Option<Found> {
    let path = format!("{}/{name}", directory.place);
    let path = match node {
        Node::File(_) => path,
        Node::Link(_) => tree.resolve(&path)?.0,
        Node::Directory => return None,
    };
    let &Library {
        ref soname,
        isa_level,
    } = known.get(&path)?;
    // A library without a name goes by that of its file (`implicit_soname`, elf/readlib.c).
    let soname = soname.clone().unwrap_or_else(|| name.to_owned());
    // A link counts as one if it is called as the library is, or is the `.so` that the linker of a compiler looks for;
    // another is taken for a file.
    let is_for_compilers = name.strip_suffix(".so").is_some() && soname.starts_with(name);
    let is_link = matches!(node, Node::Link(_)) && (name == soname || is_for_compilers);
    Some(Found {
        soname: if is_link { name.to_owned() } else { soname },
        file: name.to_owned(),
        is_link,
        isa_level,
    })
}

/// Whether `library` is taken rather than `other` of the same name: a file before a link, then the higher version.
fn is_better(library: &Found, other: &Found, abi: &Abi) -> bool {
    match (library.is_link, other.is_link) {
        (false, true) => true,
        (true, false) => false,
        (true, true) | (false, false) => {
            compare_names(&library.file, &other.file, abi) == Ordering::Greater
        }
    }
}

impl Found {
    /// The link that must lie beside the file for programs to find it by its name, if that is another.
    pub(super) fn link(&self) -> Option<(&str, &str)> {
        (!self.is_link && self.file != self.soname).then_some((&self.soname, &self.file))
    }
}
