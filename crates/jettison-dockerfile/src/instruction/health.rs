//! `HEALTHCHECK`.

use std::time::Duration;

use crate::diagnostic::Diagnostic;
use crate::flag::Flags;
use crate::instruction::Arguments;
use crate::instruction::command::{CommandForm, form};
use crate::instruction::duration::duration;
use crate::node::Values;

/// `HEALTHCHECK`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Healthcheck {
    /// `NONE`: also the base image's check is off.
    None,
    /// `CMD`
    Command(HealthCommand),
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
    arguments: Arguments<'_>,
    flags: &Flags<'_>,
) -> Result<Healthcheck, Diagnostic> {
    let Values::Health(kind, command) = arguments.values else {
        return Err(arguments.error("HEALTHCHECK requires at least one argument"));
    };
    match kind.text.to_uppercase().as_str() {
        "NONE" => match command.as_ref() {
            Values::Nothing => Ok(Healthcheck::None),
            _ => Err(arguments.error("HEALTHCHECK NONE takes no arguments")),
        },
        "CMD" => Ok(Healthcheck::Command(HealthCommand {
            form: health_form(arguments, command)?,
            interval: interval(flags, "interval")?,
            timeout: interval(flags, "timeout")?,
            start_period: interval(flags, "start-period")?,
            start_interval: interval(flags, "start-interval")?,
            retries: retries(flags)?,
        })),
        other => {
            let message = format!("Unknown type {other:?} in HEALTHCHECK (try CMD)");
            Err(Diagnostic::error(arguments.source(&kind.range), message))
        }
    }
}

fn health_form(arguments: Arguments<'_>, command: &Values) -> Result<CommandForm, Diagnostic> {
    match form(command) {
        CommandForm::Exec(argv) if argv.is_empty() => Err(()),
        CommandForm::Shell(text) if text.is_empty() => Err(()),
        form => Ok(form),
    }
    .map_err(|()| arguments.error("Missing command after HEALTHCHECK CMD"))
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
        Err(_) => Err(Diagnostic::error(
            range,
            format!("--retries is not a number of attempts: {text:?}"),
        )),
    }
}
