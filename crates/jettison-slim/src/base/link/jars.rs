//! The classes of jars, where tools of the JDK find them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path};

use crate::base::link::LinkError;
use crate::base::tools::at;
use crate::java::class::texts;
use crate::java::jars::{JarError, JarPart, walk};
use crate::java::mentions::could_be_of_the_jdk;

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

impl From<JarError> for LinkError {
    fn from(error: JarError) -> LinkError {
        LinkError::Jar {
            name: error.name,
            problem: error.problem,
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
    let java = found.java;
    let (mut dir, mut jar) = (classes.to_path_buf(), name.to_owned());
    let mut visit = |part: JarPart<'_>| {
        match part {
            JarPart::Jar(name) => {
                dir = classes.join(found.jars.len().to_string());
                name.clone_into(&mut jar);
                fs::create_dir_all(&dir).map_err(at("create", &dir))?;
                found.jars.push(jar.clone());
            }
            JarPart::Service(service) => {
                found.services.push((jar.clone(), service.to_owned()));
            }
            JarPart::Class(path, content) => {
                for text in texts(content) {
                    if could_be_of_the_jdk(text) {
                        found.texts.insert((text.to_owned(), jar.clone()));
                    }
                }
                write_class(&dir, path, content, &jar)?;
            }
            JarPart::Other(_) => {}
        }
        Ok(())
    };
    walk((bytes, name), java, &mut visit)
}

fn write_class(dir: &Path, path: &str, content: &[u8], jar: &str) -> Result<(), LinkError> {
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    if !Path::new(path).components().all(is_plain) {
        return Err(LinkError::Jar {
            name: jar.to_owned(),
            problem: format!("`{path}` in it cannot be read"),
        });
    }
    let path = dir.join(path);
    let parent = path.parent().unwrap_or(dir);
    fs::create_dir_all(parent).map_err(at("create", parent))?;
    fs::write(&path, content).map_err(at("write", &path))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::java::zip::tests::archive;

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
