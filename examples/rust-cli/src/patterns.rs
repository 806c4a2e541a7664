//! Patterns: files of lines `name: regular expression`; names that end in `!` are errors.

use std::fs;
use std::path::Path;

use regex_lite::Regex;

/// One kind of line.
pub struct Pattern {
    pub name: String,
    pub is_error: bool,
    pub regex: Regex,
}

/// All kinds of lines, in the order of their files.
pub struct Patterns(pub Vec<Pattern>);

impl Patterns {
    /// Reads each file of `directory` that ends in `.conf`.
    pub fn load(directory: &Path) -> Result<Patterns, String> {
        let listing = fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        let mut files: Vec<_> = listing.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "conf"));
        files.sort();
        let mut patterns = Vec::new();
        for file in files {
            let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
            for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
                let (name, regex) =
                    line.split_once(": ").ok_or_else(|| format!("{}: `{line}` has no name", file.display()))?;
                let regex = Regex::new(regex).map_err(|error| format!("{}: {name}: {error}", file.display()))?;
                patterns.push(Pattern { name: name.trim_end_matches('!').to_owned(), is_error: name.ends_with('!'), regex });
            }
        }
        Ok(Patterns(patterns))
    }
}
