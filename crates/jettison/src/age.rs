//! Times as people tell them.

use std::time::Duration;

/// A duration in docker's words (docker/go-units: `HumanDuration`, duration.go).
pub(crate) fn about(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours) = (seconds / 60, (seconds + 1_800) / 3_600);
    match (seconds, minutes, hours) {
        (0, ..) => "less than a second".to_string(),
        (1, ..) => "1 second".to_string(),
        (..60, ..) => format!("{seconds} seconds"),
        (_, 1, _) => "about a minute".to_string(),
        (_, ..60, _) => format!("{minutes} minutes"),
        (_, _, 1) => "about an hour".to_string(),
        (_, _, ..48) => format!("{hours} hours"),
        (_, _, ..336) => format!("{} days", hours / 24),
        (_, _, ..1_440) => format!("{} weeks", hours / 168),
        (_, _, ..17_520) => format!("{} months", hours / 720),
        _ => format!("{} years", hours / 8_760),
    }
}

/// How long ago `created` was, an RFC 3339 time, for someone at `now`, in Unix seconds; "N/A" if it is no time.
pub(crate) fn since(created: Option<&str>, now: u64) -> String {
    let Some(seconds) = created.and_then(jettison_oci::unix_seconds) else {
        return "N/A".to_string();
    };
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let age = u64::try_from(now.saturating_sub(seconds)).unwrap_or(0);
    format!("{} ago", about(Duration::from_secs(age)))
}

/// `created`, an RFC 3339 time, as docker's lists show it: `2024-05-06 07:08:09 +0000 UTC`.
pub(crate) fn as_listed(created: Option<&str>) -> String {
    let seconds = created.and_then(jettison_oci::unix_seconds);
    let Some(seconds) = seconds.and_then(|seconds| u64::try_from(seconds).ok()) else {
        return "N/A".to_string();
    };
    let text = jettison_slim::timestamp(seconds);
    format!("{} +0000 UTC", text.trim_end_matches('Z').replace('T', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_docker_tells_them() {
        for (seconds, text) in [
            (0, "less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "about a minute"),
            (120, "2 minutes"),
            (3_599, "59 minutes"),
            (3_600, "about an hour"),
            (7_200, "2 hours"),
            (172_800, "2 days"),
            (1_209_600, "2 weeks"),
            (7_776_000, "3 months"),
            (94_608_000, "3 years"),
        ] {
            assert_eq!(about(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn what_is_no_time_has_no_age() {
        assert_eq!(
            since(Some("1970-01-01T00:00:10Z"), 70),
            "about a minute ago"
        );
        assert_eq!(
            since(Some("1970-01-01T00:01:10Z"), 10),
            "less than a second ago"
        );
        assert_eq!(since(Some("yesterday"), 10), "N/A");
        assert_eq!(
            as_listed(Some("1970-01-01T01:00:10+01:00")),
            "1970-01-01 00:00:10 +0000 UTC"
        );
        assert_eq!(as_listed(None), "N/A");
    }
}
