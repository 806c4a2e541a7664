//! What is wrong with a text, drawn as compilers do: the message, the place, the line, and what to do.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Patch, Renderer, Snippet};
use jettison_dockerfile::{Applicability, Proposal, Severity, TextRange};

use crate::printable::{one_line, printable, shown};
use crate::source::Source;

/// The lines of a place that are shown.
const PLACE_LINES: usize = 4;
/// The lines of a change that are shown; of a longer one only the reason is.
const CHANGE_LINES: usize = 8;
/// The columns that are shown of a line.
const WIDTH: usize = 140;

/// Something to draw.
#[derive(Debug, Default)]
pub(crate) struct Drawing<'a> {
    pub(crate) is_warning: bool,
    /// The rule that it comes from.
    pub(crate) rule: Option<&'a str>,
    pub(crate) message: &'a str,
    /// The place in the text; without it only the file is named.
    pub(crate) range: Option<TextRange>,
    /// What caused it.
    pub(crate) causes: &'a [String],
    /// What to do about it.
    pub(crate) hints: &'a [String],
    pub(crate) proposal: Option<&'a Proposal>,
}

impl Drawing<'_> {
    pub(crate) fn is_warning(severity: Severity) -> bool {
        severity == Severity::Warning
    }
}

/// Draws with colours; whoever prints it takes them away where there are none. Ends in a line break.
pub(crate) fn draw(source: &Source, drawing: &Drawing<'_>) -> String {
    let level = if drawing.is_warning {
        Level::WARNING
    } else {
        Level::ERROR
    };
    let mut title = level.primary_title(one_line(drawing.message));
    if let Some(rule) = drawing.rule {
        title = title.id(rule);
    }
    let path = one_line(&source.path);
    let mut group = Group::with_title(title);
    if let Some(range) = &drawing.range {
        let range = &without_line_ending(source, range);
        let excerpt = Excerpt::of(source, range, PLACE_LINES);
        let place = excerpt.moved(source, range);
        group = group.element(
            Snippet::source(excerpt.text)
                .line_start(excerpt.first_line)
                .path(path)
                .fold(false)
                .annotation(AnnotationKind::Primary.span(place)),
        );
    } else {
        group = group.element(annotate_snippets::Origin::path(path));
    }
    for cause in drawing.causes {
        group = group.element(Level::NOTE.with_name("cause").message(one_line(cause)));
    }
    for hint in drawing.hints {
        group = group.element(Level::HELP.message(one_line(hint)));
    }
    let mut groups = vec![group];
    groups.extend(drawing.proposal.map(|proposal| change(source, proposal)));
    let mut drawn = Renderer::styled().term_width(WIDTH).render(&groups);
    drawn.push('\n');
    drawn
}

/// A place that ends with its line ends before the line break.
fn without_line_ending(source: &Source, range: &TextRange) -> TextRange {
    let text = source.text.get(range.clone()).unwrap_or_default();
    let len = text.trim_end_matches(['\r', '\n']).len();
    range.start..range.end - (text.len() - len)
}

