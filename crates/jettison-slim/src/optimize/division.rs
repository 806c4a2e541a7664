//! Where the build stage can be divided, so that what does not change with the sources stays in the cache.
//!
//! Everything that is collected for the final image is looked at twice: as it is before the sources come, and as it is in
//! the end. What is the same is collected from the first part of the build stage, the rest from the second. Times of
//! directories do not count: they change with every file.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jettison_build::{BuildError, Built, CopyFrom, Definition, Input, RunMountKind, StepId};
use jettison_dockerfile::{CopySource, InstructionKind, Keyword, Parse, Stage, stages};
use jettison_sandbox::{OverlayMount, Trace, mount_overlay};

use super::{OptimizeError, Run};
use crate::evidence::Owners;
use crate::optimize::aside::set_aside;
use crate::optimize::late::copied_late;
use crate::optimize::moments::{Moments, State};
use crate::optimize::settled::settled;
use crate::optimize::sources::sources;
use crate::refactor::{Division, RootfsStage, RuntimeStage, ShellStep, target_stage};
use crate::rootfs::RootDir;

/// How many bytes may be collected again for each change of the sources, before a later place is looked for.
const LATE_LIMIT: u64 = 4 << 20;

/// One instruction's step of the stage that is divided.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// The position of its instruction.
    pub(super) instruction: usize,
    /// The directory that holds what it wrote.
    pub(super) files: PathBuf,
    /// What it does.
    pub(super) definition: Definition,
    /// Whether it changes with the build context, or with what another stage makes of it.
    pub(super) is_of_sources: bool,
    /// What its command looked up, if that is known.
    pub(super) trace: Option<Arc<Trace>>,
}

/// A build that has one stage, and what is kept of its image.
#[derive(Clone, Copy)]
pub(super) struct Divided<'a> {
    pub(super) built: &'a Built,
    pub(super) parse: &'a Parse,
    pub(super) runtime: &'a RuntimeStage,
    /// The files of its image.
    pub(super) root: &'a RootDir,
}

/// Where `divided` can be divided; nothing if there is nothing to be gained.
pub(super) fn division(
    run: &Run<'_>,
    divided: Divided<'_>,
) -> Result<Option<Division>, OptimizeError> {
    let graph = stages(divided.parse);
    let target = run.request.build.lower.target.as_deref();
    let Some(stage) = target_stage(&graph, target) else {
        return Ok(None);
    };
    if !can_be_divided(divided.parse, stage) {
        return Ok(None);
    }
    let parts = parts(divided.built);
    let collected = collected(run, divided, (stage, &parts))?;
    let division = set_aside(run, divided, (stage, &parts), collected)?;
    settled(run, divided, (stage, &parts), division)
}

