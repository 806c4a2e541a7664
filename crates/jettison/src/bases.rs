//! Base images by the name that a Dockerfile has for them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;

use jettison_build::{Bases, Engine, EpochSource, FoundBase, Remotes};
use jettison_dockerfile::Platform;
use jettison_oci::{
    Image, LayerNeed, Naming, PlatformNeed, PullRequest, Reference, import_from_layout,
    import_layout,
};
use jettison_slim::{DebianBase, DistrolessBase, debian_architecture};

use crate::cli::InputArgs;
use crate::commands::world;
use crate::family::{Family, Pinning, debian_reference_of, lock_file, reference_of, split_lock};
use crate::progress::Notes;
use crate::registry::{Registries, hint};
use crate::remote::{LayoutReference, Reach};
use crate::settings::Settings;
use crate::surroundings::Surroundings;

/// How addresses of images in layouts begin.
pub(crate) const OCI_LAYOUT: &str = "oci-layout://";

type BoxError = Box<dyn Error + Send + Sync>;

/// Finds bases by the settings, then in the store, then in registries.
pub(crate) struct SettingsBases<'a> {
    engine: &'a Engine<'a>,
    settings: &'a Settings,
    reporter: &'a dyn Notes,
    archive: Option<&'a str>,
    outside: Outside,
    /// Whether bases are assembled and resolved anew, even if they are in the store.
    pull: bool,
    /// What names stood for, for a platform, when they were first asked for: one command sees one image, so that
    /// an original and its candidate have the same base.
    known: RefCell<BTreeMap<(String, String), FoundBase>>,
    /// Images of layouts that the command line names.
    layouts: BTreeMap<String, LayoutReference>,
    /// The time of the build context, and who knows those of other things.
    times: Option<(Option<i64>, &'a dyn Remotes)>,
    /// Where images are that are not in the store.
    registries: Option<&'a Registries>,
}

/// What bases from packages need of the world.
#[derive(Clone, Debug)]
pub(crate) struct Outside {
    /// The time, in Unix seconds.
    pub(crate) now: u64,
    /// How servers are reached.
    pub(crate) reach: Reach,
}

impl Bases for SettingsBases<'_> {
    fn base(&self, name: &str, platform: &Platform) -> Result<FoundBase, BoxError> {
        if let Some(layout) = self.layouts.get(name) {
            return self.layout(layout, platform);
        }
        let key = (name.to_string(), platform.to_string());
        if let Some(found) = self.known.borrow().get(&key) {
            return Ok(found.clone());
        }
        let found = self.find(name, platform)?;
        self.known.borrow_mut().insert(key, found.clone());
        Ok(found)
    }

    fn epoch(&self, source: &EpochSource) -> Result<Option<i64>, BoxError> {
        match (source, self.times) {
            // That of a directory is no time in particular (BuildKit: `ResolveMainContextSourceDateEpoch`).
            (EpochSource::Context, Some((time, _))) => Ok(time),
            (EpochSource::File(request), Some((_, remotes))) => {
                Ok(remotes.file(request)?.last_modified)
            }
            (EpochSource::Git(request), Some((_, remotes))) => {
                Ok(Some(remotes.git(request)?.commit_time))
            }
            (EpochSource::Named(_), _) | (_, None) => Err(format!(
                "SOURCE_DATE_EPOCH cannot be taken from {source} yet: give a number"
            )
            .into()),
        }
    }
}

