//! Parts of an answer that mean nothing: what users name as volatile.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use regex::bytes::Regex;

/// What stands in place of what a pattern matched.
const MARK: &[u8] = b"<ignored>";
/// What stands in place of the number of a process.
const PROCESS: &[u8] = b"<process>";
/// What stands in place of the identity of an object; its class stays.
const IDENTITY: &[u8] = b"${1}<object>";

/// What is not compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ignore {
    /// The rules, in the order in which they apply.
    pub rules: Vec<IgnoreRule>,
}

/// One thing that is not compared, written `header:NAME`, `body:REGEX`, `stdout:REGEX`, `stderr:REGEX`,
/// `written:REGEX` or `path:REGEX`.
#[derive(Debug, Clone)]
pub struct IgnoreRule {
    text: String,
    subject: Subject,
    // Invariant: the pattern that `text` names; for a header, its name.
    pattern: Regex,
}

/// What a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// A header of a response, with all that it says.
    Header,
    /// A part of a response's body, or of what was said over TCP.
    Body,
    /// A part of the standard output.
    Stdout,
    /// A part of the standard error.
    Stderr,
    /// A part of a file that was written.
    Written,
    /// Written files with such a path.
    Path,
}

const SUBJECTS: [(&str, Subject); 6] = [
    ("header", Subject::Header),
    ("body", Subject::Body),
    ("stdout", Subject::Stdout),
    ("stderr", Subject::Stderr),
    ("written", Subject::Written),
    ("path", Subject::Path),
];

/// Why a text is no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IgnoreParseError {
    /// It does not say what it is about.
    #[error(
        "`{0}` does not begin with `header:`, `body:`, `stdout:`, `stderr:`, `written:` or `path:`"
    )]
    Subject(String),
    /// It names nothing.
    #[error("`{0}` names nothing")]
    Empty(String),
    /// Its pattern is none.
    #[error("`{text}` has no regular expression: {reason}")]
    Pattern {
        /// The rule.
        text: String,
        /// What is wrong, in one line.
        reason: String,
    },
}

impl PartialEq for IgnoreRule {
    fn eq(&self, other: &IgnoreRule) -> bool {
        self.text == other.text
    }
}

impl Eq for IgnoreRule {}

impl fmt::Display for IgnoreRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl FromStr for IgnoreRule {
    type Err = IgnoreParseError;

    fn from_str(text: &str) -> Result<IgnoreRule, IgnoreParseError> {
        let found = text.split_once(':').and_then(|(word, rest)| {
            Some((SUBJECTS.iter().find(|(known, _)| *known == word)?, rest))
        });
        let Some(((_, subject), rest)) = found else {
            return Err(IgnoreParseError::Subject(text.to_owned()));
        };
        let rest = rest.trim();
        if rest.is_empty() {
            return Err(IgnoreParseError::Empty(text.to_owned()));
        }
        let expression = match subject {
            Subject::Header => format!("(?i)^{}$", regex::escape(rest)),
            // All of it is meant, and not each of its lines; what is no text, too.
            _ if rest == ".*" => "(?s-u)^.*$".to_owned(),
            Subject::Body
            | Subject::Stdout
            | Subject::Stderr
            | Subject::Written
            | Subject::Path => rest.to_owned(),
        };
        let pattern = Regex::new(&expression).map_err(|error| {
            let reason = error.to_string();
            let last = reason.lines().last().unwrap_or_default();
            IgnoreParseError::Pattern {
                text: text.to_owned(),
                reason: last.trim_start_matches("error: ").to_owned(),
            }
        })?;
        Ok(IgnoreRule {
            text: text.to_owned(),
            subject: *subject,
            pattern,
        })
    }
}

impl Ignore {
    fn about(&self, subject: Subject) -> impl Iterator<Item = &IgnoreRule> {
        self.rules
            .iter()
            .filter(move |rule| rule.subject == subject)
    }

    /// Whether there is a rule for a part of `subject`.
    pub(super) fn has(&self, subject: Subject) -> bool {
        self.about(subject).next().is_some()
    }

    /// Whether the header or the path `name` is not compared.
    pub(super) fn leaves_out(&self, subject: Subject, name: &[u8]) -> bool {
        self.about(subject).any(|rule| rule.pattern.is_match(name))
    }

