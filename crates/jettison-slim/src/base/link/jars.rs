//! What is in jars, and in jars in jars.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path};

use crate::base::link::LinkError;
use crate::base::link::salt::texts;
use crate::base::link::zip::{ZipEntry, content, entries};
use crate::base::tools::at;

/// How many jars may be in jars.
const MAX_JARS: usize = 10_000;
/// Where a jar says which services it offers (`java.util.ServiceLoader`).
const SERVICES: &str = "META-INF/services/";
/// Where a jar has classes for single releases of Java (the JAR file specification: "Multi-release JAR files").
const VERSIONS: &str = "META-INF/versions/";
/// Where those files are that are at the top of the class path when a packed application runs.
const CLASSES: [&str; 2] = ["WEB-INF/classes/", "BOOT-INF/classes/"];
/// How names of classes of a JDK begin.
const PACKAGES: [&str; 8] = [
    "java.",
    "javax.",
    "jdk.",
    "sun.",
    "com.sun.",
    "org.w3c.",
    "org.xml.",
    "org.ietf.",
];

/// What was found in jars.
#[derive(Debug)]
pub(super) struct Found {
    /// The release of Java that the jars are for.
    java: u8,
    /// The names of the jars, in the order in which they were found.
    pub(super) jars: Vec<String>,
    /// Which services which jar offers.
    pub(super) services: Vec<(String, String)>,
    /// Texts that could be names of a JDK's classes, and the jars.
    pub(super) texts: BTreeSet<(String, String)>,
}

impl Found {
    pub(super) fn for_java(java: u8) -> Found {
        Found {
            java,
            jars: Vec::new(),
            services: Vec::new(),
            texts: BTreeSet::new(),
        }
    }
}

/// Takes the classes of a jar, and of jars in it, to numbered directories.
pub(super) fn take(
    bytes: &[u8],
    name: &str,
    classes: &Path,
    found: &mut Found,
) -> Result<(), LinkError> {
    let dir = classes.join(found.jars.len().to_string());
    fs::create_dir_all(&dir).map_err(at("create", &dir))?;
    found.jars.push(name.to_string());
    let wrong = |problem| LinkError::Jar {
        name: name.to_string(),
        problem,
    };
    let list = entries(bytes).ok_or_else(|| wrong("it is no jar, or damaged".to_string()))?;
    let unreadable = |entry: &ZipEntry| wrong(format!("`{}` in it cannot be read", entry.name));
    let read = |entry: &ZipEntry| content(bytes, entry).ok_or_else(|| unreadable(entry));
    for entry in &list {
        let top = CLASSES.iter().find_map(|top| entry.name.strip_prefix(top));
        let service = top.unwrap_or(&entry.name).strip_prefix(SERVICES);
        if let Some(service) = service.filter(|service| !service.is_empty()) {
            let service = service.to_string();
            found.services.push((name.to_string(), service));
        }
    }
    for (path, entry) in loaded_classes(&list, is_multi_release(bytes, &list), found.java) {
        let content = read(entry)?;
        let could_be = |text: &&str| PACKAGES.iter().any(|start| text.starts_with(start));
        for text in texts(&content).iter().filter(|text| could_be(text)) {
            found.texts.insert(((*text).to_string(), name.to_string()));
        }
        let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        if !Path::new(path).components().all(is_plain) {
            return Err(unreadable(entry));
        }
        let path = dir.join(path);
        let parent = path.parent().unwrap_or(&dir);
        fs::create_dir_all(parent).map_err(at("create", parent))?;
        fs::write(&path, content).map_err(at("write", &path))?;
    }
    for entry in list
        .iter()
        .filter(|entry| ["jar", "war"].contains(&extension(&entry.name)))
    {
        if found.jars.len() >= MAX_JARS {
            return Err(wrong("there are too many jars in it".to_string()));
        }
        let inner = entry.name.rsplit('/').next().unwrap_or(&entry.name);
        take(&read(entry)?, inner, classes, found)?;
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::link::zip::tests::archive;

    #[test]
    fn classes_and_services_are_found_in_jars_in_jars() {
        let library = archive(&[
            ("lib/A.class", b"a"),
            ("module-info.class", b"m"),
            ("META-INF/services/java.sql.Driver", b"lib.A\n"),
        ]);
        let app = archive(&[
            ("BOOT-INF/classes/app/Main.class", b"main"),
            ("BOOT-INF/classes/META-INF/services/x.Y", b""),
            ("BOOT-INF/lib/lib-1.0.jar", &library),
            ("logo.png", b""),
        ]);
        let dir = tempfile::tempdir().unwrap();
        let mut found = Found::for_java(21);
        take(&app, "app.jar", dir.path(), &mut found).unwrap();
        assert_eq!(found.jars, ["app.jar", "lib-1.0.jar"]);
        let services = [
            ("app.jar".to_string(), "x.Y".to_string()),
            ("lib-1.0.jar".to_string(), "java.sql.Driver".to_string()),
        ];
        assert_eq!(found.services, services);
        assert!(
            dir.path()
                .join("0/BOOT-INF/classes/app/Main.class")
                .exists()
        );
        assert!(dir.path().join("1/lib/A.class").exists());
        assert!(!dir.path().join("1/module-info.class").exists());
    }

    #[test]
    fn a_class_outside_of_the_jar_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["../x.class", "/etc/x.class", "a/../../x.class"] {
            let app = archive(&[(name, b"x")]);
            let error = take(&app, "app.jar", dir.path(), &mut Found::for_java(21)).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("cannot look into app.jar: `{name}` in it cannot be read")
            );
        }
    }

    #[test]
    fn of_classes_for_several_releases_the_one_that_is_loaded_is_taken() {
        let check = |manifest: &str, java: u8, expected: &[(&str, &str)]| {
            let jar = archive(&[
                ("META-INF/MANIFEST.MF", manifest.as_bytes()),
                ("a/A.class", b"8"),
                ("META-INF/versions/11/a/A.class", b"11"),
                ("META-INF/versions/17/a/A.class", b"17"),
                ("META-INF/versions/99/a/A.class", b"99"),
                ("META-INF/versions/17/a/New.class", b"17"),
                ("META-INF/versions/17/module-info.class", b"17"),
            ]);
            let dir = tempfile::tempdir().unwrap();
            take(&jar, "a.jar", dir.path(), &mut Found::for_java(java)).unwrap();
            let mut taken = Vec::new();
            for name in ["A", "New"] {
                if let Ok(text) = fs::read_to_string(dir.path().join(format!("0/a/{name}.class"))) {
                    taken.push((name, text));
                }
            }
            let expected: Vec<(&str, String)> = expected
                .iter()
                .map(|(name, text)| (*name, (*text).to_string()))
                .collect();
            assert_eq!(taken, expected, "{manifest} {java}");
            assert!(!dir.path().join("0/META-INF").exists());
        };
        let multi = "Manifest-Version: 1.0\r\nMulti-Release: true\r\n";
        check(multi, 21, &[("A", "17"), ("New", "17")]);
        check(multi, 11, &[("A", "11")]);
        check("Manifest-Version: 1.0\n", 21, &[("A", "8")]);
    }
}