impl SettingsBases<'_> {
    /// The image of a layout that has the name or digest, and the architecture.
    fn layout(&self, layout: &LayoutReference, platform: &Platform) -> Result<FoundBase, BoxError> {
        // A manifest may be written otherwise in the store, and a digest may be an index's.
        let images = match &layout.digest {
            Some(digest) => import_from_layout(self.engine.store, &layout.path, digest)?,
            None => import_layout(self.engine.store, &layout.path)?,
        };
        let has_tag = |name: &Option<String>| match (&layout.tag, name) {
            (None, _) => true,
            (Some(tag), Some(name)) => {
                name == tag || name.rsplit_once(':').is_some_and(|(_, last)| last == tag)
            }
            // A layout of one image needs no name.
            (Some(tag), None) => tag == "latest" && images.len() == 1,
        };
        let named: Vec<&Image> = images
            .iter()
            .filter(|(name, _)| layout.digest.is_some() || has_tag(name))
            .map(|(_, image)| image)
            .collect();
        let is_meant = |image: &&&Image| image.config().architecture == platform.architecture;
        match (named.iter().find(is_meant), named.as_slice()) {
            // The only image is taken whatever it is for, as BuildKit takes a manifest that is in no index.
            (Some(image), _) | (None, [image]) => Ok(FoundBase {
                image: (*image).clone(),
                address: format!("oci-layout://{}", layout.path.display()),
                digest: layout.digest,
            }),
            (None, _) => Err(format!(
                "the layout {} has no such image for {platform}",
                layout.path.display()
            )
            .into()),
        }
    }

    fn find(&self, name: &str, platform: &Platform) -> Result<FoundBase, BoxError> {
        let (address, lock) = split_lock(&self.settings.base_address(name))?;
        let address = address.as_str();
        let pinning = match lock {
            Some(path) => {
                let root = self.engine.store.root();
                Pinning::File(lock_file(&path, self.settings, root)?)
            }
            None if self.pull => Pinning::Newest,
            None => Pinning::Known,
        };
        if DistrolessBase::is_address(address) {
            let base: DistrolessBase = address.parse()?;
            let architecture = debian_architecture(&platform.architecture, None)
                .ok_or_else(|| format!("Debian has no packages for {platform}"))?;
            let image = self.family().base(&base, &architecture, &pinning)?;
            return Ok(assembled(image, address));
        }
        if address.starts_with("debian://") {
            if platform.architecture != Surroundings::architecture() {
                return Err(format!(
                    "{address} cannot be assembled for {platform} here: give the image with --build-context {name}=oci-layout://DIR"
                )
                .into());
            }
            let base: DebianBase = address.parse()?;
            let image = self.family().debian(self.engine, &base, &pinning)?;
            return Ok(assembled(image, address));
        }
        if let Some(layout) = address.strip_prefix(OCI_LAYOUT) {
            return self.layout(&layout.parse()?, platform);
        }
        let image = address.strip_prefix("docker-image://").unwrap_or(address);
        if image.contains("://") {
            return Err(format!("`{address}` in [bases] is not an address that is supported: take debian://SUITE, distroless://NAME, docker-image://NAME or oci-layout://DIR").into());
        }
        self.named(&image.parse()?, platform)
    }

    fn family(&self) -> Family<'_> {
        Family {
            store: self.engine.store,
            settings: self.settings,
            archive: self.archive,
            reach: &self.outside.reach,
            now: self.outside.now,
            reporter: self.reporter,
            entered: Some(self.engine.entered),
        }
    }

    /// The image in the store, or else in a registry. With `--pull` a registry has the last word.
    fn named(&self, reference: &Reference, platform: &Platform) -> Result<FoundBase, BoxError> {
        let wanted = world::as_in_images(platform);
        let stored = self.engine.store.find(reference)?;
        let fits = |image: &Image| {
            let own = image.platform();
            // What does not say what it runs on is for whoever asks.
            own.architecture.is_empty()
                || (own.architecture == wanted.architecture && own.os == wanted.os)
        };
        let Some(registries) = self.registries else {
            let missing = || format!("{} is not in the store", reference.familiar());
            return Ok(self.stored(reference, stored.ok_or_else(missing)?));
        };
        if let Some(image) = stored.as_ref().filter(|image| fits(image))
            && !self.pull
        {
            return Ok(self.stored(reference, image.clone()));
        }
        // The name is that of the image for this host, if there is one.
        let is_foreign = platform.architecture != Surroundings::architecture();
        let naming = if is_foreign && stored.is_some() {
            Naming::Unnamed
        } else {
            Naming::Named
        };
        let request = PullRequest {
            reference,
            platform: &wanted,
            platform_need: PlatformNeed::Preferred,
            naming,
            // What is only copied onto needs none of its files.
            layers: LayerNeed::Later,
        };
        let familiar = reference.familiar();
        let pulled = registries
            .client()
            .pull(self.engine.store, &request, self.reporter)
            .map_err(|error| {
                let cause = described(&error);
                let hint = hint(&error).map(|hint| format!("; {hint}"));
                let hint = hint.unwrap_or_default();
                format!("{familiar} is not in the store, and cannot be pulled: {cause}{hint}")
            })?;
        Ok(FoundBase {
            image: pulled.image,
            address: reference.to_string(),
            digest: Some(pulled.digest),
        })
    }

    /// An image of the store, and what it is in the registry of its name, if it is there.
    fn stored(&self, reference: &Reference, image: Image) -> FoundBase {
        let repository = format!("{}/{}", reference.registry(), reference.repository());
        let origins = self.engine.store.origins(&image.manifest_digest());
        let origin = origins
            .iter()
            .find(|origin| origin.repository == repository);
        FoundBase {
            digest: origin.map(|origin| origin.digest).or(reference.digest()),
            image,
            address: reference.to_string(),
        }
    }
}

