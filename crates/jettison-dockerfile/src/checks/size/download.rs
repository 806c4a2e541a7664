//! Files that a script fetches, and archives that it unpacks.

use crate::checks::packages::{base_name, value_or_text};
use crate::checks::size::arguments::{Valued, arguments};
use crate::checks::size::run::Run;
use crate::shell::{RedirectKind, ShellWord, SimpleCommand};

/// A file, or a checkout, that a command puts at a path.
#[derive(Debug, Clone)]
pub(super) struct Fetched<'a> {
    pub(super) command: &'a SimpleCommand,
    pub(super) path: String,
}

/// What `curl`, `wget` and `git clone` fetch in a `RUN`, to paths that the text tells.
pub(super) fn fetched<'a>(run: &Run<'a>) -> Vec<Fetched<'a>> {
    let mut all = Vec::new();
    for command in run.commands() {
        let names = match command.tool() {
            Some("curl") => curl(command),
            Some("wget") => wget(command),
            Some("git") => git_clone(command),
            Some(_) | None => continue,
        };
        let paths = names
            .into_iter()
            .filter_map(|name| path(run, command, name));
        all.extend(paths.map(|path| Fetched { command, path }));
    }
    all
}

/// Where a command puts something.
#[derive(Debug, Clone, Copy)]
enum Name<'a> {
    /// At a path, which is the word or a part of it.
    Path(&'a str, &'a ShellWord),
    /// At the last part of an address, in a directory if one is given.
    OfAddress(&'a ShellWord, Option<&'a str>),
}

fn path(run: &Run<'_>, command: &SimpleCommand, name: Name<'_>) -> Option<String> {
    let (word, text) = match name {
        Name::Path(path, word) => (word, path.to_owned()),
        Name::OfAddress(word, directory) => {
            let address = value_or_text(word).trim_matches(['"', '\'']);
            let address = address.trim_end_matches('/');
            let base = base_name(address);
            if base.contains(['?', '(', '`']) || !address.contains('/') {
                return None;
            }
            let base = base.strip_suffix(".git").unwrap_or(base);
            let directory = directory.map_or_else(String::new, |directory| format!("{directory}/"));
            (word, format!("{directory}{base}"))
        }
    };
    if matches!(text.as_str(), "-" | "/dev/null" | "/dev/stdout") {
        return None;
    }
    // A part of a word is looked at as if it were a word of its own.
    let own = ShellWord {
        literal: (!text.contains('$')).then(|| text.clone()),
        text,
        ..word.clone()
    };
    run.paths(command, &own).into_iter().next()
}

fn curl(command: &SimpleCommand) -> Vec<Name<'_>> {
    const VALUED: Valued = Valued {
        short: "AbcCdDeEFHKmoPQrtTuUwxXyYz",
        long: "output proxy header referer data user-agent user cacert retry retry-delay connect-timeout max-time url output-dir",
    };
    let arguments = arguments(command, VALUED);
    let has = |short: &str, long: &str| arguments.iter().any(|argument| argument.is(short, long));
    let outputs = arguments
        .iter()
        .filter(|argument| argument.is("o", "output"));
    let mut names: Vec<Name<'_>> = outputs
        .filter_map(|argument| Some(Name::Path(argument.value?, argument.word)))
        .collect();
    let is_renamed = has("J", "remote-header-name") || has("output-dir", "output-dir");
    if (has("O", "remote-name") || has("remote-name-all", "remote-name-all")) && !is_renamed {
        let addresses = arguments.iter().filter(|argument| {
            let is_operand = argument.flag.is_none() || argument.is("url", "url");
            is_operand && argument.value.is_some_and(|value| value.contains("://"))
        });
        names.extend(addresses.map(|argument| Name::OfAddress(argument.word, None)));
    }
    names.extend(redirected(command));
    names
}

/// The file that the output of a command is written to.
fn redirected(command: &SimpleCommand) -> impl Iterator<Item = Name<'_>> {
    let writes = [RedirectKind::Output, RedirectKind::Clobber];
    command
        .redirects
        .iter()
        .filter(move |redirect| {
            let is_output = redirect.file_descriptor.is_none_or(|number| number == 1);
            is_output && writes.contains(&redirect.kind)
        })
        .map(|redirect| Name::Path(value_or_text(&redirect.target), &redirect.target))
}

