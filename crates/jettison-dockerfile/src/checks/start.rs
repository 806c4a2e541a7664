//! What a container starts: the ENTRYPOINT of a base together with the CMD of the file.

use crate::checks::distroless::Distroless;
use crate::checks::packages::base_name;
use crate::instruction::CommandForm;
use crate::meaning::Start;
use crate::scope::KnownImage;

/// The ENTRYPOINT of an image: that of the caller's image if it is known, else that of its name. Empty if it has none;
/// `None` if nobody knows.
pub(super) fn base_entrypoint(reference: &str, known: Option<&KnownImage>) -> Option<Vec<String>> {
    match known.and_then(|image| image.entrypoint.clone()) {
        Some(entrypoint) => Some(entrypoint),
        None => Distroless::of(reference)?.entrypoint(),
    }
}

/// The words of a command: those of an array, or of a script that is nothing but one plain command.
pub(super) fn plain_words(form: &CommandForm) -> Option<Vec<String>> {
    let script = match form {
        CommandForm::Exec(words) => return Some(words.clone()),
        CommandForm::Shell(script) => script,
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    let mut words: Vec<&str> = script.split_whitespace().collect();
    // `exec` is how a shell gets out of the way.
    if words.len() > 1 && words[0] == "exec" {
        words.remove(0);
    }
    if !words.iter().all(|word| word.chars().all(is_plain)) {
        return None;
    }
    Some(words.into_iter().map(str::to_owned).collect())
}

/// Says whether `word` is how people call the program at `path`: by its path, its name, or its name with less of a
/// version: `python3` and `python` for `/usr/bin/python3.13`.
pub(super) fn is_same_program(word: &str, path: &str) -> bool {
    if word.contains('/') && !word.starts_with('/') {
        return false;
    }
    let (word, program) = (base_name(word), base_name(path));
    let is_version = |c: char| c.is_ascii_digit() || c == '.';
    !word.is_empty()
        && (word == program
            || program
                .strip_prefix(word)
                .is_some_and(|rest| rest.chars().all(is_version))
            || (word, program) == ("nodejs", "node"))
}

/// The command line that a CMD says, if it says the program of `entrypoint` again: that program, and its own arguments.
pub(super) fn said(entrypoint: &[String], cmd: &CommandForm) -> Option<Vec<String>> {
    let mut words = plain_words(cmd)?;
    let program = entrypoint.first()?;
    let first = words.first_mut()?;
    if !is_same_program(first, program) {
        return None;
    }
    first.clone_from(program);
    Some(words)
}

/// Says whether a container starts `after` what the CMD of `before` says, and `before` did not since it says the program
/// of its base's ENTRYPOINT a second time.
pub(super) fn is_mended(
    before: &Start<'_>,
    after: &Start<'_>,
    images: &dyn Fn(&str) -> Option<KnownImage>,
) -> bool {
    let (Some(reference), None, Some(cmd)) = (before.image, before.entrypoint, before.cmd) else {
        return false;
    };
    let Some(entrypoint) = base_entrypoint(reference, images(reference).as_ref()) else {
        return false;
    };
    let Some(said) = said(&entrypoint, cmd) else {
        return false;
    };
    let exec = |form: Option<&CommandForm>| match form {
        Some(CommandForm::Exec(words)) => Some(words.clone()),
        Some(CommandForm::Shell(_)) => None,
        None => Some(Vec::new()),
    };
    let first = match after.entrypoint {
        Some(form) => exec(Some(form)),
        None => Some(entrypoint),
    };
    let (Some(mut line), Some(rest)) = (first, exec(after.cmd)) else {
        return false;
    };
    line.extend(rest);
    before.image == after.image && line == said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_called_by_several_names() {
        for (word, path, expected) in [
            ("java", "/usr/bin/java", true),
            ("/usr/bin/java", "/usr/bin/java", true),
            ("/opt/java/bin/java", "/usr/bin/java", true),
            ("./java", "/usr/bin/java", false),
            ("javac", "/usr/bin/java", false),
            ("jav", "/usr/bin/java", false),
            ("python", "/usr/bin/python3.13", true),
            ("python3", "/usr/bin/python3.13", true),
            ("python3.11", "/usr/bin/python3.13", false),
            ("nodejs", "/nodejs/bin/node", true),
            ("", "/nodejs/bin/node", false),
            ("/app.jar", "/usr/bin/java", false),
        ] {
            assert_eq!(is_same_program(word, path), expected, "{word} {path}");
        }
    }
}
