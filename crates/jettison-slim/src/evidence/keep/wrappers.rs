//! Functions of a program's own that start what they are given: `def run(*command): subprocess.run(command)`. Who calls one of
//! them names a program as he would where it is started itself, and perhaps in another source.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::commands::is_comment;
use super::starters::Starters;

/// How far above what it starts a function begins, in lines, at most.
const LINES: usize = 80;
/// How many functions hand on what they are given, one to the other, at most.
const ROUNDS: usize = 3;
/// What functions of many kinds are called, so that a call says nothing.
const MEANINGLESS: [&str; 20] = [
    "__call__",
    "__enter__",
    "__init__",
    "__new__",
    "call",
    "catch",
    "constructor",
    "for",
    "foreach",
    "get",
    "handle",
    "handler",
    "if",
    "initialize",
    "main",
    "new",
    "post",
    "return",
    "switch",
    "while",
];

/// The functions in a source that start what they are given, or hand it to one of those that are `known`; `end` is the extension of
/// its name.
pub(super) fn wrappers(text: &str, end: &str, known: &BTreeSet<String>) -> BTreeSet<String> {
    let starters = Starters::of(end);
    let lines: Vec<&str> = text.lines().collect();
    let known = &named_in(text, known);
    let mut found = imported(text, end);
    for _ in 0..ROUNDS {
        let mut new = BTreeSet::new();
        for (at, line) in lines
            .iter()
            .enumerate()
            .filter(|(_, line)| !is_comment(line))
        {
            let starts = starters.end_of_one(line);
            let start = starts
                .or_else(|| called(line, known))
                .or_else(|| called(line, &found));
            if start.is_none_or(names_at_once) || is_import(line) {
                continue;
            }
            let mut above = lines[at.saturating_sub(LINES)..=at].iter().rev();
            new.extend(above.find_map(|line| defined(line)).map(str::to_owned));
        }
        new.retain(|name| !MEANINGLESS.contains(&name.as_str()) && !found.contains(name));
        if new.is_empty() {
            break;
        }
        found.extend(new);
    }
    found
}

/// Those of `functions` whose names are in `text` at all.
pub(super) fn named_in(text: &str, functions: &BTreeSet<String>) -> BTreeSet<String> {
    let is_there =
        |name: &&String| memchr::memmem::find(text.as_bytes(), name.as_bytes()).is_some();
    functions.iter().filter(is_there).cloned().collect()
}

/// What stands in `line` behind the name of one of `functions` where that is called.
pub(super) fn called<'line>(line: &'line str, functions: &BTreeSet<String>) -> Option<&'line str> {
    functions.iter().find_map(|name| {
        let mut places = line.match_indices(name.as_str());
        places.find_map(|(at, _)| {
            let (before, after) = (line.get(..at)?, line.get(at + name.len()..)?);
            let is_whole = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
            // `run("x")`, `run! "x"`, `run %w[x]`; a definition is none.
            let next = after.trim_start_matches('!').trim_start();
            let is_call = after.starts_with(['(', '!'])
                || after.starts_with([' ', '\t']) && next.starts_with(['"', '\'', '[', '%', '*']);
            (is_whole && is_call && defined(line) != Some(name.as_str())).then_some(after)
        })
    })
}

/// The functions of Python's `subprocess` that a source calls by their names alone.
fn imported(text: &str, end: &str) -> BTreeSet<String> {
    if end != "py" {
        return BTreeSet::new();
    }
    let lists = text
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("from subprocess import "));
    let names = lists.flat_map(|list| list.split(','));
    let names = names.filter_map(|name| name.split_whitespace().last());
    let names = names.map(|name| name.trim_matches(['(', ')']));
    let is_function = |name: &&str| name.starts_with(|c: char| c.is_ascii_lowercase());
    names.filter(is_function).map(str::to_owned).collect()
}

/// Whether the first thing that is handed over in `call`, which begins behind a name, is a text.
fn names_at_once(call: &str) -> bool {
    let arguments = match call.find(['(', '"', '\'', '`']) {
        Some(at) => call.get(at..).unwrap_or_default(),
        None => call,
    };
    let first = arguments.trim_start_matches(['(', '[', '{', ' ', '\t']);
    first.starts_with(['"', '\'', '`', '%', ')'])
        || first.starts_with("f\"")
        || first.starts_with("f'")
}

/// Whether a line only makes names of another module known.
fn is_import(line: &str) -> bool {
    let line = line.trim_start();
    let starts = ["from ", "import ", "use ", "using ", "require ", "#include"];
    let is_required = || line.contains("require(") && !line.contains("promisify(");
    starts.iter().any(|start| line.starts_with(start)) || is_required()
}

