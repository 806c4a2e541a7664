//! The programs that texts say they start: scripts of shells by their words, other sources by what they have in quotes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::handed::Handed;

/// How sure it is that a text starts a program that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sureness {
    /// The text starts programs, and has the name in quotes somewhere.
    Somewhere,
    /// The name stands where a program is started.
    There,
}

/// What starts programs, in the languages that are known.
const STARTERS: [&str; 44] = [
    "\"-|\"",
    "'-|'",
    "%x",
    ".exec(",
    "Command::new",
    "IO.popen",
    "Kernel.exec",
    "LookPath",
    "Open3",
    "Process.Start",
    "Process.run",
    "ProcessBuilder",
    "StartProcess",
    "asyncio.subprocess",
    "backticks",
    "child_process",
    "create_subprocess",
    "exec(",
    "exec.Command",
    "execFile",
    "execSync",
    "execa",
    "execl",
    "execv",
    "getRuntime",
    "io.popen",
    "os.exec",
    "os.execute",
    "os.popen",
    "os.spawn",
    "os.system",
    "passthru",
    "pexpect",
    "popen",
    "posix_spawn",
    "proc_open",
    "process::Command",
    "qx",
    "shell_exec",
    "shutil.which",
    "spawn",
    "subprocess",
    "system(",
    "system ",
];
/// What has a shell start them, or the editor that `$EDITOR` names.
const SHELL_STARTERS: [&str; 16] = [
    "%x",
    "`",
    "child_process",
    "click.edit(",
    "execSync",
    "io.popen",
    "os.execute",
    "os.popen",
    "os.system",
    "passthru",
    "popen",
    "qx",
    "shell=True",
    "shell_exec",
    "system(",
    "typer.edit(",
];
/// How many lines a call goes on, at most, before it names the program.
const LINES: usize = 4;
/// How long a line that somebody has written is, at most, in bytes: a longer one is a whole program, made small by a tool.
const LONG_LINE: usize = 1000;
/// How far from what starts it a program's name stands in such a line, at most, in bytes.
const NEAR: usize = 200;
/// What JavaScript starts programs with: a source that speaks of none of these looks for a pattern by `.exec(`.
const JAVASCRIPT_STARTERS: [&str; 6] = [
    "Bun.",
    "Deno.",
    "child_process",
    "execa",
    "shelljs",
    "spawn",
];
/// What builds and installs programs: what a source says of these is about its own making.
const BUILDERS: [&str; 34] = [
    "apt",
    "apt-get",
    "c++",
    "cargo",
    "cc",
    "clang",
    "cmake",
    "docker",
    "dpkg",
    "g++",
    "gcc",
    "go",
    "gradle",
    "javac",
    "make",
    "msgattrib",
    "msgfmt",
    "msgmerge",
    "msguniq",
    "mvn",
    "npm",
    "npx",
    "pdm",
    "pip",
    "pip3",
    "pipenv",
    "pnpm",
    "poetry",
    "rustc",
    "tsc",
    "uv",
    "uvx",
    "xgettext",
    "yarn",
];

/// Whether the text starts a shell; `end` is the extension of its name.
pub(super) fn starts_shell(text: &str, end: &str) -> bool {
    let mut starters = SHELL_STARTERS.iter();
    starters.any(|word| *word != "`" && is_meant(word, end) && text.contains(word))
}

/// Whether what starts programs in some languages does so in one whose sources have the extension `end`: `%x` is a number there, and
/// `exec` takes a text for a part of the program, or what is spawned is a task.
fn is_meant(starter: &str, end: &str) -> bool {
    match end {
        "py" => !["%x", ".exec(", "exec(", "qx", "system "].contains(&starter),
        "cjs" | "js" | "jsx" | "mjs" | "ts" | "tsx" => !["%x", "qx", "system "].contains(&starter),
        "go" | "java" | "kt" | "rs" => starter != "spawn",
        _ => true,
    }
}

