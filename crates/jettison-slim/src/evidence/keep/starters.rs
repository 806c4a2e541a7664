//! What starts programs in the languages that are known.

use std::borrow::Cow;

use super::builders::is_in_quotes;

/// What starts programs, in the languages that are known.
const STARTERS: [&str; 46] = [
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
    "click.edit(",
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
    "typer.edit(",
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
/// What starts programs in the languages of some sources alone.
struct Language {
    /// The extensions of the names of the sources.
    ends: &'static [&'static str],
    /// What starts programs, in small letters if `is_caseless`.
    starters: &'static [&'static str],
    /// Those of them that have a shell start them.
    of_shells: &'static [&'static str],
    /// What starts programs in other languages, and not in this one.
    foreign: &'static [&'static str],
    /// Whether the language takes small letters and capitals for the same.
    is_caseless: bool,
}

/// What `%x` and `qx` are where no program is started by them: parts of a format and of names.
const FORMATS: &[&str] = &["%x", "qx"];
/// The same, where tasks are spawned, too.
const FORMATS_AND_TASKS: &[&str] = &["%x", "qx", "spawn"];

/// The languages that start programs by words that would mean something else in others.
const LANGUAGES: [Language; 19] = [
    Language {
        ends: &["adb", "ads"],
        starters: &["gnat.expect", "gnat.os_lib", "locate_exec_on_path", "spawn"],
        of_shells: &["gnat.os_lib.system"],
        foreign: FORMATS,
        is_caseless: true,
    },
    Language {
        ends: &["awk"],
        starters: &[" | ", "| \"", "|\"", "|&", "|getline"],
        of_shells: &[" | ", "| \"", "|\"", "|&", "|getline"],
        foreign: FORMATS_AND_TASKS,
        is_caseless: false,
    },
    Language {
        ends: &["cbl", "cob", "cpy"],
        starters: &["\"system\"", "'system'", "cbl_exec_run_unit"],
        of_shells: &["\"system\"", "'system'"],
        foreign: FORMATS_AND_TASKS,
        is_caseless: true,
    },
    Language {
        ends: &["cl", "lisp", "scm"],
        starters: &[
            "open-input-pipe",
            "open-output-pipe",
            "open-pipe",
            "process*",
            "run-program",
            "run-shell-command",
            "system*",
            "uiop:",
        ],
        of_shells: &[
            "open-input-pipe",
            "open-output-pipe",
            "open-pipe",
            "run-program",
            "run-shell-command",
            "(system ",
            "uiop:",
        ],
        foreign: FORMATS,
        is_caseless: true,
    },
    Language {
        ends: &["cr"],
        starters: &["Process.exec", "Process.new"],
        of_shells: &["shell: true", "system "],
        foreign: FORMATS_AND_TASKS,
        is_caseless: false,
    },
    Language {
        ends: &["cs", "fs", "vb"],
        starters: &["ProcessStartInfo", "Shell("],
        of_shells: &["Shell("],
        foreign: &[],
        is_caseless: false,
    },
    Language {
        ends: &["d"],
        starters: &["execute(", "executeShell", "pipeProcess", "pipeShell"],
        of_shells: &["executeShell", "pipeShell", "spawnShell"],
        foreign: FORMATS,
        is_caseless: false,
    },
    Language {
        ends: &["erl", "ex", "exs", "hrl"],
        starters: &[
            ":spawn",
            "Port.open",
            "System.cmd",
            "System.find_executable",
            "System.shell",
            "find_executable",
            "open_port",
            "os:cmd",
            "os.cmd",
        ],
        of_shells: &["Port.open", "System.shell", "open_port", "os:cmd", "os.cmd"],
        foreign: FORMATS_AND_TASKS,
        is_caseless: false,
    },
    Language {
        ends: &["f", "f03", "f08", "f90", "f95", "for"],
        starters: &["execute_command_line"],
        of_shells: &["call system", "execute_command_line"],
        foreign: FORMATS_AND_TASKS,
        is_caseless: true,
    },
    Language {
        ends: &["hs", "lhs"],
        starters: &[
            "callCommand",
            "callProcess",
            "createProcess",
            "executeFile",
            "findExecutable",
            "proc ",
            "rawSystem",
            "readCreateProcess",
            "readProcess",
            "shell ",
            "withCreateProcess",
        ],
        of_shells: &["callCommand", "shell ", "spawnCommand", "system "],
        foreign: FORMATS,
        is_caseless: false,
    },
    Language {
        ends: &["m", "mm"],
        starters: &["NSTask", "launchPath", "executableURL", "arguments"],
        of_shells: &[],
        foreign: FORMATS,
        is_caseless: false,
    },
    Language {
        ends: &["ml", "mli"],
        starters: &[
            "Sys.command",
            "Unix.system",
            "create_process",
            "open_process",
        ],
        of_shells: &["Sys.command", "Unix.system", "open_process"],
        foreign: FORMATS_AND_TASKS,
        is_caseless: false,
    },
    Language {
        ends: &["nim"],
        starters: &[
            "execCmd",
            "execProcess",
            "execShellCmd",
            "findExe",
            "startProcess",
        ],
        of_shells: &["execCmd", "execProcess", "execShellCmd", "poEvalCommand"],
        foreign: FORMATS_AND_TASKS,
        is_caseless: false,
    },
    Language {
        ends: &["pas"],
        starters: &[
            "executeprocess",
            "fpexec",
            "fpsystem",
            "runcommand",
            "shell(",
            "tprocess",
        ],
        of_shells: &["fpsystem", "shell("],
        foreign: FORMATS_AND_TASKS,
        is_caseless: true,
    },
    Language {
        ends: &["cgi", "pl", "pm", "psgi", "t"],
        starters: &[
            "\"|-\"", "'|-'", "IPC::Cmd", "IPC::Run", "exec \"", "exec '", "exec {", "readpipe",
        ],
        of_shells: &["readpipe", "system "],
        foreign: &["%x"],
        is_caseless: false,
    },
    Language {
        ends: &["rb", "ru"],
        starters: &["exec \"", "exec '"],
        of_shells: &["system "],
        foreign: &["qx"],
        is_caseless: false,
    },
    Language {
        ends: &["swift"],
        starters: &["Process(", "arguments", "executableURL", "launchPath"],
        of_shells: &[],
        foreign: FORMATS,
        is_caseless: false,
    },
    Language {
        ends: &["exp", "itcl", "tcl", "tk"],
        starters: &["auto_execok", "exec ", "open \"|", "open |"],
        of_shells: &[],
        foreign: &["%x", "qx", "system "],
        is_caseless: false,
    },
    Language {
        ends: &["vala", "zig"],
        starters: &["Child.", "ChildProcess", "Subprocess", "process.run"],
        of_shells: &[],
        foreign: FORMATS,
        is_caseless: false,
    },
];

