//! What the rules have looked at already. They are asked again as long as one of them keeps something, and look only at what is new.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What a path was looked at for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Look {
    /// All instructions: what they brought for whoever runs the image.
    Brought,
    /// Jars: whether they draw texts.
    Drawing,
    /// Sources in Python: the modules that they name.
    Imports,
    /// Sources in Perl and Ruby: the modules that they name.
    Libraries,
    /// Programs and texts: the files that they mention.
    Mentions,
    /// Sources for Node.js: the packages that they name.
    NodeRequires,
    /// Texts and programs: what they name of packages.
    PackageNames,
    /// Directories of packages of npm: those that others load.
    Plugins,
    /// Packages that somebody has asked for: what they recommend.
    Recommended,
    /// Directories of modules of Python: what somebody has asked for.
    Requests,
    /// Modules of Python and packages of npm: what they say they require.
    Requirements,
    /// Directories of projects: scripts of `package.json` that an operator may run.
    ScriptsOfNpm,
    /// Modules of Python: their scripts.
    Scripts,
    /// Scripts that start services.
    Services,
    /// Settings: the data that they name.
    Settings,
    /// Programs of packages: what they start.
    Started,
    /// Texts: the programs that they start.
    Texts,
    /// Settings of the program's own: the commands in them.
    Told,
    /// Files that were kept alone before they were used: what belongs to them.
    Unit,
}

/// The paths that were looked at, for each of these.
#[derive(Debug, Default)]
pub(super) struct Seen(BTreeMap<Look, BTreeSet<PathBuf>>);

impl Seen {
    /// Notes that `path` is looked at; whether that is the first time.
    pub(super) fn note(&mut self, look: Look, path: &Path) -> bool {
        self.0.entry(look).or_default().insert(path.to_path_buf())
    }

    /// Takes back that `path` was looked at.
    pub(super) fn forget(&mut self, look: Look, path: &Path) {
        if let Some(paths) = self.0.get_mut(&look) {
            paths.remove(path);
        }
    }

    /// Those of `paths` that were not looked at yet; they are not noted.
    pub(super) fn new_ones<'p>(
        &self,
        look: Look,
        paths: impl IntoIterator<Item = &'p PathBuf>,
    ) -> Vec<PathBuf> {
        let seen = self.0.get(&look);
        let is_new = |path: &&PathBuf| seen.is_none_or(|seen| !seen.contains(*path));
        paths.into_iter().filter(is_new).cloned().collect()
    }

    /// Whether nothing was looked at so far.
    pub(super) fn is_none(&self, look: Look) -> bool {
        self.0.get(&look).is_none_or(BTreeSet::is_empty)
    }
}
