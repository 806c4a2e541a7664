//! The table of strings in a cache.

use std::collections::BTreeMap;

/// Strings that end with NUL, where one that another ends with has no place of its own.
///
/// The order is that of glibc (`stringtable_finalize`, elf/stringtable.c), so that the bytes are too.
#[derive(Debug, Clone)]
pub(super) struct Strings {
    /// The table.
    pub(super) bytes: Vec<u8>,
    offsets: BTreeMap<String, usize>,
}

impl Strings {
    /// The table of `strings`.
    pub(super) fn of<'s>(strings: impl Iterator<Item = &'s str>) -> Strings {
        // From the greatest end to the least; what another string ends with comes right after it.
        let mut reversed: Vec<Vec<u8>> = strings.map(|text| text.bytes().rev().collect()).collect();
        reversed.sort_unstable_by(|left, right| right.cmp(left));
        reversed.dedup();
        let mut table = Strings {
            bytes: Vec::new(),
            offsets: BTreeMap::new(),
        };
        let mut previous: (&[u8], usize) = (&[], 0);
        for text in &reversed {
            let mut forward = text.clone();
            forward.reverse();
            let offset = if previous.0.starts_with(text) {
                previous.1 + previous.0.len() - text.len()
            } else {
                let offset = table.bytes.len();
                table.bytes.extend_from_slice(&forward);
                table.bytes.push(0);
                offset
            };
            previous = (text, offset);
            let forward = String::from_utf8_lossy(&forward).into_owned();
            table.offsets.insert(forward, offset);
        }
        table
    }

    /// Where `text` begins; 0 for a text that is not in the table.
    pub(super) fn offset(&self, text: &str) -> usize {
        self.offsets.get(text).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_string_that_another_ends_with_shares_its_bytes() {
        let table = Strings::of(["libz.so.1", "/lib/libz.so.1", "1", "libm.so.6"].into_iter());
        assert_eq!(table.bytes, b"libm.so.6\0/lib/libz.so.1\0");
        assert_eq!(table.offset("libz.so.1"), 15);
        assert_eq!(table.offset("1"), 23);
    }

    proptest! {
        #[test]
        fn every_string_is_found_at_its_offset(strings in proptest::collection::vec("[ab]{1,4}", 0..12)) {
            let table = Strings::of(strings.iter().map(String::as_str));
            for text in &strings {
                let rest = &table.bytes[table.offset(text)..];
                prop_assert!(rest.starts_with(text.as_bytes()));
                prop_assert_eq!(rest[text.len()], 0);
            }
        }
    }
}
