//! From shell form to exec form, where both mean the same.

/// Words that a shell understands itself. A command that begins with one of them needs the shell.
const BUILTINS: [&str; 44] = [
    ".", ":", "[", "alias", "bg", "break", "case", "cd", "command", "continue", "do", "done",
    "echo", "eval", "exec", "exit", "export", "false", "fg", "for", "function", "getopts", "hash",
    "if", "jobs", "kill", "local", "printf", "pwd", "read", "readonly", "return", "set", "shift",
    "test", "time", "times", "trap", "true", "type", "ulimit", "umask", "unset", "while",
];

/// The words of a shell command that a shell would pass on unchanged to one program; `None` if the
/// command uses anything that only a shell does.
pub fn exec_argv(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.trim().chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => words.extend(word.take()),
            '\'' => quoted(&mut chars, '\'', word.get_or_insert_default())?,
            '"' => quoted(&mut chars, '"', word.get_or_insert_default())?,
            c if is_plain(c) => word.get_or_insert_default().push(c),
            _ => return None,
        }
    }
    words.extend(word);
    let first = words.first()?;
    let is_assignment = first.contains('=');
    if is_assignment || first.is_empty() || BUILTINS.contains(&first.as_str()) {
        return None;
    }
    Some(words)
}

fn quoted(chars: &mut std::str::Chars<'_>, quote: char, word: &mut String) -> Option<()> {
    for c in chars {
        match c {
            c if c == quote => return Some(()),
            // Inside double quotes these three still mean something.
            '$' | '`' | '\\' if quote == '"' => return None,
            c => word.push(c),
        }
    }
    None
}

/// Characters that no shell treats specially, wherever they stand.
fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || "-_./:=@%+,".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&[&str]>) {
        let expected =
            expected.map(|words| words.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(exec_argv(text), expected, "{text}");
    }

    #[test]
    fn plain_words_are_arguments() {
        check("./calculator", Some(&["./calculator"]));
        check("  app  --port=80 a,b ", Some(&["app", "--port=80", "a,b"]));
    }

    #[test]
    fn quotes_are_removed_as_a_shell_does() {
        check("app 'a b' \"c d\"e ''", Some(&["app", "a b", "c de", ""]));
        check("app '$HOME'", Some(&["app", "$HOME"]));
    }

    #[test]
    fn what_only_a_shell_does_stays_with_the_shell() {
        for text in [
            "app $PORT",
            "app && other",
            "app; other",
            "app | tee log",
            "app > log",
            "app *",
            "app ~/x",
            "A=1 app",
            "cd /app",
            "exec app",
            "echo hi",
            "app \"$X\"",
            "app `id`",
            "app (",
            "app {a,b}",
            "app #x",
            "app \\ x",
            "app 'open",
            "",
            "! app",
            "app &",
            "app ?",
            "app [a]",
        ] {
            check(text, None);
        }
    }
}
