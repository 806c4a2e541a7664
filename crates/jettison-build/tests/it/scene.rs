//! A store, a build context and base images for one test.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use jettison_build::{
    Bases, BuildContext, BuildError, BuildRequest, Built, CacheExport, CacheUse, Certificates,
    Engine, Event, FoundBase, Keep, LowerRequest, MountArtifacts, MountExport, MountSource,
    NoSecrets, Reporter, RunHost, RunLimits, Secrets, StepArtifacts, StepSource,
};
use jettison_dockerfile::Platform;
use jettison_oci::{
    ArtifactLayout, Compression, Image, ImageConfig, LayerOptions, RootFs, RunConfig, Store,
    write_layer,
};
use jettison_sandbox::Entered;

/// When the base image says that it was made.
pub(crate) const CREATED: &str = "2024-05-06T07:08:09Z";

/// Directories of one test.
pub(crate) struct Scene {
    /// Removes a directory of its own when the test is over.
    _own: Option<tempfile::TempDir>,
    root: PathBuf,
}

/// What a test asks for beyond a Dockerfile.
#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a test wishes for this or that"
)]
pub(crate) struct Wishes {
    pub(crate) target: Option<&'static str>,
    pub(crate) build_args: Vec<(&'static str, &'static str)>,
    pub(crate) without_cache: bool,
    pub(crate) keeps_little: bool,
    /// Executes independent steps at once.
    pub(crate) runs_at_once: bool,
    pub(crate) secrets: Option<Arc<dyn Secrets + Send>>,
    pub(crate) limits: RunLimits,
    pub(crate) proxies: Vec<(String, String)>,
    pub(crate) certificates: Option<Certificates>,
    /// Layouts of steps to take results from.
    pub(crate) cache_from: Vec<PathBuf>,
    /// A layout to put steps into.
    pub(crate) cache_to: Option<PathBuf>,
    /// Cache mounts travel with steps.
    pub(crate) with_mounts: bool,
    /// What the place of the context is called.
    pub(crate) place: Option<String>,
}

impl Wishes {
    fn sources(&self) -> (Vec<StepArtifacts<'static>>, Vec<MountArtifacts<'static>>) {
        let layouts = || {
            let paths = self.cache_from.iter();
            paths.map(|path| ArtifactLayout::open(path).unwrap())
        };
        let steps = layouts().map(|layout| StepArtifacts::open(Arc::new(layout), "there").unwrap());
        let mounts = layouts().filter(|_| self.with_mounts);
        let mounts = mounts.map(|layout| MountArtifacts::open(Arc::new(layout), "there").unwrap());
        (steps.collect(), mounts.collect())
    }

    fn mounts(&self) -> MountExport {
        if self.with_mounts {
            MountExport::OfBuilds
        } else {
            MountExport::None
        }
    }
}

/// A finished build and what was told of it.
pub(crate) struct Done {
    pub(crate) result: Result<Built, BuildError>,
    /// `run <title>` or `cached <title>`, in order.
    pub(crate) steps: Vec<String>,
    /// What commands wrote.
    pub(crate) output: String,
}

impl Scene {
    pub(crate) fn new() -> Scene {
        let own = tempfile::tempdir().unwrap();
        let scene = Scene::at(own.path());
        fs::create_dir(scene.context("")).unwrap();
        for name in ["a.txt", "b.txt"] {
            scene.write(name, name);
        }
        scene.write("sub/c.txt", "c.txt");
        Scene {
            _own: Some(own),
            ..scene
        }
    }

