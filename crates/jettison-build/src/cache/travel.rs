//! Results of steps outside of the store: in an image layout, to be taken to another machine.
//!
//! Each step is an artifact: a configuration with its key, the key's text and what is known of its result, and one layer.
//! The names under which it can be found are annotations in the index, so that a look-up reads nothing else.

use std::collections::{BTreeMap, BTreeSet};

use jettison_oci::{ArtifactLayout, Descriptor, ExportError, Manifest, MediaType, Store};

use crate::cache::{CacheEntry, CacheKey, KeyText, decode, encode};

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

/// Steps in an image layout.
#[derive(Debug)]
pub struct StepLayout {
    layout: ArtifactLayout,
    name: String,
    /// The manifests by key.
    manifests: BTreeMap<String, Descriptor>,
    aliases: BTreeMap<String, String>,
}

impl StepLayout {
    /// The steps that `layout` has; messages call it `name`.
    pub fn open(layout: ArtifactLayout, name: &str) -> Result<StepLayout, ExportError> {
        let mut steps = StepLayout {
            manifests: BTreeMap::new(),
            aliases: BTreeMap::new(),
            name: name.to_owned(),
            layout,
        };
        for manifest in steps.layout.manifests()? {
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

impl StepSource for StepLayout {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn find(&self, key: &str) -> Result<Option<FoundStep>, ExportError> {
        let Some(manifest) = self.manifests.get(key) else {
            return Ok(None);
        };
        let broken = |reason: &str| ExportError::Broken {
            reason: format!("step {key}: {reason}"),
        };
        let manifest = Manifest::from_json(&self.layout.read(manifest)?)
            .map_err(|error| broken(&error.to_string()))?;
        let configuration = self.layout.read(&manifest.config)?;
        let configuration = String::from_utf8_lossy(&configuration);
        let step = FoundStep::read(&configuration, key)
            .ok_or_else(|| broken("its configuration is not understood"))?;
        Ok(Some(step))
    }

    fn alias(&self, name: &str) -> Option<String> {
        self.aliases.get(name).cloned()
    }

    fn fetch(&self, step: &FoundStep, store: &Store) -> Result<(), ExportError> {
        match step.layer() {
            Some(layer) => self.layout.fetch(layer, store),
            None => Ok(()),
        }
    }
}

/// A step to be taken along.
#[derive(Debug)]
pub(crate) struct TravelStep {
    pub(crate) key: CacheKey,
    pub(crate) alias: Option<CacheKey>,
    pub(crate) text: KeyText,
    pub(crate) entry: CacheEntry,
}

/// Puts `steps` into `layout` in the place of those that had the same tag.
///
/// Those of the build that are there already, and whose layers were not needed here, stay: their keys are in `kept`.
pub(crate) fn write_steps(
    layout: &ArtifactLayout,
    store: &Store,
    (tag, kept): (&str, &BTreeSet<String>),
    steps: &[TravelStep],
) -> Result<(), ExportError> {
    let mut manifests = Vec::new();
    for step in steps {
        let TravelStep {
            key,
            alias,
            text,
            entry,
        } = step;
        let Some(layer) = &entry.layer else {
            continue;
        };
        if !store.has(&layer.blob.digest) {
            continue;
        }
        layout.put_stored(&layer.blob, store)?;
        let configuration = format!("{}\n{}", encode(entry), text.as_str());
        let config = layout.put(MediaType::from(STEP_TYPE), configuration.as_bytes())?;
        let mut manifest = Manifest::new(config, vec![layer.blob.clone()]);
        manifest
            .extra
            .insert("artifactType".to_owned(), STEP_TYPE.into());
        let mut manifest = layout.put(MediaType::OciManifest, &manifest.to_json())?;
        manifest.annotations.insert(KEY.to_owned(), key.to_string());
        if let Some(alias) = alias {
            manifest
                .annotations
                .insert(ALIASES.to_owned(), alias.to_string());
        }
        manifest.annotations.insert(TAG.to_owned(), tag.to_owned());
        manifests.push(manifest);
    }
    layout.update(|index| {
        let key = |entry: &Descriptor| entry.annotations.get(KEY).cloned();
        let written: BTreeSet<Option<String>> = manifests.iter().map(key).collect();
        index.retain(|entry| {
            let key = key(entry);
            let has_tag = entry.annotations.get(TAG).map(String::as_str) == Some(tag);
            let is_kept = key.as_ref().is_some_and(|key| kept.contains(key));
            !written.contains(&key) && (!has_tag || is_kept)
        });
        index.extend(manifests.iter().cloned());
        index.sort_by(|a, b| a.annotations.get(KEY).cmp(&b.annotations.get(KEY)));
    })
}
