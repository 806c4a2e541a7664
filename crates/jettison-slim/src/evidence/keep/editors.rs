//! Editors that modules which somebody has installed start when they are asked to have a text edited: `click` tries all it knows.
//!
//! A Dockerfile installs an editor for whoever looks around in the container. Only where the program's own sources have texts
//! edited is it a part of the program.

use std::path::{Path, PathBuf};

use super::commands::Sureness;
use super::{Keeper, RootError};

/// Programs that let people edit a text.
const EDITORS: [&str; 15] = [
    "editor",
    "emacs",
    "gedit",
    "gvim",
    "joe",
    "kak",
    "mcedit",
    "micro",
    "nano",
    "neovim",
    "nvim",
    "sensible-editor",
    "vi",
    "view",
    "vim",
];

/// Who may have texts edited, and with what.
#[derive(Debug, Default)]
pub(super) struct Editors {
    /// A source of the program's own that has texts edited.
    asked_by: Option<PathBuf>,
    /// Editors that modules name, each with the reason to keep it then.
    named: Vec<(String, String)>,
}

impl Editors {
    /// Notes whether `text`, the source of the program's own at `path`, has texts edited.
    pub(super) fn note(&mut self, path: &Path, text: &str) {
        const CALLS: [&str; 4] = ["EDITOR", "click.edit", "import edit", "typer.edit"];
        // What has to be there where an editor is spoken of: pages have editors of their own.
        const STARTERS: [&str; 7] = [
            "Command::new",
            "child_process",
            "exec.Command",
            "os.system",
            "popen",
            "subprocess",
            "system(",
        ];
        let has_one = |words: &[&str]| words.iter().any(|word| text.contains(word));
        let is_spoken_of = || text.contains("editor") && has_one(&STARTERS);
        if self.asked_by.is_none() && (has_one(&CALLS) || is_spoken_of()) {
            self.asked_by = Some(path.to_path_buf());
        }
    }

    /// Whether the program `name` is an editor, which is put by then.
    pub(super) fn put_by(&mut self, name: &str, reason: &str) -> bool {
        let is_one = EDITORS.contains(&name);
        if is_one {
            self.named.push((name.to_owned(), reason.to_owned()));
        }
        is_one
    }
}

impl Keeper<'_> {
    /// Keeps the editors that modules name, and those that the Dockerfile asks for, if the program's own sources have texts edited:
    /// which one does it, `$EDITOR` says.
    pub(super) fn add_editors(&mut self) -> Result<(), RootError> {
        let Some(source) = self.editors.asked_by.clone() else {
            return Ok(());
        };
        for (name, reason) in std::mem::take(&mut self.editors.named) {
            self.add_program(&name, Sureness::Somewhere, &reason)?;
        }
        let reason = format!("{} has texts edited", source.display());
        for name in EDITORS {
            if self.is_program_asked_for(name)? {
                self.add_program(name, Sureness::There, &reason)?;
            }
        }
        Ok(())
    }
}