/// Whether a script of a shell starts what it is given, as entrypoints do (`exec "$@"`): then whoever runs the image may have it
/// start a shell.
pub(super) fn starts_what_it_is_given(text: &str) -> bool {
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'));
    lines.into_iter().any(|line| {
        let mut words = line
            .split_whitespace()
            .skip_while(|word| *word != "exec")
            .skip(1);
        let first = match words.next() {
            Some("gosu" | "su-exec") => words.nth(1),
            first => first,
        };
        let first = first.unwrap_or_default().trim_end_matches(';');
        ["\"$@\"", "$@", "\"${@}\"", "\"$*\"", "$*"].contains(&first)
    })
}

/// What stands between backticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backticks {
    /// A command, which a shell starts.
    Command,
    /// A text in quotes.
    Text,
    /// Nothing: they are in comments alone.
    Nothing,
}

/// What backticks mean in a source whose name has the extension `end`; scripts seldom have one.
fn backticks(end: &str) -> Backticks {
    match end {
        "" | "cgi" | "php" | "pl" | "pm" | "psgi" | "rb" | "ru" | "sh" => Backticks::Command,
        "cjs" | "go" | "js" | "jsx" | "mjs" | "scala" | "ts" => Backticks::Text,
        _ => Backticks::Nothing,
    }
}

/// Whether a line is nothing but a comment, in any of the languages that are known.
fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    ["//", "/*", "* ", "# ", "-- "]
        .iter()
        .any(|start| line.starts_with(start))
}

/// The names in quotes that a source may start as programs, none if it starts none; `end` is the extension of its name.
pub(super) fn quoted_commands(text: &str, end: &str) -> BTreeMap<String, Sureness> {
    let mut found = BTreeMap::new();
    let backticks = backticks(end);
    let text = without_patterns(text, end);
    let starters: Vec<&str> = STARTERS
        .into_iter()
        .filter(|starter| is_meant(starter, end))
        .collect();
    // Databases have an `exec` too, and what it is handed is no program.
    let is_call = |line: &str| {
        let mut calls = starters.iter().filter(|word| !word.ends_with("exec("));
        calls.any(|word| line.contains(word)) || has_call(line, "exec(", end)
    };
    let is_starter = |line: &str| {
        starters.iter().any(|word| line.contains(word))
            || (backticks == Backticks::Command && line.contains('`'))
    };
    if !is_starter(&text) {
        return found;
    }
    let calls = text
        .lines()
        .filter(|line| !is_comment(line) && line.len() <= LONG_LINE);
    let mut handed = Handed::read(calls, is_call);
    let mut n_since = LINES;
    for line in text.lines() {
        if is_comment(line) {
            n_since = n_since.saturating_add(1);
            continue;
        }
        let is_long = line.len() > LONG_LINE;
        let is_handed = !is_long && handed.has_value_in(line);
        let without;
        let line = if backticks == Backticks::Nothing {
            without = line.replace('`', " ");
            &without
        } else {
            line
        };
        n_since = if is_starter(if is_long { end_of(line) } else { line }) {
            0
        } else {
            n_since.saturating_add(1)
        };
        for (before, literal) in literals(line) {
            let is_near = if is_long {
                is_starter(end_of(before))
            } else {
                n_since < LINES
            };
            let is_there = is_near || begins_array(before, literal, line);
            for name in command_names(literal) {
                let sureness = if is_there || is_handed && !OF_SHELLS.contains(&name) {
                    Sureness::There
                } else {
                    Sureness::Somewhere
                };
                let known = found.entry(name.to_owned()).or_insert(sureness);
                *known = (*known).max(sureness);
            }
        }
    }
    found.retain(|name: &String, _| !BUILDERS.contains(&name.as_str()));
    found
}

/// Whether a line calls `name`, a function of a language in which that starts programs, and none of which it is only the end.
fn has_call(line: &str, name: &str, end: &str) -> bool {
    let is_own = [
        "cjs", "js", "jsx", "mjs", "php", "pl", "pm", "rb", "ru", "ts", "tsx",
    ];
    let is_whole = |(at, _)| {
        let before = line.get(..at).unwrap_or_default();
        !before.ends_with(|c: char| c.is_alphanumeric() || "_.>:".contains(c))
    };
    is_own.contains(&end) && line.match_indices(name).any(is_whole)
}

