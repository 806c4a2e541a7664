//! Programs that have a shell start what their users say: the editor in `$EDITOR`, a hook, a job. No source has the names of those
//! programs; what every Debian system has is what people expect there.

use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use super::Keeper;
use super::commands::Sureness;
use super::starters::hands_to_shell;
use crate::rootfs::RootError;

/// One program of each package that a command of one line may count on: coreutils, diffutils, findutils, grep, gzip, awk and sed.
const EXPECTED: [&str; 7] = ["ls", "cmp", "find", "grep", "gzip", "awk", "sed"];
/// What has a shell start its first argument, in any language; what Python and JavaScript call alike is something else.
const CALLS: &str = r"\b(?:os\.system|os\.popen|getoutput|getstatusoutput|create_subprocess_shell|os\.execute|io\.popen|shell_exec|passthru|system|popen|execSync|execAsync|execPromise)\s*\(";
/// How JavaScript and PHP have a shell start something; a pattern has an `exec` of its own.
const EXEC: &str = r"(?:^|[^.\w]|\bcp\.|\bchild_process\.)exec\s*\(";
/// How Python has a shell start something.
const SHELL_TRUE: &str = r"\b(?:run|call|Popen|check_output|check_call)\s*\(";
/// The option of a shell before its command, in quotes.
const OPTION: &str = r#"["']-[el]*c["']"#;
/// What stands before a text or a name and does not change what it begins with.
const BEFORE: [&str; 12] = [
    ".arg(",
    ".args(",
    ".to_string(",
    "format!(",
    "fmt.Sprintf(",
    "String.format(",
    "sprintf(",
    "std::string(",
    "vec![",
    "&",
    "await ",
    "new ",
];
/// What has the same words as what it is called for.
const OF_A_NAME: [&str; 7] = [
    "as_ref",
    "as_str",
    "c_str",
    "clone",
    "str",
    "toString",
    "to_string",
];
/// How far behind a call its options may be, in bytes.
const CALL: usize = 300;

static PATTERNS: LazyLock<[Option<Regex>; 4]> =
    LazyLock::new(|| [CALLS, EXEC, SHELL_TRUE, OPTION].map(|pattern| Regex::new(pattern).ok()));

impl Keeper<'_> {
    /// Keeps what people expect beside a shell, for the source at `path`, which has one start what users say.
    pub(super) fn add_expected_tools(&mut self, path: &Path) -> Result<(), RootError> {
        let reason = format!("{} has a shell start what its user says", path.display());
        for name in EXPECTED {
            self.add_program(name, Sureness::There, &reason)?;
        }
        Ok(())
    }
}

/// Whether the source `text` has a shell start what stands in none of its texts; `end` is the extension of its name.
pub(super) fn starts_what_users_say(text: &str, end: &str) -> bool {
    let [calls, exec, shell_true, option] = &*PATTERNS;
    let behind = |pattern: &Option<Regex>| -> Vec<&str> {
        let found = pattern.iter().flat_map(|pattern| pattern.find_iter(text));
        found.filter_map(|found| text.get(found.end()..)).collect()
    };
    let mut arguments = behind(calls);
    let is_script = ["cjs", "js", "mjs", "ts"].contains(&end) && text.contains("child_process");
    if is_script || end == "php" {
        arguments.extend(behind(exec));
    }
    if end == "py" {
        let is_shell = |rest: &&str| start_of(rest, CALL).contains("shell=True");
        arguments.extend(behind(shell_true).into_iter().filter(is_shell));
    }
    if hands_to_shell(text) {
        arguments.extend(behind(option));
    }
    arguments
        .into_iter()
        .any(|argument| is_said(argument, text))
}

/// Whether `argument`, with which the rest of the source `text` begins, is nothing that stands in it.
fn is_said(argument: &str, text: &str) -> bool {
    match Beginning::of(argument) {
        Beginning::Words | Beginning::Other => false,
        Beginning::Value => true,
        Beginning::Name(name) => {
            let is_constant = !name.contains(|letter: char| letter.is_ascii_lowercase());
            let name = regex::escape(name);
            // In C a text is put together in its place.
            let pattern = format!(
                r#"\b{name}\b(?:\[\w*\])?\s*(?::\s*[\w&<>\[\]' ]+?)?\s*(?::=|\+?=|<<)\s*|printf\s*\(\s*{name}\s*,[^"]*|str(?:cpy|cat)\s*\(\s*{name}\s*,"#
            );
            let is_written = |pattern: Regex| {
                let mut assigned = pattern.find_iter(text);
                assigned.any(|found| {
                    let value = text.get(found.end()..).unwrap_or_default();
                    matches!(Beginning::of(value), Beginning::Words)
                })
            };
            !is_constant && !Regex::new(&pattern).is_ok_and(is_written)
        }
    }
}

