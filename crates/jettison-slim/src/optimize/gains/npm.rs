//! Modules that only the development of a program needs, and the caches of the tools that installed them.
//!
//! The tool that installed them takes them away again, in the build stage, from what is there and without a network.

use std::path::{Path, PathBuf};

use jettison_build::DEFAULT_PATH;
use serde_json::Value;

use super::Situation;
use super::npm_needs::named_module;
use crate::evidence::{find_program, scripts_of_operators, variable};
use crate::refactor::{Claim, Equality, Gain, ShellStep};
use crate::rootfs::{RootDir, RootError};

/// The largest description of a package that is read, in bytes.
const LIMIT: u64 = 4 << 20;

/// A tool that installs modules.
struct Tool {
    name: &'static str,
    /// The files by which one knows that it has installed a project's modules.
    locks: &'static [&'static str],
    /// What leaves a project with the modules that it needs to run.
    prune: &'static str,
}

/// In the order in which a project's lock files are looked for. npm comes last, since it can do without one.
const TOOLS: [Tool; 3] = [
    Tool {
        name: "pnpm",
        locks: &["pnpm-lock.yaml"],
        prune: "CI=true pnpm prune --prod --ignore-scripts",
    },
    Tool {
        name: "yarn",
        locks: &["yarn.lock"],
        prune: "yarn install --production --offline --frozen-lockfile --ignore-scripts --non-interactive",
    },
    Tool {
        name: "npm",
        locks: &["package-lock.json", "npm-shrinkwrap.json", "package.json"],
        prune: "npm prune --omit=dev --offline --no-audit --no-fund --ignore-scripts",
    },
];

/// What the tools keep to install the same once more, and what they have logged, the pruning included.
const CACHES: [&str; 5] = [
    "/root/.npm/_cacache",
    "/root/.npm/_logs",
    "/root/.cache/node-gyp",
    "/usr/local/share/.cache/yarn",
    "/root/.local/share/pnpm/store",
];

/// The gain, if there are such modules or caches in the candidate.
pub(super) fn find(situation: &Situation<'_>) -> Result<Option<Gain>, RootError> {
    let mut gain = Gain {
        name: "npm-prune",
        ..Gain::default()
    };
    let mut reasons = Vec::new();
    for project in projects(situation.candidate)? {
        let Some(tool) = tool(situation, &project) else {
            continue;
        };
        let names = development(situation.candidate, &project);
        let count = names.len();
        if count == 0 || !super::is_word(&project) {
            continue;
        }
        let shown = project.display();
        let place = (project.as_path(), situation.trace);
        if let Some((source, module)) = named_module(situation.candidate, place, &names) {
            reasons.push(format!(
                "the devDependencies of {shown}/package.json stay, since {} names {module}",
                source.display()
            ));
            continue;
        }
        let scripts = scripts_of_operators(situation.candidate, &project, &|_| false);
        let mut scripts = scripts.into_iter();
        let script = scripts.find_map(|found| Some((found.call, found.of_development?)));
        if let Some((script, program)) = script {
            reasons.push(format!(
                "the devDependencies of {shown}/package.json stay, since somebody may run `{script}`, which starts {program}"
            ));
            continue;
        }
        gain.build.push(ShellStep {
            comment: "Modules that only development needs.".to_owned(),
            commands: vec![format!("cd {shown}"), tool.prune.to_owned()],
            trees: read_by(tool, situation, &project),
            makes: ["node_modules"]
                .iter()
                .chain(tool.locks.iter().filter(|lock| **lock != "package.json"))
                .map(|name| project.join(name))
                .collect(),
            caches: caches_of(tool, situation),
        });
        reasons.push(format!(
            "{} takes the {count} devDependencies of {shown}/package.json and what only they need out of node_modules",
            tool.name
        ));
        gain.claims.push(answers(project.join("node_modules")));
        // They are written anew.
        let locks = tool.locks.iter().filter(|lock| **lock != "package.json");
        gain.claims
            .extend(locks.map(|lock| answers(project.join(lock))));
    }
    let caches: Vec<&str> = CACHES
        .into_iter()
        .filter(|cache| situation.candidate.target(Path::new(cache)).is_some())
        .collect();
    if !caches.is_empty() {
        gain.build.push(ShellStep {
            comment: "Nothing is installed once more.".to_owned(),
            commands: vec![format!("rm -rf {}", caches.join(" "))],
            trees: caches.iter().map(PathBuf::from).collect(),
            ..ShellStep::default()
        });
        reasons.push(format!("caches are left out: {}", caches.join(", ")));
        gain.claims
            .extend(caches.iter().map(|cache| answers(cache.into())));
    }
    gain.reason = reasons.join("; ");
    Ok((!gain.build.is_empty()).then_some(gain))
}

