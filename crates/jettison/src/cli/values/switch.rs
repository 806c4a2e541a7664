//! Options that are on or off: `--pull`, `--pull=true`, `--pull=0`.

/// Reads a truth value as Go does (`strconv.ParseBool`), which is how docker's options take it.
pub(crate) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("take true or false".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truth_is_read_as_go_reads_it() {
        for text in ["1", "t", "true", "True", "TRUE"] {
            assert_eq!(switch(text), Ok(true), "{text}");
        }
        for text in ["0", "f", "false", "False", "FALSE"] {
            assert_eq!(switch(text), Ok(false), "{text}");
        }
        for text in ["", "yes", "tRUE", " true"] {
            assert!(switch(text).is_err(), "{text}");
        }
    }
}
