//! Parsing loses nothing and never panics.

use jettison_dockerfile::{Parse, SyntaxKind, expand, parse, stages};
use proptest::prelude::*;

use crate::conformance::{data, dockerfiles};

/// The laws that hold for every text.
#[track_caller]
fn check(text: &str) -> Parse {
    let parse = parse(text);
    let mut end = 0;
    for token in parse.tokens() {
        assert_eq!(token.range.start, end, "a gap or an overlap in {text:?}");
        assert!(!token.range.is_empty(), "an empty token in {text:?}");
        end = token.range.end;
    }
    assert_eq!(end, text.len(), "the tokens do not cover {text:?}");
    let tokens: String = parse
        .tokens()
        .iter()
        .map(|token| &text[token.range.clone()])
        .collect();
    assert_eq!(tokens, text);
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

#[test]
fn every_prefix_of_buildkits_files_is_kept() {
    let Some(data) = data() else { return };
    for folder in ["parser", "parser-negative"] {
        for (_, text) in dockerfiles(&data.join(folder)) {
            check_every_prefix(&text);
        }
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

/// Pieces that mean something to the parser, in any order.
fn dockerfile() -> impl Strategy<Value = String> {
    let pieces = [
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
    proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..40)
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
