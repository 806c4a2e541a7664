//! Image layouts that hold artifacts other than images, such as the steps of builds.
//!
//! Every artifact is a manifest with an artifact type, a configuration of ours and layers; `index.json` lists them. Blobs
//! are checked against their digests when they are read, and appear by rename, as does the index.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::layout::{ExportError, io_error, store_error};
use crate::manifest::{ImageIndex, Manifest};
use crate::media_type::MediaType;
use crate::store::{OCI_LAYOUT, Store, temporary_in};

/// The largest index, manifest or configuration that is read.
const LARGEST_JSON: u64 = 64 << 20;

/// An image layout of artifacts.
#[derive(Debug, Clone)]
pub struct ArtifactLayout {
    root: PathBuf,
    /// Locked as long as somebody writes.
    lock: Option<Arc<File>>,
}

impl ArtifactLayout {
    /// The layout at `root`, which must be there. Nothing is written to it.
    pub fn open(root: &Path) -> Result<ArtifactLayout, ExportError> {
        if !root.join("index.json").is_file() {
            return Err(ExportError::NotALayout {
                path: root.to_owned(),
            });
        }
        Ok(ArtifactLayout {
            root: root.to_owned(),
            lock: None,
        })
    }

    /// The layout at `root`, made if there is nothing or an empty directory.
    ///
    /// It is this value's and its clones' alone as long as they are there: blobs that one program has written, and not
    /// listed yet, are nothing that another one needs. Others who create it wait.
    pub fn create(root: &Path) -> Result<ArtifactLayout, ExportError> {
        fs::create_dir_all(root).map_err(io_error("create", root))?;
        let lock = File::open(root).map_err(io_error("open", root))?;
        lock.lock().map_err(io_error("lock", root))?;
        let is_layout = root.join("oci-layout").is_file();
        let mut entries = fs::read_dir(root).map_err(io_error("list", root))?;
        // Only this may be there where somebody was killed at this point.
        let is_begun =
            |entry: io::Result<fs::DirEntry>| entry.is_ok_and(|e| e.file_name() == "blobs");
        if !is_layout && !entries.all(is_begun) {
            return Err(ExportError::NotALayout {
                path: root.to_owned(),
            });
        }
        let blobs = root.join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(io_error("create", &blobs))?;
        let layout = ArtifactLayout {
            root: root.to_owned(),
            lock: Some(Arc::new(lock)),
        };
        layout.write(&root.join("oci-layout"), OCI_LAYOUT)?;
        Ok(layout)
    }

    /// The manifests that the index lists; none if there is no index yet.
    pub fn manifests(&self) -> Result<Vec<Descriptor>, ExportError> {
        let path = self.root.join("index.json");
        let json = match File::open(&path) {
            Ok(file) => read_limited(file).map_err(io_error("read", &path))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io_error("open", &path)(error)),
        };
        let index = ImageIndex::from_json(&json).map_err(|source| ExportError::Json {
            what: "index.json".to_owned(),
            source,
        })?;
        Ok(index.manifests)
    }

    /// Reads a manifest or a configuration.
    pub fn read(&self, descriptor: &Descriptor) -> Result<Vec<u8>, ExportError> {
        let path = self.path(&descriptor.digest);
        let file = File::open(&path).map_err(io_error("open", &path))?;
        let bytes = read_limited(file).map_err(io_error("read", &path))?;
        if Digest::of(&bytes) != descriptor.digest {
            return Err(corrupt(&descriptor.digest));
        }
        Ok(bytes)
    }

    /// Copies a blob into `store`, unless it is there already.
    pub fn fetch(&self, descriptor: &Descriptor, store: &Store) -> Result<(), ExportError> {
        if store.size(&descriptor.digest).ok() == Some(descriptor.size) {
            return Ok(());
        }
        let path = self.path(&descriptor.digest);
        let mut file = File::open(&path).map_err(io_error("open", &path))?;
        let mut writer = store.blob_writer().map_err(store_error("write"))?;
        io::copy(&mut file, &mut writer).map_err(io_error("copy", &path))?;
        writer
            .finish_as(&descriptor.digest)
            .map_err(store_error("write"))?;
        Ok(())
    }

    /// Opens a blob that is too large to be read at once. Its bytes are not checked.
    pub fn open_blob(&self, descriptor: &Descriptor) -> Result<File, ExportError> {
        let path = self.path(&descriptor.digest);
        File::open(&path).map_err(io_error("open", &path))
    }

    /// Writes a blob.
    pub fn put(&self, media_type: MediaType, bytes: &[u8]) -> Result<Descriptor, ExportError> {
        let digest = Digest::of(bytes);
        let path = self.path(&digest);
        if !path.is_file() {
            self.write(&path, bytes)?;
        }
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(Descriptor::new(media_type, digest, size))
    }

    /// Copies a blob of `store`, unless it is here already.
    pub fn put_stored(&self, descriptor: &Descriptor, store: &Store) -> Result<(), ExportError> {
        let path = self.path(&descriptor.digest);
        if fs::metadata(&path).is_ok_and(|metadata| metadata.len() == descriptor.size) {
            return Ok(());
        }
        let mut blob = store
            .open_blob(&descriptor.digest)
            .map_err(store_error("read"))?;
        let folder = self.root.join("blobs/sha256");
        let mut file = temporary_in(&folder).map_err(store_error("write"))?;
        io::copy(&mut blob, &mut file).map_err(io_error("write", &path))?;
        file.persist(&path)
            .map_err(|error| io_error("write", &path)(error.error))?;
        Ok(())
    }

    /// Makes `change` the index, and removes the blobs that it needs no more. Only who has created the layout may.
    pub fn update(&self, change: impl FnOnce(&mut Vec<Descriptor>)) -> Result<(), ExportError> {
        if self.lock.is_none() {
            return Err(ExportError::Broken {
                reason: format!("{} was opened to be read", self.root.display()),
            });
        }
        let mut manifests = self.manifests()?;
        change(&mut manifests);
        let json = ImageIndex::new(manifests.clone()).to_json();
        self.write(&self.root.join("index.json"), &json)?;
        let mut needed = BTreeSet::new();
        for manifest in &manifests {
            needed.insert(manifest.digest);
            if let Ok(json) = self.read(manifest)
                && let Ok(manifest) = Manifest::from_json(&json)
            {
                needed.insert(manifest.config.digest);
                needed.extend(manifest.layers.iter().map(|layer| layer.digest));
            }
        }
        self.sweep(&needed)
    }

    fn sweep(&self, needed: &BTreeSet<Digest>) -> Result<(), ExportError> {
        let blobs = self.root.join("blobs/sha256");
        for entry in fs::read_dir(&blobs).map_err(io_error("list", &blobs))? {
            let path = entry.map_err(io_error("list", &blobs))?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let digest = name.and_then(Digest::from_hex);
            if digest.is_some_and(|digest| !needed.contains(&digest)) {
                fs::remove_file(&path).map_err(io_error("remove", &path))?;
            }
        }
        Ok(())
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs/sha256").join(digest.hex())
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), ExportError> {
        let folder = path.parent().unwrap_or(&self.root);
        let mut file = temporary_in(folder).map_err(store_error("write"))?;
        file.write_all(bytes).map_err(io_error("write", path))?;
        file.persist(path)
            .map_err(|error| io_error("write", path)(error.error))?;
        Ok(())
    }
}

