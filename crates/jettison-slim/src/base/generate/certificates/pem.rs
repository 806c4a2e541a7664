//! PEM: DER between two lines, in base64 (RFC 7468).

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

fn decode(body: &str) -> Option<Vec<u8>> {
    let text: Vec<u8> = body
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let (groups, rest) = text.as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    let mut bytes = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        let padding = group.iter().rev().take_while(|byte| **byte == b'=').count();
        let is_last = index + 1 == groups.len();
        if padding > 2 || padding > 0 && !is_last {
            return None;
        }
        let mut bits = 0_u32;
        for byte in &group[..4 - padding] {
            bits = bits << 6 | sextet(*byte)?;
        }
        bits <<= 6 * padding;
        bytes.extend_from_slice(&bits.to_be_bytes()[1..4 - padding]);
    }
    Some(bytes)
}

fn sextet(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value.into())
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
        for wrong in ["Zg", "Zg==Zg==", "Z===", "====", "Z%==", "Z=g="] {
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
