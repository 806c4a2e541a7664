//! `HEALTHCHECK`.

use std::num::IntErrorKind;
use std::time::Duration;

use crate::diagnostic::Diagnostic;
use crate::flag::Flags;
use crate::instruction::command::CommandForm;
use crate::instruction::duration::duration;
use crate::instruction::{Context, Problem};
use crate::node::{Command, Health, Values};
use crate::quote::quoted;
use crate::text::upper;

/// `HEALTHCHECK`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Healthcheck {
    /// `NONE`: also the base image's check is off.
    None,
    /// `CMD`
    Command(Box<HealthCommand>),
}

/// A health check. What is absent, or 0, is inherited or left to the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCommand {
    /// The command.
    pub form: CommandForm,
    /// `--interval`
    pub interval: Option<Duration>,
    /// `--timeout`
    pub timeout: Option<Duration>,
    /// `--start-period`
    pub start_period: Option<Duration>,
    /// `--start-interval`
    pub start_interval: Option<Duration>,
    /// `--retries`
    pub retries: Option<u32>,
}

/// Reads `HEALTHCHECK`.
pub(super) fn healthcheck(
    context: &Context<'_>,
    values: &mut Values<'_>,
    flags: &Flags<'_>,
) -> Result<Healthcheck, Problem> {
    let Values::Health(health) = values else {
        return Err(Problem::first(context.needs_an_argument()));
    };
    let Health { kind, command } = &mut **health;
    match upper(kind.text).as_str() {
        "NONE" => match command {
            Command::Nothing => Ok(Healthcheck::None),
            Command::Json(argv) if argv.is_empty() => Ok(Healthcheck::None),
            Command::Text(_) | Command::Json(_) => {
                Err(context.error("HEALTHCHECK NONE takes no arguments").into())
            }
        },
        "CMD" => Ok(Healthcheck::Command(Box::new(HealthCommand {
            form: health_form(context, command)?,
            interval: interval(flags, "interval")?,
            timeout: interval(flags, "timeout")?,
            start_period: interval(flags, "start-period")?,
            start_interval: interval(flags, "start-interval")?,
            retries: retries(flags)?,
        }))),
        other => {
            let message = format!("Unknown type {} in HEALTHCHECK (try CMD)", quoted(other));
            Err(Diagnostic::error(context.source(&kind.range), message).into())
        }
    }
}

fn health_form(
    context: &Context<'_>,
    command: &mut Command<'_>,
) -> Result<CommandForm, Diagnostic> {
    match command {
        Command::Json(argv) if !argv.is_empty() => Ok(CommandForm::Exec(std::mem::take(argv))),
        Command::Text(word) => Ok(CommandForm::Shell(context.text(word))),
        Command::Json(_) | Command::Nothing => {
            Err(context.error("Missing command after HEALTHCHECK CMD"))
        }
    }
}

/// Reads a duration that is 0 or at least a millisecond.
fn interval(flags: &Flags<'_>, name: &'static str) -> Result<Option<Duration>, Diagnostic> {
    let (Some(text), Some(range)) = (flags.text(name), flags.range(name)) else {
        return Ok(None);
    };
    let nanoseconds =
        duration(&text).map_err(|message| Diagnostic::error(range.clone(), message))?;
    if nanoseconds == 0 {
        return Ok(None);
    }
    match u64::try_from(nanoseconds) {
        Ok(nanoseconds) if nanoseconds >= 1_000_000 => Ok(Some(Duration::from_nanos(nanoseconds))),
        Ok(_) | Err(_) => {
            let message = format!("Interval {name:?} cannot be less than 1ms");
            Err(Diagnostic::error(range, message))
        }
    }
}

fn retries(flags: &Flags<'_>) -> Result<Option<u32>, Diagnostic> {
    let (Some(text), Some(range)) = (flags.text("retries"), flags.range("retries")) else {
        return Ok(None);
    };
    match text.parse::<i32>() {
        Ok(retries) => match u32::try_from(retries) {
            Ok(0) => Ok(None),
            Ok(retries) => Ok(Some(retries)),
            Err(_) => Err(Diagnostic::error(
                range,
                format!("--retries cannot be negative ({retries})"),
            )),
        },
        Err(error) => {
            let problem = match error.kind() {
                IntErrorKind::PosOverflow | IntErrorKind::NegOverflow if !is_no_number(&text) => {
                    "value out of range"
                }
                _ => "invalid syntax",
            };
            let message = format!("strconv.ParseInt: parsing {}: {problem}", quoted(&text));
            Err(Diagnostic::error(range, message).with_hint("`--retries` takes a number"))
        }
    }
}

/// Says whether something that is no digit comes before the number is too large without its sign, too, which is when Go
/// stops reading (Go: `ParseInt`, strconv/atoi.go).
fn is_no_number(number: &str) -> bool {
    let digits = number.strip_prefix(['+', '-']).unwrap_or(number);
    let error = digits.parse::<u32>().err();
    error.is_some_and(|error| *error.kind() == IntErrorKind::InvalidDigit)
}
