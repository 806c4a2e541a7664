//! `--exclude` and `--parents`: what of a source is wanted.

use std::path::Path;

use jettison_dockerfile::IgnoreFile;

use crate::exec::copy::CopyFailure;
use crate::exec::copy::pattern::is_pattern;
use crate::exec::copy::select::Wanted;
use crate::exec::files::clean;
use crate::plan::CopyDefinition;

/// What an instruction says of its sources.
#[derive(Debug)]
pub(crate) struct SourceRules {
    excluded: Option<IgnoreFile>,
    keeps_parents: bool,
}

impl SourceRules {
    pub(crate) fn of(definition: &CopyDefinition) -> Result<SourceRules, CopyFailure> {
        let excluded = match definition.exclude.as_slice() {
            [] => None,
            patterns => Some(matcher(patterns)?),
        };
        Ok(SourceRules {
            excluded,
            keeps_parents: definition.keeps_parents,
        })
    }

    pub(crate) fn keeps_parents(&self) -> bool {
        self.keeps_parents
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
        let required = clean(&Path::new(top).join(&rest));
        let wanted = Wanted {
            included: Some(matcher(&[rest.to_string_lossy().into_owned()])?),
            excluded,
            only_below: is_plain.then(|| rest.clone()),
            required: (is_plain && !is_pattern(Path::new(top))).then_some(required),
        };
        Ok((top.to_owned(), wanted))
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