/// The text without what looks for a pattern by `.exec(`.
fn without_patterns<'text>(text: &'text str, end: &str) -> Cow<'text, str> {
    let is_javascript = ["cjs", "js", "jsx", "mjs", "ts", "tsx"].contains(&end);
    if !is_javascript || JAVASCRIPT_STARTERS.iter().any(|word| text.contains(word)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace(".exec(", "("))
}

/// The last bytes of a line, as many as stand between a call and the program's name.
fn end_of(line: &str) -> &str {
    let mut start = line.len().saturating_sub(NEAR);
    while !line.is_char_boundary(start) {
        start += 1;
    }
    line.get(start..).unwrap_or_default()
}

/// The first words of the values in a text of settings, which may be programs: `converter: pdftotext -layout`.
pub(super) fn settings_commands(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in text.lines() {
        let line = line.trim();
        let value = line.split_once([':', '=']).map_or("", |(_, value)| value);
        let item = line.strip_prefix("- ").unwrap_or_default();
        let quoted = literals(line).into_iter().map(|(_, literal)| literal);
        for part in quoted.chain([value, item]) {
            let names = command_names(part.trim_matches(['"', '\'', ' ', ',']));
            found.extend(names.into_iter().map(str::to_owned));
        }
    }
    found.retain(|name| !BUILDERS.contains(&name.as_str()));
    found
}

/// Whether a literal is the first of a list, and the next one is an option.
fn begins_array(before: &str, literal: &str, line: &str) -> bool {
    let is_first = before.trim_end().ends_with(['[', '{']);
    let rest = line
        .get(before.len() + literal.len() + 2..)
        .unwrap_or_default();
    let next = rest.trim_start().strip_prefix(',').map(str::trim_start);
    is_first && next.is_some_and(|next| next.starts_with("\"-") || next.starts_with("'-"))
}

/// What is in quotes in a line, each with what stands before it, up to the quote.
fn literals(line: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(offset) = line.get(at..).and_then(|rest| rest.find(['"', '\'', '`'])) {
        let start = at + offset;
        let (Some(before), Some(rest)) = (line.get(..start), line.get(start + 1..)) else {
            break;
        };
        let quote = line
            .as_bytes()
            .get(start)
            .map_or('"', |byte| char::from(*byte));
        let Some(length) = rest.find(quote) else {
            // The command goes on in the next line.
            found.push((before, rest));
            break;
        };
        found.push((before, &rest[..length]));
        at = start + length + 2;
    }
    found
}

/// The programs that a literal names: itself, or the first words of what a shell takes for commands.
pub(super) fn command_names(literal: &str) -> Vec<&str> {
    literal
        .split(['|', '&', ';', '(', '\n'])
        .filter_map(|part| {
            let mut words = part.split_whitespace();
            words.find(|word| !word.contains('=') && !PREFIXES.contains(word))
        })
        .filter(|name| is_name(name))
        .collect()
}

/// Words of shells before a command.
const PREFIXES: [&str; 21] = [
    "!", "command", "do", "elif", "else", "env", "eval", "exec", "exec;", "gosu", "if", "nice",
    "nohup", "setsid", "su-exec", "sudo", "then", "time", "until", "while", "xargs",
];

/// The words of a shell's script that stand where a command does. It may be more than it runs.
pub(super) fn script_commands(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.trim_start();
        if line.starts_with('#') {
            continue;
        }
        // What is in quotes may be a command of `$(...)`, of `sh -c` or of `trap`.
        for part in line.split(['|', '&', ';', '(', ')', '`', '"', '\'', '{', '}']) {
            let mut words = part.split_whitespace().peekable();
            while let Some(word) = words.next() {
                // `${EDITOR:-vi} file`
                let word = word.split_once(":-").map_or(word, |(_, default)| default);
                let is_assignment = word.split_once('=').is_some_and(|(name, _)| {
                    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                });
                if is_assignment {
                    continue;
                }
                if is_name(word) && !OF_SHELLS.contains(&word) {
                    found.push(word);
                }
                if !PREFIXES.contains(&word) {
                    break;
                }
                // `xargs -0 rm`, `env -i x`, `command -v x`, `gosu user x`
                while words.peek().is_some_and(|next| next.starts_with('-')) {
                    words.next();
                }
                if ["gosu", "su-exec"].contains(&word) {
                    words.next();
                }
            }
        }
    }
    found
}

