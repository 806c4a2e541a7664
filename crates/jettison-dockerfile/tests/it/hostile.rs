//! Texts that are large in one way or another. Each of these takes forever if something is done again for each
//! part of the text.

use jettison_dockerfile::InstructionKind;

use crate::lossless::check;

#[test]
fn a_file_may_have_a_million_lines() {
    let parse = check(&"\n#\n# x\n\nRUN x\n".repeat(200_000));
    assert_eq!(parse.instructions().len(), 200_000);
    let continued = "FROM a\nRUN x".to_owned() + &" \\\n # y\n\n x".repeat(333_333);
    assert_eq!(check(&continued).instructions().len(), 2);
}

#[test]
fn a_line_may_have_a_hundred_thousand_heredocs() {
    let announced = "<<E ".repeat(100_000);
    let body = "E\n".repeat(100_000);
    let last = "x".repeat(100_000);
    // All of them have the name, and with it the content, of the last one.
    let parse = check(&format!("COPY {announced} <<E /d/\n{body}{last}\nE\n"));
    let InstructionKind::Copy(copy) = &parse.instructions()[0].kind else {
        panic!("COPY")
    };
    assert_eq!(copy.sources.len(), 100_001);
    check(&format!("RUN {announced}\n{body}"));
    check(&format!("RUN {announced}\n{}", "y\n".repeat(100_000)));
    check(&"RUN <<E\n".repeat(200_000));
}

#[test]
fn a_line_may_have_thirty_thousand_flags_or_words() {
    // What is done again for each of them takes a minute even so, and the rest is not slow without optimizations.
    let continued = |word: &str| format!("{word} \\\n").repeat(30_000);
    for keyword in ["RUN", "COPY", "CMD", "HEALTHCHECK", "ONBUILD ADD"] {
        check(&format!(
            "{keyword} {}",
            continued("--from=\"a\" --mount=type=bind")
        ));
        check(&format!("{keyword} {}", continued("--x --exclude=a")));
        check(&format!("{keyword} {}", continued("a ' [\"b\"")));
    }
    for keyword in ["ENV", "ARG", "LABEL", "EXPOSE", "VOLUME", "FROM", "USER"] {
        check(&format!("{keyword} {}", continued("a='b' c")));
    }
    check(&format!(
        "RUN --mount={} x",
        "type=bind,\"a\",".repeat(30_000)
    ));
}

#[test]
fn instructions_may_be_nested_as_deep_as_one_likes() {
    let parse = check(&format!("{}CMD a", "ONBUILD \\\n".repeat(200_000)));
    assert_eq!(parse.instructions().len(), 1);
    assert_eq!(parse.dump().matches("(onbuild").count(), 200_000);
    check(&format!("CMD {}", "[".repeat(1_000_000)));
    check(&format!("CMD [{}", "{\"a\":".repeat(200_000)));
    check(&format!("RUN <<{} x", "${a:-".repeat(10_000)));
}

#[test]
fn words_may_be_as_long_as_one_likes() {
    let word = "x".repeat(1_000_000);
    for line in [
        format!("{word} a"),
        format!("RUN --{word}=a b"),
        format!("FROM a AS {word}"),
        format!("# {word}=a"),
        format!("HEALTHCHECK {word}"),
        format!("RUN <<{word}"),
        format!("RUN {}", "\\".repeat(1_000_000)),
        format!("RUN {}", " ".repeat(1_000_000)),
        format!("RUN {}", "\u{a0}".repeat(1_000_000)),
        format!(
            "HEALTHCHECK --retries={word} --interval={} CMD a",
            "9".repeat(1_000_000)
        ),
    ] {
        check(&line);
    }
    check(&"\r".repeat(1_000_000));
    check(&"\\\n".repeat(1_000_000));
    check(&"#\n".repeat(1_000_000));
    check(&"# x\n".repeat(1_000_000));
}
