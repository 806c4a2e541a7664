//! The words of an instruction that changes nothing for later ones, and what a build refuses in them.
//!
//! Words are expanded in the order in which BuildKit does it (`Expand`, instructions/commands.go), all of them before
//! anything is looked at (`dispatch`, dockerfile2llb/convert.go).

use crate::evaluate::place::Spot;
use crate::evaluate::words::{Expanded, Site, Words};
use crate::instruction::{
    CopyInstruction, CopySource, Healthcheck, InstructionKind, KeyValue, RunInstruction,
    comma_separated,
};
use crate::quote::quoted;
use crate::refusal::{
    Field, Mount, SourceAddress, digest_problem, is_owner_by_name, is_signal, mode_problem,
    port_problem, read_mount,
};
use crate::scope::Scope;
use crate::source_text::SourceText;
use crate::stage::SourceName;
use crate::text::lower;

/// The value of a word: nothing if it depends on what is not known.
type Known = Option<String>;

impl Words {
    /// Expands the words of an instruction and looks at them.
    pub(super) fn instruction(&mut self, kind: &InstructionKind, site: &Site<'_>, scope: &Scope) {
        match kind {
            InstructionKind::Label(pairs) => self.pairs(pairs, site),
            InstructionKind::Copy(copy) => {
                let sources = self.copy(copy, site);
                if let Some(from) = &copy.from
                    && let Some(late) = (site.late)(&SourceName::Copy(from.to_string()))
                {
                    self.refuse(Spot::Flag("from"), late, site);
                }
                self.check_copy(copy, &sources, site, "COPY");
            }
            InstructionKind::Add(add) => {
                let sources = self.copy(add, site);
                self.check_copy(add, &sources, site, "ADD");
            }
            InstructionKind::Expose(ports) => self.expose(ports, site),
            InstructionKind::Volume(paths) => self.volumes(paths, site),
            InstructionKind::Stopsignal(written) => {
                let known = self.argument(written, site);
                if let Some(signal) = known.filter(|signal| !is_signal(signal)) {
                    let message = format!("invalid signal: {signal}");
                    self.refuse(Spot::Argument(written), message, site);
                }
            }
            InstructionKind::Run(run) => self.mounts(run, site, scope),
            InstructionKind::From(_)
            | InstructionKind::Env(_)
            | InstructionKind::Arg(_)
            | InstructionKind::Workdir(_)
            | InstructionKind::User(_)
            | InstructionKind::Shell(_)
            | InstructionKind::Cmd(_)
            | InstructionKind::Entrypoint(_)
            | InstructionKind::Healthcheck(Healthcheck::None | Healthcheck::Command(_))
            | InstructionKind::Onbuild(_)
            | InstructionKind::Maintainer(_)
            | InstructionKind::Unknown
            | InstructionKind::Invalid => {}
        }
    }

    fn argument(&mut self, word: &str, site: &Site<'_>) -> Known {
        self.expand(word, Spot::Argument(word), site)?.known()
    }

    fn pairs(&mut self, pairs: &[KeyValue], site: &Site<'_>) {
        for pair in pairs {
            self.expand(&pair.key, Spot::At(&pair.key_range), site);
            self.expand(&pair.value, Spot::At(&pair.value_range), site);
        }
    }

    fn expose(&mut self, ports: &[SourceText], site: &Site<'_>) {
        let mut known = Vec::new();
        for written in ports {
            let expanded = self.expand_unlisted(written, Spot::Argument(written), site);
            if let Some(expanded) = expanded {
                self.expanded.extend(expanded.words.iter().cloned());
                if expanded.is_known {
                    known.extend(expanded.words.into_iter().map(|port| (written, port)));
                }
            }
        }
        for (written, port) in known {
            if let Some(problem) = port_problem(&port) {
                self.refuse(Spot::Argument(written), problem, site);
            }
        }
    }

    fn volumes(&mut self, paths: &[SourceText], site: &Site<'_>) {
        let mut empty = Vec::new();
        for path in paths {
            if self
                .argument(path, site)
                .is_some_and(|path| path.is_empty())
            {
                empty.push(path);
            }
        }
        for path in empty {
            let message = "VOLUME specified can not be an empty string";
            self.refuse(Spot::Argument(path), message, site);
        }
    }

