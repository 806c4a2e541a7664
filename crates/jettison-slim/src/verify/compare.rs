//! Runs of the original, and a run of the candidate, compared part by part.
//!
//! What differs between runs of the original is no difference of the candidate: headers as a whole, lines of texts by
//! their words, the contents of files. It has to be there in the candidate, too.

mod pattern;
mod show;
mod written;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::verify::compare::pattern::Pattern;
use crate::verify::compare::show::{LINE_LIMIT, describe_output};
use crate::verify::http::Answer;
use crate::verify::ignore::{Ignore, Subject};
use crate::verify::observation::{ExitKind, Observation, Served, WrittenFile};
use crate::verify::serve::WITHIN;

pub(crate) use crate::verify::compare::pattern::words;
pub(crate) use crate::verify::compare::show::visible;

/// What differs if a program took longer to end than it did in the original.
const TIME_TO_THE_END: &str = "the time from the signal to the end";

/// One way in which a candidate did not do what the original did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The programs ended differently.
    Exit {
        /// How the original ended.
        original: ExitKind,
        /// How the candidate ended.
        candidate: ExitKind,
    },
    /// Something short differs: a status, a header, an address.
    Value {
        /// What it is.
        part: String,
        /// The original's; `None` if it has none.
        original: Option<String>,
        /// The candidate's.
        candidate: Option<String>,
    },
    /// A text differs: an output, or the body of an answer.
    Text {
        /// Which one.
        part: String,
        /// What the original wrote.
        original: Vec<u8>,
        /// What the candidate wrote.
        candidate: Vec<u8>,
    },
    /// The programs wrote different files.
    Written {
        /// What only the original wrote.
        original: Vec<WrittenFile>,
        /// What only the candidate wrote.
        candidate: Vec<WrittenFile>,
    },
    /// Neither ended in time, so nothing is known about what they would have done.
    BothTimedOut,
    /// The original did not do the same twice, so it cannot be compared with anything.
    NotRepeatable {
        /// How its two runs differ.
        between_runs: Vec<Difference>,
    },
}

impl Difference {
    /// Whether only a time differs, as it does on a busy machine, too.
    pub(crate) fn is_of_time(&self) -> bool {
        matches!(self, Difference::Value { part, .. } if part == TIME_TO_THE_END)
    }

    /// The difference for people: one line, and for output a diff or a hex window below it.
    ///
    /// Control characters are escaped, so that no output of a probed program reaches a terminal as a command.
    pub fn describe(&self) -> String {
        match self {
            Difference::Exit {
                original,
                candidate,
            } => {
                format!("exit differs: original {original}, candidate {candidate}")
            }
            Difference::Value {
                part,
                original,
                candidate,
            } => {
                let shown = |value: &Option<String>| {
                    let value = value.as_deref().map(visible);
                    value.map_or_else(|| "none".to_owned(), |value| format!("`{value}`"))
                };
                let (original, candidate) = (shown(original), shown(candidate));
                let part = visible(part);
                format!("{part} differs: original {original}, candidate {candidate}")
            }
            Difference::Text {
                part,
                original,
                candidate,
            } => describe_output(&visible(part), original, candidate),
            Difference::Written {
                original,
                candidate,
            } => {
                let mut text = "written files differ:".to_owned();
                for (sign, files) in [('-', original), ('+', candidate)] {
                    for file in files.iter().take(LINE_LIMIT / 2) {
                        let _infallible = write!(text, "\n{sign}{file}");
                    }
                    if files.len() > LINE_LIMIT / 2 {
                        text.push_str("\n(more not shown)");
                    }
                }
                text
            }
            Difference::BothTimedOut => {
                "both timed out: neither shows what it would have done".to_owned()
            }
            Difference::NotRepeatable { between_runs } => {
                let mut text =
                    "not repeatable: two runs of the original differ from each other".to_owned();
                for difference in between_runs {
                    let difference = difference.describe().replace("candidate", "original again");
                    let _infallible = write!(text, "\n{difference}");
                }
                text
            }
        }
    }
}

/// What comes of comparing a candidate with runs of the original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// How the candidate differs.
    pub differences: Vec<Difference>,
    /// What is different in each run of the original, and was not counted.
    pub volatile: Vec<String>,
}