    /// The scene in `root`, which somebody else made.
    pub(crate) fn at(root: &Path) -> Scene {
        Scene {
            _own: None,
            root: root.to_path_buf(),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    /// A path in the build context.
    pub(crate) fn context(&self, path: &str) -> PathBuf {
        self.root.join("context").join(path)
    }

    /// Writes a file of the context, from no time of the clock.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let file = self.context(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        age(&file);
        for directory in file.ancestors().skip(1) {
            if !directory.starts_with(self.context("")) {
                break;
            }
            fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
            age(directory);
        }
    }

    #[track_caller]
    pub(crate) fn build(&self, entered: &Entered, dockerfile: &str) -> Built {
        self.build_as(entered, dockerfile, &Wishes::default())
            .result
            .unwrap()
    }

    /// Builds on images `base` and `plain`.
    pub(crate) fn build_as(&self, entered: &Entered, dockerfile: &str, wishes: &Wishes) -> Done {
        fs::create_dir_all(self.store()).unwrap();
        let store = Store::open(&self.store()).unwrap();
        let bases = Images::new(&store, &self.root);
        let host = RunHost {
            resolv_conf: empty_file(&self.root.join("resolv.conf")),
            hosts: empty_file(&self.root.join("hosts")),
            apt_settings: None,
            proxies: wishes.proxies.clone(),
            resources: jettison_sandbox::Resources::UNLIMITED,
            certificates: wishes.certificates.clone(),
        };
        let recorder = Recorder::default();
        let result = (|| {
            let engine = Engine::open(&store, entered, &host)?;
            let context = BuildContext::open(&self.context(""), &self.context("Dockerfile"))?;
            let lower = LowerRequest {
                target: wishes.target.map(str::to_owned),
                build_args: wishes
                    .build_args
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect(),
                limits: wishes.limits.clone(),
                ..LowerRequest::on(Platform::new("linux", "amd64"))
            };
            let (steps, mounts) = wishes.sources();
            let request = BuildRequest {
                mounts_from: mounts
                    .iter()
                    .map(|source| source as &dyn MountSource)
                    .collect(),
                cache_from: steps
                    .iter()
                    .map(|source| source as &dyn StepSource)
                    .collect(),
                cache: if wishes.without_cache {
                    CacheUse::Ignore
                } else {
                    CacheUse::Use
                },
                keep: if wishes.keeps_little {
                    Keep::Image
                } else {
                    Keep::Everything
                },
                place: wishes.place.clone(),
                // The order of events is part of what tests expect.
                jobs: (!wishes.runs_at_once).then_some(1),
                secrets: match &wishes.secrets {
                    Some(secrets) => &**secrets,
                    None => &NoSecrets,
                },
                ..BuildRequest::new(dockerfile, &context, lower)
            };
            let built = engine.build(&request, &bases, &recorder)?;
            if let Some(path) = &wishes.cache_to {
                let layout = ArtifactLayout::create(path).unwrap();
                let export = CacheExport {
                    tag: "latest",
                    mounts: wishes.mounts(),
                    note: &|text| recorder.0.lock().unwrap().0.push(format!("note {text}")),
                };
                engine.export_cache(std::slice::from_ref(&built), &layout, &export)?;
            }
            Ok(built)
        })();
        let (steps, output) = recorder.0.into_inner().unwrap();
        Done {
            result,
            steps,
            output: String::from_utf8(output).unwrap(),
        }
    }
}

/// Gives a file a fixed time.
pub(crate) fn age(path: &Path) {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let times = fs::FileTimes::new().set_modified(time).set_accessed(time);
    fs::File::open(path).unwrap().set_times(times).unwrap();
}

/// The file at `path`, which is empty if the test has not made it.
fn empty_file(path: &Path) -> PathBuf {
    if !path.exists() {
        fs::write(path, "").unwrap();
    }
    path.to_path_buf()
}

/// Every file below `dir`: path, mode, owner, whole seconds of its time, and where a link points to.
pub(crate) fn listing(dir: &Path) -> String {
    let mut lines = Vec::new();
    list(dir, Path::new("/"), &mut lines);
    lines.join("\n")
}

fn list(dir: &Path, below: &Path, lines: &mut Vec<String>) {
    let mut entries: Vec<_> = fs::read_dir(dir).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = below.join(entry.file_name());
        let metadata = fs::symlink_metadata(entry.path()).unwrap();
        let mut line = format!(
            "{:o} {}:{} {} {}",
            metadata.mode() & 0o7777,
            metadata.uid(),
            metadata.gid(),
            metadata.mtime(),
            path.display()
        );
        if metadata.is_symlink() {
            let target = fs::read_link(entry.path()).unwrap();
            line = format!("{line} -> {}", target.display());
        }
        if metadata.is_dir() {
            line.push('/');
        }
        lines.push(line);
        if metadata.is_dir() {
            list(&entry.path(), &path, lines);
        }
    }
}