/// What starts programs in the sources of one language.
pub(super) struct Starters {
    words: Vec<&'static str>,
    of_shells: Vec<&'static str>,
    is_caseless: bool,
    /// Whether a text that begins or ends with `|` is a command for what opens files.
    opens_pipes: bool,
}

/// Where in a line something stands that starts programs.
struct Place {
    word: &'static str,
    start: usize,
    end: usize,
}

impl Starters {
    /// Those of the sources whose names have the extension `end`.
    pub(super) fn of(end: &str) -> Starters {
        let language = LANGUAGES
            .iter()
            .find(|language| language.ends.contains(&end));
        let (own, own_shells, foreign, is_caseless) =
            language.map_or((&[][..], &[][..], &[][..], false), |language| {
                let Language {
                    starters,
                    of_shells,
                    foreign,
                    ..
                } = language;
                (*starters, *of_shells, *foreign, language.is_caseless)
            });
        let is_known = |word: &&'static str| {
            is_meant(word, end) && !foreign.contains(word) && (!is_caseless || is_small(word))
        };
        let words = STARTERS.into_iter().filter(is_known);
        let of_shells = SHELL_STARTERS
            .into_iter()
            .filter(|word| *word != "`" && is_known(word));
        Starters {
            words: words.chain(own.iter().copied()).collect(),
            of_shells: of_shells.chain(own_shells.iter().copied()).collect(),
            is_caseless,
            opens_pipes: ["", "cgi", "pl", "pm", "psgi", "rb", "ru", "t"].contains(&end),
        }
    }

    /// Whether one of them is in `line`.
    pub(super) fn are_in(&self, line: &str) -> bool {
        let text = self.folded(line);
        self.words.iter().any(|word| text.contains(word)) || self.opens_pipe(line)
    }

    /// What stands in `line` behind the first of them that is in it.
    pub(super) fn end_of_one<'line>(&self, line: &'line str) -> Option<&'line str> {
        let ends = self.places(line).into_iter().map(|place| place.end);
        line.get(ends.min()?..)
    }

    /// What stands in `line` behind each of them that starts a program, and does not only look for one, if it is not in quotes.
    pub(super) fn ends_in<'line>(&self, line: &'line str) -> Vec<&'line str> {
        const LOOKS: [&str; 8] = [
            "LookPath",
            "System.find_executable",
            "auto_execok",
            "findExe",
            "findExecutable",
            "find_executable",
            "locate_exec_on_path",
            "shutil.which",
        ];
        let places = self.places(line).into_iter();
        let starts = places.filter(|place| !LOOKS.contains(&place.word));
        let ends = starts.filter_map(|Place { start, end, .. }| {
            let is_quoted = is_in_quotes(line, line.get(start..)?);
            line.get(end..).filter(|_| !is_quoted)
        });
        ends.collect()
    }

    /// Every place in `line` where one of them stands.
    fn places(&self, line: &str) -> Vec<Place> {
        let text = self.folded(line);
        let mut places = Vec::new();
        for word in &self.words {
            places.extend(text.match_indices(word).map(|(start, _)| Place {
                word,
                start,
                // The bracket of a call belongs to what is handed over.
                end: start + word.trim_end_matches('(').len(),
            }));
        }
        places
    }

    /// Whether one of them that is nothing but a call of a program is in `line`.
    pub(super) fn have_call_in(&self, line: &str) -> bool {
        let text = self.folded(line);
        let mut calls = self.words.iter().filter(|word| !word.ends_with("exec("));
        calls.any(|word| text.contains(word)) || self.opens_pipe(line)
    }

    /// Whether one that has a shell start the program is in `text`.
    fn have_shell_in(&self, text: &str) -> bool {
        let folded = self.folded(text);
        self.of_shells.iter().any(|word| folded.contains(word))
            || text.lines().any(|line| self.opens_pipe(line))
    }

    /// Whether `line` opens what a command writes or reads: `open(P, "zcat $file |")`.
    fn opens_pipe(&self, line: &str) -> bool {
        const PIPES: [&str; 6] = ["\"|", "'|", "|\"", "|'", "(|", "{|"];
        let is_open = |at: usize| {
            let before = line.get(..at).unwrap_or_default();
            let after = line.get(at + 4..).unwrap_or_default();
            !before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
                && after.starts_with([' ', '(', '\t'])
        };
        self.opens_pipes
            && PIPES.iter().any(|pipe| line.contains(pipe))
            && line.match_indices("open").any(|(at, _)| is_open(at))
    }

    /// A text as its words are compared.
    fn folded<'text>(&self, text: &'text str) -> Cow<'text, str> {
        if self.is_caseless {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        }
    }
}

