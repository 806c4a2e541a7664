//! Editors that modules which somebody has installed start when they are asked to have a text edited: `click` tries all it knows.
//!
//! A Dockerfile installs an editor for whoever looks around in the container. Only where the program's own sources have texts
//! edited is it a part of the program.

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
    /// Whether a source of the program's own has texts edited.
    are_asked_for: bool,
    /// Editors that modules name, each with the reason to keep it then.
    named: Vec<(String, String)>,
}

impl Editors {
    /// Notes whether `text`, a source of the program's own, has texts edited.
    pub(super) fn note(&mut self, text: &str) {
        const CALLS: [&str; 3] = ["click.edit", "import edit", "typer.edit"];
        self.are_asked_for |= CALLS.iter().any(|call| text.contains(call))
            || text.to_ascii_lowercase().contains("editor");
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
    /// Keeps the editors that modules name, if the program's own sources have texts edited.
    pub(super) fn add_editors(&mut self) -> Result<(), RootError> {
        if self.editors.are_asked_for {
            for (name, reason) in std::mem::take(&mut self.editors.named) {
                self.add_program(&name, Sureness::Somewhere, &reason)?;
            }
        }
        Ok(())
    }
}
