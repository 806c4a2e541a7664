//! Digests: an algorithm, a colon, and hexadecimal digits.

/// Says what is wrong with a digest (opencontainers/go-digest: `Validate`, digest.go and algorithm.go).
pub fn digest_problem(digest: &str) -> Option<&'static str> {
    const FORM: &str = "invalid checksum digest format";
    let Some((algorithm, encoded)) = digest.split_once(':') else {
        return Some(FORM);
    };
    if algorithm.is_empty() || encoded.is_empty() {
        return Some(FORM);
    }
    let n_digits = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        other => {
            let is_word = |word: &str| {
                let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
                !word.is_empty() && word.bytes().all(is_letter)
            };
            let is_encoded = |byte: u8| byte.is_ascii_alphanumeric() || b"=_-".contains(&byte);
            let has_form =
                other.split(['.', '+', '_', '-']).all(is_word) && encoded.bytes().all(is_encoded);
            return Some(if has_form {
                "unsupported digest algorithm"
            } else {
                FORM
            });
        }
    };
    if encoded.len() != n_digits {
        return Some("invalid checksum digest length");
    }
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (!encoded.bytes().all(is_digit)).then_some(FORM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_have_an_algorithm_and_as_many_digits_as_it_wants() {
        let zeros = "0".repeat(64);
        assert_eq!(digest_problem(&format!("sha256:{zeros}")), None);
        let cases = [
            (format!("sha512:{zeros}"), "invalid checksum digest length"),
            (format!("md5:{zeros}"), "unsupported digest algorithm"),
            (format!("MD5:{zeros}"), "invalid checksum digest format"),
            ("sha256".to_owned(), "invalid checksum digest format"),
            ("sha256:".to_owned(), "invalid checksum digest format"),
            (
                format!("sha256:{}", "G".repeat(64)),
                "invalid checksum digest format",
            ),
        ];
        for (digest, expected) in cases {
            assert_eq!(digest_problem(&digest), Some(expected), "{digest}");
        }
    }
}
