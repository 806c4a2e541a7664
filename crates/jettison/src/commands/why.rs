//! `jettison why`

use std::process::ExitCode;

use jettison_slim::{Facts, Maker, overview, read_facts, why};

use crate::cli::{Global, WhyArgs};
use crate::commands::{lookup, world};
use crate::failure::Failure;
use crate::output::{Look, Output};
use crate::printable::printable;
use crate::surroundings::Surroundings;

pub(crate) fn run(
    global: &Global,
    args: &WhyArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let store = world::store(&world::root(global, surroundings)?)?;
    let found = lookup::look_up(&store, &args.image)?
        .ok_or_else(|| lookup::no_such_image(&args.image).of_user())?;
    let facts = store.facts(&found.image.id());
    let facts = facts.and_then(|json| read_facts(&json)).ok_or_else(|| {
        Failure::user(format!(
            "nothing is known of why the files of {} are there",
            args.image
        ))
        .hint("it is known of what `jettison optimize` has made, as NAME:optimized, and of distroless bases of `jettison base build`, in this store")
    })?;
    if args.subjects.is_empty() {
        summary(&facts, output);
        return Ok(ExitCode::SUCCESS);
    }
    let mut all_kept = true;
    for (index, subject) in args.subjects.iter().enumerate() {
        if index > 0 {
            output.line("");
        }
        if let Some(answer) = why(&facts, subject) {
            all_kept &= answer.is_kept;
            let look = if answer.is_kept {
                Look::Plain
            } else {
                Look::Heading
            };
            for (index, line) in answer.lines.iter().enumerate() {
                let look = if index == 0 { look } else { Look::Plain };
                output.styled(look, &printable(line));
            }
        } else {
            all_kept = false;
            let made_of = match facts.maker {
                Maker::Optimizer(_) => "the original",
                Maker::Base => "its packages",
            };
            // What is known are files.
            let or_empty = if subject.starts_with('/') {
                ", or a directory without files"
            } else {
                ""
            };
            output.styled(
                Look::Heading,
                &printable(&format!(
                    "{subject} is neither in the image nor in {made_of}{or_empty}"
                )),
            );
        }
    }
    Ok(if all_kept {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn summary(facts: &Facts, output: &mut Output) {
    let made = match facts.maker {
        Maker::Optimizer(rung) => format!("made of {}, rung {rung}", facts.source),
        Maker::Base => format!("assembled as {}", facts.source),
    };
    output.styled(Look::Heading, &printable(&made));
    for line in overview(facts) {
        output.line(&printable(&line));
    }
}
