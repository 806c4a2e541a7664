//! What is known of an image from running it: which files its program uses, and whose they are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jettison_build::DEFAULT_PATH;
use jettison_oci::RunConfig;
use jettison_sandbox::{End, Trace, Use};

use crate::evidence::collect::{
    Evidence, Fact, KeptFact, KeptWhat, NotApplicable, Step, exec_commands, owners, variable,
};
use crate::evidence::keep::{Keeper, Parts, UseKind};
use crate::evidence::owner::Owners;
use crate::evidence::program::find_program;
use crate::refactor::{Rung, RuntimeStage};
use crate::rootfs::{RootDir, RootError, normalise};

/// A path that a run used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Used {
    /// The path, absolute.
    pub(crate) path: PathBuf,
    /// What was done with it.
    pub(crate) kind: UseKind,
    /// Who used it, and when, in a few words.
    pub(crate) by: String,
}

/// What runs have shown of an image so far. More can be added, until nothing is missed.
#[derive(Debug)]
pub(crate) struct Traced<'a> {
    config: &'a RunConfig,
    root: &'a RootDir,
    keeper: Keeper<'a>,
    facts: Vec<Fact>,
    entrypoint: Vec<String>,
    cmd: Vec<String>,
}

impl<'a> Traced<'a> {
    /// Starts from the image's configuration alone; `steps` made the image, `root` is its merged file system. Of the programs
    /// `without_times` it is known that they tell no times of places.
    pub(crate) fn new(
        config: &'a RunConfig,
        steps: &'a [Step],
        root: &'a RootDir,
        without_times: &BTreeSet<PathBuf>,
    ) -> Result<Traced<'a>, NotApplicable> {
        let mut facts = Vec::new();
        let (entrypoint, cmd) = exec_commands(config, root, &mut facts);
        let library_path = variable(&config.env, "LD_LIBRARY_PATH").unwrap_or("");
        let mut keeper = Keeper::new(root, Owners::read(root, steps).map_err(read)?, library_path);
        keeper.know_without_times(without_times);
        let path_env = variable(&config.env, "PATH").unwrap_or(DEFAULT_PATH);
        keeper.start_programs_from(path_env, &normalise(Path::new(&config.working_dir)));
        add_configured(&mut keeper, root, config, entrypoint.iter().chain(&cmd)).map_err(read)?;
        let speaks = |name| {
            variable(&config.env, name)
                .is_some_and(|value| !["", "C", "POSIX", "C.UTF-8", "C.utf8"].contains(&value))
        };
        let has_locales = root
            .target(Path::new("/usr/lib/locale/locale-archive"))
            .is_some();
        if has_locales
            || ["LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES"]
                .into_iter()
                .any(speaks)
        {
            keeper.keep_translations();
        }
        Ok(Traced {
            config,
            root,
            keeper,
            facts,
            entrypoint,
            cmd,
        })
    }

    /// `ENTRYPOINT` and `CMD`, without a shell where it does nothing.
    pub(crate) fn commands(&self) -> (&[String], &[String]) {
        (&self.entrypoint, &self.cmd)
    }

    /// Takes a fact that was found elsewhere into the report.
    pub(crate) fn note(&mut self, fact: Fact) {
        self.facts.push(fact);
    }

    /// Keeps what was used.
    pub(crate) fn add(&mut self, used: &[Used]) -> Result<(), NotApplicable> {
        for one in used {
            self.keeper
                .add(&one.path, one.kind, &one.by)
                .map_err(read)?;
        }
        Ok(())
    }

    /// What follows from all of it.
    pub(crate) fn evidence(&mut self) -> Result<Evidence, NotApplicable> {
        self.keeper.add_by_rule().map_err(read)?;
        let Parts { rootfs, copied } = self.keeper.parts().map_err(read)?;
        let config = self.config;
        let rootfs = rootfs.map(|mut stage| {
            stage.needs_root = !["", "0", "root"].contains(&config.user.as_str());
            stage
        });
        let labels = config.labels.iter();
        let runtime = RuntimeStage {
            rung: Rung::Packages,
            build_steps: Vec::new(),
            remade: Vec::new(),
            base: None,
            rootfs,
            owners: owners(self.root, &copied),
            kept: copied,
            entrypoint: (!self.entrypoint.is_empty()).then(|| self.entrypoint.clone()),
            cmd: (!self.cmd.is_empty()).then(|| self.cmd.clone()),
            user: config.user.clone(),
            env: config.env.clone(),
            working_dir: config.working_dir.clone(),
            labels: labels
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            exposed_ports: config.exposed_ports.iter().cloned().collect(),
            volumes: config.volumes.iter().cloned().collect(),
            stop_signal: config.stop_signal.clone(),
            healthcheck: config.healthcheck.clone(),
        };
        Ok(Evidence {
            facts: self.facts.clone(),
            runtime,
            kept: self.reasons(),
            advice: Vec::new(),
        })
    }

    /// Why everything is kept that is.
    fn reasons(&self) -> Vec<KeptFact> {
        let kept = self.keeper.kept();
        let packages = kept
            .packages
            .iter()
            .map(|(name, reason)| (KeptWhat::Package(name.clone()), reason));
        let paths = kept
            .paths
            .iter()
            .map(|(path, reason)| (KeptWhat::Path(path.clone()), reason));
        let directories = kept
            .directories
            .iter()
            .map(|(path, reason)| (KeptWhat::Directory(path.clone()), reason));
        let all = packages.chain(paths).chain(directories);
        all.map(|(what, reason)| KeptFact {
            what,
            reason: reason.clone(),
        })
        .collect()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
fn read(error: RootError) -> NotApplicable {
    NotApplicable::Read(error.to_string())
}

/// Keeps what the configuration names: the program, the working directory, volumes, and paths among the words.
fn add_configured<'w>(
    keeper: &mut Keeper<'_>,
    root: &RootDir,
    config: &RunConfig,
    words: impl Iterator<Item = &'w String>,
) -> Result<(), RootError> {
    let working_dir = normalise(Path::new(&config.working_dir));
    keeper.add(&working_dir, UseKind::Looked, "the program starts there")?;
    for volume in &config.volumes {
        keeper.add(Path::new(volume), UseKind::Written, "it is a VOLUME")?;
    }
    keeper.add_home(&config.user)?;
    keeper.add_named_by_variables(&config.env)?;
    let path_env = variable(&config.env, "PATH").unwrap_or(DEFAULT_PATH);
    for (index, word) in words.enumerate() {
        if index == 0 {
            if let Ok(program) = find_program(root, word, &working_dir, path_env) {
                keeper.add(&program, UseKind::Looked, "it is what the image starts")?;
            }
        } else if word.contains('/') || word.contains('.') {
            let path = working_dir.join(word);
            if root.target(&path).is_some_and(|found| found.is_file()) {
                keeper.add(&path, UseKind::Looked, "the command names it")?;
            }
        }
    }
    Ok(())
}