/// Where what is collected can be divided.
fn collected(
    run: &Run<'_>,
    divided: Divided<'_>,
    (stage, parts): (&Stage, &[Part]),
) -> Result<Option<Division>, OptimizeError> {
    let owners = Owners::read(divided.root, &[]).map_err(OptimizeError::Root)?;
    let mut last = None;
    let mut sorted_out = Vec::new();
    for at in places(parts, stage) {
        let Some(early) = before(run, divided.built, &parts[..at])? else {
            continue;
        };
        let moments = Moments::between(&early.root, divided.root, &parts[at..]);
        let is_start = !parts[..at].iter().any(|part| is_in(stage, part));
        let instruction = if is_start {
            stage.instructions.start
        } else {
            parts[at].instruction
        };
        // This wins over all places before, since nothing at all is made of these sources; unless all of them have come before.
        let place = (stage, instruction);
        let changes_anyway = !sorted_out.is_empty()
            && parts[..at]
                .iter()
                .any(|part| copies_all(divided.parse, part));
        if !changes_anyway
            && let Some(sources) = sources(divided, &parts[at..], place, (&owners, &moments))
        {
            // What has to be made anew after the sources came cannot be there.
            let steps = &divided.runtime.build_steps;
            let mut steps = steps.iter();
            if !steps.all(|step| is_early(divided, step, place, &moments))
                || !(sources.is_stage_used || divided.runtime.build_steps.is_empty())
            {
                continue;
            }
            let early = early_stage(divided, instruction, &early.root);
            return Ok(Some(Division {
                at: instruction,
                early: early.map(|early| with_steps(divided, early, place, &moments)),
                sources: Some(sources),
                ..Division::default()
            }));
        }
        let Some((early, late)) = sort(divided.runtime, &owners, &moments) else {
            continue;
        };
        let size = late.as_ref().map_or(0, |late| size_of(divided.root, late));
        let copied = late
            .as_ref()
            .and_then(|late| copied_late(divided.root, late));
        let division = Division {
            at: instruction,
            early: Some(with_steps(
                divided,
                RootfsStage {
                    needs_root: needs_root(divided, instruction),
                    ..early
                },
                place,
                &moments,
            )),
            late: late.filter(|_| copied.is_none()),
            copied: copied.unwrap_or_default(),
            ..Division::default()
        };
        if size <= LATE_LIMIT {
            sorted_out.push(division);
        } else {
            last = Some(division);
        }
    }
    // Nothing that a change of the sources has collected once more is best.
    let best = sorted_out
        .iter()
        .position(|division| division.late.is_none());
    let best = sorted_out.into_iter().nth(best.unwrap_or_default());
    Ok(best.or(last))
}

/// Whether a part copies the whole build context.
fn copies_all(parse: &Parse, part: &Part) -> bool {
    let instruction = parse.instructions().get(part.instruction);
    instruction.is_some_and(|instruction| match &instruction.kind {
        InstructionKind::Copy(copy) | InstructionKind::Add(copy) => {
            let is_all = |source: &CopySource| matches!(source, CopySource::Path(path) if [".", "./", "/"].contains(&path.as_str()));
            copy.from.is_none() && copy.sources.iter().any(is_all)
        }
        _ => false,
    })
}

/// Whether a stage on the first part would go on as the author wrote it.
fn can_be_divided(parse: &Parse, stage: &Stage) -> bool {
    let own = &parse.instructions()[stage.instructions.clone()];
    let mut arguments = BTreeSet::new();
    let mut variables = BTreeSet::new();
    for instruction in own {
        match &instruction.kind {
            // Triggers would run in the second part.
            InstructionKind::Onbuild(_) => return false,
            InstructionKind::Arg(declared) => {
                arguments.extend(declared.iter().map(|one| one.name.to_string()));
            }
            InstructionKind::Env(pairs) => {
                variables.extend(pairs.iter().map(|pair| pair.key.to_string()));
            }
            _ => {}
        }
    }
    // In a stage on another one, its variables hide the arguments (BuildKit: `dispatchStages`, dockerfile2llb/convert.go).
    arguments.is_disjoint(&variables)
}

/// The steps of the image, first to last.
pub(super) fn parts(built: &Built) -> Vec<Part> {
    let plan = &built.plan;
    let (_, chain) = plan.chain(plan.target.result);
    chain
        .into_iter()
        .map(|StepId(index)| {
            let step = &plan.steps[index];
            let is_of_sources = match &step.definition {
                Definition::Copy(copy) => {
                    !matches!(copy.from, CopyFrom::Input(Input::Base(_) | Input::Scratch))
                }
                Definition::Run(run) => run.mounts.iter().any(|mount| match &mount.kind {
                    RunMountKind::Bind { from, .. } => matches!(from, Input::Step(_)),
                    RunMountKind::Cache { .. }
                    | RunMountKind::Tmpfs { .. }
                    | RunMountKind::Secret { .. }
                    | RunMountKind::Ssh { .. } => false,
                }),
                Definition::Workdir(_) => false,
            };
            Part {
                instruction: step.hints.instruction,
                files: built.steps[index].files.clone(),
                definition: step.definition.clone(),
                is_of_sources,
                trace: built.steps[index].trace.clone(),
            }
        })
        .collect()
}

pub(super) fn is_in(stage: &Stage, part: &Part) -> bool {
    stage.instructions.contains(&part.instruction)
}

