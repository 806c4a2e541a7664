//! Dates in certificates.

use super::der;

/// Seconds since 1970 of a date in DER, which always ends with `Z` (RFC 5280, 4.1.2.5).
pub(super) fn seconds(value: der::Value<'_>) -> Option<i64> {
    let text = str::from_utf8(value.content).ok()?.strip_suffix('Z')?;
    let (year, rest) = match value.tag {
        der::UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year = number(year)?;
            // Two digits stand for the years from 1950 to 2049.
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        der::GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (number(year)?, rest)
        }
        _ => return None,
    };
    if rest.len() != 10 || !rest.is_ascii() {
        return None;
    }
    let mut parts = [0; 5];
    for (index, part) in parts.iter_mut().enumerate() {
        *part = number(&rest[index * 2..index * 2 + 2])?;
    }
    let [month, day, hour, minute, second] = parts;
    let is_date = (1..=12).contains(&month) && (1..=31).contains(&day);
    if !is_date || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

fn number(digits: &str) -> Option<i64> {
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| all_digits)
}

/// The days from 1970-01-01 to a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March have their leap day at the end, and months of 153 days in five.
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year
        - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(tag: u8, text: &str, expected: Option<i64>) {
        let content = text.as_bytes();
        assert_eq!(seconds(der::Value { tag, content }), expected, "{text}");
    }

    #[test]
    fn dates_of_both_kinds_are_read() {
        check(der::UTC_TIME, "700101000000Z", Some(0));
        check(der::UTC_TIME, "000229235959Z", Some(951_868_799));
        check(der::UTC_TIME, "491231235959Z", Some(2_524_607_999));
        check(der::UTC_TIME, "500101000000Z", Some(-631_152_000));
        check(
            der::GENERALIZED_TIME,
            "20500101000000Z",
            Some(2_524_608_000),
        );
        for wrong in [
            "",
            "7001010000Z",
            "700101000000",
            "7001010000+0Z",
            "701301000000Z",
            "7001010000é0Z",
        ] {
            check(der::UTC_TIME, wrong, None);
        }
        check(der::INTEGER, "700101000000Z", None);
    }
}