/// How `candidate` differs from `original`; empty if they are the same, byte for byte.
///
/// Two runs that were both stopped are never the same, and what they wrote until then is not compared.
pub fn compare(original: &Observation, candidate: &Observation) -> Vec<Difference> {
    compare_with(&[original], candidate, &Ignore::default()).differences
}

/// How `candidate` differs from all of `originals`, apart from what differs between these and what is to be ignored.
pub fn compare_with(
    originals: &[&Observation],
    candidate: &Observation,
    ignore: &Ignore,
) -> Comparison {
    if let Some((originals, candidate)) = without_the_race(originals, candidate) {
        let originals: Vec<&Observation> = originals.iter().collect();
        return compare_with(&originals, &candidate, ignore);
    }
    if let Some((originals, candidate)) = without_free_ports(originals, candidate) {
        let originals: Vec<&Observation> = originals.iter().collect();
        let mut comparison = compare_with(&originals, &candidate, ignore);
        comparison
            .volatile
            .push("a port that it listens on".to_owned());
        return comparison;
    }
    let Some((first, others)) = originals.split_first() else {
        return Comparison {
            differences: Vec::new(),
            volatile: Vec::new(),
        };
    };
    let timed_out = |run: &Observation| run.exit == ExitKind::TimedOut;
    let all_timed_out = originals.iter().all(|run| timed_out(run));
    if all_timed_out && timed_out(candidate) && first.trouble() == candidate.trouble() {
        return Comparison {
            differences: vec![Difference::BothTimedOut],
            volatile: Vec::new(),
        };
    }
    let mut result = Weighing::new(originals, ignore).weigh(candidate);
    if result.is_unsteady || (!result.volatile.is_empty() && !result.says_something) {
        let between_runs = others
            .iter()
            .map(|other| Weighing::new(&[first], ignore).weigh(other).differences)
            .find(|differences| !differences.is_empty())
            .unwrap_or_default();
        result.differences = vec![Difference::NotRepeatable { between_runs }];
    }
    Comparison {
        differences: result.differences,
        volatile: result.volatile,
    }
}

/// The value of a header, in order if it is a set of names: a program that makes it of a hash table has another order in
/// each run, and a few runs may have the same by chance (RFC 9110, sections 10.2.1 and 12.5.5).
fn sorted_set<'v>(name: &str, value: &'v str) -> Cow<'v, str> {
    const SETS: [&str; 4] = [
        "access-control-allow-headers",
        "access-control-allow-methods",
        "allow",
        "vary",
    ];
    if !SETS.iter().any(|set| name.eq_ignore_ascii_case(set)) {
        return Cow::Borrowed(value);
    }
    let mut names: Vec<&str> = value.split(',').map(str::trim).collect();
    names.sort_unstable();
    Cow::Owned(names.join(", "))
}

/// The runs without what became of their connections, if all are of a server that failed and answered nobody, some of them
/// before it listened and some after: whether it is asked in between is a race.
fn without_the_race(
    originals: &[&Observation],
    candidate: &Observation,
) -> Option<(Vec<Observation>, Observation)> {
    let runs = || originals.iter().copied().chain([candidate]);
    let failed_unheard = |run: &Observation| {
        let is_nothing = |(_, answer): &(String, Answer)| matches!(answer, Answer::Nothing(_));
        let failed = matches!(run.exit, ExitKind::Code(code) if code != 0);
        failed
            && run
                .served
                .as_ref()
                .is_some_and(|served| served.answers.iter().all(is_nothing))
    };
    let n_in_trouble = runs().filter(|run| run.trouble().is_some()).count();
    let is_race = n_in_trouble > 0 && n_in_trouble <= originals.len();
    if !is_race || !runs().all(failed_unheard) {
        return None;
    }
    let without = |run: &Observation| Observation {
        served: Some(Served::default()),
        ..run.clone()
    };
    let originals = originals.iter().map(|run| without(run)).collect();
    Some((originals, without(candidate)))
}

