//! `--filter` of `jettison images`, and the name of those that are wanted.

use jettison_oci::{ImageId, ManifestDigest, Reference, Store, unix_seconds};

use crate::cli::switch;
use crate::commands::lookup::{self, repository};
use crate::failure::Failure;
use crate::surroundings::Surroundings;

/// An image that may be listed.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) reference: Option<Reference>,
    pub(super) id: ImageId,
    pub(super) manifest: ManifestDigest,
    pub(super) created: Option<String>,
    pub(super) unpacked_size: u64,
    pub(super) stored_size: u64,
}

impl Listed {
    /// When it was made, in Unix seconds; without a time it is older than all others.
    pub(super) fn seconds(&self) -> i64 {
        let created = self.created.as_deref().and_then(unix_seconds);
        created.unwrap_or(i64::MIN)
    }
}

/// Which images are wanted.
#[derive(Debug, Default)]
pub(super) struct Filters {
    dangling: Option<bool>,
    /// One of these is enough.
    references: Vec<String>,
    /// All of these have to be there.
    labels: Vec<(String, Option<String>)>,
    /// Made before this second.
    before: Option<i64>,
    /// Made after this second.
    since: Option<i64>,
    name: Option<String>,
}

impl Filters {
    pub(super) fn read(
        texts: &[String],
        name: Option<&str>,
        store: &Store,
        surroundings: &Surroundings,
    ) -> Result<Filters, Failure> {
        let mut filters = Filters {
            name: name.map(str::to_string),
            ..Filters::default()
        };
        for text in texts {
            let Some((key, value)) = text.split_once('=') else {
                let message = format!("`{text}` is not a filter");
                return Err(Failure::user(message).hint("filters are KEY=VALUE"));
            };
            let time_of = |name: &str| -> Result<Option<i64>, Failure> {
                let image = lookup::find(store, name)?.image;
                Ok(image.config().created.as_deref().and_then(unix_seconds))
            };
            match key {
                "dangling" => {
                    let wanted = switch(value).map_err(Failure::user)?;
                    filters.dangling = Some(wanted);
                }
                "reference" => filters.references.push(value.to_string()),
                "label" => {
                    let (name, value) = match value.split_once('=') {
                        Some((name, value)) => (name, Some(value.to_string())),
                        None => (value, None),
                    };
                    filters.labels.push((name.to_string(), value));
                }
                "before" => filters.earlier(time_of(value)?.unwrap_or(i64::MIN)),
                "until" => filters.earlier(until(value, surroundings.now)?),
                "since" => filters.since = time_of(value)?.max(filters.since),
                _ => {
                    return Err(Failure::user(format!("there is no filter `{key}`"))
                        .hint("there are dangling, reference, label, before, since and until"));
                }
            }
        }
        Ok(filters)
    }

    fn earlier(&mut self, second: i64) {
        self.before = Some(self.before.map_or(second, |before| before.min(second)));
    }

    /// Whether images without a name were asked for.
    pub(super) fn wants_unnamed(&self) -> bool {
        self.dangling == Some(true)
    }

    pub(super) fn let_through(&self, store: &Store, image: &Listed) -> Result<bool, Failure> {
        let is_unnamed = image.reference.is_none();
        let is_called = |pattern: &str| {
            let reference = image.reference.as_ref();
            reference.is_some_and(|reference| is_called(reference, pattern))
        };
        let by_name =
            self.references.is_empty() || self.references.iter().any(|pattern| is_called(pattern));
        let passes = self.dangling.is_none_or(|dangling| dangling == is_unnamed)
            && by_name
            && self.name.as_deref().is_none_or(is_called)
            && self.before.is_none_or(|before| image.seconds() < before)
            && self.since.is_none_or(|since| image.seconds() > since);
        if !passes || self.labels.is_empty() {
            return Ok(passes);
        }
        let failed = |error: jettison_oci::StoreError| {
            Failure::user(format!("cannot read image {}", image.id.0)).because(&error)
        };
        let stored = store.load(&image.manifest).map_err(failed)?;
        let labels = &stored.config().config.labels;
        Ok(self.labels.iter().all(|(name, value)| {
            let found = labels.get(name);
            found.is_some_and(|found| value.as_ref().is_none_or(|value| value == found))
        }))
    }
}

/// Whether a pattern means an image: its name with or without its tag, short or in full (distribution/reference:
/// `FamiliarMatch`).
fn is_called(reference: &Reference, pattern: &str) -> bool {
    let familiar = reference.familiar();
    let full = reference.to_string();
    let full_repository = format!("{}/{}", reference.registry(), reference.repository());
    [familiar, repository(reference), full, full_repository]
        .iter()
        .any(|name| matches(pattern.as_bytes(), name.as_bytes()))
}

