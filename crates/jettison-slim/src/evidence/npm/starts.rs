//! Which programs a source for Node.js starts, if it says so in plain words: `execFile('convert', [path])`.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use crate::rootfs::RootDir;

/// The module by which programs start others.
const MODULE: &str = "child_process";
/// Modules of others for that, which take programs of the project's own modules first.
const OTHERS: [&str; 4] = ["cross-spawn", "execa", "shelljs", "zx/globals"];
/// What of `child_process` starts the program that it is told. `fork` starts Node.js itself.
const FUNCTIONS: [&str; 6] = [
    "exec",
    "execFile",
    "execFileSync",
    "execSync",
    "spawn",
    "spawnSync",
];

/// What starts programs of the project's own modules itself, and would be gone.
const TOOLS: [&str; 5] = ["corepack", "npm", "npx", "pnpm", "yarn"];

/// Whether the source `text` may start a program of the modules of the project in `directory`: it does not say which it starts, or it
/// names one of them.
pub(super) fn starts_own_modules(root: &RootDir, directory: &Path, text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    if OTHERS.iter().any(|module| text.contains(module)) {
        return true;
    }
    if !text.contains(MODULE) {
        return false;
    }
    let Some(literals) = started(&text) else {
        return true;
    };
    let places = directory.join("node_modules/.bin");
    let mut words = literals
        .iter()
        .flat_map(|literal| literal.split_whitespace());
    words.any(|word| {
        let name = word.trim_matches(|c: char| !c.is_alphanumeric());
        let is_name = !name.is_empty() && !name.contains('/');
        is_name && (TOOLS.contains(&name) || root.target(&places.join(name)).is_some())
    })
}

/// The first thing that each call hands over which starts a program; `None` if one of them cannot be told.
fn started(text: &str) -> Option<Vec<&str>> {
    static CALL: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r#"^\s*\)?\s*\(\s*(['"`])"#).ok());
    static PROMISE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"(?:const|let|var)\s+(\w+)\s*=\s*(?:\w+\.)?promisify\(\s*((?:\w+\.)?\w+)\s*\)")
            .ok()
    });
    let Bindings {
        modules,
        mut functions,
        mut known,
    } = Bindings::of(text)?;
    for promise in PROMISE.as_ref()?.captures_iter(text) {
        let (whole, name, of) = (promise.get(0)?, promise.get(1)?, promise.get(2)?.as_str());
        let is_one = match of.split_once('.') {
            Some((module, function)) => modules.contains(module) && FUNCTIONS.contains(&function),
            None => functions.contains(of),
        };
        if is_one {
            functions.insert(name.as_str());
            known.push(whole.range());
        }
    }
    let mut literals = Vec::new();
    for (place, word) in words(text) {
        if known.iter().any(|range| range.contains(&place.start)) {
            continue;
        }
        let before = text.get(..place.start)?;
        let after = text.get(place.end..)?;
        let is_of_something = before.ends_with('.');
        let rest = if modules.contains(word) && !is_of_something {
            let member = after.strip_prefix('.')?;
            let length = member.find(|c: char| !c.is_alphanumeric() && c != '_');
            let (name, rest) = member.split_at(length.unwrap_or(member.len()));
            if !FUNCTIONS.contains(&name) {
                continue;
            }
            rest
        } else if functions.contains(word) && !is_of_something {
            after
        } else {
            continue;
        };
        let call = CALL.as_ref()?.captures(rest)?;
        let literal = rest.get(call.get(0)?.end()..)?;
        let (literal, behind) = literal.split_once(call.get(1)?.as_str())?;
        // What it starts is put together from something else.
        if literal.contains("${") || behind.trim_start().starts_with('+') {
            return None;
        }
        literals.push(literal);
    }
    Some(literals)
}

/// The words of `text`, as names of a program are words.
fn words(text: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    static WORD: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"[\w$]+").ok());
    let found = WORD.iter().flat_map(|word| word.find_iter(text));
    found.map(|word| (word.range(), word.as_str()))
}

/// By what names a source calls the module and its functions.
struct Bindings<'text> {
    modules: BTreeSet<&'text str>,
    functions: BTreeSet<&'text str>,
    /// Where in the source it says so.
    known: Vec<Range<usize>>,
}

