//! Sizes such as `64m`, `1.5 GiB` or `300`.

/// Reads a size in bytes as docker does: binary units of one letter, and perhaps `b` or `ib` after it; a number alone is
/// bytes (docker/go-units: `RAMInBytes`, size.go).
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let wrong = || "take a number and a unit: b, k, m, g, t or p".to_string();
    let last = text
        .rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ')
        .ok_or_else(wrong)?;
    let (number, unit) = text.split_at(last + 1);
    let number = number.strip_suffix(' ').unwrap_or(number);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let bytes = number * factor(unit).ok_or_else(wrong)?;
    // What is written out there is no size, nor is what no file system holds.
    if !bytes.is_finite() || bytes < 0.0 || bytes >= 2_f64.powi(63) {
        return Err("this is no size".to_string());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the number is neither negative nor too large"
    )]
    let bytes = bytes as u64;
    Ok(bytes)
}

fn factor(unit: &str) -> Option<f64> {
    let unit = unit.to_ascii_lowercase();
    if ["", "b"].contains(&unit.as_str()) {
        return Some(1.0);
    }
    let power = match unit.chars().next()? {
        'k' => 1,
        'm' => 2,
        'g' => 3,
        't' => 4,
        'p' => 5,
        _ => return None,
    };
    ["", "b", "ib"]
        .contains(&&unit[1..])
        .then(|| 1024_f64.powi(power))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_docker_reads_them() {
        let cases = [
            ("0", 0),
            ("300", 300),
            ("1b", 1),
            ("64m", 64 << 20),
            ("64M", 64 << 20),
            ("2gb", 2 << 30),
            ("1.5 GiB", 3 << 29),
            (".5k", 512),
            ("1t", 1 << 40),
            ("1e3", 1000),
        ];
        for (text, bytes) in cases {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "", "k", "m1", "1x", "1bb", "1kbb", "-1", "1  k", "inf ", "9000p", "1é",
        ] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
