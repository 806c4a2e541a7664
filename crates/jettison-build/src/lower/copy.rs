//! `COPY` and `ADD` (BuildKit: `dispatchCopy`, `dockerfile2llb/convert_copy.go`).

use jettison_dockerfile::{
    CopyInstruction, CopySource, Instruction, InstructionKind, SourceAddress, SourceName,
    digest_problem, is_owner_by_name, mode_problem,
};
use jettison_oci::Digest;

use crate::lower::path;
use crate::lower::quote::quoted;
use crate::lower::{Files, LowerError, Lowering, Place, StageState};
use crate::plan::{Archives, Chmod, CopyDefinition, CopyFrom, CopyItem, Definition, Input};
use crate::remotes::{FileRequest, GitRequest};

/// The words of a `COPY` or `ADD`, expanded. What is empty is not there.
struct Words {
    chown: Option<String>,
    chmod: Option<String>,
    checksum: Option<String>,
    paths: Vec<String>,
    /// Names and contents of here-documents.
    contents: Vec<(String, String)>,
    destination: String,
}

/// What one source leaves to the next ones.
struct Settings<'a> {
    is_add: bool,
    copy: &'a CopyInstruction,
    keep_git_dir: Option<bool>,
    checksum: Option<String>,
}

impl Lowering<'_> {
    pub(super) fn copy(
        &mut self,
        state: &mut StageState,
        instruction: &Instruction,
        copy: &CopyInstruction,
        place: Place<'_>,
    ) -> Result<(), LowerError> {
        let words = self.copy_words(state, copy, place)?;
        let refuse = |message: &str| self.error(place, message);
        if let Some(problem) = words.problem(copy) {
            return Err(refuse(&problem));
        }
        // There are no files of users yet (BuildKit: `getReaderForUser`, solver/llbsolver/ops/user_linux.go).
        if matches!(state.files, Files::Input(Input::Scratch))
            && words.chown.as_deref().is_some_and(is_owner_by_name)
        {
            return Err(refuse("failed to load cache key: invalid user index -1"));
        }
        let is_add = matches!(instruction.kind, InstructionKind::Add(_));
        let created_by = words.shown(if is_add { "ADD" } else { "COPY" }, copy);
        let mut settings = Settings {
            is_add,
            copy,
            keep_git_dir: copy.keep_git_dir,
            checksum: words.checksum.clone(),
        };
        let mut sources = Vec::new();
        for path in &words.paths {
            sources.push(settings.item(path).map_err(|problem| refuse(&problem))?);
        }
        for (name, _) in &words.contents {
            let path = path::clean(name);
            if path.trim_start_matches('/').contains('/') {
                // No directory is made for it (BuildKit: `dispatchCopy`).
                return Err(refuse(&format!("open {path}: no such file or directory")));
            }
        }
        let contents = words.contents.iter().cloned();
        sources.extend(contents.map(|(name, content)| CopyItem::Text { name, content }));
        let definition = CopyDefinition {
            from: self.copy_from(state, copy, place)?,
            sources,
            destination: path::destination(state.working_dir(), &words.destination),
            // With a mode the result is like that of other copies (BuildKit does not merge it).
            is_linked: copy.link && words.chmod.is_none(),
            chown: words.chown,
            chmod: words.chmod.map(chmod),
            exclude: copy.exclude.iter().map(ToString::to_string).collect(),
            keeps_parents: copy.parents,
            archives: match copy.unpack {
                Some(true) => Archives::Unpacked,
                None if is_add => Archives::LocalUnpacked,
                Some(false) | None => Archives::Kept,
            },
        };
        let step = (Definition::Copy(definition), created_by);
        self.push(state, instruction, place, step);
        Ok(())
    }

    /// Expands the words in BuildKit's order: contents last.
    fn copy_words(
        &self,
        state: &StageState,
        copy: &CopyInstruction,
        place: Place<'_>,
    ) -> Result<Words, LowerError> {
        let chown = self.expand_flag(state, place, copy.chown.as_deref())?;
        let chmod = self.expand_flag(state, place, copy.chmod.as_deref())?;
        let checksum = self.expand_flag(state, place, copy.checksum.as_deref())?;
        let mut paths = Vec::new();
        for source in &copy.sources {
            if let CopySource::Path(path) = source {
                paths.push(self.expand(state, place, path)?);
            }
        }
        let destination = self.expand(state, place, &copy.destination)?;
        let mut contents = Vec::new();
        for source in &copy.sources {
            if let CopySource::Heredoc(heredoc) = source {
                let text = heredoc.text();
                let content = if heredoc.expand {
                    self.expand_content(state, place, &text)?
                } else {
                    text
                };
                contents.push((heredoc.name.clone(), content));
            }
        }
        Ok(Words {
            chown,
            chmod,
            checksum,
            paths,
            contents,
            destination,
        })
    }

    fn copy_from(
        &mut self,
        state: &StageState,
        copy: &CopyInstruction,
        place: Place<'_>,
    ) -> Result<CopyFrom, LowerError> {
        let Some(from) = copy.from.as_ref().filter(|from| !from.is_empty()) else {
            return Ok(CopyFrom::Context);
        };
        Ok(
            match self.source(&SourceName::Copy(from.to_string()), &state.files, place)? {
                Files::Input(input) => CopyFrom::Input(input),
                Files::Directory(name) => CopyFrom::Named(name),
            },
        )
    }
}