/// The places before steps of `stage` that change with the sources, as numbers of steps before them. Directories that
/// `WORKDIR` makes are made again.
pub(super) fn places(parts: &[Part], stage: &Stage) -> Vec<usize> {
    let mut places = Vec::new();
    // What a stage starts from may be other stages' steps.
    let start = parts.iter().position(|part| is_in(stage, part));
    let start = start.unwrap_or(parts.len());
    for (index, part) in parts.iter().enumerate().skip(start) {
        if !part.is_of_sources {
            continue;
        }
        let is_bare = parts[start..index]
            .iter()
            .all(|part| matches!(part.definition, Definition::Workdir(_)));
        if is_bare {
            places.push(start);
        }
        places.push(index);
    }
    places.dedup();
    places
}

/// The files after some steps.
pub(super) struct Early {
    _mount: OverlayMount,
    pub(super) root: RootDir,
}

pub(super) fn before(
    run: &Run<'_>,
    built: &Built,
    parts: &[Part],
) -> Result<Option<Early>, OptimizeError> {
    let (base, _) = built.plan.chain(built.plan.target.result);
    let mut lowers: Vec<PathBuf> = parts.iter().rev().map(|part| part.files.clone()).collect();
    if let Some(base) = base {
        let image = &built.plan.bases[base].image;
        let of_base = run.engine.lowers(image).map_err(OptimizeError::Look)?;
        lowers.extend(of_base);
    }
    if lowers.is_empty() {
        return Ok(None);
    }
    let mount = mount_overlay(run.engine.entered, &lowers, None)
        .map_err(|error| OptimizeError::Look(BuildError::Mount(error)))?;
    let root = RootDir::open(&mount.path()).map_err(OptimizeError::Root)?;
    Ok(Some(Early {
        _mount: mount,
        root,
    }))
}

/// What is collected, from the first part and from the second; nothing if it cannot be told apart.
fn sort(
    runtime: &RuntimeStage,
    owners: &Owners<'_>,
    moments: &Moments<'_>,
) -> Option<(RootfsStage, Option<RootfsStage>)> {
    let rootfs = runtime.rootfs.as_ref()?;
    let mut early = RootfsStage {
        singles: Vec::new(),
        trees: Vec::new(),
        ..rootfs.clone()
    };
    let mut late = RootfsStage {
        needs_root: rootfs.needs_root,
        ..RootfsStage::default()
    };
    if !rootfs.packages.is_empty() {
        late.singles = changed_packages(rootfs, owners, moments)?;
    }
    for path in &rootfs.singles {
        match moments.state(path) {
            State::Same | State::Absent => early.singles.push(path.clone()),
            State::Changed => late.singles.push(path.clone()),
            State::Removed | State::OtherMode => return None,
        }
    }
    for tree in &rootfs.trees {
        let left_out = rootfs.pruned.iter().chain(&rootfs.pruned_files);
        let pruned: Vec<&Path> = left_out.map(PathBuf::as_path).collect();
        if moments.is_same_tree(tree, &pruned) {
            early.trees.push(tree.clone());
        } else {
            let is_below = |path: &&PathBuf| path.starts_with(tree);
            let pruned = rootfs.pruned.iter().filter(is_below);
            late.pruned.extend(pruned.cloned());
            let files = rootfs.pruned_files.iter().filter(is_below);
            late.pruned_files.extend(files.cloned());
            late.trees.push(tree.clone());
        }
    }
    let holds_trees = |path: &PathBuf| early.trees.iter().any(|tree| tree.starts_with(path));
    early
        .pruned
        .retain(|path| holds_trees(path) || early.trees.iter().any(|tree| path.starts_with(tree)));
    let trees = &early.trees;
    early
        .pruned_files
        .retain(|path| trees.iter().any(|tree| path.starts_with(tree)));
    if early.packages.is_empty() && early.singles.is_empty() && early.trees.is_empty() {
        return None;
    }
    let is_empty = late.singles.is_empty() && late.trees.is_empty();
    // A directory that is copied onto another gives it its mode and owner (fsutil: `copier.copy`, copy/copy.go), so that the
    // directories above have to be there as they are.
    let root = Path::new("/");
    let paths = late.singles.iter().chain(&late.trees);
    let above: Vec<PathBuf> = paths
        .flat_map(|path| path.ancestors().skip(1))
        .filter(|path| *path != root)
        .map(Path::to_path_buf)
        .collect();
    late.singles.extend(above);
    late.singles.sort();
    late.singles.dedup();
    Some((early, (!is_empty).then_some(late)))
}

