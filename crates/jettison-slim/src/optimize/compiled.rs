//! Programs that the image compiles each time it is started (`go run`, `cargo run`), compiled once.
//!
//! The same Dockerfile with the command that builds the program, and a `CMD` that starts what it has built, is the build that
//! candidates are made of. They are compared with the original, which goes on compiling.

use jettison_build::Built;
use jettison_dockerfile::{Edit, EditSet, Instruction, InstructionKind, Parse, apply, parse};

use super::gains::chain;
use super::{OptimizeError, Run, View};
use crate::evidence::{CompiledRun, compiled_run, wants_cargo};
use crate::rootfs::RootDir;

/// A build in which the program is compiled.
pub(super) struct Compiled {
    pub(super) parse: Parse,
    pub(super) built: Built,
    /// Its files.
    pub(super) view: View,
}

/// The build of `built` with its program compiled; nothing if it does not compile when it is started, else why there is none.
pub(super) fn compiled(
    run: &Run<'_>,
    (built, root): (&Built, &RootDir),
    parsed: &Parse,
) -> Result<Option<Result<Compiled, String>>, OptimizeError> {
    let Some(found) = compiled_run(root, &built.image.config().config) else {
        return Ok(None);
    };
    let refused = |reason: String| {
        let tool = &found.start.tool;
        Ok(Some(Err(format!(
            "{tool} is kept, which compiles the program at each start: {reason}"
        ))))
    };
    if let Some(reason) = wants_cargo(root, &found.start).map_err(OptimizeError::Root)? {
        return refused(reason);
    }
    let is_last = run.request.build.lower.target.is_none();
    let Some(text) = text_of(parsed, &found).filter(|_| is_last) else {
        return refused("its command is not in the last stage of the Dockerfile".to_owned());
    };
    run.observer.phase("Compile the program");
    let request = run.rewritten(&text);
    let made = match run.build(&request) {
        Ok(made) => made,
        Err(error) if error.is_for_lack_of_room() => return Err(OptimizeError::Candidate(error)),
        Err(error) => return refused(chain(&error)),
    };
    let view = run.view(&made.image)?;
    if view.root.target(&found.program).is_none() {
        let command = found.build.join(" ");
        return refused(format!("`{command}` makes no {}", found.program.display()));
    }
    Ok(Some(Ok(Compiled {
        parse: parse(&text),
        built: made,
        view,
    })))
}

/// The Dockerfile with the program compiled at the end of its last stage, and started.
fn text_of(parsed: &Parse, found: &CompiledRun) -> Option<String> {
    let instructions = parsed.instructions();
    let stage = instructions
        .iter()
        .rposition(|instruction| matches!(instruction.kind, InstructionKind::From(_)))?;
    let config = &found.start.config;
    let is_entrypoint = config
        .entrypoint
        .as_ref()
        .and_then(|words| words.first())
        .is_some_and(|first| *first == found.start.script);
    let starts = |instruction: &&Instruction| match &instruction.kind {
        InstructionKind::Entrypoint(_) => is_entrypoint,
        InstructionKind::Cmd(_) => !is_entrypoint,
        _ => false,
    };
    let command = instructions.get(stage..)?.iter().rfind(starts)?;
    let (name, words) = if is_entrypoint {
        ("ENTRYPOINT", config.entrypoint.as_ref()?)
    } else {
        ("CMD", config.cmd.as_ref()?)
    };
    let text = parsed.text();
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let build: Vec<String> = found.build.iter().map(|word| quoted(word)).collect();
    let argv = serde_json::to_string(words).ok()?;
    // What comes later than the command may be a part of what is compiled.
    let last = instructions.last()?;
    let has_more = last.range.start != command.range.start;
    let run = format!("RUN {}", build.join(" "));
    let start = format!("{name} {argv}");
    let mut edits = EditSet::new();
    let replacement = if has_more {
        start
    } else {
        format!("{run}{newline}{start}")
    };
    edits
        .insert(Edit {
            range: command.range.clone(),
            replacement,
        })
        .ok()?;
    if has_more {
        let at = last.range.end;
        edits
            .insert(Edit {
                range: at..at,
                replacement: format!("{newline}{run}"),
            })
            .ok()?;
    }
    apply(text, &edits).ok()
}

/// A word of a shell.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use jettison_oci::RunConfig;

    use super::*;
    use crate::evidence::{Fact, Origin, PlainStart};

    #[track_caller]
    fn check(text: &str, is_entrypoint: bool, expected: &str) {
        let words = |text: &str| Some(text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        let argv = words("/usr/local/bin/shop -x");
        let config = if is_entrypoint {
            RunConfig {
                entrypoint: argv,
                cmd: words("more"),
                ..RunConfig::default()
            }
        } else {
            RunConfig {
                cmd: argv,
                ..RunConfig::default()
            }
        };
        let found = CompiledRun {
            start: PlainStart {
                config,
                fact: Fact {
                    text: String::new(),
                    origin: Origin::ImageConfig,
                },
                directory: PathBuf::from("/app"),
                tool: "go".to_owned(),
                script: "/usr/local/bin/shop".to_owned(),
            },
            build: ["go", "build", "-ldflags", "-X main.v='1'", "."]
                .map(str::to_owned)
                .to_vec(),
            program: PathBuf::from("/usr/local/bin/shop"),
        };
        let found = text_of(&parse(text), &found).unwrap_or_default();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_program_is_compiled_at_the_end_of_the_stage() {
        let build = r"RUN go build -ldflags '-X main.v='\''1'\''' .";
        check(
            "FROM golang\nCOPY . .\nCMD go run .\n",
            false,
            &format!("FROM golang\nCOPY . .\n{build}\nCMD [\"/usr/local/bin/shop\",\"-x\"]\n"),
        );
        check(
            "FROM golang\nCMD go run .\nEXPOSE 80\nCOPY . .",
            false,
            &format!(
                "FROM golang\nCMD [\"/usr/local/bin/shop\",\"-x\"]\nEXPOSE 80\nCOPY . .\n{build}"
            ),
        );
        check(
            "FROM golang AS a\nCMD a\nFROM golang\nENTRYPOINT [\"go\", \"run\", \".\"]\nCMD [\"more\"]\n",
            true,
            &format!(
                "FROM golang AS a\nCMD a\nFROM golang\nENTRYPOINT [\"/usr/local/bin/shop\",\"-x\"]\nCMD [\"more\"]\n{build}\n"
            ),
        );
        // It is the base's.
        check("FROM golang\nCOPY . .\n", false, "");
    }
}
