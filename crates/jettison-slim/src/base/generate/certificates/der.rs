//! The little of DER that certificates of authorities need: cutting values out (X.690).

/// A value with its tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Value<'a> {
    /// The identifier byte; tags of several bytes do not occur in names and dates.
    pub(super) tag: u8,
    /// What it holds.
    pub(super) content: &'a [u8],
}

pub(super) const INTEGER: u8 = 0x02;
pub(super) const UTF8_STRING: u8 = 0x0c;
pub(super) const PRINTABLE_STRING: u8 = 0x13;
pub(super) const T61_STRING: u8 = 0x14;
pub(super) const IA5_STRING: u8 = 0x16;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const VISIBLE_STRING: u8 = 0x1a;
pub(super) const UNIVERSAL_STRING: u8 = 0x1c;
pub(super) const BMP_STRING: u8 = 0x1e;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// Takes the first value off `input`.
pub(super) fn take<'a>(input: &mut &'a [u8]) -> Option<Value<'a>> {
    let (tag, rest) = input.split_first()?;
    if tag & 0x1f == 0x1f {
        return None;
    }
    let (first, rest) = rest.split_first()?;
    let (size, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        // A size of more than four bytes is no certificate's.
        0x81..=0x84 => {
            let (size, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let size = size
                .iter()
                .fold(0, |size, byte| size << 8 | u64::from(*byte));
            (usize::try_from(size).ok()?, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(size)?;
    *input = rest;
    Some(Value { tag: *tag, content })
}

/// Takes the first value off `input` if it has this tag.
pub(super) fn take_tagged<'a>(input: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let mut rest = *input;
    let value = take(&mut rest).filter(|value| value.tag == tag)?;
    *input = rest;
    Some(value.content)
}

/// The encoding of a value.
pub(super) fn encode(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    let size = content.len().to_be_bytes();
    match u8::try_from(content.len()) {
        Ok(size) if size < 0x80 => bytes.push(size),
        _ => {
            let start = size.iter().take_while(|byte| **byte == 0).count();
            // At most eight.
            let count = u8::try_from(size.len() - start).unwrap_or_default();
            bytes.push(0x80 | count);
            bytes.extend_from_slice(&size[start..]);
        }
    }
    bytes.extend_from_slice(content);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_read_again(size in 0_usize..70_000) {
            let content = vec![7; size];
            let bytes = encode(SEQUENCE, &content);
            let mut input = bytes.as_slice();
            prop_assert_eq!(take_tagged(&mut input, SEQUENCE), Some(content.as_slice()));
            prop_assert!(input.is_empty());
            prop_assert_eq!(take(&mut &bytes[..bytes.len() - 1]), None);
        }
    }
}