/// The files of packages that are others later on; nothing if the packages themselves are.
fn changed_packages(
    rootfs: &RootfsStage,
    owners: &Owners<'_>,
    moments: &Moments<'_>,
) -> Option<Vec<PathBuf>> {
    let database = Path::new("/var/lib/dpkg");
    let records = [database.join("status"), database.join("info")];
    if records.iter().any(|path| moments.is_touched(path)) {
        return None;
    }
    let left_out = rootfs.left_out_pattern();
    let mut changed = Vec::new();
    let mut look = |path: &Path| {
        match moments.state(path) {
            State::Same | State::Absent => {}
            State::Changed => changed.push(path.to_path_buf()),
            State::Removed | State::OtherMode => return false,
        }
        true
    };
    for package in &rootfs.packages {
        for path in owners.files_of(package) {
            if left_out
                .as_ref()
                .is_some_and(|pattern| pattern.is_match(&path.to_string_lossy()))
            {
                continue;
            }
            let byte_code = byte_code_of(path, rootfs.byte_code.as_deref());
            if !look(path) || !byte_code.is_none_or(|path| look(&path)) {
                return None;
            }
        }
    }
    Some(changed)
}

/// Where the byte code of a module of Python lies (PEP 3147).
fn byte_code_of(path: &Path, tag: Option<&str>) -> Option<PathBuf> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".py")?;
    Some(
        path.with_file_name("__pycache__")
            .join(format!("{stem}.{}.pyc", tag?)),
    )
}

/// How much a stage collects besides packages.
fn size_of(root: &RootDir, stage: &RootfsStage) -> u64 {
    let mut pending: Vec<PathBuf> = stage.trees.iter().chain(&stage.singles).cloned().collect();
    let is_tree = |path: &Path| stage.trees.iter().any(|tree| path.starts_with(tree));
    // What one tree leaves out may be a tree of its own.
    let is_left_out = |path: &PathBuf| stage.pruned.contains(path) && !stage.trees.contains(path);
    let mut size = 0;
    while let Some(path) = pending.pop() {
        let Some(metadata) = root.entry(&path) else {
            continue;
        };
        if stage.pruned_files.contains(&path) {
            continue;
        }
        if metadata.is_file() {
            size += metadata.len();
        } else if metadata.is_dir() && is_tree(&path) && !is_left_out(&path) {
            let names = root.names(&path);
            pending.extend(names.iter().map(|name| path.join(name)));
        }
    }
    size
}

/// What is collected of a stage whose second part only copies sources: all of it.
fn early_stage(divided: Divided<'_>, at: usize, early: &RootDir) -> Option<RootfsStage> {
    let mut rootfs = divided.runtime.rootfs.clone()?;
    rootfs.needs_root = needs_root(divided, at);
    let is_there = |path: &PathBuf| early.symlink_metadata(path).is_ok();
    rootfs.singles.retain(is_there);
    rootfs.trees.retain(is_there);
    rootfs.pruned.retain(is_there);
    rootfs.pruned_files.retain(is_there);
    let is_empty =
        rootfs.packages.is_empty() && rootfs.singles.is_empty() && rootfs.trees.is_empty();
    (!is_empty).then_some(rootfs)
}