/// Draws several things, one after the other.
pub(crate) fn draw_all(source: &Source, drawings: &[Drawing<'_>]) -> String {
    let mut text = String::new();
    for (position, drawing) in drawings.iter().enumerate() {
        if position > 0 {
            text.push('\n');
        }
        text.push_str(&draw(source, drawing));
    }
    text
}

/// Draws what a proposal would change, and whether `--fix` does.
fn change<'a>(source: &Source, proposal: &Proposal) -> Group<'a> {
    let fate = match proposal.applicability {
        Applicability::Safe => "`--fix` does this",
        Applicability::AfterBuild => "`--fix` does not do this: it takes a build to prove it",
        Applicability::Suggestion => "`--fix` does not do this: it is for you to decide",
    };
    let title = Level::HELP.secondary_title(format!("{} ({fate})", one_line(&proposal.reason)));
    let edits: Vec<_> = proposal.edits.iter().collect();
    let (Some(first), Some(last)) = (edits.first(), edits.last()) else {
        return Group::with_title(title);
    };
    let all = first.range.start..last.range.end;
    let before = source.text.get(all.clone()).unwrap_or_default();
    let written: usize = edits
        .iter()
        .map(|edit| edit.replacement.matches('\n').count())
        .sum();
    if before.matches('\n').count().max(written) >= CHANGE_LINES {
        return Group::with_title(title);
    }
    let excerpt = Excerpt::of(source, &all, CHANGE_LINES);
    let patches: Vec<_> = edits
        .iter()
        .map(|edit| {
            let replacement = edit.replacement.replace("\r\n", "\n");
            let place = excerpt.moved(source, &edit.range);
            Patch::new(place, printable(&replacement).into_owned())
        })
        .collect();
    Group::with_title(title).element(
        Snippet::source(excerpt.text)
            .line_start(excerpt.first_line)
            .patches(patches),
    )
}

/// Some lines of a text, with what a terminal must not get replaced.
struct Excerpt {
    text: String,
    first_line: usize,
    lines: TextRange,
}

impl Excerpt {
    fn of(source: &Source, range: &TextRange, limit: usize) -> Excerpt {
        let lines = source.lines_around(range, limit);
        Excerpt {
            text: source.text[lines.clone()]
                .replace("\r\n", "\n")
                .chars()
                .map(shown)
                .collect(),
            first_line: source.position(lines.start).line,
            lines,
        }
    }

    /// Where a range of the whole text is in the excerpt.
    fn moved(&self, source: &Source, range: &TextRange) -> Range<usize> {
        let moved = |offset: usize| {
            let offset = source.text.floor_char_boundary(offset);
            let end = offset.clamp(self.lines.start, self.lines.end);
            let before = source.text[self.lines.start..end].replace("\r\n", "\n");
            // An offset between `\r` and `\n` is before both.
            let before = before.strip_suffix('\r').unwrap_or(&before);
            before
                .chars()
                .map(|character| shown(character).len_utf8())
                .sum()
        };
        let start: usize = moved(range.start);
        start..moved(range.end).max(start)
    }
}

#[cfg(test)]
#[expect(
    clippy::needless_raw_string_hashes,
    reason = "UPDATE_EXPECT=1 writes them"
)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use jettison_dockerfile::{Given, check, parse, rules, stages};
    use std::collections::BTreeMap;

    #[track_caller]
    fn check_drawing(text: &str, range: TextRange, expected: Expect) {
        let source = Source::new("app/Dockerfile".into(), text.into());
        let drawing = Drawing {
            message: "it is\u{1b}[31m wrong",
            rule: Some("some-rule"),
            range: Some(range),
            hints: &["do it right".to_string()],
            ..Drawing::default()
        };
        expected.assert_eq(&anstream::adapter::strip_str(&draw(&source, &drawing)).to_string());
    }

    #[test]
    fn a_place_is_underlined() {
        check_drawing(
            "FROM a\nRUN é x\n",
            14..15,
            expect![[r#"
                error[some-rule]: it is␛[31m wrong
                 --> app/Dockerfile:2:7
                  |
                2 | RUN é x
                  |       ^
                  |
                  = help: do it right
            "#]],
        );
    }

    #[test]
    fn long_places_are_cut() {
        check_drawing(
            "RUN a \\\r\n b \\\r\n c \\\r\n d \\\r\n e\r\n",
            0..29,
            expect![[r#"
                error[some-rule]: it is␛[31m wrong
                 --> app/Dockerfile:1:1
                  |
                1 | / RUN a \
                2 | |  b \
                3 | |  c \
                4 | |  d \
                  | |____^
                  |
                  = help: do it right
            "#]],
        );
    }

    #[test]
    fn control_characters_do_not_move_the_caret() {
        check_drawing(
            "RUN \u{1b}[2J\u{9b}\tx y\n",
            12..13,
            expect![[r#"
            error[some-rule]: it is␛[31m wrong
             --> app/Dockerfile:1:12
              |
            1 | RUN ␛[2J�    x y
              |               ^
              |
              = help: do it right
        "#]],
        );
    }

    #[test]
    fn the_end_of_a_text_has_a_place() {
        check_drawing(
            "FROM a\n",
            7..7,
            expect![[r#"
            error[some-rule]: it is␛[31m wrong
             --> app/Dockerfile:2:1
              |
            2 |
              | ^
              |
              = help: do it right
        "#]],
        );
    }

    #[test]
    fn what_is_found_in_broken_texts_can_be_drawn() {
        let pieces = [
            "FROM a AS B",
            "\r\n",
            "\n",
            "RUN x \\",
            "\u{1b}]0;x\u{7}",
            "MAINTAINER é",
            "\u{202e}",
            "\t",
            "COPY --from=9 a b",
            "ARG",
            "<<EOF",
            "\u{feff}",
            " ",
            "EOF",
            "ENV a b",
            "\\",
            "\r",
        ];
        let given = Given {
            args: &BTreeMap::new(),
            images: &|_| None,
        };
        // Some numbers that are not in order: a linear congruential generator.
        let mut state: usize = 7;
        for _ in 0..2000 {
            let mut text = String::new();
            for _ in 0..8 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                text += pieces[(state >> 33) % pieces.len()];
            }
            let parse = parse(&text);
            let graph = stages(&parse);
            let input = jettison_dockerfile::CheckInput::new(&parse, &graph, &given);
            let report = check(&input, &rules());
            let source = Source::new("-".into(), text.clone());
            for finding in &report.findings {
                let drawn = draw(
                    &source,
                    &Drawing {
                        message: &finding.message,
                        range: Some(finding.range.clone()),
                        proposal: finding.proposal.as_ref(),
                        ..Drawing::default()
                    },
                );
                assert!(
                    !drawn.contains('\r') && !drawn.contains('\u{202e}'),
                    "{text:?}"
                );
            }
            for start in 0..text.len() {
                let drawing = Drawing {
                    range: Some(start..start + 9),
                    ..Drawing::default()
                };
                assert!(!draw(&source, &drawing).is_empty());
            }
        }
    }
}
