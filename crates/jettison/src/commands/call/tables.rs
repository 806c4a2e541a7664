//! Outlines and targets as text (BuildKit: `PrintOutline`, `PrintTargets`).

use jettison_dockerfile::{Outline, OutlineMount, Target};

use crate::printable::one_line;

/// The tables of an outline, each followed by an empty line.
pub(super) fn outline(outline: &Outline) -> String {
    let mut text = String::new();
    if outline.name.is_some() || outline.description.is_some() {
        let name = outline.name.as_deref().unwrap_or("(default)");
        let mut rows = vec![["TARGET:".to_string(), name.to_string()]];
        if let Some(description) = &outline.description {
            rows.push(["DESCRIPTION:".to_string(), description.clone()]);
        }
        text += &(aligned(&rows, 1) + "\n");
    }
    if !outline.args.is_empty() {
        let header = ["BUILD ARG", "VALUE", "DESCRIPTION"].map(str::to_string);
        let rows = outline.args.iter().map(|arg| {
            let description = arg.description.clone().unwrap_or_default();
            [arg.name.clone(), arg.value.clone(), description]
        });
        let rows: Vec<_> = [header].into_iter().chain(rows).collect();
        text += &(aligned(&rows, 3) + "\n");
    }
    text + &mounts("SECRET", &outline.secrets) + &mounts("SSH", &outline.ssh)
}

fn mounts(title: &str, mounts: &[OutlineMount]) -> String {
    if mounts.is_empty() {
        return String::new();
    }
    let header = [title, "REQUIRED"].map(str::to_string);
    let rows = mounts.iter().map(|mount| {
        let required = if mount.is_required { "true" } else { "" };
        [mount.name.clone(), required.to_string()]
    });
    let rows: Vec<_> = [header].into_iter().chain(rows).collect();
    aligned(&rows, 3) + "\n"
}

/// The table of targets.
pub(super) fn targets(targets: &[Target]) -> String {
    let header = ["TARGET", "DESCRIPTION"].map(str::to_string);
    let rows = targets.iter().map(|target| {
        let name = match (
            target.name.as_deref().unwrap_or_default(),
            target.is_default,
        ) {
            ("", true) => "(default)".to_string(),
            (name, true) => format!("{name} (default)"),
            (name, false) => name.to_string(),
        };
        [name, target.description.clone().unwrap_or_default()]
    });
    let rows: Vec<_> = [header].into_iter().chain(rows).collect();
    aligned(&rows, 1)
}

/// Rows with every column but the last as wide as its widest cell, and `padding` more.
fn aligned<const N: usize>(rows: &[[String; N]], padding: usize) -> String {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| row.each_ref().map(|cell| one_line(cell)))
        .collect();
    let mut text = String::new();
    for row in &rows {
        for (column, cell) in row.iter().enumerate() {
            text.push_str(cell);
            if column + 1 < N {
                let widest = rows.iter().map(|row| row[column].chars().count()).max();
                let width = widest.unwrap_or(0) + padding;
                text.extend(std::iter::repeat_n(' ', width - cell.chars().count()));
            }
        }
        text.push('\n');
    }
    text
}
