//! The mode in `--chmod`: octal, or symbolic as for chmod(1).

/// Says what is wrong with a mode (BuildKit: `dispatchCopy`, `dockerfile2llb/convert_copy.go`).
pub fn mode_problem(mode: &str) -> Option<String> {
    if mode.is_empty() {
        return None;
    }
    let is_octal = mode.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    let is_in_range = || u32::from_str_radix(mode, 8).is_ok_and(|mode| mode <= 0o7777);
    if mode.starts_with(|c: char| c.is_ascii_digit()) {
        return (!is_octal || !is_in_range()).then(|| {
            format!(
                "invalid chmod parameter: '{mode}'. it should be octal string and between 0 and 07777"
            )
        });
    }
    (!is_symbolic(mode)).then(|| "invalid syntax".to_owned())
}

/// Says whether a mode is clauses of who, operators and permissions, with commas between them.
fn is_symbolic(mode: &str) -> bool {
    mode.split(',').all(|clause| {
        let actions = clause.trim_start_matches(['a', 'u', 'g', 'o']);
        actions.starts_with(['+', '-', '='])
            && actions
                .chars()
                .all(|c| matches!(c, '+' | '-' | '=') || "rstwXxugo".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal_or_symbolic() {
        for good in [
            "0",
            "755",
            "07777",
            "u+x",
            "a=rX,go-w",
            "+x",
            "u=rwx,go=u-w",
            "=",
        ] {
            assert_eq!(mode_problem(good), None, "{good}");
        }
        for bad in ["10000", "8", "0o7", "7x"] {
            assert!(
                mode_problem(bad).unwrap().contains("between 0 and 07777"),
                "{bad}"
            );
        }
        for bad in ["x", "u", "u+x,", ",u+x", "u+y", "+x u"] {
            assert_eq!(
                mode_problem(bad).as_deref(),
                Some("invalid syntax"),
                "{bad}"
            );
        }
    }
}
