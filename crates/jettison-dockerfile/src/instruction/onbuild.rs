//! `ONBUILD`.

use crate::diagnostic::{Diagnostic, Severity};
use crate::instruction::{Arguments, InstructionKind, kind};
use crate::keyword::Keyword;
use crate::node::Values;

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
    arguments: Arguments<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<OnbuildInstruction, Diagnostic> {
    let Values::Trigger(node) = arguments.values else {
        return Err(arguments.error("ONBUILD requires at least one argument"));
    };
    let place = arguments.source(&node.word.range);
    match node.keyword {
        Keyword::Onbuild => {
            let message = "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed";
            return Err(Diagnostic::error(place, message));
        }
        keyword @ (Keyword::Maintainer | Keyword::From) => {
            let message = format!("{keyword} isn't allowed as an ONBUILD trigger");
            return Err(Diagnostic::error(place, message));
        }
        _ => {}
    }
    let line = &arguments.joined.text()[node.word.range.start..];
    let bodies = arguments.heredocs.iter();
    let bodies = bodies.map(|heredoc| format!("\n{}{}", heredoc.content, heredoc.name));
    let expression = line.to_owned() + &bodies.collect::<String>();

    if let Err(error) = &node.values {
        return Err(Diagnostic::error(
            arguments.source(&error.range),
            &error.message,
        ));
    }
    let mut problems = Vec::new();
    let trigger = kind(node, arguments.joined, arguments.heredocs, &mut problems);
    diagnostics.extend(problems.into_iter().map(|problem| Diagnostic {
        severity: Severity::Warning,
        ..problem
    }));
    Ok(OnbuildInstruction {
        expression,
        keyword: node.keyword,
        trigger: Box::new(trigger),
    })
}