/// Whether a word has no capitals.
fn is_small(word: &str) -> bool {
    !word.contains(|c: char| c.is_ascii_uppercase())
}

/// Whether the text starts a shell; `end` is the extension of its name.
pub(super) fn starts_shell(text: &str, end: &str) -> bool {
    let starters = Starters::of(end);
    starters.have_shell_in(text) || starters.are_in(text) && hands_to_shell(text)
}

/// Whether the text has the name of a shell and its option for a command in quotes: `Shell: "sh"`, and then `Command(t.Shell, "-c", x)`.
pub(super) fn hands_to_shell(text: &str) -> bool {
    const SHELLS: [&str; 4] = ["/bin/bash", "/bin/sh", "bash", "sh"];
    let has =
        |word: &str| text.contains(&format!("\"{word}\"")) || text.contains(&format!("'{word}'"));
    has("-c") && SHELLS.into_iter().any(has)
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

/// What stands between backticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Backticks {
    /// A command, which a shell starts.
    Command,
    /// A text in quotes.
    Text,
    /// Nothing: they are in comments alone.
    Nothing,
}

/// What backticks mean in a source whose name has the extension `end`; scripts seldom have one.
pub(super) fn backticks(end: &str) -> Backticks {
    match end {
        "" | "cgi" | "cr" | "php" | "pl" | "pm" | "psgi" | "rb" | "ru" | "sh" | "t" => {
            Backticks::Command
        }
        "cjs" | "d" | "go" | "js" | "jsx" | "mjs" | "scala" | "ts" => Backticks::Text,
        _ => Backticks::Nothing,
    }
}