/// What the runs used of the image, `runs` being the traces with the names of what was run. Of several runs that used the same,
/// the first is named.
pub(crate) fn used_in_all<'t>(runs: impl IntoIterator<Item = (&'t Trace, String)>) -> Vec<Used> {
    let mut used: Vec<Used> = runs
        .into_iter()
        .flat_map(|(trace, by)| used_in(trace, &by))
        .collect();
    // The sort is stable: runs stay in their order.
    used.sort_by(|first, second| (&first.path, first.kind).cmp(&(&second.path, second.kind)));
    used.dedup_by(|next, kept| next.path == kept.path && next.kind == kept.kind);
    used
}

/// What the runs that `trace` tells of used of the image.
fn used_in(trace: &Trace, by: &str) -> Vec<Used> {
    let mut used = Vec::new();
    for lookup in trace.lookups() {
        let program = lookup.program.as_deref().map_or_else(
            || "the image's own command".to_owned(),
            |path| path.display().to_string(),
        );
        let by = format!("{program} looks it up ({by})");
        let mut add = |path: &Path, kind| {
            if trace.mount_of(path).is_none() {
                let by = by.clone();
                used.push(Used {
                    path: path.to_path_buf(),
                    kind,
                    by,
                });
            }
        };
        for link in &lookup.links {
            add(link, UseKind::Looked);
        }
        match &lookup.end {
            End::Found(path) => {
                if lookup.uses.iter().any(Use::is_change) {
                    add(path, UseKind::Written);
                    if let Some(parent) = path.parent() {
                        add(parent, UseKind::Looked);
                    }
                } else if lookup.uses.contains(Use::List) {
                    add(path, UseKind::Listed);
                } else {
                    add(path, UseKind::Looked);
                }
            }
            // What is made needs a directory to be made in.
            End::Missing(path) | End::NotDirectory(path) | End::Denied(path) => {
                if let Some(parent) = path.parent() {
                    add(parent, UseKind::Looked);
                }
            }
            End::Loop | End::Gone => {}
        }
    }
    for start in trace.starts() {
        for interpreter in &start.interpreters {
            used.push(Used {
                path: interpreter.clone(),
                kind: UseKind::Looked,
                by: format!("it starts {} ({by})", start.program.display()),
            });
        }
    }
    used.sort();
    used.dedup_by(|next, kept| next.path == kept.path && next.kind == kept.kind);
    used
}

#[cfg(test)]
mod tests;
