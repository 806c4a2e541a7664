//! What is in jars, and in jars in jars.

use std::collections::BTreeMap;

use crate::java::zip::{ZipEntry, content, entries};

/// How many jars may be in jars.
const MAX_JARS: usize = 10_000;
/// Where a jar says which services it offers (`java.util.ServiceLoader`).
const SERVICES: &str = "META-INF/services/";
/// Where a jar has classes for single releases of Java (the JAR file specification: "Multi-release JAR files").
const VERSIONS: &str = "META-INF/versions/";
/// Where those files are that are at the top of the class path when a packed application runs.
const CLASSES: [&str; 2] = ["WEB-INF/classes/", "BOOT-INF/classes/"];

/// A jar that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JarError {
    /// Its name.
    pub(crate) name: String,
    /// What is wrong with it.
    pub(crate) problem: String,
}

/// A part of a jar.
pub(crate) enum JarPart<'p> {
    /// A jar begins: what follows is in it, up to the next one.
    Jar(&'p str),
    /// It offers this service.
    Service(&'p str),
    /// It has this class, of several for different releases the one that this release of Java loads; with its path and its content.
    Class(&'p str, &'p [u8]),
    /// It has another file; a declaration of a module is one, too.
    Other(OtherFile<'p>),
}

/// A file of a jar that is not read unless somebody asks.
pub(crate) struct OtherFile<'p> {
    archive: &'p [u8],
    entry: &'p ZipEntry,
}

impl OtherFile<'_> {
    /// Its path.
    pub(crate) fn name(&self) -> &str {
        &self.entry.name
    }

    /// Its content, if that has at most `limit` bytes and can be read.
    pub(crate) fn content(&self, limit: usize) -> Option<Vec<u8>> {
        let is_small = self.entry.size <= limit;
        is_small
            .then(|| content(self.archive, self.entry))
            .flatten()
    }
}

/// Shows `visit` what is in a jar, and then in each jar in it, as Java of release `java` loads it.
pub(crate) fn walk<E: From<JarError>>(
    (bytes, name): (&[u8], &str),
    java: u8,
    visit: &mut dyn FnMut(JarPart<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut jars = 0;
    walk_counted((bytes, name), java, &mut jars, visit)
}

fn walk_counted<E: From<JarError>>(
    (bytes, name): (&[u8], &str),
    java: u8,
    jars: &mut usize,
    visit: &mut dyn FnMut(JarPart<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let wrong = |problem: &str| JarError {
        name: name.to_owned(),
        problem: problem.to_owned(),
    };
    *jars += 1;
    if *jars > MAX_JARS {
        return Err(wrong("there are too many jars in it").into());
    }
    visit(JarPart::Jar(name))?;
    let list = entries(bytes).ok_or_else(|| wrong("it is no jar, or damaged"))?;
    let read = |entry: &ZipEntry| {
        content(bytes, entry)
            .ok_or_else(|| wrong(&format!("`{}` in it cannot be read", entry.name)))
    };
    for entry in &list {
        let top = CLASSES.iter().find_map(|top| entry.name.strip_prefix(top));
        let service = top.unwrap_or(&entry.name).strip_prefix(SERVICES);
        if let Some(service) = service.filter(|service| !service.is_empty()) {
            visit(JarPart::Service(service))?;
        }
    }
    for (path, entry) in loaded_classes(&list, is_multi_release(bytes, &list), java) {
        visit(JarPart::Class(path, &read(entry)?))?;
    }
    for entry in &list {
        let is_class = extension(&entry.name) == "class";
        let is_declaration = entry.name.ends_with("module-info.class");
        if !is_jar(&entry.name) && (!is_class || is_declaration) {
            visit(JarPart::Other(OtherFile {
                archive: bytes,
                entry,
            }))?;
        }
    }
    for entry in list.iter().filter(|entry| is_jar(&entry.name)) {
        let inner = entry.name.rsplit('/').next().unwrap_or(&entry.name);
        walk_counted((&read(entry)?, inner), java, jars, visit)?;
    }
    Ok(())
}

/// Whether a file is a jar by its name.
fn is_jar(name: &str) -> bool {
    ["jar", "war"].contains(&extension(name))
}

fn extension(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, last)| last)
}

/// Whether the jar's manifest says that it has classes for single releases of Java.
fn is_multi_release(bytes: &[u8], list: &[ZipEntry]) -> bool {
    let manifest = list
        .iter()
        .find(|entry| entry.name == "META-INF/MANIFEST.MF");
    let manifest = manifest.and_then(|entry| content(bytes, entry));
    let manifest = manifest.unwrap_or_default();
    String::from_utf8_lossy(&manifest).lines().any(|line| {
        let (key, value) = line.split_once(':').unwrap_or_default();
        key.eq_ignore_ascii_case("Multi-Release") && value.trim().eq_ignore_ascii_case("true")
    })
}

/// The classes that this release of Java loads, by their paths: of several for different releases, the newest that is not
/// too new.
fn loaded_classes(
    list: &[ZipEntry],
    is_multi_release: bool,
    java: u8,
) -> BTreeMap<&str, &ZipEntry> {
    let mut classes: BTreeMap<&str, (u8, &ZipEntry)> = BTreeMap::new();
    for entry in list {
        // On the class path no jar is a module, and its declaration would ask for modules that are not there.
        if extension(&entry.name) != "class" || entry.name.ends_with("module-info.class") {
            continue;
        }
        let (release, path) = match entry.name.strip_prefix(VERSIONS) {
            None => (0, entry.name.as_str()),
            Some(rest) => match rest.split_once('/') {
                Some((release, path)) if is_multi_release => match release.parse() {
                    Ok(release) if (9..=java).contains(&release) => (release, path),
                    Ok(_) | Err(_) => continue,
                },
                Some(_) | None => continue,
            },
        };
        let known = classes.entry(path).or_insert((release, entry));
        if known.0 <= release {
            *known = (release, entry);
        }
    }
    classes
        .into_iter()
        .map(|(path, (_, entry))| (path, entry))
        .collect()
}
