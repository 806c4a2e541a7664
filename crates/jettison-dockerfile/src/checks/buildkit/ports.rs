//! The ports of `EXPOSE`, expanded and taken apart.

use crate::checks::buildkit::commands::{Command, commands};
use crate::checks::buildkit::place::{ArgumentWord, argument_words};
use crate::checks::input::CheckInput;
use crate::checks::rule::Rule;
use crate::expand::expand_words;
use crate::instruction::InstructionKind;
use crate::text::TextRange;

/// A port of `EXPOSE`.
#[derive(Debug)]
pub(super) struct Port {
    /// The port, expanded.
    pub(super) text: String,
    /// The protocol as written; `tcp` if there is none.
    pub(super) protocol: String,
    /// Says whether there is an address or a port of the host.
    pub(super) has_host: bool,
    /// The word that it comes from, if the instruction is in the file.
    pub(super) written: Option<ArgumentWord>,
    pub(super) range: TextRange,
}

/// The ports in a Dockerfile, but those that a comment hides from `rule`.
pub(super) fn ports(input: &CheckInput<'_>, rule: &Rule) -> Vec<Port> {
    let mut ports = Vec::new();
    for stage in input.stages() {
        for command in commands(&stage) {
            let InstructionKind::Expose(sorted) = command.kind else {
                continue;
            };
            if command.is_silenced(rule) {
                continue;
            }
            if command.is_own {
                for word in argument_words(input.parse, command.instruction) {
                    add(input, &mut ports, &command, &word.text.clone(), Some(word));
                }
            } else {
                for word in sorted {
                    add(input, &mut ports, &command, word, None);
                }
            }
        }
    }
    ports
}

/// Adds the ports that a word becomes; there may be several.
fn add(
    input: &CheckInput<'_>,
    ports: &mut Vec<Port>,
    command: &Command<'_>,
    word: &str,
    written: Option<ArgumentWord>,
) {
    let scope = &command.evaluated.before;
    let lookup = |name: &str| scope.lookup(name).map(str::to_owned);
    let range = match &written {
        Some(word) => word.range.clone(),
        None => command.instruction.range.clone(),
    };
    for text in expand_words(word, input.parse.escape(), &lookup).unwrap_or_default() {
        let Some((protocol, has_host)) = parts(&text) else {
            continue;
        };
        ports.push(Port {
            protocol,
            has_host,
            text,
            written: written.clone(),
            range: range.clone(),
        });
    }
}

/// The protocol of `[[address:]port:]port[/protocol]`, and whether there is more than a port of the container; `None`
/// if that is wrong (BuildKit: `parsePort`, `dockerfile2llb/convert_expose.go`).
fn parts(text: &str) -> Option<(String, bool)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port),
        None => ("", text),
    };
    let (port, protocol) = port.split_once('/').unwrap_or((port, ""));
    let mut known = ["", "tcp", "udp", "sctp"].iter();
    if port.is_empty() || !known.any(|known| known.eq_ignore_ascii_case(protocol)) {
        return None;
    }
    let protocol = if protocol.is_empty() { "tcp" } else { protocol };
    // `::80` has an empty address and an empty port.
    let has_host = !matches!(host, "" | ":");
    Some((protocol.to_owned(), has_host))
}
