//! Durations such as `24h` or `2h30m`.

use std::time::Duration;

/// Reads a duration as Go does (`time.ParseDuration`), but for negative ones; days (`d`) and weeks (`w`) are ours.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "take a duration such as 24h or 1h30m".to_string();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(wrong)?;
        let number: f64 = rest[..end].parse().map_err(|_| wrong())?;
        rest = &rest[end..];
        let end = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        seconds += number * unit_seconds(&rest[..end]).ok_or_else(wrong)?;
        rest = &rest[end..];
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| "this is too long".to_string())
}

fn unit_seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1e-9,
        // Both letters that are written as a small mu.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        "w" => 604_800.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        let cases = [
            ("0", 0),
            ("24h", 86_400_000),
            ("2h30m", 9_000_000),
            ("1.5h", 5_400_000),
            ("1500ms", 1_500),
            ("7d", 604_800_000),
            ("2w", 1_209_600_000),
            ("+1s", 1_000),
            (".5s", 500),
        ];
        for (text, milliseconds) in cases {
            assert_eq!(
                duration(text).map(|duration| duration.as_millis()),
                Ok(milliseconds),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "1",
            "h",
            "-1h",
            "1x",
            "1h2",
            "1.2.3s",
            "1 h",
            "+",
            "99999999999999999999w",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
