//! Distroless images: packages taken apart, sliced, completed without running a script, one layer for each recipe.

mod error;
mod facts;
mod packages;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jettison_build::timestamp;
use jettison_debian::{Architecture, Sha256, Version};
use jettison_oci::{
    Compression, HistoryEntry, Image, ImageConfig, KeptBlocks, LayerOptions, LayerWriter, RootFs,
    RunConfig, Store,
};

pub use crate::base::distroless::error::DistrolessError;
pub use crate::base::distroless::facts::{DistrolessImage, FileFact, PackageFacts, SliceFacts};

use crate::base::byte_code::source_of;
use crate::base::contents::{Content, Contents, Node, NodeKind};
use crate::base::distroless::facts::{linked_slices, with_versions};
use crate::base::distroless::packages::unpack_all;
use crate::base::family::Levels;
use crate::base::generate::is_certificate;
use crate::base::levels::assign;
use crate::base::platform::image_architecture;
use crate::base::recipe::{Generator, RecipeFile, RecipePart};
use crate::base::slices::{Slice, excluded, patterns};
use crate::base::steps::Steps;
use crate::base::unpacked::{Unpacked, UnpackedEntry, UnpackedKind, UnpackedPackages};
use crate::sbom::copyright_licences;

/// Where lists of packages are that are not installed by dpkg.
const STATUS: &str = "var/lib/dpkg/status.d";

/// The largest copyright file that is looked into for the names of licences.
const COPYRIGHT_LIMIT: u64 = 16 << 20;

/// What to assemble.
#[derive(Debug)]
pub struct DistrolessRequest<'a> {
    /// What the image is called in its history.
    pub title: &'a str,
    /// Its recipes.
    pub levels: &'a Levels,
    /// All of its packages.
    pub packages: &'a [LocalPackage],
    /// Its architecture.
    pub architecture: &'a Architecture,
    /// Slices that are not left out, beside those that the recipes keep.
    pub keep: &'a [String],
    /// Where packages are kept that were taken apart.
    pub unpacked: &'a Path,
    /// Compressed pieces of layers that are kept.
    pub blocks: &'a KeptBlocks,
    /// The key of the Java runtime that takes the place of its package's files, if one was linked.
    pub linked: Option<&'a str>,
    /// The key of Python's compiled modules, if there are any.
    pub compiled: Option<&'a str>,
}

/// A package that was downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalPackage {
    /// Its name, which its control file has to say.
    pub name: String,
    /// Its version, likewise.
    pub version: Version,
    /// Its architecture, likewise; possibly `all`.
    pub architecture: Architecture,
    /// The digest of its file, which is checked.
    pub sha256: Sha256,
    /// The file.
    pub path: PathBuf,
}

/// Assembles an image and puts it into the store. It gets no name. No program is run, and nothing is fetched.
pub fn assemble_distroless(
    store: &Store,
    request: &DistrolessRequest<'_>,
) -> Result<DistrolessImage, DistrolessError> {
    let mut work = Work::new(request)?;
    let mut unpacked = unpack_all(request)?;
    work.put_linked(&mut unpacked)?;
    let control_files: Vec<String> = unpacked
        .values()
        .map(|(_, unpacked)| unpacked.control.clone())
        .collect();
    let assigned = assign(&control_files, request.levels, request.architecture)?;
    let mut layers = Vec::new();
    let mut history = Vec::new();
    for ((name, part), packages) in request.levels.levels.iter().zip(&assigned) {
        let before = work.contents.clone();
        let mut of_level = Vec::new();
        for (name, reason) in packages {
            if let Some((file, unpacked)) = unpacked.get(name.as_str()) {
                of_level.push((*file, unpacked, reason.as_str()));
            }
        }
        work.add_level(name, part, &of_level)?;
        let options = LayerOptions {
            compression: Compression::Zstd { level: 3 },
            clamp_mtime: Some(work.date),
        };
        let mut layer = LayerWriter::keeping(store, &options, request.blocks)
            .map_err(DistrolessError::Layer)?;
        work.contents
            .write_changes(&before, &mut layer)
            .map_err(DistrolessError::Layer)?;
        layers.push(layer.finish().map_err(DistrolessError::Layer)?);
        history.push(HistoryEntry {
            created: Some(work.created()),
            created_by: Some(format!("{}: {name}", request.title)),
            comment: Some("jettison".to_string()),
            ..HistoryEntry::default()
        });
    }
    let created = work.created();
    let (architecture, variant) = image_architecture(request.architecture);
    let config = ImageConfig {
        created: Some(created),
        architecture,
        variant,
        os: "linux".to_string(),
        config: run_config(&work),
        rootfs: RootFs::new(layers.iter().map(|layer| layer.diff_id).collect()),
        history,
        ..ImageConfig::default()
    };
    let image = Image::new(config, layers).map_err(DistrolessError::Image)?;
    store.put_image(&image).map_err(DistrolessError::Store)?;
    Ok(DistrolessImage {
        image,
        packages: work.facts()?,
        release: request.levels.release,
        date: u64::try_from(work.date).unwrap_or(0),
        slices: work.left_out,
    })
}

