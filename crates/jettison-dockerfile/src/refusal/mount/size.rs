//! Sizes such as `64m` or `1.5 GiB`.

/// Says whether docker/go-units reads a size (`RAMInBytes`, size.go).
pub(super) fn is_size(value: &str) -> bool {
    size(value).is_some()
}

/// The size in bytes, without what is less than one.
pub(super) fn size(value: &str) -> Option<u64> {
    let last = value.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ')?;
    let (number, unit) = value.split_at(last + 1);
    let number = number.strip_suffix(' ').unwrap_or(number);
    // What is too large for a number is refused, what says that it is infinite is not.
    let is_too_large = |size: f64| size.is_infinite() && number.bytes().any(|b| b.is_ascii_digit());
    let is_good = |size: &f64| !is_too_large(*size) && (*size >= 0.0 || size.is_nan());
    let amount = number.parse().ok().filter(is_good)?;
    let unit = unit.to_ascii_lowercase();
    let (prefix, rest) = match unit.strip_prefix(['k', 'm', 'g', 't', 'p']) {
        Some(rest) => (unit.bytes().next(), rest),
        None => (None, unit.as_str()),
    };
    let is_unit = match prefix {
        Some(_) => ["", "b", "ib"].contains(&rest),
        None => ["", "b"].contains(&rest),
    };
    let exponent = match prefix {
        None => 0,
        Some(b'k') => 1,
        Some(b'm') => 2,
        Some(b'g') => 3,
        Some(b't') => 4,
        Some(_) => 5,
    };
    is_unit.then(|| whole(amount * 1024_f64.powi(exponent)))
}

/// The whole part, as far as it is a size.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is too large becomes the largest size"
)]
fn whole(amount: f64) -> u64 {
    amount as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_powers_of_1024() {
        for (text, bytes) in [
            ("0", 0),
            ("7b", 7),
            ("1.5 GiB", 3 << 29),
            (".5k", 512),
            ("2PB", 2 << 50),
        ] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
    }

    #[test]
    fn sizes_are_numbers_with_a_unit() {
        for good in ["0", "1b", "1.5 GiB", ".5k", "1e3", "5 ", "+1P", "inf "] {
            assert!(is_size(good), "{good}");
        }
        for bad in [
            "", "k", "1x", "1bb", "-1", "1  k", " 1", ".", "1kbb", "1e999",
        ] {
            assert!(!is_size(bad), "{bad}");
        }
    }
}