fn wget(command: &SimpleCommand) -> Vec<Name<'_>> {
    // `n` takes one more letter, as in `-nv`.
    const VALUED: Valued = Valued {
        short: "aABDeiIlonOPQRtTUwX",
        long: "output-document directory-prefix tries timeout header user password user-agent progress",
    };
    let arguments = arguments(command, VALUED);
    let documents = arguments
        .iter()
        .filter(|argument| argument.is("O", "output-document"));
    let names: Vec<Name<'_>> = documents
        .filter_map(|argument| Some(Name::Path(argument.value?, argument.word)))
        .collect();
    if !names.is_empty() {
        return names.into_iter().chain(redirected(command)).collect();
    }
    let directory = arguments
        .iter()
        .find(|argument| argument.is("P", "directory-prefix"));
    let directory = directory.and_then(|argument| argument.value);
    let addresses = arguments.iter().filter(|argument| argument.flag.is_none());
    addresses
        .map(|argument| Name::OfAddress(argument.word, directory))
        .collect()
}

fn git_clone(command: &SimpleCommand) -> Vec<Name<'_>> {
    const VALUED: Valued = Valued {
        short: "bojuc",
        long: "branch depth origin config reference jobs filter",
    };
    let arguments = arguments(command, VALUED);
    let operands: Vec<_> = arguments
        .iter()
        .filter(|argument| argument.flag.is_none())
        .collect();
    match operands.as_slice() {
        [verb, address] if verb.value == Some("clone") => vec![Name::OfAddress(address.word, None)],
        [verb, _, directory] if verb.value == Some("clone") => {
            vec![Name::Path(value_or_text(directory.word), directory.word)]
        }
        _ => Vec::new(),
    }
}

/// The unpacking of an archive.
#[derive(Debug)]
pub(super) struct Unpacking<'a> {
    pub(super) archive: &'a ShellWord,
    /// Not all of it, or not as it is: members, patterns, `--strip-components`, `--transform`.
    pub(super) is_partial: bool,
}

/// What a `tar` that extracts, or an `unzip`, unpacks.
pub(super) fn unpacking(command: &SimpleCommand) -> Option<Unpacking<'_>> {
    match command.tool()? {
        "tar" | "bsdtar" => tar(command),
        "unzip" => {
            let mut words = command.unwrapped().iter().skip(1);
            let archive = words.find(|word| !word.text.starts_with('-'))?;
            Some(Unpacking {
                archive,
                is_partial: true,
            })
        }
        _ => None,
    }
}

