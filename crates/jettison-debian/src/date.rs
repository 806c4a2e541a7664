//! Dates of Release files: `Sat, 11 Jul 2026 10:16:37 UTC`.

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// The Unix time that `text` names, or `None` if it is not a date in universal time.
pub(crate) fn parse_date(text: &str) -> Option<u64> {
    let date = text.split_once(',').map_or(text, |(_, date)| date);
    let words: Vec<&str> = date.split_ascii_whitespace().collect();
    let &[day, month, year, clock, zone] = words.as_slice() else {
        return None;
    };
    if !matches!(zone, "UTC" | "GMT" | "Z" | "+0000") {
        return None;
    }
    let month = (1..)
        .zip(MONTHS)
        .find_map(|(number, name)| (name == month).then_some(number))?;
    let year = number(year, 1970, 9999)?;
    let day = number(day, 1, days_in(month, year))?;
    Some(days_since_1970(year, month, day) * 86_400 + parse_clock(clock)?)
}

/// The Unix time that `text`, such as `2026-07-11T10:16:37Z`, names.
pub(crate) fn parse_rfc3339(text: &str) -> Option<u64> {
    let (date, clock) = text.strip_suffix('Z')?.split_once('T')?;
    let parts: Vec<&str> = date.split('-').collect();
    let &[year, month, day] = parts.as_slice() else {
        return None;
    };
    let (year, month) = (number(year, 1970, 9999)?, number(month, 1, 12)?);
    let day = number(day, 1, days_in(month, year))?;
    Some(days_since_1970(year, month, day) * 86_400 + parse_clock(clock)?)
}

fn parse_clock(text: &str) -> Option<u64> {
    let parts: Vec<&str> = text.split(':').collect();
    let &[hour, minute, second] = parts.as_slice() else {
        return None;
    };
    Some(number(hour, 0, 23)? * 3_600 + number(minute, 0, 59)? * 60 + number(second, 0, 60)?)
}

fn number(text: &str, least: u64, most: u64) -> Option<u64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = text.parse().ok().filter(|_| is_number)?;
    (least..=most).contains(&number).then_some(number)
}

fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let whole_years = year - 1970;
    let leap_days = |before: u64| (before - 1) / 4 - (before - 1) / 100 + (before - 1) / 400;
    let whole_months: u64 = (1..month).map(|month| days_in(month, year)).sum();
    whole_years * 365 + leap_days(year) - leap_days(1970) + whole_months + day - 1
}

fn days_in(month: u64, year: u64) -> u64 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Writes Unix time `seconds` as `2026-07-11 10:16:37 UTC`, for messages.
pub(crate) fn format_date(seconds: u64) -> String {
    let (date, clock) = date_and_clock(seconds);
    format!("{date} {clock} UTC")
}

/// Writes Unix time `seconds` as `2026-07-11T10:16:37Z`.
pub(crate) fn format_rfc3339(seconds: u64) -> String {
    let (date, clock) = date_and_clock(seconds);
    format!("{date}T{clock}Z")
}

/// Writes Unix time `seconds` as `20260711T101637Z`.
pub(crate) fn format_compact(seconds: u64) -> String {
    format_rfc3339(seconds).replace(['-', ':'], "")
}

fn date_and_clock(seconds: u64) -> (String, String) {
    let (mut days, of_day) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970;
    let days_of_year = |year: u64| (1..=12).map(|month| days_in(month, year)).sum::<u64>();
    while year < 9999 && days >= days_of_year(year) {
        days -= days_of_year(year);
        year += 1;
    }
    let mut month = 1;
    while month < 12 && days >= days_in(month, year) {
        days -= days_in(month, year);
        month += 1;
    }
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    (
        format!("{year}-{month:02}-{:02}", days + 1),
        format!("{hour:02}:{minute:02}:{second:02}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<u64>) {
        assert_eq!(parse_date(text), expected, "{text}");
    }

    #[test]
    fn dates_of_release_files_are_unix_times() {
        // Recorded with `date -d "…" +%s`.
        check("Thu, 01 Jan 1970 00:00:00 UTC", Some(0));
        check("Sat, 11 Jul 2026 10:16:37 UTC", Some(1_783_764_997));
        check("Thu, 29 Feb 2024 23:59:59 UTC", Some(1_709_251_199));
        check("Fri,  1 Mar 2024 00:00:00 +0000", Some(1_709_251_200));
        check("Mon, 1 Mar 2100 00:00:00 GMT", Some(4_107_542_400));
    }

    #[test]
    fn what_is_not_a_date_in_universal_time_is_refused() {
        check("", None);
        check("Sat, 11 Jul 2026 10:16:37 CEST", None);
        check("Sat, 31 Jun 2026 10:16:37 UTC", None);
        check("Wed, 29 Feb 2023 10:16:37 UTC", None);
        check("Sat, 11 Jul 2026 24:00:00 UTC", None);
        check("Sat, +1 Jul 2026 10:00:00 UTC", None);
        check("Sat, 11 Jul 99999999999999999999 10:16:37 UTC", None);
    }

    #[test]
    fn formatting_is_the_inverse_of_reading() {
        assert_eq!(format_date(1_783_764_997), "2026-07-11 10:16:37 UTC");
        assert_eq!(format_date(1_709_251_199), "2024-02-29 23:59:59 UTC");
        assert_eq!(format_rfc3339(1_783_764_997), "2026-07-11T10:16:37Z");
        assert_eq!(parse_rfc3339("2026-07-11T10:16:37Z"), Some(1_783_764_997));
        for text in [
            "2026-07-11",
            "2026-07-11T10:16:37+02:00",
            "2026-02-30T00:00:00Z",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }
}