/// An image that was made here.
fn assembled(image: Image, address: &str) -> FoundBase {
    FoundBase {
        image,
        address: address.to_owned(),
        digest: None,
    }
}

/// An error with its causes, in a line.
fn described(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", described(source)),
        None => error.to_string(),
    }
}

impl<'a> SettingsBases<'a> {
    /// The bases of a build with `input`'s options.
    pub(crate) fn new(
        engine: &'a Engine<'a>,
        reporter: &'a dyn Notes,
        settings: &'a Settings,
        input: &'a InputArgs,
        outside: Outside,
    ) -> SettingsBases<'a> {
        SettingsBases {
            engine,
            settings,
            reporter,
            archive: input.archive.as_deref(),
            outside,
            pull: input.pull,
            known: RefCell::default(),
            layouts: BTreeMap::new(),
            times: None,
            registries: None,
        }
    }

    /// The same, and what is not in the store is pulled.
    pub(crate) fn with_registries(self, registries: &'a Registries) -> SettingsBases<'a> {
        SettingsBases {
            registries: Some(registries),
            ..self
        }
    }

    /// The same, and times that `SOURCE_DATE_EPOCH` can be taken from.
    pub(crate) fn with_times(
        self,
        context: Option<i64>,
        remotes: &'a dyn Remotes,
    ) -> SettingsBases<'a> {
        SettingsBases {
            times: Some((context, remotes)),
            ..self
        }
    }

    /// The same, and images of layouts by name.
    pub(crate) fn with_layouts(
        self,
        layouts: BTreeMap<String, LayoutReference>,
    ) -> SettingsBases<'a> {
        SettingsBases { layouts, ..self }
    }
}

/// The name that a base has in the store, if it can have one.
pub(crate) fn store_reference(name: &str, settings: &Settings) -> Option<Reference> {
    let address = settings.base_address(name);
    let (address, lock) = split_lock(&address).ok()?;
    let lock = lock.as_deref();
    if DistrolessBase::is_address(&address) {
        return reference_of(&address.parse().ok()?, lock, settings);
    }
    if address.starts_with("debian://") {
        return debian_reference_of(&address.parse().ok()?, lock, settings);
    }
    let image = address.strip_prefix("docker-image://").unwrap_or(&address);
    image.parse().ok()
}

/// Where the host keeps the files that commands with network get.
pub(crate) fn host_files() -> (PathBuf, PathBuf) {
    (
        PathBuf::from("/etc/resolv.conf"),
        PathBuf::from("/etc/hosts"),
    )
}
