//! The `COPY` instructions of the final stage.

use std::path::{Path, PathBuf};

use jettison_dockerfile::exec_form;

use super::rootfs::wrapped;
use super::{EmitError, Style};
use crate::refactor::{KeptPath, RuntimeStage};

/// How many files of one directory make a `COPY` that says why they are there.
const MANY: usize = 4;

/// A `COPY` of the final stage.
pub(super) struct CopyStep {
    /// Why the files are there, where many are.
    comment: Option<String>,
    /// What stands behind `--from`.
    arguments: String,
}

impl CopyStep {
    /// Its lines, where the stage `from` has the files.
    pub(super) fn lines(&self, from: &str, style: &Style) -> impl Iterator<Item = String> {
        let copy = style.word("COPY");
        let line = format!("{copy} --from={from} {}", self.arguments);
        let comment = self.comment.as_ref().map(|text| format!("# {text}"));
        comment.into_iter().chain([line])
    }
}

/// Each `COPY` of what is kept. Files of one directory and one owner share one.
pub(super) fn copies(runtime: &RuntimeStage) -> Result<Vec<CopyStep>, EmitError> {
    let mut groups: Vec<Group<'_>> = Vec::new();
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
            Some(group) => {
                group.paths.push(path);
                group.kept.push(kept);
            }
            None => groups.push(Group {
                parent,
                owner,
                joins,
                paths: vec![path],
                kept: vec![kept],
            }),
        }
    }
    groups.iter().map(Group::step).collect()
}

struct Group<'k> {
    parent: Option<PathBuf>,
    owner: Option<(u32, u32)>,
    joins: bool,
    paths: Vec<String>,
    kept: Vec<&'k KeptPath>,
}

impl Group<'_> {
    fn step(&self) -> Result<CopyStep, EmitError> {
        Ok(CopyStep {
            comment: self.comment(),
            arguments: self.arguments()?,
        })
    }

    /// The reason that most of many files share.
    fn comment(&self) -> Option<String> {
        let reason = &self.kept.last()?.reason;
        let n_equal = self.kept.iter().filter(|kept| kept.reason == *reason);
        let is_shared = self.kept.len() >= MANY && n_equal.count() * 2 > self.kept.len();
        let is_plain = !reason.is_empty() && !reason.contains(char::is_control);
        (is_shared && is_plain).then(|| sentence(reason))
    }

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
            wrapped(&words)
        };
        Ok(match self.owner {
            Some((user, group)) => format!("--chown={user}:{group} {words}"),
            None => words,
        })
    }
}

/// `text` with a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).collect()
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
