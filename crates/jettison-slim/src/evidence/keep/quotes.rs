//! Other quotes than the usual ones, and apostrophes that are none.

use std::borrow::Cow;

/// The longest text between such quotes, in bytes.
const LONGEST: usize = 10_000;

/// The text with the quotes of other kinds that Perl and Ruby have written as the usual ones: a command in `qx(...)` or `%x(...)` as
/// one in backticks. In languages in which an apostrophe begins no text it is left out.
pub(super) fn with_plain_quotes<'text>(text: Cow<'text, str>, end: &str) -> Cow<'text, str> {
    match end {
        "cgi" | "pl" | "pm" | "psgi" | "t" => {
            Cow::Owned(rewritten(&text, &["qx", "qq", "qw", "q"]))
        }
        "cr" | "rb" | "ru" => Cow::Owned(rewritten(&text, &["%x", "%w", "%W", "%q", "%Q"])),
        "adb" | "ads" | "cl" | "d" | "hs" | "lhs" | "lisp" | "ml" | "mli" | "nim" | "scm"
        | "swift" | "vala" | "vb" | "zig" => {
            Cow::Owned(text.replace("'\"'", "   ").replace('\'', " "))
        }
        _ => text,
    }
}

/// The text with what is in these quotes in the usual ones.
fn rewritten(text: &str, quotes: &[&str]) -> String {
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, quote)) = next_quote(rest, quotes) {
        let (before, after) = rest.split_at(at);
        written.push_str(before);
        let after = after.get(quote.len()..).unwrap_or_default();
        let is_imported = before
            .rsplit('\n')
            .next()
            .is_some_and(|line| line.trim_start().starts_with("use "));
        let found = inside(after, quote.starts_with('%')).filter(|_| !is_imported);
        if let Some((body, then)) = found {
            push_quoted(&mut written, body, quote.ends_with('x'));
            rest = then;
        } else {
            written.push_str(quote);
            rest = after;
        }
    }
    written.push_str(rest);
    written
}

/// Writes what is in quotes, each line by itself, since what reads it goes by lines.
fn push_quoted(written: &mut String, body: &str, is_command: bool) {
    let (quote, other) = if is_command { ('`', ' ') } else { ('"', '\'') };
    for (n, line) in body.split('\n').enumerate() {
        if n > 0 {
            written.push('\n');
        }
        written.push(quote);
        written.extend(line.chars().map(|c| if c == quote { other } else { c }));
        written.push(quote);
    }
}

/// The first of `quotes` in `text` that is a word of its own, and where it is.
fn next_quote<'q>(text: &str, quotes: &[&'q str]) -> Option<(usize, &'q str)> {
    let is_whole = |at: usize| {
        let before = text.get(..at).unwrap_or_default();
        !before.ends_with(|c: char| c.is_alphanumeric() || "_$@%&>-:/'\"{".contains(c))
    };
    let first = quotes.iter().filter_map(|quote| {
        let mut places = text.match_indices(quote);
        let (at, _) = places.find(|(at, _)| is_whole(*at))?;
        Some((at, *quote))
    });
    // Of two at the same place the longer one comes first.
    first.min_by_key(|(at, _)| *at)
}

/// What is in the quotes that `text` begins with, and what comes after them; `is_close` if they have to follow at once.
fn inside(text: &str, is_close: bool) -> Option<(&str, &str)> {
    let trimmed = if is_close { text } else { text.trim_start() };
    let open = trimmed.chars().next()?;
    let is_quote = if is_close {
        "([{<|!/".contains(open)
    } else {
        open.is_ascii_punctuation() && !"=,;)_>".contains(open)
    };
    if !is_quote || (open == '#' && trimmed.len() < text.len()) {
        return None;
    }
    let close = match open {
        '(' => ')',
        '[' => ']',
        '{' => '}',
        '<' => '>',
        other => other,
    };
    let body = trimmed.get(open.len_utf8()..)?;
    let mut n_open = 0_usize;
    let mut is_escaped = false;
    for (at, c) in body.char_indices().take_while(|(at, _)| *at < LONGEST) {
        if is_escaped || c == '\\' {
            is_escaped = !is_escaped;
        } else if c == close && n_open == 0 {
            return Some((body.get(..at)?, body.get(at + c.len_utf8()..)?));
        } else if c == close {
            n_open -= 1;
        } else if c == open {
            n_open += 1;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(end: &str, text: &str, expected: &str) {
        assert_eq!(
            with_plain_quotes(Cow::Borrowed(text), end),
            expected,
            "{text}"
        );
    }

    #[test]
    fn quotes_of_every_kind_are_written_as_the_usual_ones() {
        check("pl", "my $x = qx(a $(b) | c);", "my $x = `a $(b) | c`;");
        check("pl", "$x = qx{\n jq `x`\n};", "$x = ``\n` jq  x `\n``;");
        check("pl", "qx/uptime/ . qx!w!", "`uptime` . `w`");
        check("pl", "system(qq{jq \"$x\"});", "system(\"jq '$x'\");");
        check("pl", "system qw(jq -c);", "system \"jq -c\";");
        check("rb", "%x(uptime) + %q[a]", "`uptime` + \"a\"");
    }

    #[test]
    fn what_only_looks_like_quotes_is_left_alone() {
        for text in [
            "use POSIX qw(floor);",
            "$qx = {q => 1}; s/qx/y/; $h{q}; q",
            "qx(never closed",
        ] {
            check("pl", text, text);
        }
        check("rb", "\"%x|\" % n", "\"%x|\" % n");
        check("py", "qx(a)", "qx(a)");
    }

    #[test]
    fn apostrophes_are_no_quotes_in_some_languages() {
        check("hs", "x' = f \"jq\" '\"'", "x  = f \"jq\"    ");
        check("c", "'a'", "'a'");
    }
}
