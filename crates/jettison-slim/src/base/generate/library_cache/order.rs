//! The order of names in the cache, in which the loader searches by halves.

use std::cmp::Ordering;

use super::Abi;

/// Compares as `_dl_cache_libcmp` does (elf/dl-cache.c): numbers by value, and digits after everything else.
pub(super) fn compare_names(left: &str, right: &str, abi: &Abi) -> Ordering {
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    loop {
        match (left.first(), right.first()) {
            (Some(a), Some(b)) if a.is_ascii_digit() && b.is_ascii_digit() => {
                let order = number(&mut left).cmp(&number(&mut right));
                if order != Ordering::Equal {
                    return order;
                }
            }
            (Some(a), _) if a.is_ascii_digit() => return Ordering::Greater,
            (_, Some(b)) if b.is_ascii_digit() => return Ordering::Less,
            (None, None) => return Ordering::Equal,
            (a, b) => {
                let order = abi.char_value(a).cmp(&abi.char_value(b));
                if order != Ordering::Equal {
                    return order;
                }
                left = &left[1..];
                right = &right[1..];
            }
        }
    }
}

/// Takes the number at the start of `text`; one that is too large for the loader wraps around there as here.
fn number(text: &mut &[u8]) -> i32 {
    let mut value: i32 = 0;
    while let Some((digit, rest)) = text.split_first().filter(|(byte, _)| byte.is_ascii_digit()) {
        value = value.wrapping_mul(10).wrapping_add(i32::from(digit - b'0'));
        *text = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::super::{AARCH64, X86_64};
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(left: &str, right: &str, expected: Ordering) {
        assert_eq!(
            compare_names(left, right, &X86_64),
            expected,
            "{left} {right}"
        );
        assert_eq!(
            compare_names(right, left, &X86_64),
            expected.reverse(),
            "{right} {left}"
        );
    }

    #[test]
    fn numbers_are_compared_by_value_and_digits_come_last() {
        check("libz.so.9", "libz.so.10", Ordering::Less);
        check("libz.so.09", "libz.so.9", Ordering::Equal);
        check("libz.so", "libz.so.1", Ordering::Less);
        check("lib1.so", "libz.so", Ordering::Greater);
        check("liba.so", "libb.so", Ordering::Less);
    }

    #[test]
    fn bytes_beyond_ascii_are_negative_where_char_is_signed() {
        let order = |abi| compare_names("libé.so", "libz.so", abi);
        assert_eq!(order(&X86_64), Ordering::Less);
        assert_eq!(order(&AARCH64), Ordering::Greater);
    }

    proptest! {
        /// The loader could find nothing in a list that has no order.
        #[test]
        fn names_have_a_total_order(names in proptest::collection::vec("[a0-2é.]{0,5}", 3)) {
            let order = |a: usize, b: usize| compare_names(&names[a], &names[b], &X86_64);
            prop_assert_eq!(order(0, 1), order(1, 0).reverse());
            if order(0, 1) != Ordering::Greater && order(1, 2) != Ordering::Greater {
                prop_assert_ne!(order(0, 2), Ordering::Greater);
            }
        }
    }
}
