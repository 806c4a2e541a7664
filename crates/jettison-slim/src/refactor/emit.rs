//! Writing a multi-stage Dockerfile: the original's lines, byte for byte, then the final stage.

use jettison_build::DEFAULT_PATH;
use jettison_dockerfile::{
    Edit, EditSet, Instruction, InstructionKind, Keyword, OverlappingEdits, Parse, TextRange,
    apply, exec_form, stages,
};

use crate::refactor::{Candidate, Rung, RuntimeStage};

/// Why a Dockerfile cannot be rewritten.
#[derive(Debug, thiserror::Error)]
pub enum EmitError {
    /// There is more or less than one stage.
    #[error("the Dockerfile has {0} stages; only single-stage ones are rewritten")]
    Stages(usize),
    /// The original's own text got in the way.
    #[error("cannot edit the Dockerfile")]
    Edit(#[source] OverlappingEdits),
    /// The edits do not fit the text.
    #[error("cannot apply the edits: {0}")]
    Apply(String),
    /// A path cannot be written into a Dockerfile.
    #[error("cannot write path {0:?} into a Dockerfile")]
    Path(std::path::PathBuf),
}

/// Rewrites `parse` so that its only stage becomes the build stage of `runtime`.
pub fn multi_stage(
    parse: &Parse,
    runtime: &RuntimeStage,
    reasons: Vec<String>,
) -> Result<Candidate, EmitError> {
    let graph = stages(parse);
    let [stage] = graph.stages.as_slice() else {
        return Err(EmitError::Stages(graph.stages.len()));
    };
    let from = &parse.instructions()[stage.from];
    let mut edits = EditSet::new();
    let name = match &stage.name {
        Some(name) => name.clone(),
        None => {
            let end = from.arguments.end;
            let edit = Edit {
                range: end..end,
                replacement: " AS build".to_string(),
            };
            edits.insert(edit).map_err(EmitError::Edit)?;
            "build".to_string()
        }
    };
    let mut moved = Vec::new();
    for instruction in &parse.instructions()[stage.instructions.clone()] {
        if belongs_to_runtime(instruction) {
            let range = with_comments(parse.text(), &instruction.range);
            moved.push((instruction, range.clone()));
            edits
                .insert(Edit {
                    range: whole_lines(parse.text(), range),
                    replacement: String::new(),
                })
                .map_err(EmitError::Edit)?;
        }
    }
    let build = apply(parse.text(), &edits).map_err(|error| EmitError::Apply(error.to_string()))?;
    let newline = if parse.text().contains("\r\n") {
        "\r\n"
    } else {
        "\n"
    };
    let mut text = build.trim_end().to_string();
    text.push_str(newline);
    for line in final_stage(parse, runtime, &name, &moved)? {
        text.push_str(&line);
        text.push_str(newline);
    }
    Ok(Candidate {
        rung: runtime.rung,
        dockerfile: text,
        reasons,
    })
}

/// The final stage's lines, an empty one first.
fn final_stage(
    parse: &Parse,
    runtime: &RuntimeStage,
    build: &str,
    moved: &[(&Instruction, TextRange)],
) -> Result<Vec<String>, EmitError> {
    let mut lines = vec![String::new()];
    match runtime.rung {
        Rung::Scratch | Rung::ScratchWithLibraries => {
            lines.push("FROM scratch AS runtime".to_string())
        }
    }
    for pair in &runtime.env {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        // `FROM scratch` has this search path already.
        if !(name == "PATH" && value == DEFAULT_PATH) {
            lines.push(format!("ENV {name}={}", quoted(value)));
        }
    }
    if !["", "/"].contains(&runtime.working_dir.as_str()) {
        lines.push(format!("WORKDIR {}", quoted(&runtime.working_dir)));
    }
    for kept in &runtime.kept {
        let path = kept
            .path
            .to_str()
            .filter(|path| !path.contains(['\n', '\r', '"', '\\']))
            .ok_or_else(|| EmitError::Path(kept.path.clone()))?;
        lines.push(if path.contains([' ', '\t', '*', '?', '[', '$']) {
            return Err(EmitError::Path(kept.path.clone()));
        } else {
            format!("COPY --from={build} {path} {path}")
        });
    }
    lines.extend(own_text_or(
        parse,
        moved,
        Keyword::Label,
        runtime
            .labels
            .iter()
            .map(|(key, value)| format!("LABEL {}={}", quoted(key), quoted(value))),
    ));
    lines.extend(own_text_or(
        parse,
        moved,
        Keyword::Expose,
        (!runtime.exposed_ports.is_empty())
            .then(|| format!("EXPOSE {}", runtime.exposed_ports.join(" "))),
    ));
    if !runtime.user.is_empty() {
        lines.push(format!("USER {}", runtime.user));
    }
    for (keyword, argv) in [
        (Keyword::Entrypoint, &runtime.entrypoint),
        (Keyword::Cmd, &runtime.cmd),
    ] {
        lines.extend(own_text_or(
            parse,
            moved,
            keyword,
            argv.as_ref()
                .map(|argv| format!("{keyword} {}", exec_form(argv))),
        ));
    }
    Ok(lines)
}

/// The author's own lines for `keyword` if they still say the same, else `generated`.
fn own_text_or(
    parse: &Parse,
    moved: &[(&Instruction, TextRange)],
    keyword: Keyword,
    generated: impl IntoIterator<Item = String>,
) -> Vec<String> {
    let generated: Vec<String> = generated.into_iter().collect();
    let own: Vec<&(&Instruction, TextRange)> = moved
        .iter()
        .filter(|(instruction, _)| instruction.keyword == keyword)
        .collect();
    let texts: Vec<&str> = own
        .iter()
        .map(|(_, range)| &parse.text()[range.clone()])
        .collect();
    let says_the_same = match own.as_slice() {
        [] => false,
        // Several of one kind may override each other, and inherited ones would be missing.
        [(instruction, _)] => means(instruction, &generated),
        _ => false,
    };
    if says_the_same {
        return texts
            .iter()
            .flat_map(|text| text.lines())
            .map(str::to_string)
            .collect();
    }
    // The comments above stay even where the instruction is written anew.
    let comments = texts.iter().flat_map(|text| {
        text.lines()
            .take_while(|line| line.trim_start().starts_with('#'))
    });
    let mut lines: Vec<String> = comments.map(str::to_string).collect();
    lines.extend(generated);
    lines
}

/// Whether `instruction`'s own text means what the generated lines say.
fn means(instruction: &Instruction, generated: &[String]) -> bool {
    if instruction.original.contains('$') {
        return false;
    }
    let [line] = generated else { return false };
    match &instruction.kind {
        InstructionKind::Cmd(jettison_dockerfile::CommandForm::Exec(argv)) => {
            *line == format!("CMD {}", exec_form(argv))
        }
        InstructionKind::Entrypoint(jettison_dockerfile::CommandForm::Exec(argv)) => {
            *line == format!("ENTRYPOINT {}", exec_form(argv))
        }
        InstructionKind::Expose(ports) => {
            let mut ports: Vec<String> = ports
                .iter()
                .map(|port| {
                    if port.contains('/') {
                        port.clone()
                    } else {
                        format!("{port}/tcp")
                    }
                })
                .collect();
            ports.sort();
            *line == format!("EXPOSE {}", ports.join(" "))
        }
        InstructionKind::Label(pairs) => match pairs.as_slice() {
            [pair] => *line == format!("LABEL {}={}", quoted(&pair.key), quoted(&pair.value)),
            _ => false,
        },
        _ => false,
    }
}

/// Instructions that only tell how the image runs; the build stage has no use for them.
fn belongs_to_runtime(instruction: &Instruction) -> bool {
    matches!(
        instruction.keyword,
        Keyword::Cmd | Keyword::Entrypoint | Keyword::Expose | Keyword::Label
    )
}

/// `range` and the comment lines directly above it.
fn with_comments(text: &str, range: &TextRange) -> TextRange {
    let mut start = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
    while start > 0 {
        let above = text[..start - 1].rfind('\n').map_or(0, |at| at + 1);
        let line = text[above..start].trim();
        // A directive at the top belongs to the file.
        if !line.starts_with('#') || above == 0 {
            break;
        }
        start = above;
    }
    start..range.end
}

/// `range` with the line break after it.
fn whole_lines(text: &str, range: TextRange) -> TextRange {
    let end = text[range.end..]
        .find('\n')
        .map_or(text.len(), |at| range.end + at + 1);
    range.start..end
}

/// A value as a Dockerfile word.
fn quoted(value: &str) -> String {
    let is_plain = !value.is_empty()
        && value
            .chars()
            .all(|c| c.is_alphanumeric() || "-_./:=@%+,".contains(c));
    if is_plain {
        return value.to_string();
    }
    let escaped: String = value
        .chars()
        .flat_map(|c| {
            if "\"\\$".contains(c) {
                vec!['\\', c]
            } else {
                vec![c]
            }
        })
        .collect();
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refactor::KeptPath;
    use expect_test::{Expect, expect};
    use jettison_dockerfile::parse;

    fn runtime() -> RuntimeStage {
        RuntimeStage {
            rung: Rung::Scratch,
            kept: vec![KeptPath {
                path: "/app/app".into(),
                reason: String::new(),
            }],
            entrypoint: None,
            cmd: Some(vec!["./app".to_string()]),
            user: String::new(),
            env: vec![format!("PATH={DEFAULT_PATH}")],
            working_dir: "/app".to_string(),
            labels: Vec::new(),
            exposed_ports: Vec::new(),
        }
    }

    #[track_caller]
    fn check(text: &str, runtime: &RuntimeStage, expected: Expect) {
        expected.assert_eq(&match multi_stage(&parse(text), runtime, Vec::new()) {
            Ok(candidate) => candidate.dockerfile,
            Err(error) => format!("error: {error}"),
        });
    }

    #[test]
    fn what_stays_is_kept_byte_for_byte() {
        check(
            "# Builds the app\nfrom   debian:12\n\nRUN apt-get update \\\n    # the compiler\n && apt-get install -y golang\nWORKDIR /app\n# start it\nCMD [ \"./app\" ]\n",
            &runtime(),
            expect![[r##"
                # Builds the app
                from   debian:12 AS build

                RUN apt-get update \
                    # the compiler
                 && apt-get install -y golang
                WORKDIR /app

                FROM scratch AS runtime
                WORKDIR /app
                COPY --from=build /app/app /app/app
                # start it
                CMD [ "./app" ]
            "##]],
        );
    }

    #[test]
    fn a_shell_form_command_is_written_in_exec_form() {
        check(
            "FROM debian:12 AS Base\nRUN make\nCMD ./app",
            &runtime(),
            expect![[r#"
                FROM debian:12 AS Base
                RUN make

                FROM scratch AS runtime
                WORKDIR /app
                COPY --from=base /app/app /app/app
                CMD ["./app"]
            "#]],
        );
    }

    #[test]
    fn the_inherited_configuration_is_written_out() {
        let runtime = RuntimeStage {
            env: vec![
                format!("PATH={DEFAULT_PATH}"),
                "GREETING=hello, \"world\" $5".to_string(),
            ],
            labels: vec![("a b".to_string(), "c".to_string())],
            exposed_ports: vec!["53/udp".to_string(), "80/tcp".to_string()],
            user: "7:8".to_string(),
            ..runtime()
        };
        check(
            "FROM debian:12\nEXPOSE 80 53/udp\n",
            &runtime,
            expect![[r#"
                FROM debian:12 AS build

                FROM scratch AS runtime
                ENV GREETING="hello, \"world\" \$5"
                WORKDIR /app
                COPY --from=build /app/app /app/app
                LABEL "a b"=c
                EXPOSE 80 53/udp
                USER 7:8
                CMD ["./app"]
            "#]],
        );
    }

    #[test]
    fn several_stages_are_left_alone() {
        check(
            "FROM a AS x\nFROM b\n",
            &runtime(),
            expect!["error: the Dockerfile has 2 stages; only single-stage ones are rewritten"],
        );
    }

    #[test]
    fn a_path_that_copy_would_misread_is_refused() {
        let runtime = RuntimeStage {
            kept: vec![KeptPath {
                path: "/app/a*b".into(),
                reason: String::new(),
            }],
            ..runtime()
        };
        check(
            "FROM a\n",
            &runtime,
            expect![[r#"error: cannot write path "/app/a*b" into a Dockerfile"#]],
        );
    }
}