/// What every shell does itself, although there are programs of these names (POSIX, 2.14, and what dash and bash add).
const OF_SHELLS: [&str; 21] = [
    "[", "alias", "cd", "command", "echo", "exec", "exit", "export", "false", "getopts", "hash",
    "kill", "printf", "pwd", "read", "test", "times", "true", "type", "umask", "wait",
];

fn is_name(word: &str) -> bool {
    word.len() >= 2
        && word.len() < 256
        && !word.starts_with('-')
        && word.chars().any(|c| c.is_ascii_alphabetic())
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_./+[".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, there: &[&str], somewhere: &[&str]) {
        check_in("", text, there, somewhere);
    }

    #[track_caller]
    fn check_in(end: &str, text: &str, there: &[&str], somewhere: &[&str]) {
        let found = quoted_commands(text, end);
        let of = |sureness| -> Vec<&str> {
            let named = found.iter().filter(|(_, known)| **known == sureness);
            named.map(|(name, _)| name.as_str()).collect()
        };
        assert_eq!(of(Sureness::There), there, "{text}");
        assert_eq!(of(Sureness::Somewhere), somewhere, "{text}");
    }

    #[test]
    fn programs_stand_beside_what_starts_them() {
        check(
            "import subprocess\n\n\n\n\nx = 'date'\nsubprocess.run(['gzip', '-c'])\n",
            &["gzip"],
            &["date"],
        );
        check(
            "f = popen(\"gzip -dc x | sort\", \"r\");",
            &["gzip", "sort"],
            &[],
        );
        check(
            "cmd := exec.CommandContext(ctx,\n  \"git\", \"log\")",
            &["git", "log"],
            &[],
        );
        check(
            "Command::new(\"/usr/bin/convert\")",
            &["/usr/bin/convert"],
            &[],
        );
        check(
            "import subprocess\n#\n#\n#\n#\nCMD = ['tar', '-c']\n",
            &["tar"],
            &[],
        );
        check("x = {'date': 'sort'}", &[], &[]);
        check("subprocess.run(['make'])", &[], &[]);
        check("subprocess.run(['msgfmt'])", &[], &[]);
        check("my $x = `wc -l $f`;", &["wc"], &[]);
    }

    #[test]
    fn a_program_that_is_named_before_is_started_by_its_variable() {
        let text = "auto cmd = \"gzip -nf \" + out;\nint x = 1;\nint y;\nif (std::system(cmd.c_str()) != 0) {\n";
        check_in("cpp", text, &["gzip"], &[]);
        let text = "let editor = std::env::var(\"EDITOR\").unwrap_or_else(|_| \"cat\".to_owned());\n\
            let kind = \"date\";\nlet status = Command::new(editor).arg(path).status();\n";
        check_in("rs", text, &["EDITOR", "cat"], &["date"]);
        let text = "editor := os.Getenv(\"EDITOR\")\nif editor == \"\" {\n\teditor = \"vi\"\n}\ncmd := exec.Command(editor, path)\n";
        check_in("go", text, &["EDITOR", "vi"], &[]);
        let text =
            "CMD = [\n  'gzip',\n  '-c',\n]\nNAME = 'date'\n\n\n\n\nsubprocess.run(CMD + [path])\n";
        check_in("py", text, &["gzip"], &["date"]);
        let text = "debug = 'false'\n\n\n\n\nsubprocess.run(['x1', debug])\n";
        check_in("py", text, &["x1"], &["false"]);
        let text = "auto sql = \"id\";\n\n\n\n\nsqlite3_exec(db, sql.c_str());\n";
        check_in("cpp", text, &[], &["id"]);
        let text = "$cmd = 'zip -q ' . $x;\n\n\n\n\nexec($cmd);\n\n\n\n\n$sql = 'id';\n\n\n\n\n$db->exec($sql);\n";
        check_in("php", text, &["zip"], &["id"]);
    }

    #[test]
    fn backticks_are_what_the_language_takes_them_for() {
        let text = "x = `file`, \"sort\"";
        check_in("rb", text, &["file", "sort"], &[]);
        check_in("go", text, &[], &[]);
        check_in("rs", text, &[], &[]);
        let text = "child_process.exec(`zip ${x}`)\n// Reads \"date\".\n";
        check_in("js", text, &["zip"], &[]);
        let text = "/// Reads `file`.\nCommand::new(\"git\") // as `sort`\n# \"date\"";
        check_in("rs", text, &["git"], &[]);
        check_in("rs", "tokio::spawn(serve(\"file\"))", &[], &[]);
        check_in("js", "spawn('file')", &["file"], &[]);
    }

    #[test]
    fn in_a_program_made_small_a_name_stands_near_what_starts_it() {
        let filler = "var a=1;".repeat(200);
        let far = format!("spawn(x);{filler}f(\"top\");{filler}execFile(\"zip\",y)");
        check_in("js", &far, &["zip"], &["top"]);
    }

    #[test]
    fn what_starts_programs_in_one_language_means_something_else_in_another() {
        check_in("py", "print('%x' % n, 'date')", &[], &[]);
        check_in("rb", "print(%x(uptime), 'date')", &["date"], &[]);
        check_in("py", "exec(compile('date'))", &[], &[]);
        check_in("js", "// The file system is asked.\nf('date')", &[], &[]);
    }

    #[test]
    fn what_looks_for_a_pattern_starts_no_program() {
        check_in("js", "if (/^a/.exec(x)) f('hostname')", &[], &[]);
        check_in(
            "js",
            "const c = require('child_process'); c.exec('hostname')",
            &["child_process", "hostname"],
            &[],
        );
    }

    #[test]
    fn commands_of_scripts_are_found_in_every_branch() {
        let script = "#!/bin/sh\nset -e # sort\nif [ \"$1\" = x ]; then\n  exec tar -c \"$(date)\" | gzip\nfi\n\
            case $1 in name) jq -r .x;; esac\nLC_ALL=C sort | xargs -0 rm\ntrap 'kill 1' TERM\n\
            \"${EDITOR:-vi}\" x\n";
        let found = script_commands(script);
        for name in ["tar", "date", "gzip", "jq", "sort", "rm", "vi"] {
            assert!(found.contains(&name), "{name} in {found:?}");
        }
        for name in ["LC_ALL=C", "[", "kill", "exec"] {
            assert!(!found.contains(&name), "{name} in {found:?}");
        }
    }

    #[test]
    fn settings_name_programs_as_their_values() {
        let text = "{\"a\": \"jq -c\", \"n\": 4}\nconverter: pdftotext -layout\nCALC=bc\n- zip -q\n# of x\nbuild: make all\n";
        let found: Vec<String> = settings_commands(text).into_iter().collect();
        assert_eq!(found, ["bc", "jq", "pdftotext", "zip"]);
    }

    #[test]
    fn entrypoints_start_what_they_are_given() {
        for line in [
            "exec \"$@\"",
            "  exec gosu app \"$@\"",
            "[ -z \"$X\" ] && exec \"$@\"; exit 1",
            "if true; then exec $@; fi",
        ] {
            assert!(
                starts_what_it_is_given(&format!("#!/bin/bash\n{line}\n")),
                "{line}"
            );
        }
        for line in [
            "# exec \"$@\"",
            "exec java -jar app.jar \"$@\"",
            "run \"$@\"",
            "exec app",
            "",
        ] {
            assert!(
                !starts_what_it_is_given(&format!("#!/bin/bash\n{line}\n")),
                "{line}"
            );
        }
    }

    #[test]
    fn some_calls_go_through_a_shell() {
        assert!(starts_shell("os.system(x)", "py"));
        assert!(starts_shell("subprocess.run(x, shell=True)", "py"));
        assert!(starts_shell("text = typer.edit(text)", "py"));
        assert!(starts_shell("click.edit(filename=name)", "py"));
        assert!(!starts_shell("subprocess.run([x])", "py"));
        assert!(!starts_shell("print('%x' % 7)", "py"));
        assert!(starts_shell("x = %x(date)", "rb"));
    }
}
