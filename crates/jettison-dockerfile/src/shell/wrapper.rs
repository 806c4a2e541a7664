//! What a command runs: its program, its flags, and the program behind `sudo` and its like.

use crate::shell::command::SimpleCommand;
use crate::shell::reader::name_len;
use crate::shell::word::ShellWord;

/// A program that runs the program after it.
struct Wrapper {
    name: &'static str,
    /// Flags without a value.
    flags: &'static [&'static str],
    /// Flags whose value is the next word.
    options: &'static [&'static str],
    /// How many words come before the program.
    operands: usize,
}

/// The wrappers. One with another flag is not looked through.
const WRAPPERS: [Wrapper; 15] = [
    wrapper("builtin", &[], &[], 0),
    wrapper("command", &["-p"], &[], 0),
    wrapper("doas", &["-n"], &["-u", "-C"], 0),
    wrapper("eatmydata", &[], &[], 0),
    wrapper(
        "env",
        &["-", "-i", "--ignore-environment"],
        &["-u", "--unset"],
        0,
    ),
    wrapper("exec", &["-c", "-l"], &["-a"], 0),
    wrapper("fakeroot", &[], &[], 0),
    wrapper("gosu", &[], &[], 1),
    wrapper("ionice", &[], &["-c", "-n"], 0),
    wrapper("nice", &[], &["-n", "--adjustment"], 0),
    wrapper("nohup", &[], &[], 0),
    wrapper("su-exec", &[], &[], 1),
    wrapper(
        "sudo",
        &[
            "-E",
            "-H",
            "-n",
            "-S",
            "-k",
            "-b",
            "-P",
            "--preserve-env",
            "--set-home",
        ],
        &["-u", "--user", "-g", "--group", "-h", "-p", "-C"],
        0,
    ),
    wrapper("time", &["-p", "-v"], &["-f", "-o"], 0),
    wrapper(
        "timeout",
        &["--foreground", "--preserve-status", "-v"],
        &["-k", "--kill-after", "-s", "--signal"],
        1,
    ),
];

const fn wrapper(
    name: &'static str,
    flags: &'static [&'static str],
    options: &'static [&'static str],
    operands: usize,
) -> Wrapper {
    Wrapper {
        name,
        flags,
        options,
        operands,
    }
}

impl SimpleCommand {
    /// The first word without its quotes, if nothing is expanded in it.
    pub fn program(&self) -> Option<&str> {
        self.words.first()?.literal.as_deref()
    }

    /// The words after the program.
    pub fn arguments(&self) -> impl Iterator<Item = &ShellWord> {
        self.words.iter().skip(1)
    }

    /// The values of the arguments, but of those in which something is expanded.
    pub fn literals(&self) -> impl Iterator<Item = &str> {
        self.arguments().filter_map(|word| word.literal.as_deref())
    }

    /// Says whether an argument of [`unwrapped`](SimpleCommand::unwrapped) is `--long`, `--long=…`, `-s`, `-svalue`
    /// or a cluster with `s` such as `-qs`. What is after `--` is no flag.
    pub fn has_flag(&self, short: char, long: &str) -> bool {
        let arguments = self.unwrapped().iter().skip(1);
        let long = long.trim_start_matches('-');
        arguments
            .filter_map(|word| word.literal.as_deref())
            .take_while(|argument| *argument != "--")
            .any(|argument| match argument.strip_prefix("--") {
                Some(name) => name.split('=').next() == Some(long) && !long.is_empty(),
                None => argument.strip_prefix('-').is_some_and(|cluster| {
                    let is_cluster = cluster.bytes().all(|byte| byte.is_ascii_alphanumeric());
                    cluster.starts_with(short) || (is_cluster && cluster.contains(short))
                }),
            })
    }

    /// The words without what runs the real program: `sudo`, `env A=b`, `exec`, `nice`, `timeout 5` and their like.
    ///
    /// A wrapper with a flag that is not known stays, since it may do something else: `command -v`.
    pub fn unwrapped(&self) -> &[ShellWord] {
        let mut words = self.words.as_slice();
        while let Some(inner) = inner(words) {
            words = inner;
        }
        words
    }

    /// The file name of the program behind all wrappers.
    pub fn tool(&self) -> Option<&str> {
        let program = self.unwrapped().first()?.literal.as_deref()?;
        program.rsplit('/').next()
    }
}

/// The words that the wrapper at the start of `words` runs.
fn inner(words: &[ShellWord]) -> Option<&[ShellWord]> {
    let (program, mut words) = words.split_first()?;
    let program = program.literal.as_deref()?;
    let name = program.rsplit('/').next().unwrap_or(program);
    let wrapper = WRAPPERS.iter().find(|wrapper| wrapper.name == name)?;
    let assigns = matches!(name, "env" | "sudo" | "doas");
    let mut operands = wrapper.operands;
    loop {
        let (word, rest) = words.split_first()?;
        let literal = word.literal.as_deref();
        match literal {
            Some("--") => {
                words = rest;
                break;
            }
            Some(flag) if flag.starts_with('-') => {
                let (flag, value) = match flag.split_once('=') {
                    Some((flag, value)) if flag.starts_with("--") => (flag, Some(value)),
                    Some(_) | None => (flag, None),
                };
                if wrapper.flags.contains(&flag) || is_number(name, flag) {
                    words = rest;
                } else if wrapper.options.contains(&flag) {
                    words = if value.is_some() {
                        rest
                    } else {
                        rest.get(1..)?
                    };
                } else {
                    return None;
                }
            }
            _ if assigns && is_assignment(&word.text) => words = rest,
            _ => break,
        }
    }
    while operands > 0 {
        words = words.get(1..)?;
        operands -= 1;
    }
    // `env A=b -- program` and `env -- A=b program` are both allowed.
    while let Some((word, rest)) = words.split_first()
        && assigns
        && is_assignment(&word.text)
    {
        words = rest;
    }
    (!words.is_empty()).then_some(words)
}

/// `nice -10`, `ionice -c2 -n7`
fn is_number(name: &str, flag: &str) -> bool {
    let letters = match name {
        "nice" => flag.strip_prefix("-n").or_else(|| flag.strip_prefix('-')),
        "ionice" => flag.strip_prefix("-c").or_else(|| flag.strip_prefix("-n")),
        _ => None,
    };
    letters.is_some_and(|number| {
        !number.is_empty()
            && number
                .trim_start_matches('-')
                .bytes()
                .all(|byte| byte.is_ascii_digit())
    })
}

fn is_assignment(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, _)| {
        let len = name_len(name);
        len > 0 && len == name.len()
    })
}
