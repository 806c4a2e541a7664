//! `HEALTHCHECK` as the configuration of an image has it.

use jettison_dockerfile::{CommandForm, Healthcheck, Instruction, InstructionKind, exec_form};
use serde_json::{Value, json};

use super::EmitError;

/// The arguments of the instruction that means `healthcheck`.
pub(super) fn health_arguments(healthcheck: &Value) -> Result<String, EmitError> {
    let refused = || EmitError::Value(healthcheck.to_string());
    let words: Vec<String> = healthcheck
        .get("Test")
        .and_then(Value::as_array)
        .ok_or_else(refused)?
        .iter()
        .map(|word| word.as_str().map(str::to_owned))
        .collect::<Option<_>>()
        .ok_or_else(refused)?;
    let command = match words.split_first() {
        Some((kind, [])) if kind == "NONE" => return Ok("NONE".to_owned()),
        Some((kind, argv)) if kind == "CMD" && !argv.is_empty() => {
            // A program of several lines has two spaces where the next one begins.
            format!("CMD {}", exec_form(argv).replace(";  ", "; \\\n "))
        }
        Some((kind, [text])) if kind == "CMD-SHELL" && !text.contains(char::is_control) => {
            format!("CMD {text}")
        }
        _ => return Err(refused()),
    };
    let mut arguments = Vec::new();
    // Docker counts in nanoseconds.
    for (key, flag) in [
        ("Interval", "interval"),
        ("Timeout", "timeout"),
        ("StartPeriod", "start-period"),
        ("StartInterval", "start-interval"),
    ] {
        if let Some(time) = healthcheck
            .get(key)
            .and_then(Value::as_u64)
            .filter(|time| *time > 0)
        {
            arguments.push(format!("--{flag}={}", duration(time)));
        }
    }
    if let Some(retries) = healthcheck
        .get("Retries")
        .and_then(Value::as_u64)
        .filter(|n| *n > 0)
    {
        arguments.push(format!("--retries={retries}"));
    }
    arguments.push(command);
    Ok(arguments.join(" "))
}

/// Whether the author's own instruction has the command of `healthcheck`.
pub(super) fn says_the_same(instruction: &Instruction, healthcheck: &Value) -> bool {
    let InstructionKind::Healthcheck(own) = &instruction.kind else {
        return false;
    };
    let test = healthcheck.get("Test");
    match own {
        Healthcheck::None => test == Some(&json!(["NONE"])),
        Healthcheck::Command(own) => match &own.form {
            CommandForm::Exec(argv) => {
                let words = ["CMD"].into_iter().chain(argv.iter().map(AsRef::as_ref));
                test == Some(&words.collect())
            }
            // Of the text only its end may be written in another way, as of a line that goes on.
            CommandForm::Shell(_) => {
                let kind = test.and_then(|test| test.get(0));
                kind == Some(&json!("CMD-SHELL"))
            }
        },
    }
}

/// A time as Go reads it, in the largest unit that gives a whole number.
fn duration(nanoseconds: u64) -> String {
    for (unit, length) in [
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
        ("us", 1_000),
    ] {
        if nanoseconds.is_multiple_of(length) {
            return format!("{}{unit}", nanoseconds / length);
        }
    }
    format!("{nanoseconds}ns")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(healthcheck: &Value, expected: &str) {
        let shown = health_arguments(healthcheck).unwrap_or_else(|error| format!("error: {error}"));
        assert_eq!(shown, expected);
    }

    #[test]
    fn health_checks_are_written_as_people_write_them() {
        check(&json!({"Test": ["NONE"]}), "NONE");
        check(
            &json!({"Test": ["CMD", "/probe", "a b"]}),
            "CMD [\"/probe\", \"a b\"]",
        );
        check(
            &json!({"Test": ["CMD-SHELL", "curl -f localhost || exit 1"], "Interval": 90_000_000_000_u64, "Timeout": 1_500_000_000, "Retries": 3}),
            "--interval=90s --timeout=1500ms --retries=3 CMD curl -f localhost || exit 1",
        );
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        for value in [
            json!({}),
            json!({"Test": ["CMD"]}),
            json!({"Test": ["CMD-SHELL", "a\nb"]}),
        ] {
            assert!(health_arguments(&value).is_err(), "{value}");
        }
    }
}
