//! How many bytes a linked runtime is smaller by what was left out of classes, or compressed.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use crate::base::tools::{ToolError, at};
use crate::base::unpacked::{StoredFile, Unpacked, UnpackedKind};
use crate::java::zip::entries;

/// The module whose files are compressed.
const LOCALES: &str = "jdk.localedata";

/// The sizes of a module's files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sizes {
    /// Before they were compressed.
    plain: u64,
    /// As they are.
    stored: u64,
}

/// The bytes that slices saved, by their names: what `list`, jimage's list of the linked modules, has less than the jmods
/// in the package `jdk`.
pub(super) fn savings(jdk: &Unpacked, list: &str) -> Result<BTreeMap<String, u64>, ToolError> {
    let linked = linked(list);
    let mut packaged = 0;
    for entry in &jdk.entries {
        let name = entry.path.rsplit('/').next().unwrap_or(&entry.path);
        let module = name.strip_suffix(".jmod");
        if let UnpackedKind::File(facts) = &entry.kind
            && module.is_some_and(|module| linked.contains_key(module))
        {
            let mut bytes = Vec::new();
            StoredFile::open(&jdk.data, facts)
                .read_to_end(&mut bytes)
                .map_err(at("read", Path::new(&entry.path)))?;
            packaged += classes(&bytes);
        }
    }
    let plain: u64 = linked.values().map(|sizes| sizes.plain).sum();
    let locales = linked.get(LOCALES).copied().unwrap_or_default();
    let saved = [
        ("java-line-numbers", packaged.saturating_sub(plain)),
        ("java-plain-locales", locales.plain - locales.stored),
    ];
    let saved = saved.into_iter().filter(|(_, bytes)| *bytes > 0);
    Ok(saved
        .map(|(name, bytes)| (name.to_string(), bytes))
        .collect())
}

/// The sizes of all classes in a jmod, which is an archive behind four bytes.
fn classes(jmod: &[u8]) -> u64 {
    let entries = entries(jmod).unwrap_or_default();
    let classes = entries
        .iter()
        .filter(|entry| entry.name.starts_with("classes/"));
    classes.map(|entry| entry.size as u64).sum()
}

/// The sizes by module, from lines such as `offset size compressed name` below a line with the module's name.
fn linked(list: &str) -> BTreeMap<&str, Sizes> {
    let mut modules: BTreeMap<&str, Sizes> = BTreeMap::new();
    let mut module = "";
    for line in list.lines() {
        if let Some(name) = line.strip_prefix("Module: ") {
            module = name.trim();
            continue;
        }
        let mut words = line.split_whitespace().skip(1);
        let mut number = || words.next().and_then(|word| word.parse::<u64>().ok());
        if let (Some(plain), Some(compressed)) = (number(), number()) {
            let sizes = modules.entry(module).or_default();
            sizes.plain += plain;
            // None is compressed to nothing: it is not compressed.
            sizes.stored += if compressed == 0 { plain } else { compressed };
        }
    }
    modules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_added_by_module() {
        let list = "jimage: /out/runtime/lib/modules\n\nModule: java.base\nOffset       Size   Compressed Entry\n\
                    12     2236            0 META-INF/a.class\n       5   100  0 b c.class\n\n\
                    Module: jdk.localedata\n 1 50 20 x.class\n";
        let found = linked(list);
        let sizes = |module: &str| (found[module].plain, found[module].stored);
        assert_eq!(sizes("java.base"), (2336, 2336));
        assert_eq!(sizes("jdk.localedata"), (50, 20));
    }
}