impl Words {
    fn problem(&self, copy: &CopyInstruction) -> Option<String> {
        let is_by_name = |chown: &&String| copy.link && is_owner_by_name(chown);
        if let Some(chown) = self.chown.as_ref().filter(is_by_name) {
            return Some(format!(
                "--chown={chown}: user and group names can't be resolved when used with --link, use numeric \
                 uid[:gid] instead"
            ));
        }
        if let Some(problem) = self.chmod.as_deref().and_then(mode_problem) {
            return Some(problem);
        }
        self.checksum.as_ref()?;
        match self.paths.as_slice() {
            [source] if SourceAddress::of(source).takes_checksum() => None,
            [_] => Some("checksum requires HTTP(S) or Git sources".to_owned()),
            _ => Some("checksum can't be specified for multiple sources".to_owned()),
        }
    }

    /// The line of the history. Flags come in a fixed order, and not all of them.
    fn shown(&self, keyword: &str, copy: &CopyInstruction) -> String {
        let mut words = vec![keyword.to_owned()];
        if copy.parents {
            words.push("--parents".to_owned());
        }
        words.extend(self.chown.iter().map(|owner| format!("--chown={owner}")));
        words.extend(self.chmod.iter().map(|mode| format!("--chmod={mode}")));
        words.extend(self.paths.iter().cloned());
        words.extend(self.contents.iter().map(|(name, _)| format!("<<{name}")));
        words.push(self.destination.clone());
        words.push("# buildkit".to_owned());
        words.join(" ")
    }
}

impl Settings<'_> {
    fn item(&mut self, source: &str) -> Result<CopyItem, String> {
        match SourceAddress::of(source) {
            SourceAddress::Path { .. } if self.copy.parents => {
                Ok(CopyItem::Path(path::source_with_parents(source)))
            }
            SourceAddress::Path { .. } => Ok(CopyItem::Path(path::clean(source))),
            SourceAddress::Broken { problem, .. } => Err(problem),
            SourceAddress::Git(_) if !self.is_add => {
                Err("source can't be a git ref for COPY".to_owned())
            }
            SourceAddress::Url { .. } if !self.is_add => {
                Err("source can't be a URL for COPY".to_owned())
            }
            SourceAddress::Url { .. } => {
                let checksum = self.checksum.as_deref().map(digest).transpose()?;
                Ok(CopyItem::File(FileRequest {
                    url: source.to_owned(),
                    checksum,
                }))
            }
            SourceAddress::Git(git) => {
                let mut request = GitRequest::of(&git);
                if let (Some(flag), Some(query)) = (self.keep_git_dir, git.keep_git_dir)
                    && flag != query
                {
                    return Err("inconsistent keep-git-dir configuration".to_owned());
                }
                self.keep_git_dir = git.keep_git_dir.or(self.keep_git_dir);
                if let (Some(flag), Some(query)) = (&self.checksum, &git.checksum)
                    && flag != query
                {
                    let (flag, query) = (quoted(flag), quoted(query));
                    return Err(format!("checksum mismatch {flag} != {query}"));
                }
                self.checksum = git.checksum.or(self.checksum.take());
                request.keep_git_dir = self.keep_git_dir.unwrap_or(false);
                request.checksum.clone_from(&self.checksum);
                Ok(CopyItem::Git(request))
            }
        }
    }
}

/// Reads a digest; all but SHA-256 is refused.
pub(super) fn digest(text: &str) -> Result<Digest, String> {
    if let Some(problem) = digest_problem(text) {
        return Err(problem.to_owned());
    }
    text.parse()
        .map_err(|_| format!("--checksum={text}: only sha256 is supported"))
}

/// A mode that is known to be one.
fn chmod(mode: String) -> Chmod {
    match u32::from_str_radix(&mode, 8) {
        Ok(bits) => Chmod::Octal(bits),
        Err(_) => Chmod::Symbolic(mode),
    }
}