fn tar(command: &SimpleCommand) -> Option<Unpacking<'_>> {
    const VALUED: Valued = Valued {
        short: "CTXbfgHIKLNV",
        long: "file directory strip-components exclude transform owner group mode",
    };
    let arguments = arguments(command, VALUED);
    let first = arguments.first()?;
    let bundled = first.value.filter(|_| first.flag.is_none());
    // `tar xzCf DIRECTORY FILE`: the values stand in the order of the letters.
    let bundled_values = bundled
        .unwrap_or_default()
        .chars()
        .filter(|letter| VALUED.short.contains(*letter));
    let values: Vec<char> = bundled_values.collect();
    let operands: Vec<_> = arguments
        .iter()
        .filter(|argument| argument.flag.is_none())
        .skip(usize::from(bundled.is_some()))
        .collect();
    let bundled_file = values
        .iter()
        .position(|letter| *letter == 'f')
        .and_then(|at| operands.get(at));
    let archive = if let Some(file) = bundled_file {
        file.word
    } else {
        let file = arguments.iter().find(|argument| argument.is("f", "file"))?;
        // `-fFILE` and `--file=FILE` are rare: they are passed over.
        (file.value == Some(value_or_text(file.word))).then_some(file.word)?
    };
    let extracts = bundled.is_some_and(|letters| letters.contains('x'))
        || arguments
            .iter()
            .any(|argument| argument.is("x", "extract") || argument.is("get", "get"));
    let changes = [
        "strip-components",
        "strip",
        "transform",
        "xform",
        "exclude",
        "wildcards",
        "one-top-level",
    ];
    let is_changed = arguments
        .iter()
        .any(|argument| argument.flag.is_some_and(|flag| changes.contains(&flag)));
    (extracts && archive.text != "-").then_some(Unpacking {
        archive,
        is_partial: is_changed || operands.len() > values.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::input::CheckInput;
    use crate::checks::size::run::shipping_runs;
    use crate::evaluate::Given;
    use crate::parser::parse;
    use crate::stage::stages;
    use expect_test::{Expect, expect};
    use std::collections::BTreeMap;
    use std::fmt::Write;

    /// Shows what is fetched, and what is unpacked, by a script that starts in `/w`.
    #[track_caller]
    fn check(script: &str, expected: Expect) {
        let parse = parse(&format!("FROM a\nWORKDIR /w\nRUN {script}\n"));
        let graph = stages(&parse);
        let args = BTreeMap::new();
        let given = Given {
            args: &args,
            images: &|_| None,
        };
        let input = CheckInput::new(&parse, &graph, &given);
        let run = shipping_runs(&input).next().unwrap();
        let mut shown = String::new();
        for file in fetched(&run) {
            writeln!(shown, "fetches {}", file.path).unwrap();
        }
        for unpacking in run.commands().filter_map(unpacking) {
            let part = if unpacking.is_partial { " in part" } else { "" };
            writeln!(shown, "unpacks {}{part}", unpacking.archive.text).unwrap();
        }
        expected.assert_eq(&shown);
    }

    #[test]
    fn files_are_where_the_flags_say() {
        check(
            "curl -fsSLo a.tgz https://h/x && curl -O https://h/b.tgz -O https://h/c.tgz",
            expect![[r"
                fetches /w/a.tgz
                fetches /w/b.tgz
                fetches /w/c.tgz
            "]],
        );
        check(
            "curl --output /t/a --retry 3 https://h/x; curl https://h/y > z",
            expect![[r"
                fetches /t/a
                fetches /w/z
            "]],
        );
        check(
            "cd /t && wget -q https://h/a-$V.tgz && wget -nv -P d https://h/b.tgz",
            expect![[r"
                fetches /t/a-${V}.tgz
                fetches /t/d/b.tgz
            "]],
        );
        check(
            "wget -qO/t/a https://h/x; wget -O b https://h/y",
            expect![[r"
                fetches /t/a
                fetches /w/b
            "]],
        );
        check(
            "git clone --depth 1 -b v1 https://h/p/r.git; git clone https://h/r /src",
            expect![[r"
                fetches /w/r
                fetches /src
            "]],
        );
    }

    #[test]
    fn what_has_no_name_in_the_text_is_left_out() {
        check(
            "curl https://h/a.tgz; curl -OJ https://h/b; wget -O- https://h/c; wget 'https://h/d?e=f'",
            expect![[""]],
        );
        check(
            "cd $(mktemp -d) && curl -O https://h/a.tgz; git -C x clone https://h/r",
            expect![[""]],
        );
    }

    #[test]
    fn archives_are_the_value_of_the_flag_wherever_it_stands() {
        check(
            "tar xzf a.tgz -C /opt; tar -C /opt -xf b.tar; tar xCf /opt c.tar",
            expect![[r"
                unpacks a.tgz
                unpacks b.tar
                unpacks c.tar
            "]],
        );
        check(
            "tar --extract --file d.tar --directory /opt; unzip -q e.zip",
            expect![[r"
                unpacks d.tar
                unpacks e.zip in part
            "]],
        );
        check(
            "tar xf f.tar member; tar -xzf g.tgz --strip-components=1",
            expect![[r"
                unpacks f.tar in part
                unpacks g.tgz in part
            "]],
        );
        check(
            "tar czf h.tgz dir; tar -xzf -; tar -tf i.tar",
            expect![[""]],
        );
    }
}