/// `early` with the steps that make nothing anew but what is collected there.
fn with_steps(
    divided: Divided<'_>,
    mut early: RootfsStage,
    place: (&Stage, usize),
    moments: &Moments<'_>,
) -> RootfsStage {
    let is_copied = |tree: &PathBuf| {
        let mut kept = divided.runtime.kept.iter();
        kept.any(|kept| kept.path.starts_with(tree) || tree.starts_with(&kept.path))
    };
    let has_packages = !early.packages.is_empty();
    for step in &divided.runtime.build_steps {
        // What belongs to packages is collected with them.
        let is_collected = |tree: &PathBuf| has_packages || early.trees.contains(tree);
        let is_here = step
            .trees
            .iter()
            .all(|tree| is_collected(tree) && !is_copied(tree));
        if is_here && is_early(divided, step, place, moments) {
            early.before.push(step.clone());
        }
    }
    early
}

/// Whether it does not matter if `step` runs before the instruction `at`: what it reads and makes anew is then as it is in the
/// end, its programs are found there, and no variable is set later that they read.
pub(super) fn is_early(
    divided: Divided<'_>,
    step: &ShellStep,
    (target, at): (&Stage, usize),
    moments: &Moments<'_>,
) -> bool {
    let later = &divided.parse.instructions()[at..target.instructions.end];
    let mut set = later
        .iter()
        .filter_map(|instruction| match &instruction.kind {
            InstructionKind::Env(pairs) => Some(pairs),
            _ => None,
        });
    let is_set = set.any(|pairs| pairs.iter().any(|pair| is_read_by_tools(&pair.key)));
    let is_same =
        |tree: &PathBuf| moments.state(tree) == State::Absent || moments.is_same_tree(tree, &[]);
    !is_set && !step.trees.is_empty() && step.trees.iter().all(is_same)
}

/// Whether the programs of steps, or what starts them, may read the variable `name`.
fn is_read_by_tools(name: &str) -> bool {
    const READ: [&str; 17] = [
        "PATH",
        "HOME",
        "LANG",
        "LC_",
        "LD_",
        "TZ",
        "TMPDIR",
        "XDG_",
        "JAVA_HOME",
        "JAVA_TOOL_OPTIONS",
        "_JAVA_OPTIONS",
        "JDK_",
        "NODE_OPTIONS",
        "NPM_",
        "PNPM_",
        "YARN_",
        "COREPACK_",
    ];
    let name = name.to_ascii_uppercase();
    READ.iter().any(|read| name.starts_with(read))
}

/// Whether the first part, which ends before the instruction `at`, ends as another user than root.
pub(super) fn needs_root(divided: Divided<'_>, at: usize) -> bool {
    let instructions = &divided.parse.instructions()[..at];
    let said = instructions
        .iter()
        .rev()
        .filter(|instruction| instruction.keyword == Keyword::User)
        .find_map(|instruction| match &instruction.kind {
            InstructionKind::User(user) => Some(user.to_string()),
            _ => None,
        });
    let plan = &divided.built.plan;
    let (base, _) = plan.chain(plan.target.result);
    let user = said.or_else(|| Some(plan.bases[base?].image.config().config.user.clone()));
    user.is_some_and(|user| !["", "0", "root", "0:0", "root:root"].contains(&user.as_str()))
}

/// The entries of a step's directory that are no directories with something in them, by their paths in the image.
pub(super) fn leaves(files: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![PathBuf::from("/")];
    while let Some(directory) = pending.pop() {
        let here = files.join(directory.strip_prefix("/").unwrap_or(&directory));
        let Ok(entries) = fs::read_dir(&here) else {
            continue;
        };
        let mut is_empty = true;
        for entry in entries.flatten() {
            is_empty = false;
            let path = directory.join(entry.file_name());
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                pending.push(path);
            } else {
                found.push(path);
            }
        }
        if is_empty {
            found.push(directory);
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_programs_themselves_do_not_bind_the_tools() {
        for (name, is_read) in [
            ("NODE_ENV", false),
            ("PORT", false),
            ("PATH", true),
            ("npm_config_registry", true),
            ("JAVA_TOOL_OPTIONS", true),
            ("JAVA_OPTS", false),
            ("LC_ALL", true),
        ] {
            assert_eq!(is_read_by_tools(name), is_read, "{name}");
        }
    }
}
