//! The frame of cleartext signatures.
//!
//! ```text
//! -----BEGIN PGP SIGNED MESSAGE-----
//! Hash: SHA512
//!
//! the signed text; a line that starts with a hyphen
//! - - is written with `- ` before it
//! -----BEGIN PGP SIGNATURE-----
//!
//! iQIz…
//! -----END PGP SIGNATURE-----
//! ```
//!
//! What stands outside of the frame is not signed and is never looked at. See
//! <https://www.rfc-editor.org/rfc/rfc9580.html#name-cleartext-signature-framewo>.

const BEGIN_MESSAGE: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const BEGIN_SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
const END_SIGNATURE: &str = "-----END PGP SIGNATURE-----";

/// The two parts of a cleartext signature.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cleartext {
    /// The signed text, without escapes and without white space at the ends of its lines, which is never signed.
    pub(crate) text: String,
    /// The signatures, in armor.
    pub(crate) armor: String,
}

/// Takes the frame apart, or says what is wrong with it.
pub(crate) fn parse_cleartext(text: &str) -> Result<Cleartext, &'static str> {
    let mut lines = text
        .lines()
        .map(|line| line.trim_end_matches([' ', '\t', '\r']));
    if !lines.any(|line| line == BEGIN_MESSAGE) {
        return Err("it is not signed");
    }
    for line in lines.by_ref().take_while(|line| !line.is_empty()) {
        if !line.starts_with("Hash: ") {
            return Err("its frame has a header that is not `Hash`");
        }
    }
    let text = signed_text(&mut lines)?;
    let mut armor = format!("{BEGIN_SIGNATURE}\n");
    for line in lines {
        armor.push_str(line);
        armor.push('\n');
        if line == END_SIGNATURE {
            return Ok(Cleartext { text, armor });
        }
    }
    Err("its signature is cut off")
}

fn signed_text<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Result<String, &'static str> {
    let mut text = String::new();
    let mut is_first = true;
    for line in lines {
        if line == BEGIN_SIGNATURE {
            return Ok(text);
        }
        let line = match (line.strip_prefix("- "), line) {
            (Some(escaped), _) => escaped,
            // White space at the end of the line `- ` is gone already.
            (None, "-") => "",
            (None, plain) if plain.starts_with('-') => {
                return Err("a line of its text starts with an unescaped hyphen");
            }
            (None, plain) => plain,
        };
        // OpenPGP hashes a lone carriage return like a line break: it could stand for one, unnoticed.
        if line.contains('\r') {
            return Err("a carriage return stands inside of a line");
        }
        if !is_first {
            text.push('\n');
        }
        is_first = false;
        text.push_str(line);
    }
    Err("its text is cut off")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAMED: &str = "\
before
-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

- - dashed\t
two \r
- -----BEGIN PGP SIGNATURE-----

-----BEGIN PGP SIGNATURE-----

abcd
-----END PGP SIGNATURE-----
after
";

    #[test]
    fn only_what_is_inside_of_the_frame_is_text() {
        let parts = parse_cleartext(FRAMED).unwrap();
        assert_eq!(parts.text, "- dashed\ntwo\n-----BEGIN PGP SIGNATURE-----\n");
        assert_eq!(
            parts.armor,
            "-----BEGIN PGP SIGNATURE-----\n\nabcd\n-----END PGP SIGNATURE-----\n"
        );
    }

    fn check(from: &str, to: &str, expected: &'static str) {
        assert!(FRAMED.contains(from), "{from}");
        assert_eq!(parse_cleartext(&FRAMED.replace(from, to)), Err(expected));
    }

    #[test]
    fn a_broken_frame_is_explained() {
        check("SIGNED", "SINGED", "it is not signed");
        check(
            "Hash:",
            "Comment:",
            "its frame has a header that is not `Hash`",
        );
        check(
            "- - d",
            "-- d",
            "a line of its text starts with an unescaped hyphen",
        );
        check("-----END", "----END", "its signature is cut off");
        let end = "\n-----BEGIN PGP SIGNATURE-----\n\nabcd\n-----END PGP SIGNATURE-----";
        check(end, "", "its text is cut off");
        check("two", "t\rwo", "a carriage return stands inside of a line");
    }
}
