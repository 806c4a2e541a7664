//! What a build refuses in an instruction that can be read.
//!
//! BuildKit finds these only when it comes to the instruction, and so never in a stage that the target does not
//! need (`dispatch`, dockerfile2llb/convert.go). What depends on the value of a variable is left to the build.

mod mode;
mod mount;
mod port;

use crate::diagnostic::Diagnostic;
use crate::expand::{ExpandError, expand_with_matches};
use crate::instruction::{
    CopyInstruction, CopySource, Instruction, InstructionKind, KeyValue, RunInstruction,
};
use crate::quote::quoted;
use crate::refusal::mode::mode_problem;
use crate::refusal::mount::mount_problem;
use crate::refusal::port::port_problem;
use crate::source_text::SourceText;
use crate::text::{TextRange, upper};

/// Says what a build would refuse in an instruction, in BuildKit's words; the first is what BuildKit says.
///
/// Ask for the instructions of the stages that are built: BuildKit does not look at the others.
pub fn refusals(instruction: &Instruction, escape: char) -> Vec<Diagnostic> {
    let mut words = Words {
        escape,
        place: instruction.arguments.clone(),
        found: Vec::new(),
    };
    match &instruction.kind {
        InstructionKind::From(from) => {
            let is_blank = words.known(&from.base).is_some_and(|base| base.is_empty());
            if is_blank {
                let message = format!("base name ({}) should not be blank", from.base);
                words.refuse_at(&from.base_range, message);
            }
        }
        InstructionKind::Run(run) => run_problems(&mut words, instruction, run),
        InstructionKind::Env(pairs) | InstructionKind::Label(pairs) => {
            pair_problems(&mut words, pairs);
        }
        InstructionKind::Copy(copy) => copy_problems(&mut words, instruction, copy, false),
        InstructionKind::Add(add) => copy_problems(&mut words, instruction, add, true),
        InstructionKind::Expose(ports) => {
            for port in ports {
                let known = words.known_words(port).unwrap_or_default();
                words.refuse_each(known.iter().filter_map(|port| port_problem(port)));
            }
        }
        InstructionKind::Volume(paths) => {
            for path in paths {
                if words.known(path).is_some_and(|path| path.is_empty()) {
                    words.refuse("VOLUME specified can not be an empty string");
                }
            }
        }
        InstructionKind::User(word) | InstructionKind::Workdir(word) => {
            words.known(word);
        }
        InstructionKind::Stopsignal(signal) => {
            if let Some(signal) = words.known(signal).filter(|signal| !is_signal(signal)) {
                words.refuse(format!("invalid signal: {signal}"));
            }
        }
        InstructionKind::Cmd(_)
        | InstructionKind::Entrypoint(_)
        | InstructionKind::Arg(_)
        | InstructionKind::Shell(_)
        | InstructionKind::Healthcheck(_)
        | InstructionKind::Onbuild(_)
        | InstructionKind::Maintainer(_)
        | InstructionKind::Unknown
        | InstructionKind::Invalid => {}
    }
    words.found
}

/// Expands words as far as that needs no variables, and collects what is wrong.
struct Words {
    escape: char,
    /// Where to say that something is wrong.
    place: TextRange,
    found: Vec<Diagnostic>,
}

impl Words {
    /// The word, expanded, unless it depends on a variable or cannot be expanded, which is refused.
    fn known(&mut self, word: &str) -> Option<String> {
        Some(self.expansion(word)?.0)
    }

    /// The words in a word.
    fn known_words(&mut self, word: &str) -> Option<Vec<String>> {
        Some(self.expansion(word)?.1)
    }

    fn expansion(&mut self, word: &str) -> Option<(String, Vec<String>)> {
        match expand_with_matches(word, self.escape, &|_| None) {
            Ok(expansion) if expansion.unmatched.is_empty() => {
                Some((expansion.text, expansion.words))
            }
            // Whether it is there is for the build to see; and how deep one may go is our rule.
            Ok(_) | Err(ExpandError::Required { .. } | ExpandError::TooDeep) => None,
            Err(error) => {
                self.refuse(format!("failed to process {}: {error}", quoted(word)));
                None
            }
        }
    }

    fn refuse(&mut self, message: impl Into<String>) {
        self.found
            .push(Diagnostic::error(self.place.clone(), message));
    }

    fn refuse_at(&mut self, place: &TextRange, message: impl Into<String>) {
        self.found.push(Diagnostic::error(place.clone(), message));
    }

    fn refuse_each(&mut self, messages: impl Iterator<Item = String>) {
        for message in messages {
            self.refuse(message);
        }
    }
}

