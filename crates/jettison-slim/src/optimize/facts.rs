//! Why the files of a candidate are in it, and those of the original that are not are left out.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use jettison_sandbox::{End, Use, Uses};

use crate::evidence::{KeptFact, KeptWhat, Owner, Owners, Step, left_out_rule};
use crate::report::{FileOwner, FileReason, OwnerFacts, OwnerKind};
use crate::rootfs::{RootDir, RootError};
use crate::verify::ProbeOutcome;

/// The most reasons that are told of one owner.
const MOST_REASONS: usize = 8;
/// The longest instruction that is shown.
const LONGEST: usize = 60;

/// What facts are made of.
pub(super) struct Sources<'a> {
    pub(super) original: &'a RootDir,
    pub(super) candidate: &'a RootDir,
    /// The steps that made the original.
    pub(super) steps: &'a [Step],
    /// The original's text.
    pub(super) dockerfile: &'a str,
    /// What the candidate keeps, and why.
    pub(super) kept: &'a [KeptFact],
    /// The candidate's runs.
    pub(super) outcomes: &'a [ProbeOutcome],
}

/// What the candidate holds, and what it does not.
pub(super) struct Found {
    pub(super) kept: Vec<OwnerFacts>,
    pub(super) left_out: Vec<OwnerFacts>,
}

/// How a file was used.
struct FileUse {
    is_touched: bool,
    text: String,
}

/// What is collected of one owner.
#[derive(Default)]
struct Group {
    reasons: BTreeSet<String>,
    files: Vec<FileReason>,
}

type Groups = BTreeMap<FileOwner, Group>;

impl Sources<'_> {
    /// Looks at every file of both.
    pub(super) fn find(&self) -> Result<Found, RootError> {
        let mut owners = Owners::read(self.original, self.steps)?;
        let uses = uses(self.outcomes);
        let reasons = Reasons::of(self.kept);
        let mut kept = Groups::new();
        let mut in_both = HashSet::new();
        let mut seen = HashSet::new();
        let mut places = Places::default();
        for (path, metadata) in entries(self.candidate)? {
            let real = places.real(self.original, &path);
            let is_there = |real: &PathBuf| {
                self.original
                    .entry(real)
                    .is_some_and(|found| !found.is_dir())
            };
            let real = real.filter(is_there);
            let owner = match &real {
                Some(real) => self.owner(owners.of(real)),
                None => new_owner(),
            };
            let group = kept.entry(owner.clone()).or_default();
            group.reasons.extend(reasons.of_file(&owner, &path));
            let file_use = uses.get(&path);
            group.files.push(FileReason {
                size: size(&metadata, &mut seen),
                link: link(self.candidate, &path, &metadata),
                is_touched: file_use.is_some_and(|found| found.is_touched),
                note: file_use.map(|found| found.text.clone()),
                path,
            });
            in_both.extend(real);
        }
        let left_out = self.left_out(&mut owners, (&kept, &in_both))?;
        self.original.all_was_read()?;
        self.candidate.all_was_read()?;
        Ok(Found {
            kept: sorted(kept),
            left_out: sorted(left_out),
        })
    }

    fn left_out(
        &self,
        owners: &mut Owners<'_>,
        (kept, in_both): (&Groups, &HashSet<PathBuf>),
    ) -> Result<Groups, RootError> {
        let mut groups = Groups::new();
        let mut seen = HashSet::new();
        for (path, metadata) in entries(self.original)? {
            if in_both.contains(&path) {
                continue;
            }
            let owner = self.owner(owners.of(&path));
            let rule = match (owner.kind, kept.contains_key(&owner)) {
                (OwnerKind::Package, true) => left_out_rule(&path),
                (OwnerKind::Package, false) | (OwnerKind::Module, _) => None,
                (OwnerKind::Instruction | OwnerKind::Base | OwnerKind::New, _) => {
                    record_rule(&path)
                }
            };
            let group = groups.entry(owner.clone()).or_default();
            let reason = rule.unwrap_or_else(|| unused(&owner, kept.contains_key(&owner)));
            group.reasons.insert(reason.to_owned());
            group.files.push(FileReason {
                size: size(&metadata, &mut seen),
                link: link(self.original, &path, &metadata),
                is_touched: false,
                note: rule.map(str::to_owned),
                path,
            });
        }
        Ok(groups)
    }

    fn owner(&self, owner: Owner) -> FileOwner {
        let (kind, name) = match owner {
            Owner::Package(name) => (OwnerKind::Package, name),
            Owner::Module(path) => (OwnerKind::Module, path.display().to_string()),
            Owner::Instruction(line) => {
                let text = self.dockerfile.lines().nth(line.saturating_sub(1));
                let text = text.unwrap_or_default().trim();
                let mut short: String = text.chars().take(LONGEST).collect();
                if short.len() < text.len() {
                    short.push('…');
                }
                (OwnerKind::Instruction, format!("line {line}: {short}"))
            }
            Owner::Base => (OwnerKind::Base, String::new()),
        };
        FileOwner { kind, name }
    }
}

