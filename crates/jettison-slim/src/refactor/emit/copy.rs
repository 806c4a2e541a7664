//! The `COPY` instructions of the final stage.

use std::path::{Path, PathBuf};

use jettison_dockerfile::exec_form;

use super::EmitError;
use crate::refactor::RuntimeStage;

/// The arguments of each `COPY`, after `--from`. Files of one directory and one owner share one.
pub(super) fn copies(runtime: &RuntimeStage) -> Result<Vec<String>, EmitError> {
    let mut groups: Vec<Group> = Vec::new();
    for (index, kept) in runtime.kept.iter().enumerate() {
        let path = text(&kept.path)?;
        let owner = runtime.owners.get(&kept.path).copied();
        let parent = kept.path.parent().map(Path::to_path_buf);
        // A directory's content would be mixed with the others' files; the program stands alone.
        let joins = index > 0 && !kept.is_directory;
        let last = groups
            .last_mut()
            .filter(|group| joins && group.joins && group.owner == owner && group.parent == parent);
        match last {
            Some(group) => group.paths.push(path),
            None => groups.push(Group {
                parent,
                owner,
                joins,
                paths: vec![path],
            }),
        }
    }
    groups.iter().map(Group::arguments).collect()
}

struct Group {
    parent: Option<PathBuf>,
    owner: Option<(u32, u32)>,
    joins: bool,
    paths: Vec<String>,
}

impl Group {
    fn arguments(&self) -> Result<String, EmitError> {
        let target = if let [path] = self.paths.as_slice() {
            path.clone()
        } else {
            let parent = text(self.parent.as_deref().unwrap_or(Path::new("/")))?;
            format!("{}/", parent.trim_end_matches('/'))
        };
        let words: Vec<String> = self.paths.iter().cloned().chain([target]).collect();
        let has_blanks = words.iter().any(|word| word.contains([' ', '\t']));
        let words = if has_blanks {
            exec_form(&words)
        } else {
            words.join(" ")
        };
        Ok(match self.owner {
            Some((user, group)) => format!("--chown={user}:{group} {words}"),
            None => words,
        })
    }
}

/// Whether `COPY` takes `path` as it is.
pub(crate) fn can_copy(path: &Path) -> bool {
    text(path).is_ok()
}

/// A path that `COPY` takes as it is: no pattern, no variable, no quote.
fn text(path: &Path) -> Result<String, EmitError> {
    path.to_str()
        .filter(|path| {
            !path.contains(['"', '\'', '\\', '*', '?', '[', '$'])
                && !path.contains("<<")
                && !path.chars().any(char::is_control)
        })
        .map(str::to_string)
        .ok_or_else(|| EmitError::Path(path.to_path_buf()))
}
