//! `--exclude` and `--parents`: what of a source is wanted.

use std::path::Path;

use jettison_dockerfile::IgnoreFile;

use crate::exec::copy::pattern::is_pattern;
use crate::exec::copy::select::{Source, Wanted, split_pattern};
use crate::exec::copy::{CopyFailure, MissingPath};
use crate::exec::files::{FileKind, clean};
use crate::plan::CopyDefinition;

/// What an instruction says of its sources.
#[derive(Debug)]
pub(crate) struct SourceRules {
    excluded: Option<IgnoreFile>,
    keeps_parents: bool,
    missing: MissingPath,
}

impl SourceRules {
    pub(crate) fn of(
        definition: &CopyDefinition,
        missing: MissingPath,
    ) -> Result<SourceRules, CopyFailure> {
        let excluded = match definition.exclude.as_slice() {
            [] => None,
            patterns => Some(matcher(patterns)?),
        };
        Ok(SourceRules {
            excluded,
            keeps_parents: definition.keeps_parents,
            missing,
        })
    }

    pub(crate) fn keeps_parents(&self) -> bool {
        self.keeps_parents
    }

    /// Whether BuildKit finds out when it copies that `missing` is not there, which `text` needs. A pattern's key, and with
    /// `--exclude` a path's, is one of what is found (cache/contenthash: `Checksum`), and links to nothing are found out then.
    /// `--parents` has paths that are required.
    pub(crate) fn finds_missing_late(&self, source: Source<'_>, text: &str, missing: &str) -> bool {
        let path = clean(Path::new(text));
        let is_found_then = if is_pattern(&path) {
            clean(Path::new(missing)) == split_pattern(&path).0
        } else {
            self.excluded.is_some() && !is_link(source, &path)
        };
        self.missing == MissingPath::FoundLate || (is_found_then && !self.keeps_parents)
    }

    /// Whether what the links beside each other in `top` lead to has to be there, as it has to be where BuildKit looks for
    /// what there is to copy of a whole tree (cache/contenthash: `includedPaths`, `followLinks`).
    pub(crate) fn follows_links_in(&self, top: &str) -> bool {
        self.missing == MissingPath::FoundEarly
            && (self.excluded.is_some() || self.keeps_parents)
            && clean(Path::new(top)).as_os_str().is_empty()
    }

    /// The directory that a source's text says to start from, and what of it is wanted.
    ///
    /// With `--parents` that is what is before the first `/./`, else the top; the rest is a pattern (BuildKit: `dispatchCopy`,
    /// `dockerfile2llb/convert_copy.go`).
    pub(crate) fn split(&self, text: &str) -> Result<(String, Wanted), CopyFailure> {
        let excluded = self.excluded.clone();
        if !self.keeps_parents {
            let wanted = Wanted {
                excluded,
                ..Wanted::default()
            };
            return Ok((text.to_owned(), wanted));
        }
        let (top, rest) = text.split_once("/./").unwrap_or(("/", text));
        let rest = clean(Path::new(rest));
        let is_plain = !is_pattern(&rest);
        let is_required = is_plain && self.missing == MissingPath::FoundEarly;
        let required = clean(&Path::new(top).join(&rest));
        let wanted = Wanted {
            included: Some(matcher(&[rest.to_string_lossy().into_owned()])?),
            excluded,
            only_below: is_plain.then(|| rest.clone()),
            required: (is_required && !is_pattern(Path::new(top))).then_some(required),
        };
        Ok((top.to_owned(), wanted))
    }
}

/// Whether a path leads to a link, which leads to nothing then.
fn is_link(source: Source<'_>, path: &Path) -> bool {
    match source {
        Source::Context { context, .. } => {
            let found = context.root().join(path).symlink_metadata();
            let is_ignored = || {
                context
                    .ignore()
                    .is_some_and(|ignore| ignore.is_ignored(&path.to_string_lossy()))
            };
            found.is_ok_and(|found| found.is_symlink()) && !is_ignored()
        }
        Source::Files(files) => files
            .node(path)
            .is_ok_and(|node| node.is_some_and(|node| node.meta.kind == FileKind::Symlink)),
    }
}

/// Patterns of moby/patternmatcher that did not come from an ignore file: `#` starts no comment, and a slash at the start stays,
/// so that the pattern matches nothing.
fn matcher(patterns: &[String]) -> Result<IgnoreFile, CopyFailure> {
    let lines: Vec<String> = patterns
        .iter()
        .map(|pattern| pattern.trim())
        .filter(|pattern| !pattern.starts_with('/') && !pattern.starts_with("!/"))
        .map(|pattern| {
            let is_comment = pattern.starts_with('#');
            format!("{}{pattern}", if is_comment { "./" } else { "" })
        })
        .collect();
    IgnoreFile::parse(&lines.join("\n")).map_err(|error| CopyFailure::Invalid(error.to_string()))
}