impl<'text> Bindings<'text> {
    /// Those in `text`; `None` if it names the module in another way.
    fn of(text: &'text str) -> Option<Bindings<'text>> {
        static BINDING: LazyLock<Option<Regex>> = LazyLock::new(|| {
            Regex::new(
                r#"(?:(?:const|let|var)\s+(?:(\w+)|\{([^}]*)\})\s*=\s*require\(\s*['"](?:node:)?child_process['"]\s*\)|import\s+(?:(?:\*\s*as\s+)?(\w+)|\{([^}]*)\})\s*from\s*['"](?:node:)?child_process['"])"#,
            )
            .ok()
        });
        let mut found = Bindings {
            modules: BTreeSet::new(),
            functions: BTreeSet::new(),
            known: Vec::new(),
        };
        for binding in BINDING.as_ref()?.captures_iter(text) {
            let module = binding.get(1).or_else(|| binding.get(3));
            found.modules.extend(module.map(|name| name.as_str()));
            let list = binding.get(2).or_else(|| binding.get(4));
            let items = list.into_iter().flat_map(|list| list.as_str().split(','));
            for item in items {
                let mut names = item
                    .split([':', ' ', '\n', '\t'])
                    .filter(|name| !name.is_empty());
                let Some(function) = names.next() else {
                    continue;
                };
                if FUNCTIONS.contains(&function) {
                    found
                        .functions
                        .insert(names.next_back().unwrap_or(function));
                }
            }
            found.known.push(binding.get(0)?.range());
        }
        // `child_process_1` of a compiler is a name of it, not the module.
        let is_module = |(range, word): &(Range<usize>, &str)| {
            *word == MODULE
                && !found.modules.contains(word)
                && !found.known.iter().any(|known| known.contains(&range.start))
        };
        (!words(text).any(|word| is_module(&word))).then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_started_is_told_by_plain_words() {
        for (text, expected) in [
            (
                "const { execFile, fork } = require('child_process');\nexecFile('convert', [path]);\nfork(path);\nconst m = /x/.exec(line);\n",
                Some(&["convert"][..]),
            ),
            (
                "const cp = require(\"node:child_process\");\ncp.exec(`identify x.png | sort`);\ncp.spawnSync('git', a);\n",
                Some(&["identify x.png | sort", "git"]),
            ),
            (
                "import { execFile as run, spawn } from 'child_process';\nconst later = promisify(run);\nawait later('ffmpeg', []);\nspawn('ffprobe');\n",
                Some(&["ffmpeg", "ffprobe"]),
            ),
            (
                "const child_process_1 = require(\"child_process\");\n(0, child_process_1.execFileSync)(\"pandoc\", []);\n",
                Some(&["pandoc"]),
            ),
            (
                "const { spawn } = require('child_process');\nspawn(program);\n",
                None,
            ),
            (
                "const { exec } = require('child_process');\nexec(`${tool} x`);\n",
                None,
            ),
            (
                "const { exec } = require('child_process');\nexec('cd x && ' + tool);\n",
                None,
            ),
            ("require('child_process').exec('ls');\n", None),
            ("const cp = require('child_process');\nrun(cp);\n", None),
            (
                "const { spawn } = require('child_process');\nmodule.exports = { spawn };\n",
                None,
            ),
        ] {
            assert_eq!(started(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn programs_of_the_projects_own_modules_are_found_by_their_names() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("app/node_modules/.bin");
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join("tsc"), "").unwrap();
        let root = RootDir::open(dir.path()).unwrap();
        let check = |text: &str| starts_own_modules(&root, Path::new("/app"), text.as_bytes());
        assert!(check(
            "const { exec } = require('child_process');\nexec('cd x && tsc -p .');\n"
        ));
        assert!(!check(
            "const { exec } = require('child_process');\nexec('convert a b');\n"
        ));
        assert!(check(
            "const { spawn } = require('child_process');\nspawn('npx', ['tsc']);\n"
        ));
        assert!(check("const execa = require('execa');\n"));
        assert!(!check("listen();\n"));
    }
}
