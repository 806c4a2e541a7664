//! Which packages an image gets, and which of its levels brings them.

use std::collections::BTreeSet;

use jettison_debian::{Architecture, Chosen, PackagesIndex, Relation, SolveOptions, resolve};

use crate::base::distroless::DistrolessError;
use crate::base::family::Levels;
use crate::base::recipe::{RecipeLink, RecipePart};

/// The packages of all levels: what the recipes ask for, and all that these need but for what they ignore; and those
/// that something is made with, which are in no image.
pub fn choose_packages<'i>(
    index: &'i PackagesIndex,
    levels: &Levels,
) -> Result<Vec<Chosen<'i>>, DistrolessError> {
    let mut part = joined(levels, levels.levels.len());
    part.packages
        .extend(levels.link().map(RecipeLink::tools_package));
    needed(index, &part)
}

/// The names of the packages that each level adds, and why, from an index that has no others than the image.
pub(super) fn assign(
    control_files: &[String],
    levels: &Levels,
    architecture: &Architecture,
) -> Result<Vec<Vec<(String, String)>>, DistrolessError> {
    // What an index says beyond a control file is not looked at here, but a package without it is none.
    let whole = |control: &String| {
        let digest = "0".repeat(64);
        format!(
            "{}\nFilename: local\nSize: 0\nSHA256: {digest}\n",
            control.trim_end()
        )
    };
    let stanzas: Vec<String> = control_files.iter().map(whole).collect();
    let index = PackagesIndex::parse(stanzas.join("\n"), "", architecture)
        .map_err(DistrolessError::ControlFile)?;
    let mut added = BTreeSet::new();
    let mut result = Vec::new();
    for end in 1..=levels.levels.len() {
        let chosen = up_to(&index, levels, end)?;
        let new: Vec<(String, String)> = chosen
            .iter()
            .filter(|chosen| added.insert(chosen.package.name().to_string()))
            .map(|chosen| (chosen.package.name().to_string(), chosen.reason.to_string()))
            .collect();
        result.push(new);
    }
    // A lock may have more than the recipes ask for by now; what is locked is in the image.
    let tools = levels.link().map(RecipeLink::tools_package);
    if let Some(last) = result.last_mut() {
        for package in index.iter() {
            let is_tool = tools.as_deref() == Some(package.name());
            if !is_tool && added.insert(package.name().to_string()) {
                last.push((package.name().to_string(), "it is locked".to_string()));
            }
        }
    }
    Ok(result)
}

/// The packages of the first `end` levels.
fn up_to<'i>(
    index: &'i PackagesIndex,
    levels: &Levels,
    end: usize,
) -> Result<Vec<Chosen<'i>>, DistrolessError> {
    needed(index, &joined(levels, end))
}

/// What the first `end` levels say.
fn joined(levels: &Levels, end: usize) -> RecipePart {
    levels.levels[..end]
        .iter()
        .fold(RecipePart::default(), |part, (_, level)| part.joined(level))
}

/// The packages that `part` asks for, and all that these need.
fn needed<'i>(
    index: &'i PackagesIndex,
    part: &RecipePart,
) -> Result<Vec<Chosen<'i>>, DistrolessError> {
    let mut roots = Vec::new();
    for name in &part.packages {
        let root = Relation::package(name).map_err(|source| DistrolessError::Relation {
            name: name.clone(),
            source,
        })?;
        if !roots.contains(&root) {
            roots.push(root);
        }
    }
    let mut ignore: BTreeSet<String> = part.ignore.iter().cloned().collect();
    // What is asked for is there.
    for name in &part.packages {
        ignore.remove(name);
    }
    let options = SolveOptions {
        prefer: Vec::new(),
        forbid: BTreeSet::new(),
        ignore,
        recommends: false,
    };
    let resolution = resolve(index, &roots, &options).map_err(DistrolessError::Solve)?;
    Ok(resolution.chosen)
}
