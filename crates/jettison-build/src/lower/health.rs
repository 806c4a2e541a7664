//! `HEALTHCHECK` in the configuration and in the history.

use std::time::Duration;

use jettison_dockerfile::{CommandForm, HealthCommand, Healthcheck};
use serde_json::{Map, Value};

/// Docker's member `Healthcheck`; what is not said is not there.
pub(super) fn config(check: &Healthcheck) -> Value {
    let mut members = Map::new();
    members.insert("Test".to_owned(), test(check).into());
    if let Healthcheck::Command(command) = check {
        for (name, duration) in durations(command) {
            let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
            if nanoseconds > 0 {
                members.insert(name.to_owned(), nanoseconds.into());
            }
        }
        if let Some(retries) = command.retries.filter(|retries| *retries > 0) {
            members.insert("Retries".to_owned(), retries.into());
        }
    }
    Value::Object(members)
}

/// The line of the history, in which Go prints a structure.
pub(super) fn shown(check: &Healthcheck) -> String {
    let none =
        ["Interval", "Timeout", "StartPeriod", "StartInterval"].map(|name| (name, Duration::ZERO));
    let (times, retries) = match check {
        Healthcheck::None => (none, 0),
        Healthcheck::Command(command) => (durations(command), command.retries.unwrap_or(0)),
    };
    let mut members = vec![format!("Test:[{}]", test(check).join(" "))];
    members.extend(times.map(|(name, duration)| format!("{name}:{}", as_go(duration))));
    members.push(format!("Retries:{retries}"));
    format!("HEALTHCHECK {{{}}}", members.join(" "))
}

fn test(check: &Healthcheck) -> Vec<String> {
    let Healthcheck::Command(command) = check else {
        return vec!["NONE".to_owned()];
    };
    match &command.form {
        CommandForm::Shell(text) => vec!["CMD-SHELL".to_owned(), text.to_string()],
        CommandForm::Exec(argv) => {
            let kind = std::iter::once("CMD".to_owned());
            kind.chain(argv.iter().cloned()).collect()
        }
    }
}

fn durations(command: &HealthCommand) -> [(&'static str, Duration); 4] {
    let known = |duration: Option<Duration>| duration.unwrap_or(Duration::ZERO);
    [
        ("Interval", known(command.interval)),
        ("Timeout", known(command.timeout)),
        ("StartPeriod", known(command.start_period)),
        ("StartInterval", known(command.start_interval)),
    ]
}

/// A duration as Go prints it: `1h0m2.5s`, `1.5ms`.
fn as_go(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos();
    let fraction = |value: u128, unit: u128| {
        let digits = format!("{:0width$}", value % unit, width = unit.ilog10() as usize);
        let digits = digits.trim_end_matches('0');
        let dot = if digits.is_empty() { "" } else { "." };
        format!("{}{dot}{digits}", value / unit)
    };
    match nanoseconds {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanoseconds}ns"),
        1_000..1_000_000 => format!("{}µs", fraction(nanoseconds, 1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", fraction(nanoseconds, 1_000_000)),
        _ => {
            let minutes = nanoseconds / 60_000_000_000;
            let seconds = fraction(nanoseconds % 60_000_000_000, 1_000_000_000);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_printed_as_go_does() {
        for (nanoseconds, expected) in [
            (0, "0s"),
            (1_000_000, "1ms"),
            (1_500_000, "1.5ms"),
            (1_000_000_001, "1.000000001s"),
            (90_000_000_000, "1m30s"),
            (3_600_000_000_000, "1h0m0s"),
            (3_601_500_000_000, "1h0m1.5s"),
            (1_001, "1.001µs"),
        ] {
            assert_eq!(as_go(Duration::from_nanos(nanoseconds)), expected);
        }
    }
}
