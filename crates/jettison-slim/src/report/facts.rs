//! What is in an image that was made, what is not, and why.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::refactor::Rung;

/// The most links that are followed, as in the kernel.
const MOST_LINKS: usize = 40;

/// Everything that keeps files in an image or out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// What it was made of: the original's name and ID, or the name of a base.
    pub source: String,
    /// What made it.
    pub maker: Maker,
    /// What is in the image, by owner; the largest first.
    pub kept: Vec<OwnerFacts>,
    /// What the original, or the packages of a base, have besides; the largest first.
    pub left_out: Vec<OwnerFacts>,
}

/// What makes images that say why they hold what they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    /// The optimizer, which ended on this rung.
    Optimizer(Rung),
    /// The assembly of a distroless base.
    Base,
}

/// What belongs together, as far as it is in an image or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerFacts {
    /// What it belongs to.
    pub owner: FileOwner,
    /// Why it is there, or not there, one phrase each.
    pub reasons: Vec<String>,
    /// Its files and links, sorted by path.
    pub files: Vec<FileReason>,
}

/// What a file belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileOwner {
    /// What kind of thing that is.
    pub kind: OwnerKind,
    /// The package's name, the module's directory, the instruction's line and text; empty if there is but one of the kind.
    pub name: String,
}

/// What files belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OwnerKind {
    /// A Debian package.
    Package,
    /// A distribution of Python or a package of npm.
    Module,
    /// What an instruction of the Dockerfile made, and nothing else lists.
    Instruction,
    /// What the base image holds beyond packages.
    Base,
    /// What the original does not have: the final stage makes it.
    New,
}

/// A file or a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReason {
    /// Its path.
    pub path: PathBuf,
    /// Its size in bytes; 0 for links, and for further names of the same file.
    pub size: u64,
    /// Where it leads, if it is a link.
    pub link: Option<PathBuf>,
    /// Whether a probe read or started it.
    pub is_touched: bool,
    /// Why it is there or not there, by itself: who used it, or the rule that leaves it out.
    pub note: Option<String>,
}

impl OwnerFacts {
    /// The sizes of all files, in bytes.
    pub fn unpacked_size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// The sizes of the files that probes read or started, in bytes.
    pub fn touched_size(&self) -> u64 {
        let touched = self.files.iter().filter(|file| file.is_touched);
        touched.map(|file| file.size).sum()
    }

    /// The sizes of the files that no probe has read or started, in bytes.
    pub fn untouched_size(&self) -> u64 {
        self.unpacked_size().saturating_sub(self.touched_size())
    }

    pub(crate) fn file(&self, path: &Path) -> Option<&FileReason> {
        let place = self
            .files
            .binary_search_by(|file| file.path.as_path().cmp(path));
        place.ok().and_then(|place| self.files.get(place))
    }
}

impl FileOwner {
    /// Its name in a sentence, as `package libc6`.
    pub fn title(&self) -> String {
        match self.kind {
            OwnerKind::Package => format!("package {}", self.name),
            OwnerKind::Module => format!("module {}", self.name),
            OwnerKind::Instruction => self.name.clone(),
            OwnerKind::Base => "the base image".to_owned(),
            OwnerKind::New => "the rewritten Dockerfile".to_owned(),
        }
    }
}

impl OwnerKind {
    /// Every kind.
    pub const ALL: [OwnerKind; 5] = [
        OwnerKind::Package,
        OwnerKind::Module,
        OwnerKind::Instruction,
        OwnerKind::Base,
        OwnerKind::New,
    ];

    /// Its name in reports.
    pub fn word(self) -> &'static str {
        match self {
            OwnerKind::Package => "package",
            OwnerKind::Module => "module",
            OwnerKind::Instruction => "instruction",
            OwnerKind::Base => "base",
            OwnerKind::New => "new",
        }
    }
}

impl Facts {
    /// The bytes of all files that the probes have read or started: no image that passes them can be smaller, unless its files
    /// are others.
    pub fn touched_size(&self) -> u64 {
        self.kept.iter().map(OwnerFacts::touched_size).sum()
    }

    /// Those of whom most was never touched, the largest part first.
    pub fn mostly_untouched(&self) -> Vec<&OwnerFacts> {
        let mut owners: Vec<&OwnerFacts> = self
            .kept
            .iter()
            .filter(|owner| owner.untouched_size() > 0)
            .collect();
        owners.sort_by_key(|owner| std::cmp::Reverse(owner.untouched_size()));
        owners
    }

    /// Where `path` leads in the image, through its links; the links on the way come with it.
    pub(crate) fn resolve(&self, path: &Path) -> (PathBuf, Vec<PathBuf>) {
        let links: BTreeMap<&Path, &Path> = self
            .kept
            .iter()
            .flat_map(|owner| &owner.files)
            .filter_map(|file| Some((file.path.as_path(), file.link.as_deref()?)))
            .collect();
        let mut pending: Vec<std::ffi::OsString> = names(path);
        let mut real = PathBuf::from("/");
        let mut followed = Vec::new();
        while let Some(name) = pending.pop() {
            if name == ".." {
                real.pop();
                continue;
            }
            real.push(name);
            let Some(target) = links.get(real.as_path()) else {
                continue;
            };
            if followed.len() == MOST_LINKS {
                break;
            }
            followed.push(real.clone());
            real.pop();
            if target.is_absolute() {
                real = PathBuf::from("/");
            }
            pending.extend(names(target));
        }
        (real, followed)
    }
}

/// The names on the way to `path`, the last one first.
fn names(path: &Path) -> Vec<std::ffi::OsString> {
    let names = path.components().rev().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
    });
    names.collect()
}
