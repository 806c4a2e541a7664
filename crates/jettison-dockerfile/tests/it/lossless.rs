//! Parsing loses nothing and never panics.

#![allow(
    clippy::disallowed_methods,
    reason = "the data are files; the crate itself reads none"
)]

use std::fs;
use std::path::Path;

use jettison_dockerfile::{Parse, SyntaxKind, expand, parse, stages};
use proptest::prelude::*;

use crate::conformance::{data, dockerfiles};

/// The laws that hold for every text.
#[track_caller]
pub(crate) fn check(text: &str) -> Parse {
    let parse = parse(text);
    let mut end = 0;
    for token in parse.tokens() {
        assert_eq!(token.range.start, end, "a gap or an overlap in {text:?}");
        assert!(!token.range.is_empty(), "an empty token in {text:?}");
        end = token.range.end;
    }
    assert_eq!(end, text.len(), "the tokens do not cover {text:?}");
    for instruction in parse.instructions() {
        assert!(text.get(instruction.range.clone()).is_some());
        assert!(text.get(instruction.arguments.clone()).is_some());
        for flag in &instruction.flags {
            assert!(text.get(flag.range.clone()).is_some());
        }
        for heredoc in &instruction.heredocs {
            assert_eq!(text[heredoc.body.clone()], *heredoc.content);
        }
    }
    for diagnostic in parse.diagnostics() {
        assert!(
            text.get(diagnostic.range.clone()).is_some(),
            "{diagnostic:?} in {text:?}"
        );
    }
    let graph = stages(&parse);
    for stage in 0..graph.stages.len() {
        drop(graph.reachable(&parse, stage));
    }
    parse
}

#[track_caller]
fn check_every_prefix(text: &str) {
    for (offset, _) in text.char_indices().chain([(text.len(), ' ')]) {
        check(&text[..offset]);
    }
}

const EVERYTHING: &str = "\u{feff}# syntax=docker/dockerfile:1\r\n#escape=`\r\n\r\n# a comment\r\n\
FROM --platform=$P a`\r\n  # inside\r\n\r\n  AS b\r\nRUN --mount=type=cache,target=\"/a b\" -- <<-A cat <<'B' \r\n\tx\r\n\tA\r\ny\r\nB\r\n\
\u{a0}ENV A=\"é ü\" B=`\r\n1`\r\nONBUILD COPY <<E /e\ne\nE\nHEALTHCHECK --interval=5s CMD [\"a\"]\nLABEL a b c\nCOPY <<X\n`\n`\nFOO";

#[test]
fn every_prefix_of_a_file_with_everything_is_kept() {
    check_every_prefix(EVERYTHING);
}

/// BuildKit's Dockerfiles and our own, each once.
fn corpus() -> Vec<String> {
    let mut corpus = vec![EVERYTHING.to_owned()];
    if let Some(data) = data() {
        for folder in ["parser", "parser-negative"] {
            corpus.extend(
                dockerfiles(&data.join(folder))
                    .into_iter()
                    .map(|(_, text)| text),
            );
        }
    }
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    add_dockerfiles(&own, &mut corpus);
    corpus.sort();
    corpus.dedup();
    corpus
}

fn add_dockerfiles(dir: &Path, corpus: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for path in entries.map(|entry| entry.unwrap().path()) {
        let is_dockerfile =
            path.ends_with("Dockerfile") || path.extension().is_some_and(|end| end == "dockerfile");
        if path.is_dir() {
            add_dockerfiles(&path, corpus);
        } else if is_dockerfile && let Ok(text) = fs::read_to_string(&path) {
            corpus.push(text);
        }
    }
}

/// The longest text of which every prefix and every mutation is tried: the effort grows with the square.
const LONG: usize = 4_000;

#[test]
fn every_file_of_the_corpus_and_every_prefix_of_it_is_kept() {
    for text in corpus() {
        check(&text);
        if text.len() <= LONG {
            check_every_prefix(&text);
        }
    }
}

#[test]
fn any_byte_of_a_file_may_be_another_one() {
    let bytes = b"\n\r\\`\"'#<$ =-[\0\x85\xA0\xC3";
    let mut corpus = corpus();
    corpus.retain(|text| text.len() <= LONG / 2);
    corpus.sort_by_key(String::len);
    let step = corpus.len().div_ceil(50);
    for text in corpus.iter().step_by(step) {
        for position in 0..text.len() {
            for (index, &byte) in bytes.iter().enumerate() {
                let mut mutated = text.clone().into_bytes();
                mutated[position] = byte;
                let mutated = String::from_utf8_lossy(&mutated);
                if (position + index) % 8 == 0 {
                    check(&mutated);
                } else {
                    parse(&mutated);
                }
            }
        }
    }
}