/// The runs without the ports that the system gave them, as it does to who asks for none: they are others in each run of the
/// original. Each run has to have as many.
fn without_free_ports(
    originals: &[&Observation],
    candidate: &Observation,
) -> Option<(Vec<Observation>, Observation)> {
    // Linux: net.ipv4.ip_local_port_range.
    const FREE: RangeInclusive<u16> = 32_768..=60_999;
    let listening = |run: &Observation| match &run.served {
        Some(served) => served.listening.iter().copied().collect(),
        None => BTreeSet::new(),
    };
    let sets: Vec<BTreeSet<SocketAddr>> = originals.iter().map(|run| listening(run)).collect();
    let (first, others) = sets.split_first()?;
    let is_everywhere = |address: &SocketAddr| others.iter().all(|set| set.contains(address));
    let common: BTreeSet<SocketAddr> = first.iter().copied().filter(is_everywhere).collect();
    let is_given =
        |address: &SocketAddr| FREE.contains(&address.port()) && !common.contains(address);
    let n_given =
        |set: &BTreeSet<SocketAddr>| set.iter().filter(|address| is_given(address)).count();
    let count = n_given(first);
    let is_fit = !others.is_empty()
        && count > 0
        && others.iter().all(|set| n_given(set) == count)
        && n_given(&listening(candidate)) == count;
    let without = |run: &Observation| {
        let mut run = run.clone();
        if let Some(served) = &mut run.served {
            served.listening.retain(|address| !is_given(address));
        }
        run
    };
    is_fit.then(|| {
        let originals = originals.iter().map(|run| without(run)).collect();
        (originals, without(candidate))
    })
}

/// A part of an observation that is compared by itself. The order is that of reports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Trouble,
    /// What kind of answer the request with this number got, and its status.
    Answer(usize),
    Header(usize, String),
    Body(usize),
    Listens(String),
    Stdout,
    Stderr,
}

type Parts<'o> = BTreeMap<Key, Cow<'o, [u8]>>;

/// Everything about a run but its exit, the files that it wrote, and times.
fn parts<'o>(run: &'o Observation, ignore: &Ignore) -> Parts<'o> {
    let mut parts = Parts::new();
    parts.insert(Key::Stdout, ignore.applied(Subject::Stdout, &run.stdout));
    parts.insert(Key::Stderr, ignore.applied(Subject::Stderr, &run.stderr));
    let Some(served) = &run.served else {
        return parts;
    };
    if let Some(trouble) = &served.trouble {
        // A run may have got more time than another.
        let what = trouble.split(WITHIN).next().unwrap_or(trouble);
        parts.insert(Key::Trouble, Cow::Borrowed(what.as_bytes()));
    }
    for address in &served.listening {
        parts.insert(
            Key::Listens(address.to_string()),
            Cow::Borrowed(b"it listens"),
        );
    }
    for (number, (_, answer)) in served.answers.iter().enumerate() {
        let kind = match answer {
            Answer::Response(response) => {
                for (name, value) in &response.headers {
                    if ignore.leaves_out(Subject::Header, name.as_bytes()) {
                        continue;
                    }
                    let all = parts.entry(Key::Header(number, name.clone())).or_default();
                    if !all.is_empty() {
                        all.to_mut().extend_from_slice(b", ");
                    }
                    all.to_mut()
                        .extend_from_slice(sorted_set(name, value).as_bytes());
                }
                let body = ignore.applied(Subject::Body, &response.body);
                parts.insert(Key::Body(number), body);
                match response.cut {
                    Some(cut) => format!("{}, {cut}", response.status),
                    None => response.status.to_string(),
                }
            }
            Answer::Bytes(bytes) => {
                parts.insert(Key::Body(number), ignore.applied(Subject::Body, bytes));
                "bytes".to_owned()
            }
            Answer::Nothing(why) => format!("none: {why}"),
        };
        parts.insert(Key::Answer(number), Cow::Owned(kind.into_bytes()));
    }
    parts
}

/// Runs of the original, taken apart.
struct Weighing<'o> {
    originals: &'o [&'o Observation],
    ignore: &'o Ignore,
    parts: Vec<Parts<'o>>,
}

/// What is found out about a candidate.
#[derive(Default)]
struct Weighed {
    differences: Vec<Difference>,
    volatile: Vec<String>,
    /// The originals differ in what has to be the same in each run.
    is_unsteady: bool,
    /// There is something in it that is the same in each run of the original.
    says_something: bool,
}