/// What an expression begins with.
#[derive(Debug, PartialEq, Eq)]
enum Beginning<'t> {
    /// A text with a word, which names what is started.
    Words,
    /// A text that begins with the value of something.
    Value,
    /// The name of something that is handed on.
    Name(&'t str),
    /// Anything else: what a function gives, nothing.
    Other,
}

impl Beginning<'_> {
    fn of(expression: &str) -> Beginning<'_> {
        let mut rest = expression;
        loop {
            rest = rest.trim_start_matches(|letter: char| {
                letter.is_whitespace() || ",()[]{".contains(letter)
            });
            match BEFORE.iter().find_map(|before| rest.strip_prefix(before)) {
                Some(behind) => rest = behind,
                None => break,
            }
        }
        for prefix in ["f", "r", "b", "$", "rf", "fr"] {
            if let Some(text) = rest
                .strip_prefix(prefix)
                .filter(|text| text.starts_with(['"', '\'']))
            {
                rest = text;
            }
        }
        if let Some(text) = rest.strip_prefix(['"', '\'', '`']) {
            let text = text.trim_start_matches(['"', '\'', '(']);
            return match text.chars().next() {
                Some(letter) if letter.is_ascii_alphanumeric() || "/._-".contains(letter) => {
                    Beginning::Words
                }
                Some('{' | '$' | '%' | '#') => Beginning::Value,
                _ => Beginning::Other,
            };
        }
        let is_of_name = |letter: char| letter.is_alphanumeric() || "_.".contains(letter);
        let end = rest
            .find(|letter| !is_of_name(letter))
            .unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        // What is made of a name is the name's.
        let is_of_it = |(_, made): &(&str, &str)| OF_A_NAME.contains(made);
        let made = name.rsplit_once('.').filter(is_of_it);
        let (name, behind) = made.map_or((name, behind), |(name, _)| (name, ""));
        let is_name = name.starts_with(|letter: char| letter.is_alphabetic() || letter == '_');
        let is_nothing = ["None", "nil", "null", "undefined", "false", "true"].contains(&name);
        if !is_name || is_nothing || behind.starts_with('(') {
            return Beginning::Other;
        }
        Beginning::Name(name)
    }
}

/// The beginning of `text`, `length` bytes or a little less.
fn start_of(text: &str, length: usize) -> &str {
    let ends = (0..=length.min(text.len())).rev();
    let mut ends = ends.filter(|end| text.is_char_boundary(*end));
    ends.next()
        .and_then(|end| text.get(..end))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_of_users_are_told_from_those_that_stand_in_a_source() {
        for (end, text) in [
            (
                "rs",
                "Command::new(\"sh\").arg(\"-c\").arg(format!(\"{editor} '{file}'\"))",
            ),
            (
                "rs",
                "Command::new(\"/bin/sh\")\n    .arg(\"-c\")\n    .arg(&task.command)",
            ),
            ("go", "exec.Command(\"sh\", \"-c\", job.Command)"),
            (
                "go",
                "exec.CommandContext(ctx, \"bash\", \"-c\", strings[0])",
            ),
            ("py", "subprocess.run(step[\"run\"], shell=True)"),
            (
                "py",
                "def sh(cmd):\n    return subprocess.check_output(\n        cmd,\n        shell=True)",
            ),
            ("py", "os.system(f\"{os.environ['EDITOR']} {path}\")"),
            (
                "js",
                "const { execSync } = require('child_process');\nexecSync(`${editor} x`)",
            ),
            (
                "js",
                "const { exec } = require('child_process');\nexec(hook.command, done)",
            ),
            ("c", "if (system(argv[1]) != 0)"),
            (
                "cpp",
                "int run(const std::string& hook) { return system(hook.c_str()); }",
            ),
        ] {
            assert!(starts_what_users_say(text, end), "{text}");
        }
        for (end, text) in [
            ("rs", "Command::new(\"sh\").arg(\"-c\").arg(\"tar -x\")"),
            (
                "go",
                "cmd := fmt.Sprintf(\"gzip -c %s\", f)\nexec.Command(\"sh\", \"-c\", cmd)",
            ),
            (
                "py",
                "cmd = f\"ffmpeg -i {x}\"\nsubprocess.run(cmd, shell=True)",
            ),
            ("py", "subprocess.run(cmd)\nplatform.system()"),
            ("py", "subprocess.run(COMMAND, shell=True)"),
            (
                "js",
                "const cp = require('child_process');\n/x/.exec(text); cp.exec('ls ' + x)",
            ),
            ("js", "pattern.exec(line)"),
            (
                "c",
                "snprintf(cmd, n, \"du %s\", p);\nchar cmd[] = \"du\";\nsystem(cmd);",
            ),
            (
                "cpp",
                "std::ostringstream out;\nout << \"tar \" << x;\nsystem(out.str().c_str());",
            ),
            ("go", "exec.Command(\"python3\", \"-c\", code)"),
        ] {
            assert!(!starts_what_users_say(text, end), "{text}");
        }
    }
}
