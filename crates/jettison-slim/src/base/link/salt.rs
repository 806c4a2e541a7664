//! The salt of Java's small sets made constant.
//!
//! `Set.of` and `Map.of` have an order that differs from run to run, from a salt that the class initialiser of
//! `java.util.ImmutableCollections` takes from `System.nanoTime()`. jlink walks such sets when it generates
//! `jdk.internal.module.SystemModules`, so that its output differs, too. While it runs, that call is a constant. The
//! linked runtime has the class as it was.

use crate::java::class::{Constant, constants};

/// `invokestatic` (Java virtual machine specification, 6.5).
const INVOKE_STATIC: u8 = 0xb8;
/// `lconst_1`, and two `nop`s to fill the place of a call.
const CONSTANT: [u8; 3] = [0x0a, 0, 0];

/// The class with its call of `System.nanoTime()` replaced; or what is not as expected.
pub(super) fn fixed_salt(class: &[u8]) -> Result<Vec<u8>, &'static str> {
    let (constants, end) = constants(class).ok_or("a class file cannot be read")?;
    let text = |index: u16| match constants.get(usize::from(index)) {
        Some(Constant::Utf8(bytes)) => *bytes,
        _ => b"",
    };
    let is_time = |constant: &Constant<'_>| {
        let Constant::Method(class, name) = constant else {
            return false;
        };
        let class = match constants.get(usize::from(*class)) {
            Some(Constant::Class(name)) => text(*name),
            _ => b"",
        };
        let name = match constants.get(usize::from(*name)) {
            Some(Constant::NameAndType(name)) => text(*name),
            _ => b"",
        };
        class == b"java/lang/System" && name == b"nanoTime"
    };
    let index = constants
        .iter()
        .position(is_time)
        .and_then(|index| u16::try_from(index).ok())
        .ok_or("java.util.ImmutableCollections has no salt")?;
    let [high, low] = index.to_be_bytes();
    let call = [INVOKE_STATIC, high, low];
    let mut places = class[end..]
        .windows(call.len())
        .enumerate()
        .filter(|(_, window)| *window == call)
        .map(|(place, _)| end + place);
    let (Some(place), None) = (places.next(), places.next()) else {
        return Err("java.util.ImmutableCollections does not take its salt once");
    };
    let mut fixed = class.to_vec();
    fixed[place..place + call.len()].copy_from_slice(&CONSTANT);
    Ok(fixed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::java::class::{CLASS, METHOD, NAME_AND_TYPE, UTF8};

    /// A class that has these constants, and this behind them.
    fn class(constants: &[&[u8]], count: u16, rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 65];
        bytes.extend(count.to_be_bytes());
        bytes.extend(constants.concat());
        bytes.extend(rest);
        bytes
    }

    fn utf8(text: &str) -> Vec<u8> {
        let length = u16::try_from(text.len()).unwrap().to_be_bytes();
        [&[UTF8][..], &length, text.as_bytes()].concat()
    }

    #[test]
    fn the_call_for_the_time_becomes_a_constant() {
        let (system, name) = (utf8("java/lang/System"), utf8("nanoTime"));
        let constants: [&[u8]; 7] = [
            &[5, 0, 0, 0, 0, 0, 0, 0, 1],
            &system,
            &[CLASS, 0, 3],
            &name,
            &utf8("()J"),
            &[NAME_AND_TYPE, 0, 5, 0, 6],
            &[METHOD, 0, 4, 0, 7],
        ];
        let fixed = |rest: &[u8]| fixed_salt(&class(&constants, 9, rest));
        let code = [0x57, INVOKE_STATIC, 0, 8, 0x37];
        assert_eq!(
            fixed(&code),
            Ok(class(&constants, 9, &[0x57, 0x0a, 0, 0, 0x37]))
        );
        let once = Err("java.util.ImmutableCollections does not take its salt once");
        assert_eq!(fixed(&[0x57]), once);
        assert_eq!(fixed(&[code, code].concat()), once);
        assert_eq!(
            fixed_salt(&class(&constants[..1], 3, &code)),
            Err("java.util.ImmutableCollections has no salt")
        );
        for wrong in [&b""[..], b"PK", &class(&constants, 99, &[])] {
            assert_eq!(fixed_salt(wrong), Err("a class file cannot be read"));
        }
    }
}