impl<'o> Weighing<'o> {
    fn new(originals: &'o [&'o Observation], ignore: &'o Ignore) -> Weighing<'o> {
        let parts = originals.iter().map(|run| parts(run, ignore)).collect();
        Weighing {
            originals,
            ignore,
            parts,
        }
    }

    fn weigh(&self, candidate: &Observation) -> Weighed {
        let mut result = Weighed::default();
        if let Some(first) = self.originals.first() {
            let exits = self.originals.iter().map(|run| run.exit);
            result.is_unsteady |= exits.into_iter().any(|exit| exit != first.exit);
            if first.exit != candidate.exit {
                result.differences.push(Difference::Exit {
                    original: first.exit,
                    candidate: candidate.exit,
                });
            }
        }
        let theirs = parts(candidate, self.ignore);
        let mut keys: Vec<&Key> = self.parts.iter().flat_map(BTreeMap::keys).collect();
        keys.extend(theirs.keys());
        keys.sort();
        keys.dedup();
        keys.retain(|key| !self.is_of_an_ignored_body(key, candidate));
        for key in keys {
            self.weigh_part(key, theirs.get(key).map(AsRef::as_ref), &mut result);
        }
        self.weigh_ending(candidate, &mut result);
        let files = written::compare(self.originals, candidate, self.ignore);
        result.says_something |= files.says_something;
        result.volatile.extend(files.volatile);
        if !files.original.is_empty() || !files.candidate.is_empty() {
            result.differences.push(Difference::Written {
                original: files.original,
                candidate: files.candidate,
            });
        }
        result
    }

    fn weigh_part(&self, key: &Key, candidate: Option<&[u8]>, result: &mut Weighed) {
        let values: Vec<Option<&[u8]>> = self
            .parts
            .iter()
            .map(|parts| parts.get(key).map(AsRef::as_ref))
            .collect();
        let first = values.first().copied().flatten();
        let is_steady = values.iter().all(|value| *value == first);
        let is_same = match key {
            Key::Stdout | Key::Stderr | Key::Body(_) => {
                let texts: Vec<&[u8]> = values.iter().copied().flatten().collect();
                let Some((text, others)) = texts.split_first() else {
                    if let Some(candidate) = candidate {
                        result.differences.push(self.text(key, &[], candidate));
                    }
                    return;
                };
                let pattern = Pattern::of(text, others);
                result.says_something |= pattern.has_words();
                match pattern.n_volatile() {
                    0 => {}
                    1 => result
                        .volatile
                        .push(format!("1 line of {}", self.name(key))),
                    count => {
                        result
                            .volatile
                            .push(format!("{count} lines of {}", self.name(key)));
                    }
                }
                let candidate = candidate.unwrap_or_default();
                if !self.fits(key, pattern, candidate) {
                    let shown = Pattern::of(text, others).with_lines_of(text, candidate);
                    result.differences.push(self.text(key, text, &shown));
                }
                return;
            }
            Key::Trouble | Key::Answer(_) => {
                result.is_unsteady |= !is_steady;
                // A server that refuses everything says something, one that is not there does not.
                result.says_something |= matches!(key, Key::Answer(_)) && is_steady;
                candidate == first
            }
            Key::Header(number, name) => {
                // It is the time of the answer (RFC 9110, section 6.6.1), even if two come within a second; and a text that is
                // another one in each run has its length by chance.
                let is_free = first.is_some()
                    && (name == "date"
                        || name == "content-length" && self.has_many_bodies(*number));
                if !is_steady || is_free {
                    result.volatile.push(self.name(key));
                }
                if is_steady && !is_free {
                    candidate == first
                } else {
                    candidate.is_some() || values.iter().any(Option::is_none)
                }
            }
            Key::Listens(_) => {
                if !is_steady {
                    result.volatile.push(self.name(key));
                }
                !is_steady || candidate == first
            }
        };
        if !is_same {
            let shown = |value: Option<&[u8]>| {
                value.map(|value| String::from_utf8_lossy(value).into_owned())
            };
            result.differences.push(Difference::Value {
                part: self.name(key),
                original: shown(first),
                candidate: shown(candidate),
            });
        }
    }