fn new_owner() -> FileOwner {
    FileOwner {
        kind: OwnerKind::New,
        name: String::new(),
    }
}

/// Why nothing of an owner that no rule speaks of is there.
fn unused(owner: &FileOwner, is_kept_in_part: bool) -> &'static str {
    match (owner.kind, is_kept_in_part) {
        (OwnerKind::Package | OwnerKind::Module, false) => {
            "no run used a file of it, and nothing that is kept needs it"
        }
        (OwnerKind::Package | OwnerKind::Module, true) => {
            "no run used these files, and nothing that is kept needs them"
        }
        (OwnerKind::Instruction, _) => "no run used it: what is only needed to build, or never",
        (OwnerKind::Base | OwnerKind::New, _) => "no run used it, and no package lists it",
    }
}

/// What package managers keep for themselves.
fn record_rule(path: &Path) -> Option<&'static str> {
    const RULES: [(&str, &str); 6] = [
        ("/var/lib/dpkg", "records of dpkg, which is not there"),
        ("/var/lib/apt", "lists of apt, which is not there"),
        ("/var/cache", "caches, which are made anew"),
        ("/var/log", "logs of the build"),
        ("/root/.cache", "caches, which are made anew"),
        ("/usr/share/doc", "documentation"),
    ];
    let rule = RULES.iter().find(|(place, _)| path.starts_with(place));
    rule.map(|(_, why)| *why)
}

/// Everything but directories, by path.
fn entries(root: &RootDir) -> Result<Vec<(PathBuf, Metadata)>, RootError> {
    let mut found = Vec::new();
    root.walk(&mut |path, metadata| {
        if !metadata.is_dir() {
            found.push((path.to_path_buf(), metadata.clone()));
        }
    })?;
    found.sort_by(|(first, _), (second, _)| first.cmp(second));
    Ok(found)
}

/// The size of a regular file whose other names were not counted yet.
fn size(metadata: &Metadata, seen: &mut HashSet<(u64, u64)>) -> u64 {
    let is_new = metadata.nlink() < 2 || seen.insert((metadata.dev(), metadata.ino()));
    if metadata.is_file() && is_new {
        metadata.len()
    } else {
        0
    }
}

fn link(root: &RootDir, path: &Path, metadata: &Metadata) -> Option<PathBuf> {
    metadata
        .is_symlink()
        .then(|| root.read_link(path).ok())
        .flatten()
}

/// Where directories of the candidate are in the original, whose links are not always the candidate's.
#[derive(Default)]
struct Places(HashMap<PathBuf, Option<PathBuf>>);

impl Places {
    fn real(&mut self, original: &RootDir, path: &Path) -> Option<PathBuf> {
        let (parent, name) = (path.parent()?, path.file_name()?);
        if !self.0.contains_key(parent) {
            let real = original.resolve(parent).ok().map(|found| found.real_path);
            self.0.insert(parent.to_path_buf(), real);
        }
        Some(self.0.get(parent)?.as_ref()?.join(name))
    }
}

