//! A program that something else only starts, started itself.
//!
//! Who starts it may give it variables and a longer `PATH`. What the program's own sources say tells whether it would miss them.

use std::path::{Path, PathBuf};

use jettison_oci::RunConfig;
use memchr::memmem;

use crate::evidence::collect::Fact;
use crate::evidence::entrypoint::passes_on;
use crate::refactor::exec_argv;
use crate::rootfs::{RootDir, RootError};

/// The largest file that is searched, in bytes.
const LARGEST: u64 = 64 << 20;

/// A command without the tool that starts it.
#[derive(Clone, Debug)]
pub(crate) struct PlainStart {
    /// The configuration with that command.
    pub(crate) config: RunConfig,
    /// Why it means the same.
    pub(crate) fact: Fact,
    /// The directory of the program's sources.
    pub(crate) directory: PathBuf,
    /// The tool: `npm`, `npx`, `pnpm`, `yarn`, `uv`, `poetry`, `pipenv`, `go` or `cargo`.
    pub(crate) tool: String,
    /// What it starts, as it is written.
    pub(crate) script: String,
}

impl PlainStart {
    /// Whether it is a script of `package.json`, which its runner announces.
    pub(crate) fn is_script_of_node(&self) -> bool {
        ["npm", "npx", "pnpm", "yarn"].contains(&self.tool.as_str())
    }

    /// The program's own sources: the files of its directory of which `is_code` says that, but for the directories of others.
    pub(super) fn sources(
        &self,
        root: &RootDir,
        is_code: &dyn Fn(&Path) -> bool,
        is_of_others: &dyn Fn(&Path) -> bool,
    ) -> Result<Vec<PathBuf>, RootError> {
        let mut found = Vec::new();
        let mut pending = vec![self.directory.clone()];
        while let Some(directory) = pending.pop() {
            if is_of_others(&directory) {
                continue;
            }
            for name in root.list(&directory)? {
                let path = directory.join(&name);
                let metadata = root.symlink_metadata(&path)?;
                if metadata.is_dir() {
                    pending.push(path);
                } else if metadata.is_file() && is_code(&path) {
                    found.push(path);
                }
            }
        }
        found.sort();
        Ok(found)
    }
}

/// The words of `CMD`, without a shell that only starts them.
pub(super) fn plain_words(
    root: &RootDir,
    config: &RunConfig,
    words: Vec<String>,
) -> Option<Vec<String>> {
    let [shell, option, text] = words.as_slice() else {
        return Some(words);
    };
    if shell != "/bin/sh" || option != "-c" {
        return Some(words);
    }
    // Beside an ENTRYPOINT these are its arguments.
    let argv = exec_argv(text.strip_prefix("exec ").unwrap_or(text))?;
    passes_on(root, config, argv.first()?).then_some(argv)
}

/// The first of `paths` that has one of `words` in it.
pub(super) fn first_that_says<'p>(
    root: &RootDir,
    paths: impl IntoIterator<Item = &'p PathBuf>,
    words: &[&[u8]],
) -> Result<Option<&'p Path>, RootError> {
    let says = |text: &[u8]| words.iter().any(|word| memmem::find(text, word).is_some());
    first_that(root, paths, says)
}

/// The first of `paths` of whose text `is_one` says so. Files may be gone since, and directories may have names of files, as that of
/// the module `ipaddr.js`.
pub(super) fn first_that<'p>(
    root: &RootDir,
    paths: impl IntoIterator<Item = &'p PathBuf>,
    is_one: impl Fn(&[u8]) -> bool,
) -> Result<Option<&'p Path>, RootError> {
    for path in paths {
        match root.metadata(path) {
            Ok(found) if found.is_file() => {}
            Ok(_) => continue,
            Err(error) if error.is_absent() => continue,
            Err(error) => return Err(error),
        }
        match root.read(path, LARGEST) {
            Ok(text) if is_one(&text) => return Ok(Some(path)),
            Ok(_) => {}
            Err(error) if error.is_absent() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}