/// The function whose definition begins in `line`, in any of the languages that are known.
fn defined(line: &str) -> Option<&str> {
    static BY_KEYWORD: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(
            r"^\s*(?:[a-z]+(?:\([a-z:]+\))?\s+)*(?:def|fn|func|fun|function|sub|proc)\*?\s+(?:\([^)]*\)\s*)?(?:\w+[.:]+)*(\w+)",
        )
        .ok()
    });
    static BY_VALUE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(
            r"^\s*(?:export\s+)?(?:const|let|var|local)\s+(?:rec\s+)?(\w+)[^=]*=(?:.*(?:=>|\bfunction\b|promisify\()|\s*$)",
        )
        .ok()
    });
    static BY_TYPE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"^\s*[\w@][\w\s<>\[\],:*&?.]*?[\s*&](\w+)\s*\([^;=]*(?:\{|\)|,)\s*$").ok()
    });
    static OF_OBJECT: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"^\s*(?:async\s+)?(\w+)\s*\([^;=]*\)\s*\{\s*$").ok());
    const KEYWORDS: [&str; 10] = [
        "await", "case", "defer", "else", "go", "new", "return", "throw", "throws", "yield",
    ];
    let first = line.split_whitespace().next().unwrap_or_default();
    if KEYWORDS.contains(&first) {
        return None;
    }
    [&BY_KEYWORD, &BY_VALUE, &BY_TYPE, &OF_OBJECT]
        .into_iter()
        .find_map(|pattern| pattern.as_ref()?.captures(line))
        .and_then(|captures| captures.get(1))
        .map(|name| name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_begin_as_each_language_has_it() {
        for (line, expected) in [
            ("    def run(self, *command):", Some("run")),
            ("  def self.sh(*cmd)", Some("sh")),
            ("async def call_tool(args):", Some("call_tool")),
            (
                "pub(crate) async fn start(name: &str) -> Output {",
                Some("start"),
            ),
            ("func (g *Git) run(args ...string) error {", Some("run")),
            ("sub sh {", Some("sh")),
            ("export async function run(cmd, args) {", Some("run")),
            ("const run = (cmd, ...args) =>", Some("run")),
            ("const execAsync = promisify(exec);", Some("execAsync")),
            ("  async exec_(cmd, args) {", Some("exec_")),
            ("local function sh(cmd)", Some("sh")),
            ("let run cmd =", Some("run")),
            (
                "    static String run(String input, String... command) throws IOException {",
                Some("run"),
            ),
            ("static int start(const char *name,", Some("start")),
            (
                "    private fun tool(vararg words: String): String {",
                Some("tool"),
            ),
            ("    let mut child = Command::new(&pager).spawn()?;", None),
            (
                "        Process p = new ProcessBuilder(command).start();",
                None,
            ),
            ("    return run(cmd)", None),
            ("    result = subprocess.run(command)", None),
        ] {
            assert_eq!(defined(line), expected, "{line}");
        }
    }

    #[track_caller]
    fn check(end: &str, text: &str, expected: &[&str]) {
        let found = wrappers(text, end, &BTreeSet::new());
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn functions_that_start_what_they_are_given_are_found() {
        let python = "import subprocess\n\ndef run(*command):\n    return subprocess.run(command)\n\n\
            def quiet(*command):\n    return run(*command)\n\ndef pages(path):\n    return subprocess.run([\"pdfinfo\", path])\n";
        check("py", python, &["quiet", "run"]);
        let java = "  static String tool(String input, String... command) throws IOException {\n    \
            Process p = new ProcessBuilder(command).redirectErrorStream(true).start();\n";
        check("java", java, &["tool"]);
        let ruby = "  def sh(*cmd)\n    out, err, st = Open3.capture3(*cmd)\n  end\n  def zip\n    Open3.capture3(\"zip\")\n";
        check("rb", ruby, &["sh"]);
        let go =
            "func (g *Git) run(args ...string) error {\n\tcmd := exec.Command(g.name, args...)\n";
        check("go", go, &["run"]);
        check(
            "rs",
            "fn main() {\n    Command::new(&what).status();\n",
            &[],
        );
        check(
            "py",
            "from subprocess import PIPE, check_output as out\n",
            &["out"],
        );
    }

    #[test]
    fn calls_of_functions_are_told_from_other_words() {
        let functions = BTreeSet::from(["run".to_owned(), "sh".to_owned()]);
        for (line, expected) in [
            ("x = self.run(\"dot\")", Some("(\"dot\")")),
            ("sh \"flac\", path", Some(" \"flac\", path")),
            ("def run(*command):", None),
            ("rerun(\"dot\")", None),
            ("run = 3", None),
            ("to run a program", None),
        ] {
            assert_eq!(called(line, &functions), expected, "{line}");
        }
    }
}
