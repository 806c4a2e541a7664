//! Assembling a root filesystem: verified indexes, a solution, packages, their maintainer
//! scripts in the sandbox, one layer.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::time::Instant;

use jettison_build::{
    Active, BuildError, DEFAULT_PATH, Engine, Event, Reporter, Snapshot, layer_snapshot_name,
    timestamp,
};
use jettison_debian::{
    Architecture, DebError, Lock, LockedPackage, PackageFile, PackagesIndex, Relation,
    RelationError, Sha256, SolveError, SolveOptions, Universe, Variant, base_roots, resolve,
};
use jettison_oci::{
    ChainId, Compression, HistoryEntry, Image, ImageConfig, LayerError, LayerOptions, Owners,
    RootFs, RunConfig, StoreError, write_layer,
};
use jettison_sandbox::{
    IdMapKind, Mount, MountKind, OutputMode, Rootfs, SandboxError, Status, Upper,
};

use crate::base::program::{Program, last_lines};
use crate::base::source::{DebianBase, DebianVariant};
use crate::base::system::{after_dpkg, before_dpkg, clamp_times, merge_usr};
use crate::base::unpack::unpack;

/// `usr-is-merged` says that /usr is merged, which is how we make it; `usrmerge` would do it with a script in Perl.
/// mawk is what Debian installs for `awk`.
const PREFERRED: [&str; 2] = ["usr-is-merged", "mawk"];

/// Packages on disk, by digest.
pub trait Downloads: Sync {
    /// The paths of the files, which have the promised sizes and digests, in the same order. What is on disk already
    /// is not asked for.
    fn files(
        &self,
        wanted: &[PackageFile],
    ) -> Result<Vec<PathBuf>, Box<dyn std::error::Error + Send + Sync>>;
}

/// What to assemble, of which packages.
#[expect(
    missing_debug_implementations,
    reason = "the network behind it has nothing to show"
)]
pub struct AssembleRequest<'a> {
    /// What to assemble.
    pub base: &'a DebianBase,
    /// Its packages, and the archives that its apt is to use.
    pub lock: &'a Lock,
    /// Its architecture.
    pub architecture: &'a Architecture,
    /// The packages' files.
    pub files: &'a [PathBuf],
}

/// A base that was assembled.
#[derive(Clone, Debug)]
pub struct Assembled {
    /// The image.
    pub image: Image,
    /// Its packages, as `name version`.
    pub packages: Vec<String>,
}

