//! The constants of a class file (Java virtual machine specification, 4.1 and 4.4).

/// The tags of constants.
pub(crate) const UTF8: u8 = 1;
pub(crate) const CLASS: u8 = 7;
pub(crate) const METHOD: u8 = 10;
pub(crate) const NAME_AND_TYPE: u8 = 12;
const MODULE: u8 = 19;

/// A constant of a class, as far as calls and declarations of modules are made of it.
#[derive(Clone, Copy)]
pub(crate) enum Constant<'c> {
    Utf8(&'c [u8]),
    Class(u16),
    Method(u16, u16),
    NameAndType(u16),
    Module(u16),
    Other,
}

/// The texts among the constants of a class; none, if it is no class.
pub(crate) fn texts(class: &[u8]) -> Vec<&str> {
    let constants = constants(class).map_or(Vec::new(), |(constants, _)| constants);
    let mut texts = Vec::new();
    for constant in constants {
        if let Constant::Utf8(bytes) = constant
            && let Ok(text) = str::from_utf8(bytes)
        {
            texts.push(text);
        }
    }
    texts
}

/// The name of the class itself, such as `java/util/List`.
pub(crate) fn own_name(class: &[u8]) -> Option<&str> {
    let (constants, end) = constants(class)?;
    match constants.get(usize::from(short(class, end + 2)?))? {
        Constant::Class(name) => match constants.get(usize::from(*name))? {
            Constant::Utf8(bytes) => str::from_utf8(bytes).ok(),
            Constant::Class(_)
            | Constant::Method(..)
            | Constant::NameAndType(_)
            | Constant::Module(_)
            | Constant::Other => None,
        },
        Constant::Utf8(_)
        | Constant::Method(..)
        | Constant::NameAndType(_)
        | Constant::Module(_)
        | Constant::Other => None,
    }
}

/// The constants by index, and where they end.
pub(crate) fn constants(class: &[u8]) -> Option<(Vec<Constant<'_>>, usize)> {
    if class.get(..4)? != [0xca, 0xfe, 0xba, 0xbe] {
        return None;
    }
    let count = short(class, 8)?;
    let mut constants = vec![Constant::Other];
    let mut at = 10;
    while constants.len() < usize::from(count) {
        let tag = *class.get(at)?;
        let (constant, length) = match tag {
            UTF8 => {
                let length = usize::from(short(class, at + 1)?);
                let bytes = class.get(at + 3..at + 3 + length)?;
                (Constant::Utf8(bytes), 3 + length)
            }
            CLASS => (Constant::Class(short(class, at + 1)?), 3),
            METHOD => {
                let (class_index, name) = (short(class, at + 1)?, short(class, at + 3)?);
                (Constant::Method(class_index, name), 5)
            }
            NAME_AND_TYPE => (Constant::NameAndType(short(class, at + 1)?), 5),
            MODULE => (Constant::Module(short(class, at + 1)?), 3),
            8 | 16 | 20 => (Constant::Other, 3),
            15 => (Constant::Other, 4),
            3 | 4 | 9 | 11 | 17 | 18 => (Constant::Other, 5),
            5 | 6 => (Constant::Other, 9),
            _ => return None,
        };
        constants.push(constant);
        // These take two places (4.4.5).
        if tag == 5 || tag == 6 {
            constants.push(Constant::Other);
        }
        at += length;
    }
    Some((constants, at))
}

/// Two bytes of a class, which are big-endian.
pub(crate) fn short(class: &[u8], at: usize) -> Option<u16> {
    let bytes = class.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes([bytes[0], bytes[1]]))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A class of this name with these texts among its constants.
    pub(crate) fn class_with(name: &str, texts: &[&str]) -> Vec<u8> {
        let mut bytes = vec![0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 65];
        let count = u16::try_from(texts.len() + 3).unwrap();
        bytes.extend(count.to_be_bytes());
        for text in [name].iter().chain(texts) {
            bytes.push(UTF8);
            bytes.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
            bytes.extend(text.as_bytes());
        }
        bytes.extend([CLASS, 0, 1]);
        // Flags, and the class itself.
        bytes.extend([0, 0x21]);
        bytes.extend((count - 1).to_be_bytes());
        bytes
    }

    #[test]
    fn a_class_tells_its_name_and_its_texts() {
        let class = class_with("a/B", &["java/util/List", "x"]);
        assert_eq!(own_name(&class), Some("a/B"));
        assert_eq!(texts(&class), ["a/B", "java/util/List", "x"]);
        for end in 0..class.len() {
            let _no_panic = (own_name(&class[..end]), texts(&class[..end]));
        }
        assert_eq!(own_name(b"PK\x03\x04"), None);
    }
}
