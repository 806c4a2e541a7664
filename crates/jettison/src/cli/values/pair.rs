//! `--label KEY=VALUE`

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) key: String,
    pub(crate) value: String,
}

/// Reads `KEY[=VALUE]`; without a value it is empty, as in docker (buildx: `listToMap`, build.go).
pub(crate) fn pair(text: &str) -> Result<Pair, String> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    if key.is_empty() {
        return Err("take KEY=VALUE".to_string());
    }
    Ok(Pair {
        key: key.to_string(),
        value: value.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_what_stands_after_the_first_sign() {
        for (text, key, value) in [("a=b=c", "a", "b=c"), ("a", "a", ""), ("a=", "a", "")] {
            let read = pair(text).unwrap();
            assert_eq!(
                (read.key.as_str(), read.value.as_str()),
                (key, value),
                "{text}"
            );
        }
        assert!(pair("=b").is_err());
        assert!(pair("").is_err());
    }
}
