//! Programs that a source names before it starts them: `cmd = "gzip -c " + path`, and then `system(cmd)`.

use std::collections::BTreeSet;

/// How many lines of a call are looked at, at most.
const LINES: usize = 8;
/// What puts a text into a variable of C.
const FILLERS: [&str; 5] = ["asprintf(", "snprintf(", "sprintf(", "strcat(", "strcpy("];

/// The variables that a source hands to what starts programs.
pub(super) struct Handed<'text> {
    /// The words of all calls that start something.
    words: BTreeSet<&'text str>,
    /// The variable that was given a value last.
    last: Option<&'text str>,
    /// Whether the line before is only a part of that.
    is_open: bool,
}

impl<'text> Handed<'text> {
    /// Those in the calls among `lines` that begin with one that `is_start`.
    pub(super) fn read(
        lines: impl Iterator<Item = &'text str>,
        is_start: impl Fn(&str) -> bool,
    ) -> Handed<'text> {
        let mut words = BTreeSet::new();
        // How many brackets are open, and how many lines the call goes on at most.
        let mut n_open = 0;
        let mut n_left = 0;
        for line in lines {
            if is_start(line) {
                (n_open, n_left) = (0, LINES);
            } else if n_open <= 0 && !line.trim_start().starts_with('.') {
                n_left = 0;
            }
            if n_left == 0 {
                continue;
            }
            n_left -= 1;
            n_open += balance(line);
            words.extend(identifiers(line));
        }
        Handed {
            words,
            last: None,
            is_open: false,
        }
    }

    /// Whether `line`, the next one, gives a value to one of the variables, or goes on with that.
    pub(super) fn has_value_in(&mut self, line: &'text str) -> bool {
        let goes_on = self.is_open || line.trim_start().starts_with('.');
        let before = self.last.take().filter(|_| goes_on);
        let variable = assigned(line).or(before);
        self.last = variable;
        self.is_open = line.trim_end().ends_with(['(', '[', '{', '=', ',', '\\']);
        variable.is_some_and(|name| self.words.contains(name))
    }
}

/// How many brackets a line opens that it does not close.
fn balance(line: &str) -> i32 {
    line.chars().fold(0, |n, c| match c {
        '(' | '[' | '{' => n + 1,
        ')' | ']' | '}' => n - 1,
        _ => n,
    })
}

fn identifiers(text: &str) -> impl DoubleEndedIterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| word.starts_with(|c: char| c.is_alphabetic() || c == '_'))
}

/// The variable that a line gives a value.
fn assigned(line: &str) -> Option<&str> {
    let line = line.trim_start();
    if let Some(rest) = line.strip_prefix("#define ") {
        return identifiers(rest).next();
    }
    // `MOVE "gzip -c" TO CMD.`
    if let Some(rest) = line
        .strip_prefix("MOVE ")
        .or_else(|| line.strip_prefix("move "))
    {
        return identifiers(rest).next_back();
    }
    let filled = FILLERS
        .iter()
        .find_map(|filler| Some(line.split_once(filler)?.1));
    if let Some(rest) = filled {
        let is_literal = rest.trim_start().starts_with(['"', '\'']);
        return identifiers(rest).next().filter(|_| !is_literal);
    }
    let (at, _) = line.match_indices('=').find(|(at, _)| {
        let before = line.get(..*at).unwrap_or_default();
        let after = line.get(at + 1..).unwrap_or_default();
        !before.ends_with(['=', '!', '<', '>']) && !after.starts_with(['=', '>', '~'])
    })?;
    let before = line.get(..at)?;
    if before.contains(['"', '\'']) {
        return None;
    }
    // `cmd := "x"`, `cmd: &str = "x"`, `char cmd[] = "x"`
    let before = before.trim_end().trim_end_matches(':');
    let before = before.split_once(": ").map_or(before, |(name, _)| name);
    let before = match before.trim_end().strip_suffix(']') {
        Some(rest) => rest.rsplit_once('[').map_or(rest, |(name, _)| name),
        None => before,
    };
    identifiers(before).next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, variable: Option<&str>) {
        assert_eq!(assigned(line), variable, "{line}");
    }

    #[test]
    fn a_variable_stands_before_its_value_in_every_language() {
        check("cmd := \"gzip\"", Some("cmd"));
        check("auto cmd = \"gzip -nf \" + out.string();", Some("cmd"));
        check("char cmd[256] = \"gzip\";", Some("cmd"));
        check("String[] cmd = {\"gzip\"};", Some("cmd"));
        check("const GZIP: &str = \"gzip\";", Some("GZIP"));
        check("self.cmd = 'gzip'", Some("cmd"));
        check("my $cmd = 'gzip';", Some("cmd"));
        check("#define GZIP \"gzip\"", Some("GZIP"));
        check("    MOVE \"gzip -c\" TO CMD.", Some("CMD"));
        check("snprintf(cmd, sizeof cmd, \"gzip %s\", p);", Some("cmd"));
        check("asprintf(&cmd, \"gzip\");", Some("cmd"));
        check("if cmd == \"gzip\" {", None);
        check("\"a\" => \"b\",", None);
        check("run(\"a=b\")", None);
    }

    #[test]
    fn a_call_goes_on_while_brackets_are_open() {
        let text = "Command::new(\"sh\")\n    .arg(\"-c\")\n    .arg(&cmd)\n    .status();\nlet other = 1;\n";
        let handed = Handed::read(text.lines(), |line| line.contains("Command::new"));
        assert!(handed.words.contains("cmd"));
        assert!(!handed.words.contains("other"));
    }
}
