//! Results of steps outside of the store: in an image layout or a registry, to be taken to another machine.
//!
//! Each step is an artifact: a configuration with its key, the key's text and what is known of its result, and one layer.
//! The names under which it can be found are annotations in the index, so that a look-up reads nothing else. Cache mounts
//! are artifacts beside them ([`mounts`]).

mod mounts;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::io::Read;
use std::sync::Arc;

use jettison_oci::{
    ArtifactLayout, Descriptor, Digest, ExportError, Manifest, MediaType, RepositoryArtifacts,
    Store,
};

use crate::cache::{CacheEntry, CacheKey, KeyText, decode, encode};

pub use crate::cache::travel::mounts::{FoundMount, MountArtifacts, MountSource};
pub(crate) use crate::cache::travel::mounts::{MountImports, give, mount_artifact};

/// The type of a step's artifact and of its configuration.
const STEP_TYPE: &str = "application/vnd.jettison.step.v1+text";
const KEY: &str = "dev.jettison.step.key";
const ALIASES: &str = "dev.jettison.step.aliases";
const TAG: &str = "dev.jettison.step.tag";

/// Results of steps that are somewhere else.
pub trait StepSource: Sync {
    /// What messages call it.
    fn name(&self) -> String;

    /// The result of the step with this key.
    fn find(&self, key: &str) -> Result<Option<FoundStep>, ExportError>;

    /// The key that this other name of a step stands for.
    fn alias(&self, name: &str) -> Option<String>;

    /// Brings a step's layer into `store`.
    fn fetch(&self, step: &FoundStep, store: &Store) -> Result<(), ExportError>;
}

/// A result that was found, without its layer.
#[derive(Clone, Debug)]
pub struct FoundStep {
    pub(crate) text: KeyText,
    pub(crate) entry: CacheEntry,
}

impl FoundStep {
    /// Reads a step's configuration; nothing if it is not one, or not the one of `key`.
    fn read(configuration: &str, key: &str) -> Option<FoundStep> {
        let (entry, text) = configuration.split_once("\n\n")?;
        let text = KeyText::read(text);
        let entry = decode(&format!("{entry}\n"))?;
        // Somebody else's snapshot names must not lead anywhere.
        let is_plain = entry
            .snapshot
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        (is_plain && entry.layer.is_some() && text.key().to_string() == key)
            .then_some(FoundStep { text, entry })
    }

    fn layer(&self) -> Option<&Descriptor> {
        self.entry.layer.as_ref().map(|layer| &layer.blob)
    }
}

/// Steps that are artifacts, in an image layout or a registry.
#[derive(Debug)]
pub struct StepArtifacts<'a> {
    source: Arc<dyn ArtifactSource + 'a>,
    name: String,
    /// The manifests by key.
    manifests: BTreeMap<String, Descriptor>,
    aliases: BTreeMap<String, String>,
}

impl<'a> StepArtifacts<'a> {
    /// The steps that `source` has; messages call it `name`.
    pub fn open(
        source: Arc<dyn ArtifactSource + 'a>,
        name: &str,
    ) -> Result<StepArtifacts<'a>, ExportError> {
        let mut steps = StepArtifacts {
            manifests: BTreeMap::new(),
            aliases: BTreeMap::new(),
            name: name.to_owned(),
            source,
        };
        for manifest in steps.source.manifests()? {
            let Some(key) = manifest.annotations.get(KEY).cloned() else {
                continue;
            };
            let aliases = manifest.annotations.get(ALIASES);
            for alias in aliases.into_iter().flat_map(|names| names.split(' ')) {
                steps.aliases.insert(alias.to_owned(), key.clone());
            }
            steps.manifests.insert(key, manifest);
        }
        Ok(steps)
    }
}

impl StepSource for StepArtifacts<'_> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn find(&self, key: &str) -> Result<Option<FoundStep>, ExportError> {
        let Some(manifest) = self.manifests.get(key) else {
            return Ok(None);
        };
        let what = || format!("step {key}");
        let manifest = Manifest::from_json(&self.source.read(manifest)?)
            .map_err(|error| broken(&what(), &error.to_string()))?;
        let configuration = self.source.read(&manifest.config)?;
        let configuration = String::from_utf8_lossy(&configuration);
        let step = FoundStep::read(&configuration, key)
            .ok_or_else(|| broken(&what(), "its configuration is not understood"))?;
        Ok(Some(step))
    }

    fn alias(&self, name: &str) -> Option<String> {
        self.aliases.get(name).cloned()
    }

    fn fetch(&self, step: &FoundStep, store: &Store) -> Result<(), ExportError> {
        match step.layer() {
            Some(layer) => self.source.fetch(layer, store),
            None => Ok(()),
        }
    }
}

