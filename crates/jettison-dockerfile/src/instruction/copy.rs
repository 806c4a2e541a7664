//! `COPY` and `ADD`.

use std::collections::BTreeMap;

use crate::diagnostic::Diagnostic;
use crate::expand::expand;
use crate::few::Few;
use crate::flag::Flags;
use crate::heredoc::{Heredoc, announcement};
use crate::instruction::{Context, Problem};
use crate::node::Values;
use crate::quote::quoted;
use crate::source_text::SourceText;

/// `COPY` or `ADD`. Flags that the one or the other does not have are absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyInstruction {
    /// What to copy, in order.
    pub sources: Vec<CopySource>,
    /// Where to.
    pub destination: SourceText,
    /// `--from`: the stage, named context or image to copy from.
    pub from: Option<SourceText>,
    /// `--chown`
    pub chown: Option<SourceText>,
    /// `--chmod`
    pub chmod: Option<SourceText>,
    /// `--exclude`, each one
    pub exclude: Few<SourceText>,
    /// `--checksum`
    pub checksum: Option<SourceText>,
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
    Path(SourceText),
    /// A heredoc, which becomes a file.
    Heredoc(Box<Heredoc>),
}

/// Reads `COPY`.
pub(super) fn copy(
    context: &Context<'_>,
    values: &mut Values<'_>,
    flags: &Flags<'_>,
) -> Result<Box<CopyInstruction>, Problem> {
    let paths = paths(context, values)?;
    let from = flags.text("from");
    if let (Some(from), Some(range)) = (&from, flags.range("from"))
        && let Some(problem) = from_problem(from)
    {
        return Err(Diagnostic::error(range, problem).into());
    }
    Ok(Box::new(CopyInstruction {
        sources: paths.sources,
        destination: paths.destination,
        from,
        chown: flags.text("chown"),
        chmod: flags.text("chmod"),
        exclude: flags.list("exclude"),
        checksum: None,
        unpack: None,
        link: flags.boolean("link").unwrap_or(false),
        parents: flags.boolean("parents").unwrap_or(false),
        keep_git_dir: None,
    }))
}

/// Says why BuildKit does not take a `--from`: it would be another one if it were expanded, which it is not
/// (BuildKit: `toCommand`, dockerfile2llb/convert.go).
fn from_problem(from: &str) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@".contains(&byte);
    if from.bytes().all(is_plain) {
        return None;
    }
    match expand(from, '\\', &|_| None) {
        Ok(same) if same == from => None,
        Ok(_) => Some(
            "variable expansion is not supported for --from, define a new stage with FROM using ARG \
             from global scope as a workaround"
                .to_owned(),
        ),
        Err(error) => Some(format!("failed to process {}: {error}", quoted(from))),
    }
}

/// Reads `ADD`.
pub(super) fn add(
    context: &Context<'_>,
    values: &mut Values<'_>,
    flags: &Flags<'_>,
) -> Result<Box<CopyInstruction>, Problem> {
    let paths = paths(context, values)?;
    Ok(Box::new(CopyInstruction {
        sources: paths.sources,
        destination: paths.destination,
        from: None,
        chown: flags.text("chown"),
        chmod: flags.text("chmod"),
        exclude: flags.list("exclude"),
        checksum: flags.text("checksum"),
        unpack: flags.boolean("unpack"),
        link: flags.boolean("link").unwrap_or(false),
        parents: false,
        keep_git_dir: flags.boolean("keep-git-dir"),
    }))
}

/// What to copy, and where to.
struct Paths {
    sources: Vec<CopySource>,
    destination: SourceText,
}

/// Reads what is no flag.
fn paths(context: &Context<'_>, values: &mut Values<'_>) -> Result<Paths, Problem> {
    let keyword = context.keyword;
    let too_few = || {
        Problem::first(context.error(format!(
            "{keyword} requires at least two arguments, but only one was provided. \
             Destination could not be determined"
        )))
    };
    let found = Found::new(context.heredocs);
    // Most copy one thing.
    let mut sources = Vec::with_capacity(1);
    let destination = match values {
        Values::Json(strings) => {
            let destination = strings.pop().ok_or_else(too_few)?;
            let words = strings.drain(..).map(SourceText::from);
            sources.extend(words.map(|word| found.source(word)));
            destination.into()
        }
        Values::Blanks(list) => {
            let mut words = list.words();
            let mut word = words.next().ok_or_else(too_few)?;
            for next in words {
                sources.push(found.source(context.text(&word)));
                word = next;
            }
            context.text(&word)
        }
        _ => return Err(too_few()),
    };
    if sources.is_empty() {
        return Err(too_few());
    }
    if matches!(announcement(&destination), Ok(Some(_))) {
        let message = format!("{keyword} cannot accept a heredoc as a destination");
        return Err(context.error(message).into());
    }
    Ok(Paths {
        sources,
        destination,
    })
}

/// The heredocs of an instruction by name; if two have one name, the last one counts.
struct Found<'a>(BTreeMap<&'a str, &'a Heredoc>);

impl<'a> Found<'a> {
    fn new(heredocs: &'a [Heredoc]) -> Found<'a> {
        let by_name = heredocs
            .iter()
            .map(|heredoc| (heredoc.name.as_str(), heredoc));
        Found(by_name.collect())
    }

    /// The source that a word is.
    ///
    /// A word of a JSON array may be a heredoc, too: one without content (BuildKit: `parseSourcesAndDest`,
    /// instructions/parse.go).
    fn source(&self, word: SourceText) -> CopySource {
        let Ok(Some(announced)) = announcement(&word) else {
            return CopySource::Path(word);
        };
        let found = self.0.get(announced.name.as_str());
        CopySource::Heredoc(Box::new(Heredoc {
            name: announced.name,
            content: found.map_or_else(|| "".into(), |heredoc| heredoc.content.clone()),
            expand: announced.expand,
            strip_tabs: announced.strip_tabs,
            file_descriptor: announced.file_descriptor,
            body: found.map_or(0..0, |heredoc| heredoc.body.clone()),
            end: found.map_or(0..0, |heredoc| heredoc.end.clone()),
        }))
    }
}