fn read_limited(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(LARGEST_JSON + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LARGEST_JSON {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is too large",
        ));
    }
    Ok(bytes)
}

fn corrupt(digest: &Digest) -> ExportError {
    ExportError::Broken {
        reason: format!("blob {digest} has other bytes than its name says"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifacts_come_back_and_damage_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("layout");
        assert!(ArtifactLayout::open(&root).is_err());
        let layout = ArtifactLayout::create(&root).unwrap();
        let config = layout
            .put(MediaType::from("application/x"), b"one")
            .unwrap();
        let other = layout
            .put(MediaType::from("application/x"), b"two")
            .unwrap();
        let manifest = Manifest::new(config.clone(), Vec::new()).to_json();
        let manifest = layout.put(MediaType::OciManifest, &manifest).unwrap();
        layout.update(|index| index.push(manifest.clone())).unwrap();
        let layout = ArtifactLayout::open(&root).unwrap();
        assert_eq!(layout.manifests().unwrap(), [manifest]);
        assert_eq!(layout.read(&config).unwrap(), b"one");
        assert!(layout.read(&other).is_err(), "nobody needs it");
        fs::write(layout.path(&config.digest), "six").unwrap();
        assert!(layout.read(&config).is_err());
        let store = Store::open(&dir.path().join("store")).unwrap();
        assert!(layout.fetch(&config, &store).is_err());
        assert!(!store.has(&config.digest));
    }

    #[test]
    fn who_writes_is_waited_for_and_loses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let write = |text: String| {
            let layout = ArtifactLayout::create(dir.path()).unwrap();
            let kind = || MediaType::from("application/x");
            let config = layout.put(kind(), text.as_bytes()).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(5));
            let manifest = Manifest::new(config, Vec::new()).to_json();
            let manifest = layout.put(MediaType::OciManifest, &manifest).unwrap();
            layout.update(|index| index.push(manifest.clone())).unwrap();
        };
        std::thread::scope(|scope| {
            for number in 0..8 {
                scope.spawn(move || write(number.to_string()));
            }
        });
        let layout = ArtifactLayout::open(dir.path()).unwrap();
        let manifests = layout.manifests().unwrap();
        assert_eq!(manifests.len(), 8);
        for manifest in manifests {
            let manifest = Manifest::from_json(&layout.read(&manifest).unwrap()).unwrap();
            layout.read(&manifest.config).unwrap();
        }
        assert!(layout.update(Vec::clear).is_err());
    }

    #[test]
    fn a_directory_of_something_else_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        assert!(ArtifactLayout::create(dir.path()).is_err());
    }
}