fn broken(what: &str, reason: &str) -> ExportError {
    ExportError::Broken {
        reason: format!("{what}: {reason}"),
    }
}

/// Where artifacts can be taken from: an image layout, for one.
pub trait ArtifactSource: Debug + Send + Sync {
    /// The artifacts' manifests, with the annotations that they are listed with.
    fn manifests(&self) -> Result<Vec<Descriptor>, ExportError>;

    /// The bytes of a manifest or a configuration, which have its digest.
    fn read(&self, small: &Descriptor) -> Result<Vec<u8>, ExportError>;

    /// The bytes of a blob. They are not checked yet.
    fn open(&self, blob: &Descriptor) -> Result<Box<dyn Read + '_>, ExportError>;

    /// Brings a blob into `store`, unless it is there already.
    fn fetch(&self, blob: &Descriptor, store: &Store) -> Result<(), ExportError>;
}

impl ArtifactSource for ArtifactLayout {
    fn manifests(&self) -> Result<Vec<Descriptor>, ExportError> {
        ArtifactLayout::manifests(self)
    }

    fn read(&self, small: &Descriptor) -> Result<Vec<u8>, ExportError> {
        ArtifactLayout::read(self, small)
    }

    fn open(&self, blob: &Descriptor) -> Result<Box<dyn Read + '_>, ExportError> {
        Ok(Box::new(self.open_blob(blob)?))
    }

    fn fetch(&self, blob: &Descriptor, store: &Store) -> Result<(), ExportError> {
        ArtifactLayout::fetch(self, blob, store)
    }
}

impl ArtifactSource for RepositoryArtifacts<'_> {
    fn manifests(&self) -> Result<Vec<Descriptor>, ExportError> {
        RepositoryArtifacts::manifests(self)
    }

    fn read(&self, small: &Descriptor) -> Result<Vec<u8>, ExportError> {
        RepositoryArtifacts::read(self, small)
    }

    fn open(&self, blob: &Descriptor) -> Result<Box<dyn Read + '_>, ExportError> {
        let bytes: Box<dyn Read> = self.open_blob(blob)?;
        Ok(bytes)
    }

    fn fetch(&self, blob: &Descriptor, store: &Store) -> Result<(), ExportError> {
        RepositoryArtifacts::fetch(self, blob, store)
    }
}

/// Where artifacts can be put: an image layout, for one.
pub trait ArtifactPlace {
    /// Writes a manifest or a configuration.
    fn put(&self, media_type: MediaType, bytes: &[u8]) -> Result<Descriptor, ExportError>;

    /// Copies a blob of `store`, unless it is there already.
    fn put_stored(&self, blob: &Descriptor, store: &Store) -> Result<(), ExportError>;

    /// Changes the list of the artifacts' manifests.
    fn update(&self, change: &mut dyn FnMut(&mut Vec<Descriptor>)) -> Result<(), ExportError>;
}

impl ArtifactPlace for ArtifactLayout {
    fn put(&self, media_type: MediaType, bytes: &[u8]) -> Result<Descriptor, ExportError> {
        ArtifactLayout::put(self, media_type, bytes)
    }

    fn put_stored(&self, blob: &Descriptor, store: &Store) -> Result<(), ExportError> {
        ArtifactLayout::put_stored(self, blob, store)
    }

    fn update(&self, change: &mut dyn FnMut(&mut Vec<Descriptor>)) -> Result<(), ExportError> {
        ArtifactLayout::update(self, change)
    }
}

impl ArtifactPlace for RepositoryArtifacts<'_> {
    fn put(&self, media_type: MediaType, bytes: &[u8]) -> Result<Descriptor, ExportError> {
        RepositoryArtifacts::put(self, media_type, bytes)
    }

    fn put_stored(&self, blob: &Descriptor, store: &Store) -> Result<(), ExportError> {
        RepositoryArtifacts::put_stored(self, blob, store)
    }

    fn update(&self, change: &mut dyn FnMut(&mut Vec<Descriptor>)) -> Result<(), ExportError> {
        RepositoryArtifacts::update(self, change)
    }
}

/// Something to be taken along.
#[derive(Debug)]
pub(crate) struct Artifact {
    /// The type of the artifact and of its configuration.
    pub(crate) kind: &'static str,
    pub(crate) configuration: String,
    /// They are in the store that it is put from.
    pub(crate) layers: Vec<Descriptor>,
    /// The names under which the index has it.
    pub(crate) annotations: BTreeMap<String, String>,
}

