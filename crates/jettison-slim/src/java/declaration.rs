//! The declaration of a module: `module-info.class` (Java virtual machine specification, 4.7.25).

use crate::java::class::{Constant, constants, short};

/// The flag of a module that is wanted when a program is compiled, not when it runs.
const STATIC_PHASE: u16 = 0x0040;

/// What a module declares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Declaration {
    /// Its name.
    pub(crate) name: String,
    /// The modules that have to be there when it runs.
    pub(crate) requires: Vec<String>,
    /// The services that it asks for, by their classes' names, such as `java/sql/Driver`.
    pub(crate) uses: Vec<String>,
    /// The services that it offers.
    pub(crate) provides: Vec<String>,
}

impl Declaration {
    /// Reads the class file `module-info.class`.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Declaration> {
        let (constants, end) = constants(bytes)?;
        let names = Names(&constants);
        // Flags, the class itself and the one above it; a module has no interfaces, fields and methods.
        let mut at = end.checked_add(6)?;
        for _ in 0..3 {
            if short(bytes, at)? != 0 {
                return None;
            }
            at += 2;
        }
        let count = short(bytes, at)?;
        at += 2;
        for _ in 0..count {
            let name = names.text(short(bytes, at)?)?;
            let length =
                usize::from(short(bytes, at + 2)?) << 16 | usize::from(short(bytes, at + 4)?);
            let content = bytes.get(at + 6..(at + 6).checked_add(length)?)?;
            if name == "Module" {
                return module(content, &names);
            }
            at += 6 + length;
        }
        None
    }
}

/// The attribute `Module`.
fn module(bytes: &[u8], names: &Names<'_>) -> Option<Declaration> {
    let mut reader = Reader { bytes, at: 0 };
    let mut declaration = Declaration {
        name: names.module(reader.next()?)?.to_owned(),
        ..Declaration::default()
    };
    let _flags_and_version = (reader.next()?, reader.next()?);
    for _ in 0..reader.next()? {
        let name = names.module(reader.next()?)?;
        let flags = reader.next()?;
        let _version = reader.next()?;
        if flags & STATIC_PHASE == 0 {
            declaration.requires.push(name.to_owned());
        }
    }
    // Packages that are exported, and those that are open.
    for _ in 0..2 {
        for _ in 0..reader.next()? {
            let _package_and_flags = (reader.next()?, reader.next()?);
            reader.skip_list()?;
        }
    }
    for _ in 0..reader.next()? {
        let service = names.class(reader.next()?)?;
        declaration.uses.push(service.to_owned());
    }
    for _ in 0..reader.next()? {
        let service = names.class(reader.next()?)?;
        declaration.provides.push(service.to_owned());
        reader.skip_list()?;
    }
    Some(declaration)
}

struct Reader<'r> {
    bytes: &'r [u8],
    at: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<u16> {
        let number = short(self.bytes, self.at)?;
        self.at += 2;
        Some(number)
    }

    fn skip_list(&mut self) -> Option<()> {
        let count = usize::from(self.next()?);
        self.at = self.at.checked_add(2 * count)?;
        Some(())
    }
}

/// What constants name.
struct Names<'n>(&'n [Constant<'n>]);

impl Names<'_> {
    fn text(&self, index: u16) -> Option<&str> {
        match self.0.get(usize::from(index))? {
            Constant::Utf8(bytes) => str::from_utf8(bytes).ok(),
            Constant::Class(_)
            | Constant::Method(..)
            | Constant::NameAndType(_)
            | Constant::Module(_)
            | Constant::Other => None,
        }
    }

    fn class(&self, index: u16) -> Option<&str> {
        match self.0.get(usize::from(index))? {
            Constant::Class(name) => self.text(*name),
            Constant::Utf8(_)
            | Constant::Method(..)
            | Constant::NameAndType(_)
            | Constant::Module(_)
            | Constant::Other => None,
        }
    }

    fn module(&self, index: u16) -> Option<&str> {
        match self.0.get(usize::from(index))? {
            Constant::Module(name) => self.text(*name),
            Constant::Utf8(_)
            | Constant::Class(_)
            | Constant::Method(..)
            | Constant::NameAndType(_)
            | Constant::Other => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `module m { requires a; requires static b; exports p; uses S; provides S with X; }`
    fn bytes() -> Vec<u8> {
        let mut bytes = vec![0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 65, 0, 14];
        let texts = ["Module", "m", "a", "b", "p", "S", "X"];
        for text in texts {
            bytes.extend([1, 0, u8::try_from(text.len()).unwrap()]);
            bytes.extend(text.as_bytes());
        }
        // 8 to 10 are modules, 11 a package, 12 and 13 classes.
        for (tag, name) in [(19, 2), (19, 3), (19, 4), (20, 5), (7, 6), (7, 7)] {
            bytes.extend([tag, 0, name]);
        }
        bytes.extend([0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1]);
        let module: [u16; 25] = [
            8,
            0,
            0, // itself
            2,
            9,
            0x8000,
            0,
            10,
            STATIC_PHASE,
            0, // requires
            1,
            11,
            0,
            1,
            9, // exports, to one module
            0, // opens
            1,
            12, // uses
            1,
            12,
            1,
            13, // provides
            0,
            0,
            0, // more than there should be
        ];
        let module: Vec<u8> = module.iter().flat_map(|n| n.to_be_bytes()).collect();
        bytes.extend(u32::try_from(module.len()).unwrap().to_be_bytes());
        bytes.extend(module);
        bytes
    }

    #[test]
    fn a_declaration_says_what_a_module_needs_and_offers() {
        let list = |name: &str| vec![name.to_owned()];
        let expected = Declaration {
            name: "m".to_owned(),
            requires: list("a"),
            uses: list("S"),
            provides: list("S"),
        };
        assert_eq!(Declaration::parse(&bytes()), Some(expected));
    }

    #[test]
    fn what_is_damaged_declares_nothing() {
        let whole = bytes();
        for end in 0..whole.len() - 6 {
            assert_eq!(Declaration::parse(&whole[..end]), None, "{end}");
        }
        for at in 8..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] = 0xff;
            let _no_panic = Declaration::parse(&damaged);
        }
    }
}
