//! PEM: DER between two lines, in base64 (RFC 7468).

use jettison_oci::{base64, from_base64};

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The one certificate in `bytes`. Text around it is passed by, as OpenSSL does.
pub(super) fn certificate(bytes: &[u8]) -> Result<Vec<u8>, &'static str> {
    let text = String::from_utf8_lossy(bytes);
    let (_, rest) = text
        .split_once(BEGIN)
        .ok_or("there is no `BEGIN CERTIFICATE`")?;
    let (body, rest) = rest
        .split_once(END)
        .ok_or("there is no `END CERTIFICATE`")?;
    // Stores of trust hold one certificate for each name; with a second, Debian's own scripts would leave the file out of
    // some of them and take the first alone into others.
    if rest.contains(BEGIN) {
        return Err("there is more than one certificate in it");
    }
    decode(body).ok_or("its base64 is malformed")
}

/// The bytes, if the text is the only one that stands for them.
fn decode(body: &str) -> Option<Vec<u8>> {
    let text: String = body.split_ascii_whitespace().collect();
    let bytes = from_base64(&text)?;
    (base64(&bytes) == text).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, expected: Result<&[u8], &str>) {
        let text = format!("# a name\n{BEGIN}\n{body}\n{END}\n");
        assert_eq!(
            certificate(text.as_bytes()).as_deref(),
            expected.as_ref().map(|bytes| *bytes)
        );
    }

    #[test]
    fn base64_is_decoded() {
        check("", Ok(b""));
        check("Zg==", Ok(b"f"));
        check("Zm8=", Ok(b"fo"));
        check("Zm9v\nYmFy", Ok(b"foobar"));
        check("/+8=", Ok(b"\xff\xef"));
        for wrong in ["Zg", "Zg==Zg==", "Z===", "====", "Z%==", "Z=g=", "Zh=="] {
            check(wrong, Err("its base64 is malformed"));
        }
    }

    #[test]
    fn what_is_no_single_certificate_is_refused() {
        let second = format!("{END}{BEGIN}");
        check(&second, Err("there is more than one certificate in it"));
        assert_eq!(
            certificate(b"").unwrap_err(),
            "there is no `BEGIN CERTIFICATE`"
        );
        let open = certificate(BEGIN.as_bytes());
        assert_eq!(open.unwrap_err(), "there is no `END CERTIFICATE`");
    }
}