fn run_config(work: &Work<'_>) -> RunConfig {
    let part = &work.part;
    let env = part.env.iter();
    let expand = |text: &str| with_versions(text, &work.packages);
    RunConfig {
        env: env
            .map(|(name, value)| format!("{name}={}", expand(value)))
            .collect(),
        entrypoint: part.entrypoint.clone(),
        cmd: part.cmd.clone(),
        working_dir: part.workdir.clone().unwrap_or_default(),
        user: part.user.clone().unwrap_or_default(),
        labels: part
            .labels
            .iter()
            .map(|(name, value)| (name.clone(), expand(value)))
            .collect(),
        ..RunConfig::default()
    }
}

/// An image on its way.
struct Work<'a> {
    request: &'a DistrolessRequest<'a>,
    slices: Vec<Slice>,
    contents: Contents,
    /// Files that others are made from, and that are left out.
    sources: Contents,
    /// What all levels so far say.
    part: RecipePart,
    /// The newest time of all files so far.
    date: i64,
    packages: Vec<PackageFacts>,
    left_out: BTreeMap<String, SliceFacts>,
    /// Files of the package whose Java runtime was linked that the linked one lacks.
    not_linked: Vec<String>,
}

impl<'a> Work<'a> {
    fn new(request: &'a DistrolessRequest<'a>) -> Result<Work<'a>, DistrolessError> {
        let mut kept: BTreeSet<&str> = request.keep.iter().map(String::as_str).collect();
        for (_, part) in &request.levels.levels {
            kept.extend(part.keep.iter().map(String::as_str));
        }
        let mut slices = Slice::all();
        if let Some(unknown) = kept
            .iter()
            .find(|name| !slices.iter().any(|slice| slice.name == **name))
        {
            return Err(DistrolessError::Slice {
                name: (*unknown).to_string(),
                known: slices.into_iter().map(|slice| slice.name).collect(),
            });
        }
        slices.retain(|slice| !kept.contains(slice.name.as_str()));
        Ok(Work {
            request,
            slices,
            contents: Contents::default(),
            sources: Contents::default(),
            part: RecipePart::default(),
            date: 0,
            packages: Vec::new(),
            left_out: BTreeMap::new(),
            not_linked: Vec::new(),
        })
    }

    /// Puts the Java runtime that was linked in the place of its package's.
    fn put_linked(
        &mut self,
        unpacked: &mut BTreeMap<&str, (&LocalPackage, Unpacked)>,
    ) -> Result<(), DistrolessError> {
        let (Some(key), Some(link)) = (self.request.linked, self.request.levels.link()) else {
            return Ok(());
        };
        let packages = UnpackedPackages {
            dir: self.request.unpacked,
        };
        let linked = packages
            .read(key)
            .ok_or_else(|| DistrolessError::Generate {
                what: "Java runtime",
                problem: "it is gone from `downloads/unpacked`".to_string(),
            })?;
        if let Some((_, package)) = unpacked.get_mut(link.runtime_package().as_str()) {
            self.left_out
                .extend(linked_slices(package, &linked, &self.slices));
            let kept: BTreeSet<&str> = linked.entries.iter().map(|e| e.path.as_str()).collect();
            self.not_linked = package
                .entries
                .iter()
                .filter(|entry| matches!(entry.kind, UnpackedKind::File(_)))
                .filter(|entry| !kept.contains(entry.path.as_str()))
                .map(|entry| real_path(&entry.path))
                .collect();
            *package = linked;
        }
        Ok(())
    }

    fn created(&self) -> String {
        timestamp(u64::try_from(self.date).unwrap_or(0))
    }

    fn add_level(
        &mut self,
        name: &str,
        part: &RecipePart,
        packages: &[(&LocalPackage, &Unpacked, &str)],
    ) -> Result<(), DistrolessError> {
        let times = packages
            .iter()
            .flat_map(|(_, unpacked, _)| &unpacked.entries)
            .map(|entry| entry.mtime);
        self.date = times.max().unwrap_or(0).max(self.date);
        let is_first = self.packages.is_empty();
        self.part = std::mem::take(&mut self.part).joined(part);
        if is_first {
            self.steps().links()?;
        }
        // The package that has the directories comes first.
        let mut order = packages.to_vec();
        order.sort_by_key(|(file, ..)| (file.name != "base-files", file.name.as_str()));
        for (file, unpacked, reason) in order {
            let (left_out, mut removed) = self.add_files(part, file, unpacked)?;
            let link = self.request.levels.link();
            if link.is_some_and(|link| link.runtime_package() == file.name) {
                removed.append(&mut self.not_linked);
            }
            self.packages.push(PackageFacts {
                name: file.name.clone(),
                level: name.to_string(),
                reason: reason.to_string(),
                control: unpacked.control.clone(),
                sha256: file.sha256,
                files: Vec::new(),
                licences: Vec::new(),
                removed,
                left_out,
            });
        }
        for file in &part.files {
            self.check_owner(file)?;
            self.steps().file(file)?;
        }
        for generator in Generator::ALL {
            // What an earlier level has made is made again where this one changes what it is made from.
            let is_touched = match generator {
                Generator::LibraryCache | Generator::ByteCode => !packages.is_empty(),
                Generator::Accounts => !part.users.is_empty() || !part.groups.is_empty(),
                Generator::Directories
                | Generator::CaBundle
                | Generator::JavaTrustStore
                | Generator::OsRelease
                | Generator::NameService
                | Generator::TimeZone
                | Generator::Fonts
                | Generator::BusyboxLinks => false,
            };
            let is_known = self.part.generate.contains(&generator);
            if part.generate.contains(&generator) || (is_known && is_touched) {
                if generator == Generator::ByteCode {
                    self.add_byte_code()?;
                }
                self.steps().generate(generator)?;
            }
        }
        self.write_status()
    }

    /// Checks that the package of a recipe's file is there, for no file is without one that says so.
    fn check_owner(&self, file: &RecipeFile) -> Result<(), DistrolessError> {
        match &file.owned_by {
            Some(package) if !self.packages.iter().any(|known| known.name == *package) => {
                Err(DistrolessError::Owner {
                    path: file.path.clone(),
                    package: package.clone(),
                })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Adds the compiled modules of those sources that the image has, to the packages that these are of.
    fn add_byte_code(&mut self) -> Result<(), DistrolessError> {
        let Some(key) = self.request.compiled else {
            return Ok(());
        };
        let packages = UnpackedPackages {
            dir: self.request.unpacked,
        };
        let compiled = packages
            .read(key)
            .ok_or_else(|| DistrolessError::Generate {
                what: "compiled modules of Python",
                problem: "they are gone from `downloads/unpacked`".to_string(),
            })?;
        for entry in &compiled.entries {
            let source = source_of(&entry.path);
            let source = source.and_then(|source| self.contents.get(&source));
            if let Some(package) = source.and_then(|node| node.package.clone())
                && let Some(node) = Node::of_entry(entry, &compiled.data, &package)
            {
                self.contents.add(&entry.path, node)?;
            }
        }
        Ok(())
    }

    fn steps(&mut self) -> Steps<'_> {
        Steps {
            contents: &mut self.contents,
            sources: &self.sources,
            part: &self.part,
            architecture: self.request.architecture.as_str(),
            date: self.date,
        }
    }

    /// Adds a package's files, and says what was left out.
    fn add_files(
        &mut self,
        part: &RecipePart,
        file: &LocalPackage,
        unpacked: &Unpacked,
    ) -> Result<(SliceFacts, Vec<String>), DistrolessError> {
        let mut removed = Vec::new();
        let name: Arc<str> = file.name.as_str().into();
        let only = match part.only.get(&file.name) {
            Some(list) => Some(patterns(list)?),
            None => None,
        };
        // What a recipe does not want is not in the image, whichever recipe below brought it.
        let excluded = excluded(&self.request.levels.whole().exclude)?;
        let mut left_out = SliceFacts::default();
        let copyright = format!("usr/share/doc/{name}/copyright");
        let mut links = Vec::new();
        for entry in &unpacked.entries {
            let path = real_path(&entry.path);
            if is_certificate(&path)
                && let Some(node) = Node::of_entry(entry, &unpacked.data, &name)
            {
                self.sources.add(&path, node)?;
            }
            let is_other = only
                .as_ref()
                .is_some_and(|only| !only.has(&path) && path != copyright);
            let slice = self.slices.iter().chain(&excluded).find(|s| s.has(&path));
            let reason = match slice {
                Some(slice) => Some(slice.name.as_str()),
                None => is_other.then_some("only"),
            };
            if let Some(reason) = reason {
                if let UnpackedKind::File(facts) = &entry.kind {
                    left_out.add(facts.size);
                    removed.push(path.clone());
                    self.left_out
                        .entry(reason.to_string())
                        .or_default()
                        .add(facts.size);
                }
                continue;
            }
            let place = moved(&part.moves, &path);
            match Node::of_entry(entry, &unpacked.data, &name) {
                Some(mut node) => {
                    if !matches!(node.kind, NodeKind::Directory) {
                        // Nobody becomes somebody else in an image without a shell.
                        node.mode &= 0o1777;
                    }
                    self.contents.add(&place, node)?;
                }
                None => links.push((place, entry)),
            }
        }
        for (place, entry) in links {
            self.add_link(&place, entry, unpacked, file)?;
        }
        Ok((left_out, removed))
    }

    /// Adds another name of a file as a file of its own, since the first may be left out.
    fn add_link(
        &mut self,
        place: &str,
        entry: &UnpackedEntry,
        unpacked: &Unpacked,
        package: &LocalPackage,
    ) -> Result<(), DistrolessError> {
        let UnpackedKind::HardLink(target) = &entry.kind else {
            return Ok(());
        };
        let mut entries = unpacked.entries.iter();
        let file = entries
            .find(|other| other.path == *target && matches!(other.kind, UnpackedKind::File(_)));
        let name = package.name.as_str().into();
        let node = file.and_then(|file| Node::of_entry(file, &unpacked.data, &name));
        let mut node = node.ok_or_else(|| DistrolessError::Refused {
            package: package.path.clone(),
            path: entry.path.clone(),
            reason: "it is a link to a file that the package has not",
        })?;
        node.mode &= 0o1777;
        self.contents.add(place, node).map(drop)
    }

    /// Writes what scanners read: the packages, and their files as they are in the image.
    fn write_status(&mut self) -> Result<(), DistrolessError> {
        let lists = self.lists();
        for package in &self.packages {
            let files = lists.get(package.name.as_str()).into_iter().flatten();
            let sums: Vec<String> = files
                .map(|(path, content)| format!("{}  {path}\n", content.md5()))
                .collect();
            let mut write = |name: String, text: &str| {
                let node = Node {
                    kind: NodeKind::File(Content::Bytes(text.as_bytes().into())),
                    mode: 0o644,
                    uid: 0,
                    gid: 0,
                    mtime: self.date,
                    package: None,
                };
                let path = format!("{STATUS}/{name}");
                let old = self.contents.get(&path);
                if old.is_some_and(|old| old.kind == node.kind) {
                    return Ok(());
                }
                self.contents.replace(&path, node)
            };
            write(package.name.clone(), &package.control)?;
            write(format!("{}.md5sums", package.name), &sums.concat())?;
        }
        Ok(())
    }

    /// The regular files of each package.
    fn lists(&self) -> BTreeMap<String, Vec<(String, Content)>> {
        let mut lists: BTreeMap<String, Vec<(String, Content)>> = BTreeMap::new();
        for (path, node) in self.contents.iter() {
            if let (NodeKind::File(content), Some(package)) = (&node.kind, &node.package) {
                lists
                    .entry(package.to_string())
                    .or_default()
                    .push((path.to_string(), content.clone()));
            }
        }
        lists
    }

    fn licences(&self, package: &str) -> Result<Vec<String>, DistrolessError> {
        let path = format!("usr/share/doc/{package}/copyright");
        let node = self.contents.place(&path);
        let node = node.and_then(|place| self.contents.get(&place));
        let Some(NodeKind::File(content)) = node.map(|node| &node.kind) else {
            return Ok(Vec::new());
        };
        if content.size() > COPYRIGHT_LIMIT {
            return Ok(Vec::new());
        }
        let bytes = content.read().map_err(|source| DistrolessError::Io {
            action: "read",
            path: path.into(),
            source,
        })?;
        Ok(copyright_licences(&String::from_utf8_lossy(&bytes)))
    }

    fn facts(&self) -> Result<Vec<PackageFacts>, DistrolessError> {
        let lists = self.lists();
        let mut facts = self.packages.clone();
        for package in &mut facts {
            let files = lists.get(&package.name).into_iter().flatten();
            package.licences = self.licences(&package.name)?;
            package.files = files
                .map(|(path, content)| FileFact {
                    path: path.clone(),
                    size: content.size(),
                    sha1: content.sha1(),
                    sha256: content.sha256(),
                })
                .collect();
        }
        Ok(facts)
    }
}

/// Where a file is in a system whose `/usr` is merged.
fn real_path(path: &str) -> String {
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    if ["bin", "sbin", "lib", "lib64"].contains(&first) && !rest.is_empty() {
        format!("usr/{path}")
    } else {
        path.to_string()
    }
}

/// Where a file belongs that the recipe moves.
fn moved(moves: &BTreeMap<String, String>, path: &str) -> String {
    for (from, to) in moves {
        if let Some(rest) = path.strip_prefix(from.as_str())
            && (rest.is_empty() || rest.starts_with('/'))
        {
            return format!("{to}{rest}");
        }
    }
    path.to_string()
}

#[cfg(test)]
mod tests;
