//! How long a server wants us to wait: the header `Retry-After` (RFC 9110, section 10.2.3).

use std::time::Duration;

use crate::registry::message::Headers;
use crate::time::days;

/// How long the header asks to wait, be it a number of seconds or a date.
///
/// A date is compared with the answer's own `Date`, for clocks differ, and with `now`, in seconds since 1970, where there is
/// none. One that has passed asks for nothing.
pub(crate) fn wish(headers: &Headers, now: i64) -> Option<Duration> {
    let text = headers.get("retry-after")?;
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = http_date(text)?;
    let now = headers.get("date").and_then(http_date).unwrap_or(now);
    let seconds = u64::try_from(then.saturating_sub(now)).unwrap_or(0);
    Some(Duration::from_secs(seconds))
}

/// Seconds since 1970 of a date in one of the three forms of HTTP (RFC 9110, section 5.6.7):
///
/// ```text
/// Sun, 06 Nov 1994 08:49:37 GMT
/// Sunday, 06-Nov-94 08:49:37 GMT
/// Sun Nov  6 08:49:37 1994
/// ```
fn http_date(text: &str) -> Option<i64> {
    let words: Vec<&str> = text.split([' ', '-']).filter(|w| !w.is_empty()).collect();
    let [day, month, year, time] = match words[..] {
        [name, day, month, year, time, "GMT"] if name.ends_with(',') => [day, month, year, time],
        [_, month, day, time, year] => [day, month, year, time],
        _ => return None,
    };
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = months.iter().position(|name| *name == month)?;
    let year = match (year.len(), number(year)?) {
        // No server that is still there speaks of the last century.
        (2, year) => 2000 + year,
        (4, year) => year,
        _ => return None,
    };
    let (hour, rest) = time.split_once(':')?;
    let (minute, second) = rest.split_once(':')?;
    let (hour, minute, second) = (number(hour)?, number(minute)?, number(second)?);
    let day = number(day)?;
    let is_time = hour < 24 && minute < 60 && second <= 60 && (1..=31).contains(&day);
    let month = i64::try_from(month).ok()? + 1;
    is_time.then(|| days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

fn number(digits: &str) -> Option<i64> {
    let is_short = digits.len() <= 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_short.then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_have_three_forms() {
        for (text, expected) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Sun Nov  6 08:49:37 1994", Some(784_111_777)),
            ("Saturday, 01-Jan-00 00:00:00 GMT", Some(946_684_800)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 CET", None),
            ("Sun, 06 Nov 1994 25:49:37 GMT", None),
            ("Sun, 06 Now 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 19941 08:49:37 GMT", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(http_date(text), expected, "{text}");
        }
    }

    #[track_caller]
    fn check(retry_after: &str, date: Option<&str>, expected: Option<u64>) {
        let named = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut headers = vec![named("retry-after", retry_after)];
        headers.extend(date.map(|date| named("Date", date)));
        let wish = wish(&Headers::new(headers), 784_111_700);
        assert_eq!(wish.map(|wish| wish.as_secs()), expected, "{retry_after}");
    }

    #[test]
    fn a_wish_is_a_time_or_a_date() {
        check("120", None, Some(120));
        check("Sun, 06 Nov 1994 08:49:37 GMT", None, Some(77));
        // The server's clock counts, if it tells the time.
        let date = "Sun, 06 Nov 1994 08:49:30 GMT";
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(date), Some(7));
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some("now"), Some(77));
        check("Sun, 06 Nov 1994 08:40:00 GMT", Some(date), Some(0));
        check("later", None, None);
        check("-1", None, None);
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic(text in "\\PC{0,40}") {
            http_date(&text);
        }
    }
}