/// Whether `text` matches a pattern of a shell. `*` and `?` stand for anything but slashes; `[a-z]` and `\` are known, too.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let Some((first, pattern_rest)) = pattern.split_first() else {
        return text.is_empty();
    };
    match first {
        b'*' => {
            let ends = text.iter().position(|&byte| byte == b'/');
            let longest = ends.unwrap_or(text.len());
            (0..=longest).any(|length| matches(pattern_rest, &text[length..]))
        }
        b'[' => match (set(pattern_rest), text.split_first()) {
            (Some((is_in, rest)), Some((byte, text))) => is_in(*byte) && matches(rest, text),
            _ => false,
        },
        first => {
            let (wanted, rest) = match (first, pattern_rest.split_first()) {
                (b'\\', Some((escaped, rest))) => (escaped, rest),
                _ => (first, pattern_rest),
            };
            let is_any = *first == b'?';
            text.split_first().is_some_and(|(byte, text)| {
                (byte == wanted || (is_any && *byte != b'/')) && matches(rest, text)
            })
        }
    }
}

/// Reads a set of bytes up to its `]`; gives what is behind that.
fn set(pattern: &[u8]) -> Option<(impl Fn(u8) -> bool + '_, &[u8])> {
    let end = pattern.iter().position(|&byte| byte == b']')?;
    let (inside, rest) = (&pattern[..end], &pattern[end + 1..]);
    let is_negated = inside.first() == Some(&b'^');
    let inside = if is_negated { &inside[1..] } else { inside };
    let is_in = move |byte: u8| {
        let mut is_in = false;
        let mut left = inside;
        while let Some((&first, after)) = left.split_first() {
            if let [b'-', last, rest @ ..] = after {
                is_in |= (first..=*last).contains(&byte);
                left = rest;
            } else {
                is_in |= first == byte;
                left = after;
            }
        }
        is_in != is_negated
    };
    Some((is_in, rest))
}

/// The second that `text` means: a time, a date, a number of Unix seconds, or a duration before `now`.
fn until(text: &str, now: u64) -> Result<i64, Failure> {
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    if let Some(seconds) = unix_seconds(text).or_else(|| unix_seconds(&format!("{text}T00:00:00Z")))
    {
        return Ok(seconds);
    }
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    let mut total = 0_i64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.trim_start_matches(|character: char| character.is_ascii_digit());
        let number = rest[..rest.len() - digits.len()].parse::<i64>().ok();
        let unit = digits.chars().next();
        let factor = match unit {
            Some('s') => Some(1),
            Some('m') => Some(60),
            Some('h') => Some(3_600),
            Some('d') => Some(86_400),
            _ => None,
        };
        let (Some(number), Some(factor)) = (number, factor) else {
            return Err(Failure::user(format!("`{text}` is not a time")).hint(
                "until takes a duration as 24h or 10m, a date, an RFC 3339 time, or Unix seconds",
            ));
        };
        total = total.saturating_add(number.saturating_mul(factor));
        rest = &digits[1..];
    }
    Ok(now.saturating_sub(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_a_shell() {
        for (pattern, text, expected) in [
            ("app", "app", true),
            ("app", "apps", false),
            ("a*", "app:1", true),
            ("*", "me/app", false),
            ("*/*", "me/app", true),
            ("*:1", "app:1", true),
            ("a?p", "app", true),
            ("a[b-p]p", "app", true),
            ("a[^p]p", "app", false),
            (r"a\*", "a*", true),
            ("a[", "a[", false),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                expected,
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn names_are_matched_short_and_in_full() {
        let reference: Reference = "me/app:1".parse().unwrap();
        for pattern in ["me/app", "me/app:1", "docker.io/me/app", "*/app", "me/*:?"] {
            assert!(is_called(&reference, pattern), "{pattern}");
        }
        assert!(!is_called(&reference, "app"));
    }

    #[test]
    fn times_are_dates_durations_and_seconds() {
        assert_eq!(until("1970-01-02", 0).unwrap(), 86_400);
        assert_eq!(until("1970-01-01T00:00:05Z", 0).unwrap(), 5);
        assert_eq!(until("1h30m", 10_000).unwrap(), 4_600);
        assert_eq!(until("17", 0).unwrap(), 17);
        assert!(until("soon", 0).is_err());
        assert!(until("3w", 0).is_err());
    }
}