    /// Expands the words of `COPY` or `ADD`.
    fn copy(&mut self, copy: &CopyInstruction, site: &Site<'_>) -> Copied {
        let mut flag = |name: &'static str, value: &Option<SourceText>| match value {
            Some(value) => self.expand(value, Spot::Flag(name), site)?.known(),
            None => Some(String::new()),
        };
        let mut copied = Copied {
            chown: flag("chown", &copy.chown),
            chmod: flag("chmod", &copy.chmod),
            checksum: flag("checksum", &copy.checksum),
            sources: Vec::new(),
        };
        // Contents are expanded last.
        let mut in_contents = Vec::new();
        for source in &copy.sources {
            match source {
                CopySource::Path(path) => {
                    let known = self.argument(path, site);
                    copied.sources.push((path.to_string(), known));
                }
                CopySource::Heredoc(heredoc) => {
                    let before = self.errors.len();
                    self.heredoc(heredoc, site);
                    in_contents.extend(self.errors.drain(before..));
                }
            }
        }
        self.argument(&copy.destination, site);
        self.errors.append(&mut in_contents);
        copied
    }

    /// BuildKit: `dispatchCopy`, `dockerfile2llb/convert_copy.go`.
    fn check_copy(
        &mut self,
        copy: &CopyInstruction,
        copied: &Copied,
        site: &Site<'_>,
        keyword: &str,
    ) {
        let Copied {
            chown,
            chmod,
            checksum,
            sources,
        } = copied;
        let is_by_name = |chown: &&String| copy.link && is_owner_by_name(chown);
        if let Some(chown) = chown.as_ref().filter(is_by_name) {
            let message = format!(
                "--chown={chown}: user and group names can't be resolved when used with --link, use numeric \
                 uid[:gid] instead"
            );
            self.refuse(Spot::Flag("chown"), message, site);
        }
        if let Some(problem) = chmod.as_deref().and_then(mode_problem) {
            self.refuse(Spot::Flag("chmod"), problem, site);
        }
        if checksum
            .as_deref()
            .is_some_and(|checksum| !checksum.is_empty())
        {
            let problem = match sources.as_slice() {
                [(_, None)] => None,
                [(_, Some(source))] if SourceAddress::of(source).takes_checksum() => None,
                [_] => Some("checksum requires HTTP(S) or Git sources"),
                _ => Some("checksum can't be specified for multiple sources"),
            };
            if let Some(problem) = problem {
                self.refuse(Spot::Flag("checksum"), problem, site);
                return;
            }
        }
        let mut settings = Settings {
            keyword,
            keep_git_dir: copy.keep_git_dir,
            checksum: checksum.clone(),
        };
        for (written, source) in sources {
            let problem = source
                .as_deref()
                .and_then(|source| settings.problem(source));
            if let Some(problem) = problem {
                self.refuse(Spot::Argument(written), problem, site);
                return;
            }
        }
    }

    fn mounts(&mut self, run: &RunInstruction, site: &Site<'_>, scope: &Scope) {
        let mut flags = site.place.flags.iter().filter(|flag| flag.name == "mount");
        let mut good = Vec::new();
        for written in &run.mounts {
            let place = flags.next().map_or(site.place.range(), |flag| {
                flag.value_range.as_ref().unwrap_or(&flag.range)
            });
            // What cannot be told apart is an error of the parser already.
            let Ok(fields) = comma_separated(written) else {
                continue;
            };
            let before = self.errors.len();
            if let Some(mount) = self.mount(&fields, Spot::At(place), site)
                && self.errors.len() == before
            {
                good.push((mount, written, place));
            }
        }
        for (mount, written, place) in good {
            let named = SourceName::of_mount(written).filter(|_| mount.mounts_its_source());
            let late = named.and_then(|named| {
                let target = mount.target().unwrap_or_default();
                (site.late)(&named.mounted_at(target))
            });
            let problem = || mount.problem(scope.known_dir());
            if let Some(problem) = late.or_else(problem) {
                self.refuse(Spot::At(place), problem, site);
            }
        }
    }

    /// Expands the fields of a mount one after the other, each of which may be wrong.
    fn mount(&mut self, written: &[String], spot: Spot<'_>, site: &Site<'_>) -> Option<Mount> {
        let keys: Vec<String> = written
            .iter()
            .map(|field| lower(field.split('=').next().unwrap_or_default()))
            .collect();
        let before = self.errors.len();
        let mut fields = Vec::new();
        for (written, key) in written.iter().zip(&keys) {
            let value = written.split_once('=').map(|(_, value)| {
                let expanded = self.expand_unlisted(value, spot, site);
                let text = expanded.as_ref().map_or("", |expanded| &expanded.text);
                self.expanded.push(format!("{key}={text}"));
                expanded.and_then(Expanded::known)
            });
            if value.is_none() {
                self.expanded.push(key.clone());
            }
            // After the first one that cannot be expanded nothing is looked at.
            if self.errors.len() == before {
                fields.push(Field {
                    written,
                    key,
                    value,
                });
            }
        }
        let place = site.place.exact(spot);
        match read_mount(&fields, &place) {
            Ok(mount) => {
                if self.errors.len() == before
                    && let Some(problem) = mount.whole_problem()
                {
                    self.refuse(spot, problem, site);
                }
                Some(mount)
            }
            Err(problem) => {
                self.errors.insert(before, problem);
                None
            }
        }
    }
}

/// The words of `COPY` or `ADD`, expanded. What is not written is empty.
struct Copied {
    chown: Known,
    chmod: Known,
    checksum: Known,
    /// Each path as it is written, and expanded.
    sources: Vec<(String, Known)>,
}

/// What one source leaves to the next ones.
struct Settings<'a> {
    keyword: &'a str,
    keep_git_dir: Option<bool>,
    checksum: Known,
}

impl Settings<'_> {
    fn problem(&mut self, source: &str) -> Option<String> {
        let is_copy = self.keyword == "COPY";
        let checksum = self
            .checksum
            .as_deref()
            .filter(|checksum| !checksum.is_empty());
        match SourceAddress::of(source) {
            SourceAddress::Path { .. } => None,
            SourceAddress::Broken { problem, .. } => Some(problem),
            SourceAddress::Git(_) if is_copy => {
                Some("source can't be a git ref for COPY".to_owned())
            }
            SourceAddress::Url { .. } if is_copy => {
                Some("source can't be a URL for COPY".to_owned())
            }
            SourceAddress::Url { .. } => digest_problem(checksum?).map(str::to_owned),
            SourceAddress::Git(git) => {
                if let (Some(flag), Some(query)) = (self.keep_git_dir, git.keep_git_dir)
                    && flag != query
                {
                    return Some("inconsistent keep-git-dir configuration".to_owned());
                }
                self.keep_git_dir = git.keep_git_dir.or(self.keep_git_dir);
                let query = git.checksum?;
                if let Some(flag) = checksum
                    && flag != query
                {
                    let (flag, query) = (quoted(flag), quoted(&query));
                    return Some(format!("checksum mismatch {flag} != {query}"));
                }
                self.checksum = Some(query);
                None
            }
        }
    }
}