    /// `bytes` with a mark for each part that is not compared. Lines of the output of which the rules leave nothing are left out:
    /// how many there are, and whether there are any, is not compared either.
    pub(super) fn applied<'b>(&self, subject: Subject, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        let mut result = Cow::Borrowed(bytes);
        if let (Subject::Stderr, Some(pattern)) = (subject, merged_signals()) {
            result = pattern.replace_all(bytes, b"".as_slice());
        }
        if let (Subject::Stderr, Some(pattern)) = (subject, process_ids())
            && let Cow::Owned(replaced) = pattern.replace_all(&result, PROCESS)
        {
            result = Cow::Owned(replaced);
        }
        if let (Subject::Stdout | Subject::Stderr, Some(pattern)) = (subject, identities())
            && let Cow::Owned(replaced) = pattern.replace_all(&result, IDENTITY)
        {
            result = Cow::Owned(replaced);
        }
        let mut is_marked = false;
        for rule in self.about(subject) {
            if let Cow::Owned(replaced) = rule.pattern.replace_all(&result, MARK) {
                result = Cow::Owned(replaced);
                is_marked = true;
            }
        }
        if is_marked && matches!(subject, Subject::Stdout | Subject::Stderr) {
            result = Cow::Owned(without_marked_lines(&result));
        }
        result
    }
}

/// `bytes` without the lines that are a mark and nothing else.
fn without_marked_lines(bytes: &[u8]) -> Vec<u8> {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let rest = lines.filter(|line| line.trim_ascii() != MARK);
    rest.flatten().copied().collect()
}

/// Where logs on the standard error have the numbers of processes, which are others when a shell less is started: `[7]`,
/// `tool[7]:`, `pid 7`, `pid:7`, nginx's `7#7:`, `[7]` after a time in brackets, and `(7)` after a date, as PHP's have it. Each
/// run has its own processes, numbered from 1; three digits alone in brackets may as well be a status of HTTP.
fn process_ids() -> Option<&'static Regex> {
    static PATTERN: OnceLock<Option<Regex>> = OnceLock::new();
    const PIECES: [&str; 6] = [
        r"\[[1-9][0-9]?\]",
        r"\] [0-9]{1,7}#[0-9]{1,7}: (?:(?:start )?worker process [0-9]{1,7})?",
        r"[A-Za-z]\[[0-9]{1,7}\]:",
        r":[0-9]{2}(?: [+-][0-9]{4})?\] \[[0-9]{1,7}\]",
        r"(?-u:\b)[Pp][Ii][Dd][ :=]{1,2}[0-9]{1,7}(?-u:\b)",
        r":[0-9]{2} [0-9]{4} \([0-9]{1,7}\):",
    ];
    let pattern = || Regex::new(&PIECES.join("|")).ok();
    PATTERN.get_or_init(pattern).as_ref()
}

/// Lines of logs that tell of a signal which comes once for several causes, if these are close together: how many there are is
/// chance, as when nginx ends its workers (POSIX.1-2024, XSH 2.4.1).
fn merged_signals() -> Option<&'static Regex> {
    static PATTERN: OnceLock<Option<Regex>> = OnceLock::new();
    const PIECE: &str = r"(?-u)(?m:^)[^\n]*\(SIG(?:CHLD|IO)\)[^\n]*\n";
    PATTERN.get_or_init(|| Regex::new(PIECE).ok()).as_ref()
}