fn pair_problems(words: &mut Words, pairs: &[KeyValue]) {
    let place = words.place.clone();
    for pair in pairs {
        words.place = pair.key_range.clone();
        words.known(&pair.key);
        words.place = pair.value_range.clone();
        words.known(&pair.value);
    }
    words.place = place;
}

fn run_problems(words: &mut Words, instruction: &Instruction, run: &RunInstruction) {
    let flags = instruction.flags.iter().filter(|flag| flag.name == "mount");
    for (flag, mount) in flags.zip(&run.mounts) {
        words.place = flag.value_range.as_ref().unwrap_or(&flag.range).clone();
        if let Some(problem) = mount_problem(words, mount) {
            words.found.push(problem);
        }
    }
}

fn copy_problems(
    words: &mut Words,
    instruction: &Instruction,
    copy: &CopyInstruction,
    is_add: bool,
) {
    let arguments = words.place.clone();
    let place_of = |name: &str| {
        let flag = instruction.flags.iter().find(|flag| flag.name == name);
        let place = flag.map(|flag| flag.value_range.as_ref().unwrap_or(&flag.range));
        place.unwrap_or(&arguments).clone()
    };
    // Everything is expanded before anything is looked at.
    let mut known = |name: &str, value: &Option<SourceText>| {
        words.place = place_of(name);
        words.known(value.as_ref()?)
    };
    let chown = known("chown", &copy.chown);
    let chmod = known("chmod", &copy.chmod);
    let checksum = known("checksum", &copy.checksum);
    words.place = arguments.clone();
    let sources = copy.sources.iter().filter_map(|source| match source {
        CopySource::Path(path) => Some(words.known(path)),
        CopySource::Heredoc(_) => None,
    });
    let sources: Vec<Option<String>> = sources.collect();
    words.known(&copy.destination);

    if let Some(chown) = chown.filter(|chown| copy.link && is_name(chown)) {
        let message = format!(
            "--chown={chown}: user and group names can't be resolved when used with --link, use numeric \
             uid[:gid] instead"
        );
        words.refuse_at(&place_of("chown"), message);
    }
    if let Some(problem) = chmod.and_then(|chmod| mode_problem(&chmod)) {
        words.refuse_at(&place_of("chmod"), problem);
    }
    if checksum.is_some_and(|checksum| !checksum.is_empty()) {
        match sources.as_slice() {
            [Some(source)] if is_local(source) => {
                words.refuse("checksum requires HTTP(S) or Git sources");
            }
            [_] => {}
            _ => words.refuse("checksum can't be specified for multiple sources"),
        }
    }
    if !is_add {
        let remote = sources.iter().flatten().find_map(|source| remote(source));
        let message = |kind| format!("source can't be a {kind} for COPY");
        words.refuse_each(remote.map(message).into_iter());
    }
}

/// Says whether `user[:group]` has a name in it (BuildKit: `chownByName`, `dockerfile2llb/convert_copy.go`).
fn is_name(chown: &str) -> bool {
    let parts = chown.splitn(2, ':');
    parts
        .filter(|part| !part.is_empty())
        .any(|part| part.parse::<i64>().is_err())
}

/// Says whether a source is a path for certain.
fn is_local(source: &str) -> bool {
    !source.contains(':') && !source.starts_with("github.com/")
}

/// What a source is if it is not a path, as far as that is certain.
fn remote(source: &str) -> Option<&'static str> {
    let is_git = |scheme: &&str| source.starts_with(*scheme);
    if ["git@", "git://", "ssh://"].iter().any(is_git) {
        return Some("git ref");
    }
    let address = source
        .strip_prefix("https://")
        .or_else(|| source.strip_prefix("http://"))?;
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let is_git = path.strip_suffix(".git").is_some();
    Some(if is_git { "git ref" } else { "URL" })
}

/// Says whether Linux has a signal (moby/sys: `ParseSignal`, signal/signal.go).
fn is_signal(signal: &str) -> bool {
    const NAMES: &[&str] = &[
        "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT",
        "KILL", "PIPE", "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM",
        "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
        "RTMIN", "RTMAX",
    ];
    if let Ok(number) = signal.parse::<i64>() {
        return number != 0;
    }
    let name = upper(signal);
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    // `RTMIN+1` to `RTMIN+15` and `RTMAX-14` to `RTMAX-1`.
    let is_between = |prefix: &str, last: u8| {
        let number = name.strip_prefix(prefix);
        number.is_some_and(|text| (1..=last).any(|number| number.to_string() == text))
    };
    NAMES.contains(&name) || is_between("RTMIN+", 15) || is_between("RTMAX-", 14)
}
