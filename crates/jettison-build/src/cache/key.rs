//! Cache keys and the text that they are made of.
//!
//! A step has up to two keys. The *definition key* is over what the instruction says and the keys of
//! its inputs; it is known before anything runs. The *content key* of a `COPY` is over the
//! files that it would copy; it is looked up when the definition key misses, so that a rebuilt
//! but unchanged source file does not rebuild what was copied from it.

use std::fmt::{self, Write};

use jettison_oci::Digest;

use crate::plan::{
    CopyDefinition, CopyFrom, Definition, RunDefinition, RunNetwork, Step, WorkdirDefinition,
};

/// Changes whenever the encoding or the meaning of a definition does.
const VERSION: &str = "jettison step 2";

/// The digest of everything that decides what a step produces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CacheKey(Digest);

impl fmt::Display for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_string().trim_start_matches("sha256:"))
    }
}

/// The text whose digest is a key: one `name "value"…` line for each part.
#[derive(Clone, Debug)]
pub(crate) struct KeyText(String);

impl KeyText {
    fn new(kind: &str) -> KeyText {
        KeyText(format!("{VERSION}\n{kind}\n"))
    }

    /// A text that was kept beside its entry.
    pub(crate) fn read(text: &str) -> KeyText {
        KeyText(text.to_string())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn key(&self) -> CacheKey {
        CacheKey(Digest::of(self.0.as_bytes()))
    }

    /// Quotes every value, so that no value can look like two.
    fn line(&mut self, name: &str, values: &[&str]) {
        self.0.push_str(name);
        for value in values {
            let written = write!(self.0, " {value:?}");
            debug_assert!(written.is_ok(), "a String takes everything");
        }
        self.0.push('\n');
    }
}

/// The definition key's text. `parent` and `source` are the keys of the step's inputs.
pub(crate) fn definition_key(step: &Step, parent: &str, source: &str) -> KeyText {
    let Step {
        definition,
        parent: _,
        hints: _,
    } = step;
    let mut text = KeyText::new(kind(definition));
    text.line("parent", &[parent]);
    match definition {
        Definition::Run(run) => run_lines(&mut text, run),
        Definition::Copy(copy) => {
            text.line("source", &[source]);
            copy_lines(&mut text, copy);
        }
        Definition::Workdir(WorkdirDefinition { path, user }) => {
            text.line("path", &[path]);
            text.line("user", &[user]);
        }
    }
    text
}

/// The content key's text of a copy: as the definition key's, with the digests of the files
/// in the place of the source's key.
pub(crate) fn with_contents(copy: &CopyDefinition, parent: &str, contents: &str) -> KeyText {
    let mut text = KeyText::new("copy contents");
    text.line("parent", &[parent]);
    copy_lines(&mut text, copy);
    text.line("contents", &[]);
    text.0.push_str(contents);
    text
}

fn kind(definition: &Definition) -> &'static str {
    match definition {
        Definition::Run(_) => "run",
        Definition::Copy(_) => "copy",
        Definition::Workdir(_) => "workdir",
    }
}

fn run_lines(text: &mut KeyText, run: &RunDefinition) {
    let RunDefinition {
        argv,
        env,
        working_dir,
        user,
        network,
    } = run;
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    text.line("argv", &words);
    for (name, value) in env {
        text.line("env", &[name, value]);
    }
    text.line("working-dir", &[working_dir]);
    text.line("user", &[user]);
    let network = match network {
        RunNetwork::Host => "host",
        RunNetwork::None => "none",
    };
    text.line("network", &[network]);
}

fn copy_lines(text: &mut KeyText, copy: &CopyDefinition) {
    let CopyDefinition {
        from,
        sources,
        destination,
        chown,
        chmod,
    } = copy;
    let from = match from {
        CopyFrom::Context => "context",
        CopyFrom::Input(_) => "input",
    };
    text.line("from", &[from]);
    let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
    text.line("sources", &sources);
    text.line("destination", &[destination]);
    if let Some(owner) = chown {
        text.line("chown", &[owner]);
    }
    if let Some(mode) = chmod {
        text.line("chmod", &[&format!("{mode:o}")]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Hints, Input};
    use expect_test::expect;

    fn step(argv: &[&str], title: &str) -> Step {
        Step {
            definition: Definition::Run(RunDefinition {
                argv: argv.iter().map(ToString::to_string).collect(),
                env: vec![("PATH".to_string(), "/bin".to_string())],
                working_dir: "/".to_string(),
                user: String::new(),
                network: RunNetwork::Host,
            }),
            parent: Input::Scratch,
            hints: Hints {
                title: title.to_string(),
                stage: 0,
                instruction: 1,
                line: 2,
            },
        }
    }

    #[test]
    fn the_text_says_what_the_key_is_made_of() {
        expect![[r#"
            jettison step 2
            run
            parent "scratch"
            argv "/bin/sh" "-c" "make"
            env "PATH" "/bin"
            working-dir "/"
            user ""
            network "host"
        "#]]
        .assert_eq(definition_key(&step(&["/bin/sh", "-c", "make"], ""), "scratch", "").as_str());
    }

    #[test]
    fn hints_do_not_enter_the_cache_key() {
        let key = |title: &str| definition_key(&step(&["make"], title), "p", "").key();
        assert_eq!(key("[1/2] RUN make"), key("[build 2/9] RUN make"));
    }

    #[test]
    fn words_that_join_to_the_same_text_have_different_keys() {
        let key = |argv: &[&str]| definition_key(&step(argv, ""), "p", "").key();
        assert_ne!(key(&["a b"]), key(&["a", "b"]));
        assert_ne!(key(&["a\" \"b"]), key(&["a", "b"]));
        assert_ne!(key(&["a\nenv \"X\" \"1\""]), key(&["a"]));
    }
}
