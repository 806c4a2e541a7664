//! Counts what is in log files, by patterns of a directory.

mod options;
mod patterns;
mod summary;

use std::fs::File;
use std::io::{self, BufReader};
use std::process::ExitCode;

use crate::options::Options;
use crate::patterns::Patterns;
use crate::summary::Summary;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("logsum: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let Some(options) = Options::parse()? else {
        print!("{}", options::HELP);
        return Ok(ExitCode::SUCCESS);
    };
    let patterns = Patterns::load(&options.patterns)?;
    let mut summary = Summary::new(&patterns);
    if options.files.is_empty() {
        summary.read(BufReader::new(io::stdin()))?;
    }
    for file in &options.files {
        let opened = File::open(file).map_err(|error| format!("{}: {error}", file.display()))?;
        summary.read(BufReader::new(opened))?;
    }
    summary.print(options.top, options.csv)?;
    Ok(if summary.has_errors() { ExitCode::from(1) } else { ExitCode::SUCCESS })
}
