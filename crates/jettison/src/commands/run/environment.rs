//! The variables that the command line gives to a program.

use std::fs;
use std::path::Path;

use crate::cli::RunArgs;
use crate::failure::Failure;
use crate::surroundings::Surroundings;

/// What docker tells a program about its terminal.
const TERM: &str = "xterm";

/// The variables of `--env-file`, then those of `--env`: a later one counts.
pub(super) fn variables(
    args: &RunArgs,
    surroundings: &Surroundings,
) -> Result<Vec<(String, String)>, Failure> {
    let mut variables = Vec::new();
    if args.streams.tty {
        variables.push(("TERM".to_string(), TERM.to_string()));
    }
    for file in &args.process.env_files {
        let text = fs::read_to_string(file).map_err(|error| {
            Failure::user(format!("cannot read {}", file.display())).because(&error)
        })?;
        for line in lines(&text) {
            variables.extend(variable(line, surroundings, Some(file))?);
        }
    }
    for text in &args.process.env {
        variables.extend(variable(text, surroundings, None)?);
    }
    Ok(variables)
}

/// The lines of a file of variables that say something (docker/cli: `parseKeyValueFile`, opts/file.go).
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines()
        .map(str::trim_start)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// `NAME=VALUE`, or `NAME`, which takes the value that it has here, if it has one.
fn variable(
    text: &str,
    surroundings: &Surroundings,
    file: Option<&Path>,
) -> Result<Option<(String, String)>, Failure> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_string())),
        None => (text, surroundings.variables.get(text).cloned()),
    };
    let wrong = |what: &str| {
        let failure = Failure::user(format!("`{text}` is not `NAME=VALUE`: {what}"));
        match file {
            Some(file) => failure.in_file(file),
            None => failure,
        }
    };
    if name.is_empty() {
        return Err(wrong("there is no name"));
    }
    if file.is_some() && name.contains(char::is_whitespace) {
        return Err(wrong("the name has a space in it"));
    }
    Ok(value.map(|value| (name.to_string(), value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_variable_in_each_line() {
        let text = "\u{feff}# no\n\n  A=1 # stays\nB\nC=\nD=a=b\r\n";
        let lines: Vec<&str> = lines(text).collect();
        assert_eq!(lines, ["A=1 # stays", "B", "C=", "D=a=b"]);
        let surroundings = Surroundings {
            variables: [("B".to_string(), "here".to_string())].into(),
            now: 0,
        };
        let of = |text: &str| variable(text, &surroundings, Some(Path::new("env"))).unwrap();
        assert_eq!(of("B"), Some(("B".to_string(), "here".to_string())));
        assert_eq!(of("X"), None);
        assert_eq!(of("D=a=b"), Some(("D".to_string(), "a=b".to_string())));
        assert!(variable("=x", &surroundings, None).is_err());
        assert!(variable("a b=x", &surroundings, Some(Path::new("env"))).is_err());
    }
}