/// Numbers without a pattern that matters, and the same ones each time.
struct Numbers(u64);

impl Numbers {
    /// A number below `limit`.
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).unwrap()).unwrap()
    }
}

#[test]
fn ten_million_bytes_of_mixed_pieces_are_kept() {
    let corpus = corpus();
    let lines: Vec<&str> = corpus
        .iter()
        .flat_map(|text| text.split_inclusive('\n'))
        .collect();
    let mut numbers = Numbers(0x2545_F491_4F6C_DD1D);
    let mut size = 0;
    while size < 10_000_000 {
        let mut text = String::new();
        for _ in 0..numbers.below(30) {
            match numbers.below(4) {
                0 => text.push_str(lines[numbers.below(lines.len())]),
                1 => {
                    // The start of a line, so that something is left open.
                    let line = lines[numbers.below(lines.len())];
                    text.push_str(&line[..line.floor_char_boundary(numbers.below(line.len()))]);
                }
                _ => text.push_str(PIECES[numbers.below(PIECES.len())]),
            }
        }
        size += text.len();
        check(&text);
    }
}

#[test]
fn tokens_are_named_after_what_they_are() {
    let text = "# escape=`\nRUN --network=none -- a`\n# c\n b <<E\nx\nE\n";
    let tokens: Vec<_> = check(text)
        .tokens()
        .iter()
        .map(|token| (token.kind, &text[token.range.clone()]))
        .collect();
    assert_eq!(
        tokens,
        [
            (SyntaxKind::Directive, "# escape=`"),
            (SyntaxKind::Newline, "\n"),
            (SyntaxKind::Keyword, "RUN"),
            (SyntaxKind::Whitespace, " "),
            (SyntaxKind::Flag, "--network=none"),
            (SyntaxKind::Whitespace, " "),
            (SyntaxKind::Flag, "--"),
            (SyntaxKind::Whitespace, " "),
            (SyntaxKind::Argument, "a"),
            (SyntaxKind::Continuation, "`"),
            (SyntaxKind::Newline, "\n"),
            (SyntaxKind::Comment, "# c"),
            (SyntaxKind::Newline, "\n"),
            (SyntaxKind::Argument, " b <<E"),
            (SyntaxKind::Newline, "\n"),
            (SyntaxKind::HeredocBody, "x\n"),
            (SyntaxKind::HeredocEnd, "E"),
            (SyntaxKind::Newline, "\n"),
        ]
    );
}

/// Pieces that mean something to the parser.
const PIECES: &[&str] = &[
    "FROM ",
    "RUN ",
    "COPY ",
    "ONBUILD ",
    "ENV ",
    "HEALTHCHECK ",
    "CMD ",
    "ARG ",
    "AS ",
    "\\\n",
    "\\",
    "\n",
    "\r\n",
    "#",
    "# escape=`\n",
    "<<E",
    "<<-'E'",
    "E\n",
    "\t",
    " ",
    "[\"a\", ",
    "\"b\"]",
    "'",
    "\"",
    "=",
    "--",
    "--from=1 ",
    "--mount=from=b,",
    "$",
    "${",
    "}",
    ":-",
    "é",
    "\u{feff}",
    "\u{a0}",
    "a",
    "b",
    "0",
    "`",
];

/// The pieces in any order.
fn dockerfile() -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(PIECES), 0..40)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_is_kept(text in "\\PC*") {
        check(&text);
    }

    #[test]
    fn any_mixture_of_syntax_is_kept(text in dockerfile()) {
        check(&text);
    }

    #[test]
    fn parsing_twice_gives_the_same(text in dockerfile()) {
        prop_assert_eq!(format!("{:?}", parse(&text)), format!("{:?}", parse(&text)));
    }

    #[test]
    fn expansion_never_panics_and_plain_words_stay(word in "[a-z${}:/#%?*+\\\\'\" -]{0,30}") {
        let result = expand(&word, '\\', &|name| (name == "a").then(|| "a/b".to_owned()));
        if !word.contains(['$', '\\', '\'', '"']) {
            prop_assert_eq!(result, Ok(word));
        }
    }
}
