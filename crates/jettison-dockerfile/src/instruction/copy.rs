//! `COPY` and `ADD`.

use crate::diagnostic::Diagnostic;
use crate::flag::Flags;
use crate::heredoc::{Heredoc, announcement};
use crate::instruction::Arguments;
use crate::node::Values;

/// `COPY` or `ADD`. Flags that the one or the other does not have are absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyInstruction {
    /// What to copy, in order.
    pub sources: Vec<CopySource>,
    /// Where to.
    pub destination: String,
    /// `--from`: the stage, named context or image to copy from.
    pub from: Option<String>,
    /// `--chown`
    pub chown: Option<String>,
    /// `--chmod`
    pub chmod: Option<String>,
    /// `--exclude`, each one
    pub exclude: Vec<String>,
    /// `--checksum`
    pub checksum: Option<String>,
    /// `--unpack`, which has no fixed default
    pub unpack: Option<bool>,
    /// `--link`
    pub link: bool,
    /// `--parents`
    pub parents: bool,
    /// `--keep-git-dir`; without the flag the query of a Git address decides
    pub keep_git_dir: Option<bool>,
}

/// One thing to copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopySource {
    /// A path, a pattern, or with `ADD` an address.
    Path(String),
    /// A heredoc, which becomes a file.
    Heredoc(Heredoc),
}

/// Reads `COPY`.
pub(super) fn copy(
    arguments: Arguments<'_>,
    flags: &Flags<'_>,
) -> Result<CopyInstruction, Diagnostic> {
    let from = flags.text("from");
    if let (Some(from), Some(range)) = (&from, flags.range("from"))
        && from.contains('$')
    {
        // BuildKit says it in these words, dockerfile2llb/convert_copy.go.
        return Err(
            Diagnostic::error(range, "variable expansion is not supported for --from").with_hint(
                "define a new stage with FROM using ARG from global scope as a workaround",
            ),
        );
    }
    let copy = copy_or_add(arguments, flags)?;
    Ok(CopyInstruction {
        from,
        parents: flags.boolean("parents").unwrap_or(false),
        ..copy
    })
}

/// Reads `ADD`.
pub(super) fn add(
    arguments: Arguments<'_>,
    flags: &Flags<'_>,
) -> Result<CopyInstruction, Diagnostic> {
    let add = copy_or_add(arguments, flags)?;
    Ok(CopyInstruction {
        checksum: flags.text("checksum"),
        unpack: flags.boolean("unpack"),
        keep_git_dir: flags.boolean("keep-git-dir"),
        ..add
    })
}

/// Reads what both have in common.
fn copy_or_add(arguments: Arguments<'_>, flags: &Flags<'_>) -> Result<CopyInstruction, Diagnostic> {
    let keyword = arguments.keyword;
    let words = arguments.words();
    let Some((destination, sources)) = words
        .split_last()
        .filter(|(_, sources)| !sources.is_empty())
    else {
        return Err(arguments.error(format!(
            "{keyword} requires at least two arguments, but only one was provided. \
             Destination could not be determined"
        )));
    };
    let is_json = matches!(arguments.values, Values::Json(_));
    if !is_json && matches!(announcement(destination), Ok(Some(_))) {
        return Err(arguments.error(format!(
            "{keyword} cannot accept a heredoc as a destination"
        )));
    }
    let source = |word: &String| match announcement(word) {
        Ok(Some(announced)) if !is_json => {
            // If two heredocs have one name, the last one counts.
            let heredoc = arguments
                .heredocs
                .iter()
                .rfind(|heredoc| heredoc.name == announced.name);
            heredoc.map_or_else(
                || CopySource::Path(word.clone()),
                |found| CopySource::Heredoc(found.clone()),
            )
        }
        Ok(_) | Err(_) => CopySource::Path(word.clone()),
    };
    Ok(CopyInstruction {
        sources: sources.iter().map(source).collect(),
        destination: destination.clone(),
        from: None,
        chown: flags.text("chown"),
        chmod: flags.text("chmod"),
        exclude: flags.list("exclude"),
        checksum: None,
        unpack: None,
        link: flags.boolean("link").unwrap_or(false),
        parents: false,
        keep_git_dir: None,
    })
}
