//! The command line.

use std::path::PathBuf;

use lexopt::prelude::*;

pub const HELP: &str = "\
usage: logsum [--patterns DIR] [--top N] [--csv] [FILE...]

Counts lines of log files by the patterns in DIR (patterns.d if nothing is said).
The exit status is 1 if a pattern of errors was found.
";

/// What was asked for.
pub struct Options {
    pub patterns: PathBuf,
    pub top: usize,
    pub csv: bool,
    pub files: Vec<PathBuf>,
}

impl Options {
    /// Reads the command line; nothing is returned if help is wanted.
    pub fn parse() -> Result<Option<Options>, lexopt::Error> {
        let mut options = Options { patterns: "patterns.d".into(), top: 10, csv: false, files: Vec::new() };
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Short('h') | Long("help") => return Ok(None),
                Long("patterns") => options.patterns = parser.value()?.into(),
                Long("top") => options.top = parser.value()?.parse()?,
                Long("csv") => options.csv = true,
                Value(file) => options.files.push(file.into()),
                _ => return Err(argument.unexpected()),
            }
        }
        Ok(Some(options))
    }
}