    /// Whether `key` is a header that follows from a body (RFC 9110, sections 8.6 and 8.8.3) of which only what the probe ignores is another
    /// one in the candidate.
    fn is_of_an_ignored_body(&self, key: &Key, candidate: &Observation) -> bool {
        let Key::Header(number, name) = key else {
            return false;
        };
        if !["content-length", "etag"].contains(&name.as_str()) {
            return false;
        }
        let runs = [self.originals.first().copied(), Some(candidate)];
        let [Some(original), Some(candidate)] =
            runs.map(|run| match run?.served.as_ref()?.answers.get(*number)? {
                (_, Answer::Response(response)) => {
                    let has_it = response.headers.iter().any(|(header, _)| header == name);
                    has_it.then_some(response.body.as_slice())
                }
                (_, Answer::Bytes(_) | Answer::Nothing(_)) => None,
            })
        else {
            return false;
        };
        let left = [original, candidate].map(|body| self.ignore.applied(Subject::Body, body));
        original != candidate && left[0] == left[1]
    }

    /// Whether the body of this answer is not the same in each run of the original.
    fn has_many_bodies(&self, number: usize) -> bool {
        let mut bodies = self.parts.iter().map(|parts| parts.get(&Key::Body(number)));
        let first = bodies.next();
        bodies.any(|body| Some(body) != first)
    }

    /// Whether the candidate's text could be that of another run of the original: in logs a little more time may have passed, and
    /// the processes of a server do not wait for each other.
    fn fits(&self, key: &Key, pattern: Pattern<'_>, candidate: &[u8]) -> bool {
        let is_server = self.originals.iter().any(|run| run.served.is_some());
        let is_of_many = is_server && *key == Key::Stderr;
        let is_log = *key == Key::Stderr || (is_server && *key == Key::Stdout);
        pattern.matches(candidate)
            || (is_of_many && pattern.matches_in_another_order(candidate))
            || (is_log && pattern.of_slower_run().matches(candidate))
    }

    fn text(&self, key: &Key, original: &[u8], candidate: &[u8]) -> Difference {
        Difference::Text {
            part: self.name(key),
            original: original.to_vec(),
            candidate: candidate.to_vec(),
        }
    }

    /// Times are compared coarsely: machines are busy.
    fn weigh_ending(&self, candidate: &Observation, result: &mut Weighed) {
        const ALWAYS_FINE: Duration = Duration::from_secs(2);
        let time = |run: &Observation| run.served.as_ref()?.ended_after;
        let times: Vec<Duration> = self.originals.iter().filter_map(|run| time(run)).collect();
        let (Some(fastest), Some(slowest)) = (times.iter().min(), times.iter().max()) else {
            return;
        };
        let Some(theirs) = time(candidate) else {
            return;
        };
        let is_slow = theirs > *slowest * 3 + ALWAYS_FINE;
        let is_fast = theirs * 3 + ALWAYS_FINE < *fastest;
        if is_slow || is_fast {
            let shown = |time: Duration| format!("{:.1} s", time.as_secs_f64());
            result.differences.push(Difference::Value {
                part: TIME_TO_THE_END.to_owned(),
                original: Some(shown(*slowest)),
                candidate: Some(shown(theirs)),
            });
        }
    }

    /// What reports call a part.
    fn name(&self, key: &Key) -> String {
        let request = |number: usize| {
            let answers = self
                .originals
                .iter()
                .filter_map(|run| run.served.as_ref())
                .find_map(|served: &Served| served.answers.get(number));
            answers.map_or_else(
                || format!("request {}", number + 1),
                |(title, _)| title.clone(),
            )
        };
        match key {
            Key::Trouble => "what became of the server".to_owned(),
            Key::Answer(number) => format!("the status of {}", request(*number)),
            Key::Header(number, name) => format!("header {name} of {}", request(*number)),
            Key::Body(number) => format!("the body of {}", request(*number)),
            Key::Listens(address) => format!("listening on {address}"),
            Key::Stdout => "stdout".to_owned(),
            Key::Stderr => "stderr".to_owned(),
        }
    }
}

#[cfg(test)]
#[expect(
    clippy::needless_raw_string_hashes,
    reason = "expect-test writes its texts like this"
)]
mod tests;
