//! Durations as Go writes them: `1h30m`, `1.5s`, `300ms`.
//!
//! See <https://pkg.go.dev/time#ParseDuration>.

/// The largest number of nanoseconds, and of anything else on the way to it.
const LIMIT: u64 = 1 << 63;

/// Reads a duration; returns nanoseconds.
pub(super) fn duration(text: &str) -> Result<i64, String> {
    let quoted_text = quoted(text);
    let invalid = || format!("time: invalid duration {quoted_text}");
    let (is_negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => digits(after),
            None => ("", after),
        };
        let number = number(whole).ok_or_else(invalid)?;
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let end = after
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(after.len());
        let (name, after) = after.split_at(end);
        let unit = match name {
            "" => return Err(format!("time: missing unit in duration {quoted_text}")),
            name => unit(name).ok_or_else(|| {
                let name = quoted(name);
                format!("time: unknown unit {name} in duration {quoted_text}")
            })?,
        };
        total = amount(number, fraction, unit)
            .and_then(|amount| total.checked_add(amount))
            .filter(|&total| total <= LIMIT)
            .ok_or_else(invalid)?;
        rest = after;
    }
    if is_negative {
        return Ok(0_i64.wrapping_sub_unsigned(total));
    }
    i64::try_from(total).map_err(|_| invalid())
}

/// Quotes a text byte by byte (Go: `quote`, time/format.go).
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            b' '..=0x7f => quoted.push(char::from(byte)),
            _ => quoted.extend(format!("\\x{byte:02x}").chars()),
        }
    }
    quoted.push('"');
    quoted
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len()),
    )
}

/// The nanoseconds of a unit.
fn unit(name: &str) -> Option<u64> {
    Some(match name {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() {
        return Some(0);
    }
    digits.parse().ok().filter(|&number| number <= LIMIT)
}

/// `number.fraction` units in nanoseconds, with the rounding of floating-point numbers that Go has.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "Go does it (`ParseDuration`, time/format.go), and the digits decide what is accepted"
)]
fn amount(number: u64, fraction: &str, unit: u64) -> Option<u64> {
    let whole = number.checked_mul(unit).filter(|&whole| whole <= LIMIT)?;
    let (mut numerator, mut scale) = (0_u64, 1_f64);
    for digit in fraction.bytes() {
        // What does not fit is dropped.
        if numerator > (LIMIT - 1) / 10 {
            break;
        }
        let next = numerator * 10 + u64::from(digit - b'0');
        if next > LIMIT {
            break;
        }
        numerator = next;
        scale *= 10.0;
    }
    let part = numerator as f64 * (unit as f64 / scale);
    whole
        .checked_add(part as u64)
        .filter(|&amount| amount <= LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_sums_of_units() {
        assert_eq!(duration("1h30m"), Ok(5_400_000_000_000));
        assert_eq!(duration("1.5s"), Ok(1_500_000_000));
        assert_eq!(duration(".5ms"), Ok(500_000));
        assert_eq!(duration("-2us"), Ok(-2_000));
        assert_eq!(duration("0"), Ok(0));
        assert_eq!(duration("0.9999999999999999999ms"), Ok(1_000_000));
        assert_eq!(duration("-9223372036854775808ns"), Ok(i64::MIN));
        assert_eq!(duration("1.0000000000000000000001h"), Ok(3_600_000_000_000));
    }

    #[test]
    fn what_is_wrong_is_said_as_go_says_it() {
        assert_eq!(
            duration("5"),
            Err("time: missing unit in duration \"5\"".into())
        );
        assert_eq!(
            duration("5x"),
            Err("time: unknown unit \"x\" in duration \"5x\"".into())
        );
        assert_eq!(
            duration("5é\u{1}"),
            Err(r#"time: unknown unit "\xc3\xa9\x01" in duration "5\xc3\xa9\x01""#.into())
        );
        for text in [
            "",
            "-",
            "s",
            ".s",
            "9999999999h",
            "9223372036854775808ns",
            "-9223372036854775809ns",
            "99999999999999999999999999999999999999999s",
        ] {
            assert_eq!(
                duration(text),
                Err(format!("time: invalid duration {text:?}"))
            );
        }
    }
}
