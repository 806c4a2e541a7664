//! Where `COPY` and `ADD` put things, as far as the text tells it.

use crate::checks::input::InstructionView;
use crate::checks::packages::base_name;
use crate::checks::size::path::from_work_directory;
use crate::instruction::{CopyInstruction, CopySource};

/// The paths of files and directories that certainly are there afterwards because of the instruction.
pub(super) fn copied(view: &InstructionView<'_>, copy: &CopyInstruction) -> Vec<String> {
    let Some((destination, is_directory)) = destination(view, copy) else {
        return Vec::new();
    };
    let sources: Vec<Option<String>> = copy
        .sources
        .iter()
        .map(|source| match source {
            CopySource::Path(path) => view.known_value(path),
            CopySource::Heredoc(heredoc) => Some(heredoc.name.clone()),
        })
        .collect();
    if copy.parents {
        return Vec::new();
    }
    if !is_directory {
        return vec![destination];
    }
    let mut paths = Vec::new();
    for source in sources.into_iter().flatten() {
        let name = base_name(source.trim_end_matches('/'));
        if matches!(source.trim_end_matches('/'), "" | "." | "..") {
            paths.push(destination.clone());
        } else if is_file_name(name) {
            paths.push(format!("{}/{name}", destination.trim_end_matches('/')));
        }
    }
    paths
}

/// The destination, and whether it is a directory that things are put into.
pub(super) fn destination(
    view: &InstructionView<'_>,
    copy: &CopyInstruction,
) -> Option<(String, bool)> {
    let written = view.known_value(&copy.destination)?;
    let directory = &view.evaluated.before.working_dir;
    let path = from_work_directory(directory, &written);
    let is_work_directory = path == from_work_directory(directory, ".");
    let is_directory = copy.sources.len() > 1
        || written.ends_with(['/', '.'])
        || is_work_directory
        || DIRECTORIES.contains(&path.as_str());
    Some((path, is_directory))
}

/// Directories that every distribution has.
const DIRECTORIES: [&str; 15] = [
    "/",
    "/bin",
    "/etc",
    "/home",
    "/opt",
    "/root",
    "/sbin",
    "/srv",
    "/tmp",
    "/usr/bin",
    "/usr/local",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/sbin",
    "/usr/src",
];

/// Says whether a name is that of one file rather than of a directory: what a directory holds is put in its place.
pub(super) fn is_file_name(name: &str) -> bool {
    let is_pattern = name.contains(['*', '?', '[']);
    let extension = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty());
    !is_pattern && extension.is_some_and(|(_, extension)| !matches!(extension, "d" | ""))
}
