//! `ONBUILD`.

use crate::diagnostic::{Diagnostic, Severity};
use crate::instruction::{Context, InstructionKind, Problem, flags, kind};
use crate::keyword::Keyword;
use crate::node::Values;
use crate::text::upper;

/// `ONBUILD`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnbuildInstruction {
    /// What goes into the image's configuration: the trigger with its heredocs, joined.
    pub expression: String,
    /// The trigger's keyword.
    pub keyword: Keyword,
    /// The trigger. It may be invalid: that only matters to who builds on the image.
    pub trigger: Box<InstructionKind>,
}

/// Reads `ONBUILD`. What is wrong with the trigger is a warning.
pub(super) fn onbuild(
    context: &Context<'_>,
    values: &mut Values<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<OnbuildInstruction, Problem> {
    let Values::Trigger(triggers) = values else {
        return Err(Problem::first(context.needs_an_argument()));
    };
    let Some(node) = triggers.first_mut() else {
        return Err(Problem::first(context.needs_an_argument()));
    };
    let place = context.source(&node.word.range);
    match upper(node.word.text).as_str() {
        "ONBUILD" => {
            let message = "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed";
            return Err(Diagnostic::error(place, message).into());
        }
        word @ ("MAINTAINER" | "FROM") => {
            let message = format!("{word} isn't allowed as an ONBUILD trigger");
            return Err(Diagnostic::error(place, message).into());
        }
        _ => {}
    }
    let mut expression = without_keyword(context.joined.text()).to_owned();
    for heredoc in context.heredocs {
        expression.push('\n');
        expression.push_str(&heredoc.content);
        expression.push_str(&heredoc.name);
    }
    let keyword = node.keyword;
    let context = Context {
        keyword,
        place: &place,
        ..*context
    };
    let flags = flags(node, context.line, context.joined);
    let mut problems = Vec::new();
    let trigger = kind(
        &context,
        &node.word,
        &mut node.values,
        &flags,
        &mut problems,
    );
    diagnostics.extend(problems.into_iter().map(|problem| Diagnostic {
        severity: Severity::Warning,
        ..problem
    }));
    Ok(OnbuildInstruction {
        expression,
        keyword,
        trigger: Box::new(trigger),
    })
}

/// The line after `ONBUILD` and the white space of Go's regular expressions (BuildKit: `parseOnBuild`,
/// instructions/parse.go).
fn without_keyword(line: &str) -> &str {
    let is_space = ['\t', '\n', '\u{c}', '\r', ' '];
    let start = line.trim_start_matches(is_space);
    match start.get(..7) {
        Some(word) if word.eq_ignore_ascii_case("ONBUILD") => {
            start[7..].trim_start_matches(is_space)
        }
        _ => line,
    }
}