/// A step to be taken along.
#[derive(Debug)]
pub(crate) struct TravelStep {
    pub(crate) key: CacheKey,
    pub(crate) alias: Option<CacheKey>,
    pub(crate) text: KeyText,
    pub(crate) entry: CacheEntry,
}

impl TravelStep {
    /// What is to be taken along, if the step's layer is known.
    pub(crate) fn artifact(&self) -> Option<Artifact> {
        let layer = self.entry.layer.as_ref()?;
        let key = (KEY.to_owned(), self.key.to_string());
        let alias = self
            .alias
            .map(|alias| (ALIASES.to_owned(), alias.to_string()));
        Some(Artifact {
            kind: STEP_TYPE,
            configuration: format!("{}\n{}", encode(&self.entry), self.text.as_str()),
            layers: vec![layer.blob.clone()],
            annotations: [key].into_iter().chain(alias).collect(),
        })
    }
}

/// Artifacts on their way into a place.
pub(crate) struct Journey<'a> {
    place: &'a dyn ArtifactPlace,
    manifests: Vec<Descriptor>,
    /// The names of what may stay as it is.
    kept: BTreeSet<Name>,
}

/// What an artifact is found by: the annotation, and its value.
type Name = (&'static str, String);

/// The name of a step's artifact.
pub(crate) fn step_name(key: &CacheKey) -> Name {
    (KEY, key.to_string())
}

/// The name of a cache mount's artifact.
pub(crate) fn mount_name(key: &str) -> Name {
    (mounts::KEY, Digest::of(key.as_bytes()).to_string())
}

impl<'a> Journey<'a> {
    pub(crate) fn to(place: &'a dyn ArtifactPlace) -> Journey<'a> {
        Journey {
            place,
            manifests: Vec::new(),
            kept: BTreeSet::new(),
        }
    }

    /// Lets the artifact of this name, which may be there already, stay there even if it is not put again.
    pub(crate) fn keep(&mut self, name: Name) {
        self.kept.insert(name);
    }

    /// Puts an artifact whose layers are in `store`.
    pub(crate) fn put(&mut self, artifact: &Artifact, store: &Store) -> Result<(), ExportError> {
        for layer in &artifact.layers {
            self.place.put_stored(layer, store)?;
        }
        let kind = MediaType::from(artifact.kind);
        let config = self.place.put(kind, artifact.configuration.as_bytes())?;
        let mut manifest = Manifest::new(config, artifact.layers.clone());
        manifest
            .extra
            .insert("artifactType".to_owned(), artifact.kind.into());
        let mut manifest = self
            .place
            .put(MediaType::OciManifest, &manifest.to_json())?;
        manifest.annotations.extend(artifact.annotations.clone());
        self.manifests.push(manifest);
        Ok(())
    }

    /// Lists what was put, in the place of what had the same tag.
    pub(crate) fn arrive(self, tag: &str) -> Result<(), ExportError> {
        let Journey {
            place,
            mut manifests,
            kept,
        } = self;
        for manifest in &mut manifests {
            manifest.annotations.insert(TAG.to_owned(), tag.to_owned());
        }
        let written: BTreeSet<Name> = manifests.iter().filter_map(name_of).collect();
        // What others with the same tag write meanwhile is not what this takes the place of.
        let mut replaced: Option<BTreeSet<Digest>> = None;
        place.update(&mut |index| {
            let is = |names: &BTreeSet<Name>, entry: &Descriptor| {
                name_of(entry).is_some_and(|name| names.contains(&name))
            };
            let replaced = replaced.get_or_insert_with(|| {
                let has_tag = |entry: &&Descriptor| {
                    entry.annotations.get(TAG).map(String::as_str) == Some(tag)
                };
                let old = index.iter().filter(has_tag);
                let old = old.filter(|entry| !is(&kept, entry));
                old.map(|entry| entry.digest).collect()
            });
            index.retain(|entry| !is(&written, entry) && !replaced.contains(&entry.digest));
            index.extend(manifests.iter().cloned());
            index.sort_by_key(name_of);
        })
    }
}

/// The name of a listed artifact, if it is one of ours.
fn name_of(manifest: &Descriptor) -> Option<Name> {
    let names = [KEY, mounts::KEY].into_iter();
    let mut found = names.filter_map(|name| Some((name, manifest.annotations.get(name)?.clone())));
    found.next()
}
