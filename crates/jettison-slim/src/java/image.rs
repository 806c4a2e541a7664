//! The file `lib/modules` of a JDK, with all its classes.
//!
//! Its form is not specified. The JDK's sources describe it in `src/java.base/share/native/libjimage/imageFile.hpp`: a header of seven
//! words, a table for hashing, the offsets of locations, locations, texts, and then contents. It has had version 1.0 since Java 9.

use std::collections::{BTreeMap, HashMap};

use crate::java::declaration::Declaration;

const MAGIC: u32 = 0xcafe_dada;
const VERSION: u32 = 1 << 16;
const HEADER: usize = 28;

/// The modules of a JDK.
#[derive(Debug, Default)]
pub(crate) struct JdkModules {
    /// By name.
    modules: BTreeMap<String, Declaration>,
    /// Which module has which class, such as `java/util/List`.
    classes: HashMap<String, String>,
}

/// Where something is in the file.
#[derive(Clone, Copy, Default)]
struct Location<'l> {
    module: &'l str,
    parent: &'l str,
    base: &'l str,
    extension: &'l str,
    offset: usize,
    compressed: usize,
    size: usize,
}

impl JdkModules {
    /// Reads the content of `lib/modules`; none if it has another form, or contents are compressed.
    pub(crate) fn parse(bytes: &[u8]) -> Option<JdkModules> {
        let file = File::parse(bytes)?;
        let mut found = JdkModules::default();
        for index in 0..file.count {
            let location = file.location(index)?;
            if location.extension != "class" || location.module.is_empty() {
                continue;
            }
            if location.parent.is_empty() && location.base == "module-info" {
                if location.compressed != 0 {
                    return None;
                }
                let start = file.contents.checked_add(location.offset)?;
                let content = bytes.get(start..start.checked_add(location.size)?)?;
                let declaration = Declaration::parse(content)?;
                found.modules.insert(declaration.name.clone(), declaration);
            } else {
                let name = format!("{}/{}", location.parent, location.base);
                found.classes.insert(name, location.module.to_owned());
            }
        }
        found.modules.contains_key("java.base").then_some(found)
    }

    /// Whether there is such a module.
    pub(crate) fn has(&self, module: &str) -> bool {
        self.modules.contains_key(module)
    }

    /// The declarations of all modules.
    pub(crate) fn declarations(&self) -> impl Iterator<Item = &Declaration> {
        self.modules.values()
    }

    /// The module with the class of this name, such as `java/util/List`.
    pub(crate) fn owner(&self, class: &str) -> Option<&str> {
        self.classes.get(class).map(String::as_str)
    }

    /// `modules` and all that they require.
    pub(crate) fn closure<'m>(
        &'m self,
        modules: impl IntoIterator<Item = &'m str>,
    ) -> BTreeMap<&'m str, &'m Declaration> {
        let mut closed = BTreeMap::new();
        let mut pending: Vec<&str> = modules.into_iter().collect();
        while let Some(module) = pending.pop() {
            if let Some(declaration) = self.modules.get(module)
                && closed
                    .insert(declaration.name.as_str(), declaration)
                    .is_none()
            {
                pending.extend(declaration.requires.iter().map(String::as_str));
            }
        }
        closed
    }
}

#[cfg(test)]
impl JdkModules {
    /// The declaration of a module.
    pub(crate) fn declaration(&self, module: &str) -> Option<&Declaration> {
        self.modules.get(module)
    }

    /// A JDK of these modules with these classes.
    pub(crate) fn of(modules: &[(Declaration, &[&str])]) -> JdkModules {
        let mut jdk = JdkModules::default();
        for (declaration, classes) in modules {
            for class in *classes {
                jdk.classes
                    .insert((*class).to_owned(), declaration.name.clone());
            }
            jdk.modules
                .insert(declaration.name.clone(), declaration.clone());
        }
        jdk
    }
}

/// The parts of the file.
struct File<'f> {
    bytes: &'f [u8],
    is_big: bool,
    count: usize,
    offsets: usize,
    locations: &'f [u8],
    texts: &'f [u8],
    contents: usize,
}

