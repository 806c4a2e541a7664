//! How long a server wants us to wait: the header `Retry-After` (RFC 9110, section 10.2.3).

use std::time::{Duration, UNIX_EPOCH};

use crate::registry::message::Headers;

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

/// Seconds since 1970 of a date in one of the three forms of HTTP (RFC 9110, section 5.6.7).
fn http_date(text: &str) -> Option<i64> {
    let since = httpdate::parse_http_date(text)
        .ok()?
        .duration_since(UNIX_EPOCH)
        .ok()?;
    i64::try_from(since.as_secs()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