fn answers(path: PathBuf) -> Claim {
    Claim {
        path,
        equality: Equality::Answers,
    }
}

/// The directories with a project and its modules.
fn projects(root: &RootDir) -> Result<Vec<PathBuf>, RootError> {
    let mut projects = Vec::new();
    root.walk(&mut |path, metadata| {
        let is_within = |parent: &Path| parent.iter().any(|name| name == "node_modules");
        let is_modules = metadata.is_dir() && path.ends_with("node_modules");
        if let (true, Some(project)) = (is_modules, path.parent())
            && !is_within(project)
        {
            projects.push(project.to_path_buf());
        }
    })?;
    Ok(projects)
}

/// The tool that has installed the project's modules, if the build stage has it; none for a member of a workspace of pnpm or yarn,
/// whose modules are installed from above: it has no lock of its own.
fn tool(situation: &Situation<'_>, project: &Path) -> Option<&'static Tool> {
    let has = |name: &&str| situation.root.target(&project.join(name)).is_some();
    let tool = TOOLS.iter().find(|tool| tool.locks.iter().any(&has))?;
    let mut locks = tool.locks.iter().filter(|lock| **lock != "package.json");
    let has_own_lock = locks.any(&has);
    let mut above = project.ancestors().skip(1);
    let is_member = !has_own_lock
        && above.any(|above| {
            let mut marks = ["pnpm-workspace.yaml", "pnpm-lock.yaml", "yarn.lock"].iter();
            marks.any(|mark| situation.root.target(&above.join(mark)).is_some())
        });
    if is_member {
        return None;
    }
    // Later versions of yarn are other programs, with other commands.
    let is_later = tool.name == "yarn" && has(&".yarnrc.yml");
    let path_env = variable(&situation.config.env, "PATH").unwrap_or(DEFAULT_PATH);
    let is_there = find_program(situation.root, tool.name, Path::new("/"), path_env).is_ok();
    (is_there && !is_later).then_some(tool)
}

/// The caches that are mounted where the tool installs: yarn takes from there what it installs once more.
fn caches_of(tool: &Tool, situation: &Situation<'_>) -> Vec<String> {
    let is_its = |target: &&String| tool.name == "yarn" && target.contains(tool.name);
    let mut caches: Vec<String> = situation.caches.iter().filter(is_its).cloned().collect();
    caches.sort();
    caches.dedup();
    caches
}

/// What is all that the pruning reads and makes anew; nothing if the project's modules are not only its own.
fn read_by(tool: &Tool, situation: &Situation<'_>, project: &Path) -> Vec<PathBuf> {
    const SETTINGS: [&str; 3] = [".npmrc", ".yarnrc", ".pnpmfile.cjs"];
    let has = |name: &str| situation.root.target(&project.join(name)).is_some();
    let described = situation.root.content(&project.join("package.json"), LIMIT);
    let described = described.and_then(|text| serde_json::from_slice::<Value>(&text).ok());
    // Modules of a workspace are links to its members.
    let has_members = described.is_none_or(|package| package.get("workspaces").is_some());
    if has_members || has("pnpm-workspace.yaml") {
        return Vec::new();
    }
    let own = ["node_modules", "package.json"].into_iter();
    let mut read: Vec<PathBuf> = own
        .chain(SETTINGS)
        .chain(tool.locks.iter().copied())
        .map(|name| project.join(name))
        .collect();
    read.sort();
    read.dedup();
    read
}

/// The modules that only development needs among the project's.
fn development(root: &RootDir, project: &Path) -> Vec<String> {
    let described = root
        .content(&project.join("package.json"), LIMIT)
        .and_then(|text| serde_json::from_slice::<Value>(&text).ok());
    let names = described
        .as_ref()
        .and_then(|package| package.get("devDependencies")?.as_object());
    let modules = project.join("node_modules");
    let is_there = |name: &&String| root.entry(&modules.join(name)).is_some();
    let names = names.into_iter().flat_map(serde_json::Map::keys);
    names.filter(is_there).cloned().collect()
}