impl<'f> File<'f> {
    fn parse(bytes: &'f [u8]) -> Option<File<'f>> {
        // It is written in the order of the processor.
        let is_big = word(bytes, 0, true)? == MAGIC;
        let at = |index: usize| word(bytes, 4 * index, is_big);
        let size = |index: usize| usize::try_from(at(index)?).ok();
        if at(0)? != MAGIC || at(1)? != VERSION {
            return None;
        }
        let (count, locations, texts) = (size(4)?, size(5)?, size(6)?);
        let offsets = HEADER.checked_add(count.checked_mul(4)?)?;
        let start = offsets.checked_add(count.checked_mul(4)?)?;
        let middle = start.checked_add(locations)?;
        let contents = middle.checked_add(texts)?;
        Some(File {
            bytes,
            is_big,
            count,
            offsets,
            locations: bytes.get(start..middle)?,
            texts: bytes.get(middle..contents)?,
            contents,
        })
    }

    fn location(&self, index: usize) -> Option<Location<'f>> {
        let offset = word(self.bytes, self.offsets + 4 * index, self.is_big)?;
        let mut at = usize::try_from(offset).ok()?;
        let mut location = Location::default();
        loop {
            // A byte says what follows and in how many bytes, which are always big-endian.
            let head = *self.locations.get(at)?;
            let length = usize::from(head & 7) + 1;
            let kind = head >> 3;
            if kind == 0 {
                return Some(location);
            }
            let value = self.locations.get(at + 1..at + 1 + length)?;
            let value = value
                .iter()
                .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
            let value = usize::try_from(value).ok()?;
            match kind {
                1 => location.module = self.text(value)?,
                2 => location.parent = self.text(value)?,
                3 => location.base = self.text(value)?,
                4 => location.extension = self.text(value)?,
                5 => location.offset = value,
                6 => location.compressed = value,
                7 => location.size = value,
                _ => return None,
            }
            at += 1 + length;
        }
    }

    fn text(&self, offset: usize) -> Option<&'f str> {
        let text = self.texts.get(offset..)?;
        let end = memchr::memchr(0, text)?;
        str::from_utf8(&text[..end]).ok()
    }
}

fn word(bytes: &[u8], at: usize, is_big: bool) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
    Some(if is_big {
        u32::from_be_bytes(bytes)
    } else {
        u32::from_le_bytes(bytes)
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::path::Path;

    use super::*;

    #[test]
    fn what_is_no_such_file_has_no_modules() {
        assert!(JdkModules::parse(b"").is_none());
        let mut bytes: Vec<u8> = [MAGIC, VERSION, 0, 1, 1, 4, 1]
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        bytes.extend([0; 32]);
        assert!(JdkModules::parse(&bytes).is_none(), "it has no java.base");
        for end in 0..bytes.len() {
            let _no_panic = JdkModules::parse(&bytes[..end]);
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] = 0xff;
            let _no_panic = JdkModules::parse(&damaged);
        }
    }

    #[test]
    fn the_modules_of_a_jdk_are_read() {
        let homes = fs::read_dir("/usr/lib/jvm").into_iter().flatten().flatten();
        let file = homes
            .map(|home| home.path().join("lib/modules"))
            .find(|path| Path::exists(path));
        let Some(file) = file else {
            let text = b"SKIPPED: there is no JDK in /usr/lib/jvm\n";
            std::io::stderr().write_all(text).unwrap();
            return;
        };
        let jdk = JdkModules::parse(&fs::read(file).unwrap()).unwrap();
        assert_eq!(jdk.owner("java/util/List"), Some("java.base"));
        assert_eq!(jdk.owner("java/util/logging/Logger"), Some("java.logging"));
        assert_eq!(jdk.owner("no/Such"), None);
        let names: Vec<&str> = jdk.closure(["java.logging"]).into_keys().collect();
        assert_eq!(names, ["java.base", "java.logging"]);
        let base = jdk.declaration("java.base").unwrap();
        let service = "java/nio/file/spi/FileSystemProvider".to_owned();
        assert!(base.uses.contains(&service));
    }
}