/// What the last step of `built` wrote to the file `path`.
#[track_caller]
pub(crate) fn text_of(built: &Built, path: &str) -> String {
    let found =
        built.steps.iter().rev().find_map(|step| {
            fs::read_to_string(step.files.join(path.trim_start_matches('/'))).ok()
        });
    found.unwrap_or_else(|| panic!("no step wrote {path}"))
}

#[derive(Default)]
struct Recorder(Mutex<(Vec<String>, Vec<u8>)>);

impl Reporter for Recorder {
    fn event(&self, event: Event<'_>) {
        let mut record = self.0.lock().unwrap();
        match event {
            Event::StepStarted { title, .. } => record.0.push(format!("run {title}")),
            Event::StepCached { title, .. } => record.0.push(format!("cached {title}")),
            Event::Warning { text } => record.0.push(format!("warning {text}")),
            Event::StepOutput { bytes, .. } => record.1.extend_from_slice(bytes),
            Event::BaseFound { .. }
            | Event::StepExplained { .. }
            | Event::StepFinished { .. }
            | Event::StepFailed { .. }
            | Event::TaskStarted { .. }
            | Event::TaskProgress { .. }
            | Event::TaskFinished { .. } => {}
        }
    }
}

/// The base images: `base` has a shell, `plain` has none and a configuration of its own.
struct Images(BTreeMap<String, Image>);

impl Images {
    fn new(store: &Store, scratch: &Path) -> Images {
        let base = scratch.join("base");
        if !base.exists() {
            make_base(&base);
        }
        let options = LayerOptions {
            compression: Compression::Zstd { level: 1 },
            clamp_mtime: Some(1_000_000_000),
        };
        let layer = write_layer(store, &base, &[], &options).unwrap();
        let image = |config: RunConfig| {
            let config = ImageConfig {
                created: Some(CREATED.to_owned()),
                architecture: "amd64".to_owned(),
                os: "linux".to_owned(),
                config,
                rootfs: RootFs::new(vec![layer.diff_id]),
                ..ImageConfig::default()
            };
            Image::new(config, vec![layer.clone()]).unwrap()
        };
        let base = RunConfig {
            env: vec!["PATH=/bin".to_owned()],
            ..RunConfig::default()
        };
        let plain = RunConfig {
            env: vec!["LANG=C".to_owned()],
            cmd: Some(vec!["from-base".to_owned()]),
            working_dir: "/gone".to_owned(),
            ..RunConfig::default()
        };
        Images(BTreeMap::from([
            ("base".to_owned(), image(base)),
            ("plain".to_owned(), image(plain)),
        ]))
    }
}

impl Bases for Images {
    fn base(&self, name: &str, _: &Platform) -> Result<FoundBase, Box<dyn Error + Send + Sync>> {
        let image = self.0.get(name).cloned();
        let found = image.map(|image| FoundBase {
            image,
            address: name.to_owned(),
            digest: None,
        });
        found.ok_or_else(|| format!("no image `{name}`").into())
    }
}

/// A root file system with this host's shell.
fn make_base(root: &Path) {
    let shell = fs::canonicalize("/bin/sh").unwrap();
    let place = |file: &Path, at: &Path| {
        let to = root.join(at.strip_prefix("/").unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(file, &to).unwrap();
    };
    place(&shell, Path::new("/bin/sh"));
    // Prints nothing to its standard output for a static program.
    let ldd = Command::new("ldd").arg(&shell).output().unwrap();
    let ldd = String::from_utf8(ldd.stdout).unwrap();
    for path in ldd.split_whitespace().filter(|word| word.starts_with('/')) {
        place(&fs::canonicalize(path).unwrap(), Path::new(path));
    }
    for name in ["etc", "tmp", "home"] {
        fs::create_dir(root.join(name)).unwrap();
    }
    fs::write(
        root.join("etc/passwd"),
        "root:x:0:0::/root:/bin/sh\napp:x:7:8::/home:/bin/sh\n",
    )
    .unwrap();
    fs::write(root.join("etc/group"), "root:x:0:\napp:x:8:\n").unwrap();
    std::os::unix::fs::symlink("/home", root.join("link")).unwrap();
    let mut all = vec![root.to_path_buf()];
    while let Some(path) = all.pop() {
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            all.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        age(&path);
    }
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
}