/// Where Java's objects say who they are and nothing else (`Object.toString`): the name of the class and a number that is theirs
/// in this run, as `Server@4f9a3314` or `[B@1b6d3586`. It is another one when another object was asked for its number before,
/// as in a runtime that loads its modules in another way, and may be the same in several runs of the original.
fn identities() -> Option<&'static Regex> {
    static PATTERN: OnceLock<Option<Regex>> = OnceLock::new();
    const PIECE: &str = r"(?-u)((?:\b[A-Z][A-Za-z0-9_$]*|\[[A-Z]|;)@)[0-9a-f]{5,8}\b";
    PATTERN.get_or_init(|| Regex::new(PIECE).ok()).as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignore(rules: &[&str]) -> Ignore {
        let rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        Ignore { rules }
    }

    #[test]
    fn numbers_of_processes_in_logs_are_not_compared() {
        let applied =
            |subject, text: &'static [u8]| ignore(&[]).applied(subject, text).into_owned();
        let log = b"[12] worker (pid:3) at 8080, pid=4";
        let expected = b"<process> worker (<process>) at 8080, <process>";
        assert_eq!(applied(Subject::Stderr, log), expected);
        assert_eq!(applied(Subject::Stdout, b"[12]"), b"[12]");
        let statuses = b"[404] /a, tool[345]: up, [2026-11-26 14:16:43 +0000] [345] [INFO] up";
        let expected = b"[404] /a, too<process> up, [2026-11-26 14:16<process> [INFO] up";
        assert_eq!(applied(Subject::Stderr, statuses), expected);
        let php = b"Thu Nov 26 14:16:43 2026 (2): Fatal Error (30)";
        let expected = b"Thu Nov 26 14:16<process> Fatal Error (30)";
        assert_eq!(applied(Subject::Stderr, php), expected);
        let nginx = b"2026/11/26 20:26:15 [notice] 1#1: start worker process 15\n";
        let expected = b"2026/11/26 20:26:15 [notice<process>\n";
        assert_eq!(applied(Subject::Stderr, nginx), expected);
    }

    #[test]
    fn how_often_a_signal_came_that_does_not_queue_is_not_compared() {
        let log = b"up\n[notice] 1#1: signal 17 (SIGCHLD) received from 3\n[notice] 1#1: signal 29 (SIGIO) received\n\
            signal 15 (SIGTERM) received\n";
        let applied = |subject| ignore(&[]).applied(subject, log).into_owned();
        let expected = b"up\nsignal 15 (SIGTERM) received\n";
        assert_eq!(applied(Subject::Stderr), expected);
        assert_eq!(applied(Subject::Stdout), log);
    }

    #[test]
    fn identities_of_java_objects_in_logs_are_not_compared() {
        let check = |text: &'static str, expected: &str| {
            for subject in [Subject::Stdout, Subject::Stderr] {
                let applied = ignore(&[]).applied(subject, text.as_bytes()).into_owned();
                assert_eq!(String::from_utf8_lossy(&applied), expected);
            }
            let body = ignore(&[]).applied(Subject::Body, text.as_bytes());
            assert_eq!(&*body, text.as_bytes());
        };
        check(
            "Started o.e.j.s.ServletContextHandler@5656be13{/,null} and [B@1b6d3586, [Ljava.lang.String;@7fad8c79",
            "Started o.e.j.s.ServletContextHandler@<object>{/,null} and [B@<object>, [Ljava.lang.String;@<object>",
        );
        for text in [
            "left@20.11.5 name@cafe0123 Name@example Name@12 Server@4f9a33140",
            "mail to me@deadbeef.example",
        ] {
            check(text, text);
        }
    }

    #[test]
    fn every_part_that_a_pattern_matches_gets_a_mark() {
        let ignore = ignore(&["body:[0-9a-f]{8}", "stdout:pid=[0-9]+", "body:x+"]);
        let body = ignore.applied(Subject::Body, b"id 0123abcd, xx, pid=7");
        assert_eq!(&*body, b"id <ignored>, <ignored>, pid=7");
        let stdout = ignore.applied(Subject::Stdout, b"pid=7 0123abcd");
        assert_eq!(&*stdout, b"<ignored> 0123abcd");
        let body = ignore.applied(Subject::Body, b"xx\ny\n");
        assert_eq!(&*body, b"<ignored>\ny\n");
        assert!(ignore.has(Subject::Stdout) && !ignore.has(Subject::Stderr));
    }

    #[test]
    fn lines_of_which_rules_leave_nothing_do_not_count() {
        let ignore = ignore(&["stderr:[0-9:]+ \\[notice\\].*", "stdout:.*"]);
        let check = |text: &'static str, expected: &str| {
            let applied = ignore.applied(Subject::Stderr, text.as_bytes());
            assert_eq!(String::from_utf8_lossy(&applied), expected);
        };
        let warning = "1:02 [warn] low\n";
        check(warning, warning);
        check("1:02 [notice] a worker ended\n1:02 [warn] low\n", warning);
        check(
            "1:02 [notice] one ended\n1:02 [warn] low\r\n  1:03 [notice] one more",
            "1:02 [warn] low\r\n",
        );
        // Something is left of this one.
        check("tool: 1:02 [notice] up\n", "tool: <ignored>\n");
        assert_eq!(&*ignore.applied(Subject::Stdout, b"a\nb\n"), b"");
        // What is no UTF-8.
        assert_eq!(&*ignore.applied(Subject::Stdout, b"PK\xff\x00\nb"), b"");
        assert_eq!(&*ignore.applied(Subject::Stdout, b""), b"");
    }

    #[test]
    fn headers_have_names_without_case() {
        let ignore = ignore(&["header:ETag", "path:^/tmp/"]);
        assert!(ignore.leaves_out(Subject::Header, b"etag"));
        assert!(!ignore.leaves_out(Subject::Header, b"x-etag"));
        assert!(ignore.leaves_out(Subject::Path, b"/tmp/a"));
    }

    #[test]
    fn what_is_no_rule_is_said() {
        let check = |text: &str, expected: &str| {
            let error = text.parse::<IgnoreRule>().unwrap_err();
            assert_eq!(error.to_string(), expected);
        };
        check(
            "date",
            "`date` does not begin with `header:`, `body:`, `stdout:`, `stderr:`, `written:` or `path:`",
        );
        check("header:", "`header:` names nothing");
        check(
            "body:(",
            "`body:(` has no regular expression: unclosed group",
        );
    }
}
