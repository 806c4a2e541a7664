//! What a run of the program gave.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Output;

/// The exit code and the output of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The exit code; 128 and the signal's number if a signal ended it.
    pub code: i32,
    /// Standard output as it was.
    pub stdout: String,
    /// Standard error as it was.
    pub stderr: String,
    // Invariant: the longest first, so that a directory is replaced before those above it.
    places: Vec<(PathBuf, &'static str)>,
}

impl Outcome {
    /// Reads `output`; below `places` paths are shown by the names that are given here.
    pub fn new(output: &Output, mut places: Vec<(PathBuf, &'static str)>) -> Outcome {
        places.sort_by_key(|(path, _)| std::cmp::Reverse(path.as_os_str().len()));
        let code = output
            .status
            .code()
            .unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0));
        Outcome {
            code,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            places,
        }
    }

    /// The same outcome if the program succeeded.
    ///
    /// # Panics
    ///
    /// If it did not.
    #[track_caller]
    #[expect(
        clippy::return_self_not_must_use,
        reason = "most callers only want the check"
    )]
    pub fn succeeded(self) -> Outcome {
        assert_eq!(self.code, 0, "{}\n{}", self.stdout, self.stderr);
        self
    }

    fn normalised(&self, text: &str) -> String {
        let mut text = text.to_string();
        for (path, name) in &self.places {
            text = text.replace(&Path::new(path).display().to_string(), name);
        }
        let lines: Vec<String> = text.split('\n').map(normalised_line).collect();
        lines.join("\n")
    }
}

/// The exit code, then what there is of standard output and standard error, with all that differs
/// between two runs replaced.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "exit: {}", self.code)?;
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                writeln!(f, "--- {name} ---")?;
                f.write_str(&self.normalised(text))?;
                if !text.ends_with('\n') {
                    f.write_str("[no line break]\n")?;
                }
            }
        }
        Ok(())
    }
}

/// `line` with digests, ports of the loopback interface and durations replaced.
fn normalised_line(line: &str) -> String {
    let line = replace_digests(line);
    let line = replace_ports(&line);
    let line = replace_log_time(&line);
    replace_duration(&line)
}

fn replace_digests(line: &str) -> String {
    const PREFIX: &str = "sha256:";
    let mut result = String::new();
    let mut rest = line;
    while let Some(start) = rest.find(PREFIX) {
        let (before, from) = rest.split_at(start);
        result.push_str(before);
        let digits = from[PREFIX.len()..]
            .bytes()
            .take_while(u8::is_ascii_hexdigit)
            .count();
        result.push_str(if digits == 64 { "[ID]" } else { PREFIX });
        rest = &from[PREFIX.len() + if digits == 64 { digits } else { 0 }..];
    }
    result + rest
}

fn replace_ports(line: &str) -> String {
    const HOST: &str = "127.0.0.1:";
    let mut result = String::new();
    let mut rest = line;
    while let Some(start) = rest.find(HOST) {
        let (before, from) = rest.split_at(start + HOST.len());
        result.push_str(before);
        let digits = from.bytes().take_while(u8::is_ascii_digit).count();
        result.push_str(if digits > 0 { "[PORT]" } else { "" });
        rest = &from[digits..];
    }
    result + rest
}

/// A line of a step's output such as `#7 0.123 text` has `[TIME]` as its second word instead.
fn replace_log_time(line: &str) -> String {
    let mut words = line.splitn(3, ' ');
    let (Some(step), Some(time), text) = (words.next(), words.next(), words.next()) else {
        return line.to_string();
    };
    let is_step = step.strip_prefix('#').is_some_and(is_number);
    let is_time = time
        .split_once('.')
        .is_some_and(|(whole, part)| is_number(whole) && is_number(part));
    match text {
        Some(text) if is_step && is_time => format!("{step} [TIME] {text}"),
        _ => line.to_string(),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A line that ends in `12 ms`, `3.4 s` or `DONE 3.4s` ends in `[TIME]` instead.
fn replace_duration(line: &str) -> String {
    let done = || {
        line.strip_suffix('s')
            .filter(|line| line.contains(" DONE "))
    };
    let number = line.strip_suffix(" ms").or_else(|| line.strip_suffix(" s"));
    let Some(number) = number.or_else(done) else {
        return line.to_string();
    };
    let head = number.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    if head.len() == number.len() || !head.ends_with(' ') {
        return line.to_string();
    }
    format!("{head}[TIME]")
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(line: &str, expected: Expect) {
        expected.assert_eq(&normalised_line(line));
    }

    #[test]
    fn what_differs_between_runs_is_replaced() {
        let id = format!("sha256:{}", "0a".repeat(32));
        check(&format!("{id} and {id}"), expect!["[ID] and [ID]"]);
        check("load the indexes 12 ms", expect!["load the indexes [TIME]"]);
        check("#3 DONE 12.3s", expect!["#3 DONE [TIME]"]);
        check("#3 0.123 cc -c 1.5", expect!["#3 [TIME] cc -c 1.5"]);
        check(
            "   reading indexes 3.4 s",
            expect!["   reading indexes [TIME]"],
        );
        check(
            "http://127.0.0.1:40123/debian",
            expect!["http://127.0.0.1:[PORT]/debian"],
        );
    }

    #[test]
    fn what_only_looks_like_it_stays() {
        check("sha256:0a0a", expect!["sha256:0a0a"]);
        check("it is", expect!["it is"]);
        check("#3 1.x y", expect!["#3 1.x y"]);
        check("10 s of v1.2 s", expect!["10 s of v1.2 s"]);
    }
}