/// The reasons for what is kept.
struct Reasons<'k> {
    packages: BTreeMap<&'k str, &'k str>,
    paths: BTreeMap<&'k Path, &'k str>,
}

impl<'k> Reasons<'k> {
    fn of(kept: &'k [KeptFact]) -> Reasons<'k> {
        let mut reasons = Reasons {
            packages: BTreeMap::new(),
            paths: BTreeMap::new(),
        };
        for KeptFact { what, reason } in kept {
            match what {
                KeptWhat::Package(name) => {
                    reasons.packages.insert(name, reason);
                }
                KeptWhat::Path(path) => {
                    reasons.paths.insert(path, reason);
                }
                KeptWhat::Directory(_) => {}
            }
        }
        reasons
    }

    /// Why the file at `path` is there: its package, and the directory that is kept with it.
    fn of_file(&self, owner: &FileOwner, path: &Path) -> Vec<String> {
        let package = self
            .packages
            .get(owner.name.as_str())
            .filter(|_| owner.kind == OwnerKind::Package);
        let mut found: Vec<String> = package
            .map(|reason| (*reason).to_owned())
            .into_iter()
            .collect();
        let directory = path
            .ancestors()
            .find_map(|above| Some((above, self.paths.get(above)?)));
        if let Some((above, reason)) = directory
            && found.is_empty()
        {
            found.push(format!("{reason}: {}", above.display()));
        }
        found
    }
}

/// What runs of the candidate did with each path: the strongest use of the first probe that had it.
fn uses(outcomes: &[ProbeOutcome]) -> HashMap<PathBuf, FileUse> {
    /// Uses, strongest first: what is done with them, and whether their contents matter.
    const KINDS: [(Use, &str, bool); 10] = [
        (Use::Execute, "started", true),
        (Use::Interpret, "loaded to start a program", true),
        (Use::Load, "loaded as a library", true),
        (Use::Read, "read", true),
        (Use::Write, "written", true),
        (Use::Overwrite, "written", false),
        (Use::List, "listed", false),
        (Use::ReadLink, "followed", false),
        (Use::Stat, "looked at", false),
        (Use::Access, "looked at", false),
    ];
    let mut ranks: HashMap<PathBuf, usize> = HashMap::new();
    let mut found = HashMap::new();
    for outcome in outcomes {
        let Some(trace) = &outcome.candidate.trace else {
            continue;
        };
        for lookup in trace.lookups() {
            let End::Found(end) = &lookup.end else {
                continue;
            };
            let strongest = |uses: Uses| KINDS.iter().position(|(kind, ..)| uses.contains(*kind));
            let program = lookup.program.as_deref();
            let by = program.map_or_else(
                || "the image's own command".to_owned(),
                |program| program.display().to_string(),
            );
            let links = lookup.links.iter().map(|link| (link, KINDS.len() - 3));
            let end = strongest(lookup.uses).map(|rank| (end, rank));
            for (path, rank) in links.chain(end) {
                if trace.mount_of(path).is_some()
                    || ranks.get(path).is_some_and(|known| *known <= rank)
                {
                    continue;
                }
                let (_, what, is_touched) = KINDS[rank];
                ranks.insert(path.clone(), rank);
                let text = format!("{what} by {by} in probe `{}`", outcome.probe.name);
                found.insert(path.clone(), FileUse { is_touched, text });
            }
        }
    }
    found
}

/// The owners, the one with the largest files first.
fn sorted(groups: Groups) -> Vec<OwnerFacts> {
    let mut owners: Vec<OwnerFacts> = groups
        .into_iter()
        .map(|(owner, group)| OwnerFacts {
            owner,
            reasons: group.reasons.into_iter().take(MOST_REASONS).collect(),
            files: group.files,
        })
        .collect();
    owners.sort_by_key(|facts| Reverse(facts.unpacked_size()));
    owners
}
