//! What the local store knows of base images. It is only looked at if a Dockerfile names one, and never made.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jettison_dockerfile::KnownImage;
use jettison_oci::{ImageConfig, Store};

use crate::bases::store_reference;
use crate::settings::Settings;

/// Images of the store, by the names that Dockerfiles have for them.
pub(crate) struct KnownImages<'a> {
    root: Option<PathBuf>,
    settings: &'a Settings,
    store: OnceCell<Option<Store>>,
    known: RefCell<BTreeMap<String, Option<KnownImage>>>,
}

impl<'a> KnownImages<'a> {
    /// The images of the store in `root`, if there is one.
    pub(crate) fn new(root: Option<PathBuf>, settings: &'a Settings) -> KnownImages<'a> {
        KnownImages {
            root,
            settings,
            store: OnceCell::new(),
            known: RefCell::default(),
        }
    }

    /// What is known of the image called `name`. A store that cannot be read knows nothing.
    pub(crate) fn find(&self, name: &str) -> Option<KnownImage> {
        if let Some(known) = self.known.borrow().get(name) {
            return known.clone();
        }
        let image = self.load(name);
        self.known
            .borrow_mut()
            .insert(name.to_string(), image.clone());
        image
    }

    fn load(&self, name: &str) -> Option<KnownImage> {
        let store = self.store.get_or_init(|| open(self.root.as_deref()?));
        let store = store.as_ref()?;
        let reference = store_reference(name, self.settings)?;
        let image = store.find(&reference).ok().flatten()?;
        let image = image.config();
        let config = &image.config;
        let env = config.env.iter().map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name.to_string(), value.to_string())
        });
        Some(KnownImage {
            env: env.collect(),
            working_dir: config.working_dir.clone(),
            user: Some(config.user.clone()).filter(|user| !user.is_empty()),
            shell: config.shell.clone(),
            entrypoint: Some(config.entrypoint.clone().unwrap_or_default()),
            platform: platform(image),
        })
    }
}

/// The platform that an image is for, if it says so.
fn platform(image: &ImageConfig) -> Option<String> {
    let (os, architecture) = (&image.os, &image.architecture);
    if os.is_empty() || architecture.is_empty() {
        return None;
    }
    let variant = image.variant.as_ref().map(|variant| format!("/{variant}"));
    Some(format!(
        "{os}/{architecture}{}",
        variant.unwrap_or_default()
    ))
}

/// Opens the store in `root`, if there is one: to open it makes one where there is none.
fn open(root: &Path) -> Option<Store> {
    if root.join("version").is_file() {
        Store::open(root).ok()
    } else {
        None
    }
}
