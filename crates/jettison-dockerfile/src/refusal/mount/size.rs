//! Sizes such as `64m` or `1.5 GiB`.

/// Says whether docker/go-units reads a size (`RAMInBytes`, size.go).
pub(super) fn is_size(value: &str) -> bool {
    let Some(last) = value.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ') else {
        return false;
    };
    let (number, unit) = value.split_at(last + 1);
    let number = number.strip_suffix(' ').unwrap_or(number);
    // What is too large for a number is refused, what says that it is infinite is not.
    let is_too_large = |size: f64| size.is_infinite() && number.bytes().any(|b| b.is_ascii_digit());
    let is_number = number
        .parse()
        .is_ok_and(|size: f64| !is_too_large(size) && (size >= 0.0 || size.is_nan()));
    let unit = unit.to_ascii_lowercase();
    let rest = unit.strip_prefix(['k', 'm', 'g', 't', 'p']);
    is_number
        && (unit.is_empty() || unit == "b" || rest.is_some_and(|r| ["", "b", "ib"].contains(&r)))
}

#[cfg(test)]
mod tests {
    use super::*;

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