/// Why a base could not be assembled.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// A wanted package has no valid name.
    #[error("cannot include package `{name}`")]
    Include {
        /// The name.
        name: String,
        /// Why not.
        source: RelationError,
    },
    /// There is no set of packages that fits together.
    #[error("cannot choose packages")]
    Solve(#[source] SolveError),
    /// The lock has other packages than there are files, or none.
    #[error("cannot assemble {base}: its lock has no packages for {architecture}")]
    Lock {
        /// The base.
        base: String,
        /// The architecture.
        architecture: Architecture,
    },
    /// A package is not what its name says.
    #[error("cannot read {}", .path.display())]
    Package {
        /// The package's file.
        path: PathBuf,
        /// What is wrong with it.
        source: DebError,
    },
    /// A package could not be unpacked.
    #[error("cannot unpack {}", .path.display())]
    Unpack {
        /// The package's file.
        path: PathBuf,
        /// Why.
        source: LayerError,
    },
    /// dpkg could not be started.
    #[error("cannot run dpkg")]
    Sandbox(#[source] SandboxError),
    /// dpkg failed.
    #[error("dpkg could not install the packages: {outcome}\n{output}")]
    Dpkg {
        /// How it ended.
        outcome: String,
        /// The end of what it said.
        output: String,
    },
    /// The operating system refused.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Snapshots could not be used.
    #[error("cannot keep the base's files")]
    Snapshot(#[source] BuildError),
    /// The layer could not be written.
    #[error("cannot write the base's layer")]
    Layer(#[source] LayerError),
    /// The store failed.
    #[error("cannot store the base")]
    Store(#[source] StoreError),
    /// The parts do not make an image.
    #[error("cannot make an image of the base")]
    Image(#[source] jettison_oci::ImageError),
}

/// Assembles a base and puts it into the store. It gets no name.
///
/// The same lock gives the same image, whatever the day, where the host lets files belong to anybody; with a single ID
/// they all belong to root.
pub fn assemble(
    engine: &Engine<'_>,
    request: &AssembleRequest<'_>,
    reporter: &dyn Reporter,
) -> Result<Assembled, AssembleError> {
    let packages = request.lock.packages(request.architecture);
    let packages = packages.unwrap_or_default();
    if packages.is_empty() || packages.len() != request.files.len() {
        return Err(AssembleError::Lock {
            base: request.base.to_string(),
            architecture: request.architecture.clone(),
        });
    }
    let active = engine
        .snapshots()
        .prepare()
        .map_err(AssembleError::Snapshot)?;
    if let Err(error) = install(engine, request, packages, &active, reporter) {
        engine
            .snapshots()
            .discard(active)
            .map_err(AssembleError::Snapshot)?;
        return Err(error);
    }
    let image = task(reporter, "write the base's layer", || {
        image(engine, request, packages, active)
    })?;
    let packages = packages
        .iter()
        .map(|package| format!("{} {}", package.name, package.version))
        .collect();
    Ok(Assembled { image, packages })
}

/// Reports `work` as a task.
fn task<T>(
    reporter: &dyn Reporter,
    title: &str,
    work: impl FnOnce() -> Result<T, AssembleError>,
) -> Result<T, AssembleError> {
    reporter.event(Event::TaskStarted { title });
    let start = Instant::now();
    let result = work()?;
    reporter.event(Event::TaskFinished {
        title,
        elapsed: start.elapsed(),
    });
    Ok(result)
}

/// The newest packages of `base`.
pub fn choose_base(universe: &Universe, base: &DebianBase) -> Result<Lock, AssembleError> {
    let index = &universe.packages;
    let options = SolveOptions {
        prefer: PREFERRED.map(str::to_string).to_vec(),
        forbid: BTreeSet::new(),
        ignore: BTreeSet::new(),
        recommends: false,
    };
    let roots = roots(index, base)?;
    let resolution = resolve(index, &roots, &options).map_err(AssembleError::Solve)?;
    let lock = universe.lock(&resolution.packages());
    Ok(lock.for_request(base_request(base)))
}

/// What tells the packages of `base` from those of others: a lock of one is not for another.
pub fn base_request(base: &DebianBase) -> Sha256 {
    let DebianBase {
        suite,
        variant,
        include,
        // Packages do not depend on it.
        env: _,
    } = base;
    let variant = match variant {
        DebianVariant::Minbase => "minbase",
        DebianVariant::Essential => "essential",
    };
    let text = format!("debian {suite}\n{variant}\n{}\n", include.join(" "));
    Sha256::of(text.as_bytes())
}

fn roots(index: &PackagesIndex, base: &DebianBase) -> Result<Vec<Relation>, AssembleError> {
    let variant = match base.variant {
        DebianVariant::Minbase => Variant::Minbase,
        DebianVariant::Essential => Variant::Essential,
    };
    let mut roots = base_roots(index, variant);
    for name in &base.include {
        let root = Relation::package(name).map_err(|source| AssembleError::Include {
            name: name.clone(),
            source,
        })?;
        roots.push(root);
    }
    Ok(roots)
}

fn install(
    engine: &Engine<'_>,
    request: &AssembleRequest<'_>,
    packages: &[LockedPackage],
    active: &Snapshot<Active>,
    reporter: &dyn Reporter,
) -> Result<(), AssembleError> {
    let root = active.fs();
    let files = request.files;
    let date = request.lock.date(request.architecture);
    let at_root = |action: &'static str| {
        let path = root.clone();
        move |source| AssembleError::Io {
            action,
            path,
            source,
        }
    };
    if packages
        .iter()
        .any(|package| ["usr-is-merged", "usrmerge"].contains(&package.name.as_str()))
    {
        merge_usr(&root, request.architecture.as_str() == "amd64").map_err(at_root("prepare"))?;
    }
    // With a single ID nobody else can own a file.
    let owners = if engine.entered.ids == IdMapKind::SingleId {
        Owners::Squash
    } else {
        Owners::Preserve
    };
    task(
        reporter,
        &format!("unpack {} packages", packages.len()),
        || unpack(packages, files, &root, owners),
    )?;
    before_dpkg(&root).map_err(at_root("prepare"))?;
    task(
        reporter,
        &format!("configure {} packages", packages.len()),
        || run_dpkg(engine, (packages, files), active, date),
    )?;
    after_dpkg(&root, &request.lock.archives, date).map_err(at_root("set up"))
}

const ARCHIVES: &str = "/var/cache/apt/archives";
/// How many lines of dpkg's output an error shows.
const SHOWN: usize = 30;

/// Lets the new system's dpkg install its own packages, maintainer scripts and all.
fn run_dpkg(
    engine: &Engine<'_>,
    (packages, files): (&[LockedPackage], &[PathBuf]),
    active: &Snapshot<Active>,
    date: u64,
) -> Result<(), AssembleError> {
    let mut argv: Vec<String> = [
        "/usr/bin/dpkg",
        "--install",
        "--force-depends",
        "--force-unsafe-io",
        "--force-confnew",
    ]
    .map(str::to_string)
    .to_vec();
    let mut mounts = Vec::new();
    for (package, file) in packages.iter().zip(files) {
        let target = format!("{ARCHIVES}/{}.deb", package.name);
        mounts.push(Mount {
            target: PathBuf::from(&target),
            kind: MountKind::Bind {
                source: file.clone(),
                read_only: true,
            },
        });
        argv.push(target);
    }
    // Scripts that write the time write this one (https://reproducible-builds.org/docs/source-date-epoch/).
    let date = date.to_string();
    let program = Program {
        rootfs: Rootfs {
            lowers: Vec::new(),
            upper: Some(Upper {
                dir: active.fs(),
                work: active.work(),
            }),
        },
        mounts,
        argv,
        env: &[
            ("SOURCE_DATE_EPOCH", date.as_str()),
            ("PATH", DEFAULT_PATH),
            ("HOME", "/root"),
            ("LC_ALL", "C.UTF-8"),
            ("DEBIAN_FRONTEND", "noninteractive"),
            ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
        ],
        cwd: "/",
        output: OutputMode::PipedMerged,
    };
    let output = program
        .run(engine.entered)
        .map_err(AssembleError::Sandbox)?;
    match output.exit.status {
        Status::Code(0) => Ok(()),
        other => Err(AssembleError::Dpkg {
            outcome: format!("{other:?}"),
            output: last_lines(&output.stdout, SHOWN),
        }),
    }
}

fn image(
    engine: &Engine<'_>,
    request: &AssembleRequest<'_>,
    packages: &[LockedPackage],
    active: Snapshot<Active>,
) -> Result<Image, AssembleError> {
    let date = request.lock.date(request.architecture);
    let options = LayerOptions {
        compression: Compression::Zstd { level: 3 },
        clamp_mtime: i64::try_from(date).ok(),
    };
    if let Some(latest) = options.clamp_mtime {
        let root = active.fs();
        clamp_times(&root, latest).map_err(|source| AssembleError::Io {
            action: "set times below",
            path: root,
            source,
        })?;
    }
    let layer =
        write_layer(engine.store, &active.fs(), &[], &options).map_err(AssembleError::Layer)?;
    let chain = ChainId::of(&[layer.diff_id]);
    if let Some(chain) = chain {
        let snapshots = engine.snapshots();
        let snapshot = snapshots
            .commit(active, &layer_snapshot_name(&chain))
            .map_err(AssembleError::Snapshot)?;
        snapshots
            .name_chain(&chain, &snapshot)
            .map_err(AssembleError::Snapshot)?;
    }
    let base = request.base;
    let created = timestamp(date);
    let mut env = vec![format!("PATH={DEFAULT_PATH}")];
    env.extend(
        base.env
            .iter()
            .map(|(name, value)| format!("{name}={value}")),
    );
    let config = ImageConfig {
        created: Some(created.clone()),
        architecture: request.architecture.as_str().to_string(),
        os: "linux".to_string(),
        config: RunConfig {
            env,
            cmd: Some(vec!["bash".to_string()]),
            ..RunConfig::default()
        },
        rootfs: RootFs::new(vec![layer.diff_id]),
        history: vec![HistoryEntry {
            created: Some(created),
            created_by: Some(format!("{base} ({} packages)", packages.len())),
            comment: Some("jettison".to_string()),
            ..HistoryEntry::default()
        }],
        ..ImageConfig::default()
    };
    let image = Image::new(config, vec![layer]).map_err(AssembleError::Image)?;
    engine
        .store
        .put_image(&image)
        .map_err(AssembleError::Store)?;
    Ok(image)
}
