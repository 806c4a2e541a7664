//! Cache keys and the text that they are made of.
//!
//! A step has up to two keys. The *definition key* is over what the instruction says and the keys of
//! its inputs; it is known before anything runs. The *content key* of a `COPY` is over the
//! files that it would copy; it is looked up when the definition key misses, so that a rebuilt
//! but unchanged source file does not rebuild what was copied from it.

use std::fmt::{self, Write};

use jettison_oci::Digest;

use crate::plan::{
    Archives, CacheSharing, Chmod, CopyDefinition, CopyFrom, CopyItem, Definition, Input,
    MountAttributes, RunDefinition, RunLimits, RunMount, RunMountKind, RunNetwork, RunScriptFile,
    RunSecurity, Step, WorkdirDefinition,
};
use crate::remotes::{FileRequest, GitRequest};

/// Changes whenever the encoding or the meaning of a definition does.
const VERSION: &str = "jettison step 3";

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

/// The definition key's text. `key_of` gives the keys of the step's inputs.
pub(crate) fn definition_key(step: &Step, key_of: &dyn Fn(Input) -> String) -> KeyText {
    let Step {
        definition,
        parent,
        hints: _,
    } = step;
    let mut text = KeyText::new(kind(definition));
    text.line("parent", &[&key_of(*parent)]);
    match definition {
        Definition::Run(run) => run_lines(&mut text, run, key_of),
        Definition::Copy(copy) => {
            if let CopyFrom::Input(input) = &copy.from {
                text.line("source", &[&key_of(*input)]);
            }
            copy_lines(&mut text, copy);
        }
        Definition::Workdir(WorkdirDefinition { path, user, time }) => {
            text.line("path", &[path]);
            text.line("user", &[user]);
            if let Some(time) = time {
                text.line("time", &[&time.to_string()]);
            }
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

/// The text of what a copy is recognized by before its files are read: their names and sizes.
pub(crate) fn with_shape(copy: &CopyDefinition, parent: &str, shape: &str) -> KeyText {
    let mut text = KeyText::new("copy shape");
    text.line("parent", &[parent]);
    copy_lines(&mut text, copy);
    text.line("shape", &[]);
    text.0.push_str(shape);
    text
}

fn kind(definition: &Definition) -> &'static str {
    match definition {
        Definition::Run(_) => "run",
        Definition::Copy(_) => "copy",
        Definition::Workdir(_) => "workdir",
    }
}

fn run_lines(text: &mut KeyText, run: &RunDefinition, key_of: &dyn Fn(Input) -> String) {
    let RunDefinition {
        argv,
        env,
        working_dir,
        user,
        network,
        security,
        mounts,
        script,
        limits,
    } = run;
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    text.line("argv", &words);
    for (name, value) in env {
        text.line("env", &[name, value]);
    }
    text.line("working-dir", &[working_dir]);
    text.line("user", &[user]);
    let network = match network {
        RunNetwork::Default => "default",
        RunNetwork::Host => "host",
        RunNetwork::None => "none",
    };
    text.line("network", &[network]);
    match security {
        RunSecurity::Sandbox => {}
        RunSecurity::Insecure => text.line("security", &["insecure"]),
    }
    for mount in mounts {
        mount_lines(text, mount, key_of);
    }
    if let Some(RunScriptFile {
        name,
        text: content,
    }) = script
    {
        text.line("script", &[name, content]);
    }
    limit_lines(text, limits);
}

/// What is in a cache directory, a secret or an agent is not part of a key (BuildKit: `ExecOp.CacheMap`, solver/llbsolver/ops/exec.go).
fn mount_lines(text: &mut KeyText, mount: &RunMount, key_of: &dyn Fn(Input) -> String) {
    let RunMount { target, kind } = mount;
    let target = target.as_deref().unwrap_or_default();
    match kind {
        RunMountKind::Bind {
            from,
            source,
            is_writable,
        } => {
            let access = if *is_writable { "rw" } else { "ro" };
            text.line("bind", &[target, &key_of(*from), source, access]);
        }
        RunMountKind::Cache {
            id,
            sharing,
            is_read_only,
            from,
            source,
            attributes,
        } => {
            let sharing = match sharing {
                CacheSharing::Shared => "shared",
                CacheSharing::Private => "private",
                CacheSharing::Locked => "locked",
            };
            let access = if *is_read_only { "ro" } else { "rw" };
            let owner = attribute_text(attributes);
            let from = key_of(*from);
            text.line(
                "cache",
                &[target, id, sharing, access, &from, source, &owner],
            );
        }
        RunMountKind::Tmpfs { size } => {
            let size = size.map(|size| size.to_string()).unwrap_or_default();
            text.line("tmpfs", &[target, &size]);
        }
        RunMountKind::Secret {
            id,
            env,
            is_required,
            attributes,
        } => {
            let env = env.as_deref().unwrap_or_default();
            let required = if *is_required { "required" } else { "optional" };
            text.line(
                "secret",
                &[target, id, env, required, &attribute_text(attributes)],
            );
        }
        RunMountKind::Ssh {
            id,
            is_required,
            attributes,
        } => {
            let required = if *is_required { "required" } else { "optional" };
            text.line("ssh", &[target, id, required, &attribute_text(attributes)]);
        }
    }
}

fn attribute_text(attributes: &MountAttributes) -> String {
    let MountAttributes { mode, uid, gid } = attributes;
    format!("{mode:o} {uid}:{gid}")
}

fn limit_lines(text: &mut KeyText, limits: &RunLimits) {
    let RunLimits {
        extra_hosts,
        shm_size,
        ulimits,
        hostname,
    } = limits;
    for (name, address) in extra_hosts {
        text.line("extra-host", &[name, address]);
    }
    if let Some(size) = shm_size {
        text.line("shm-size", &[&size.to_string()]);
    }
    for (name, soft, hard) in ulimits {
        text.line("ulimit", &[name, &soft.to_string(), &hard.to_string()]);
    }
    if let Some(name) = hostname {
        text.line("hostname", &[name]);
    }
}

fn copy_lines(text: &mut KeyText, copy: &CopyDefinition) {
    let CopyDefinition {
        from,
        sources,
        destination,
        chown,
        chmod,
        exclude,
        keeps_parents,
        is_linked,
        archives,
    } = copy;
    match from {
        CopyFrom::Context => text.line("from", &["context"]),
        CopyFrom::Named(_) => text.line("from", &["named context"]),
        CopyFrom::Input(_) => text.line("from", &["input"]),
    }
    for source in sources {
        item_lines(text, source);
    }
    text.line("destination", &[destination]);
    if let Some(owner) = chown {
        text.line("chown", &[owner]);
    }
    match chmod {
        Some(Chmod::Octal(mode)) => text.line("chmod", &[&format!("{mode:o}")]),
        Some(Chmod::Symbolic(changes)) => text.line("chmod", &[changes]),
        None => {}
    }
    for pattern in exclude {
        text.line("exclude", &[pattern]);
    }
    if *keeps_parents {
        text.line("parents", &[]);
    }
    if *is_linked {
        text.line("link", &[]);
    }
    match archives {
        Archives::Kept => {}
        Archives::LocalUnpacked => text.line("archives", &["local"]),
        Archives::Unpacked => text.line("archives", &["all"]),
    }
}

/// What is fetched is part of the content key, by its digest or its commit.
fn item_lines(text: &mut KeyText, item: &CopyItem) {
    match item {
        CopyItem::Path(path) => text.line("source", &[path]),
        CopyItem::Text { name, content } => text.line("text", &[name, content]),
        CopyItem::File(FileRequest { url, checksum }) => {
            let checksum = checksum.as_ref().map(ToString::to_string);
            text.line("url", &[url, &checksum.unwrap_or_default()]);
        }
        CopyItem::Git(GitRequest {
            remote,
            reference,
            checksum,
            fetch_by_commit: _,
            subdir,
            keep_git_dir,
            submodules,
            mtime,
        }) => {
            let text_of = |part: &Option<String>| part.clone().unwrap_or_default();
            let flags = format!("{keep_git_dir} {submodules:?} {mtime:?}");
            text.line(
                "git",
                &[
                    remote,
                    &text_of(reference),
                    &text_of(checksum),
                    &text_of(subdir),
                    &flags,
                ],
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Hints, StepId};
    use expect_test::expect;

    fn key_of(input: Input) -> String {
        match input {
            Input::Scratch => "scratch".to_string(),
            Input::Base(number) => format!("base {number}"),
            Input::Step(StepId(number)) => format!("step {number}"),
        }
    }

    fn step(argv: &[&str], title: &str) -> Step {
        Step {
            definition: Definition::Run(RunDefinition {
                argv: argv.iter().map(ToString::to_string).collect(),
                env: vec![("PATH".to_string(), "/bin".to_string())],
                working_dir: "/".to_string(),
                user: String::new(),
                network: RunNetwork::Default,
                security: RunSecurity::Sandbox,
                mounts: Vec::new(),
                script: None,
                limits: RunLimits::default(),
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
            jettison step 3
            run
            parent "scratch"
            argv "/bin/sh" "-c" "make"
            env "PATH" "/bin"
            working-dir "/"
            user ""
            network "default"
        "#]]
        .assert_eq(definition_key(&step(&["/bin/sh", "-c", "make"], ""), &key_of).as_str());
    }

    #[test]
    fn hints_do_not_enter_the_cache_key() {
        let key = |title: &str| definition_key(&step(&["make"], title), &key_of).key();
        assert_eq!(key("[1/2] RUN make"), key("[build 2/9] RUN make"));
    }

    #[test]
    fn words_that_join_to_the_same_text_have_different_keys() {
        let key = |argv: &[&str]| definition_key(&step(argv, ""), &key_of).key();
        assert_ne!(key(&["a b"]), key(&["a", "b"]));
        assert_ne!(key(&["a\" \"b"]), key(&["a", "b"]));
        assert_ne!(key(&["a\nenv \"X\" \"1\""]), key(&["a"]));
    }
}
