//! Which of Java's modules programs need: those that their classes name, and those of services that they offer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Component, Path, PathBuf};

use jettison_sandbox::Entered;

use crate::base::link::tools::Tools;
use crate::base::link::zip::{content, entries};
use crate::base::link::{LinkError, LinkRequest, at};

/// How many jars may be in jars.
const MAX_JARS: usize = 10_000;
/// Where a jar says which services it offers (`java.util.ServiceLoader`).
const SERVICES: &str = "META-INF/services/";

/// Modules, and why each is needed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NeededModules {
    /// By name.
    pub modules: BTreeMap<String, BTreeSet<ModuleReason>>,
    /// How many jars were looked into, those in jars included.
    pub jars: usize,
}

/// Why a module is needed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ModuleReason {
    /// Every program needs it.
    Always(&'static str),
    /// The user asked for it.
    Asked,
    /// A class in this jar names something in it.
    Classes(String),
    /// This jar offers this service, which is declared in it.
    Service {
        /// The jar.
        jar: String,
        /// The service.
        service: String,
    },
}

impl fmt::Display for ModuleReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ModuleReason::Always(why) => f.write_str(why),
            ModuleReason::Asked => f.write_str("asked for"),
            ModuleReason::Classes(jar) => write!(f, "classes in {jar}"),
            ModuleReason::Service { jar, service } => write!(f, "service {service} in {jar}"),
        }
    }
}

/// What was found in jars.
#[derive(Debug, Default)]
struct Found {
    /// The names of the jars, in the order in which they were found.
    jars: Vec<String>,
    /// Which services which jar offers.
    services: Vec<(String, String)>,
}

/// The modules that programs in `jars` need.
pub fn needed_modules(
    request: &LinkRequest<'_>,
    jars: &[PathBuf],
    entered: &Entered,
) -> Result<NeededModules, LinkError> {
    let mut needed = NeededModules::default();
    needed.add("java.base", ModuleReason::Always("every program needs it"));
    // No class names it: it is a service of security that TLS asks for.
    let why = "TLS needs its elliptic curves";
    needed.add("jdk.crypto.ec", ModuleReason::Always(why));
    if jars.is_empty() {
        return Ok(needed);
    }
    let tools = Tools::lay_out(request, entered)?;
    let classes = tools.out().join("classes");
    let mut found = Found::default();
    for jar in jars {
        let bytes = fs::read(jar).map_err(at("read", jar))?;
        let name = jar.file_name().unwrap_or(jar.as_os_str());
        take(&bytes, &name.to_string_lossy(), &classes, &mut found)?;
    }
    needed.jars = found.jars.len();
    let java = request.link.java.to_string();
    let mut arguments = vec!["--multi-release".to_string(), java, "-summary".to_string()];
    arguments.extend((0..found.jars.len()).map(|number| format!("/out/classes/{number}")));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let known: BTreeSet<String> = known_modules(&tools.run("java", &["--list-modules"])?);
    for (number, module) in summary(&tools.run("jdeps", &arguments)?) {
        if let Some(jar) = found.jars.get(number)
            && known.contains(&module)
        {
            needed.add(&module, ModuleReason::Classes(jar.clone()));
        }
    }
    if !found.services.is_empty() {
        let list = tools.run("jimage", &["list", &request.modules_file()])?;
        let owners = owners(&list);
        for (jar, service) in found.services {
            let class = format!("{}.class", service.replace('.', "/"));
            if let Some(module) = owners.get(class.as_str()) {
                needed.add(module, ModuleReason::Service { jar, service });
            }
        }
    }
    Ok(needed)
}

impl NeededModules {
    /// Adds a module.
    pub fn add(&mut self, module: &str, reason: ModuleReason) {
        let reasons = self.modules.entry(module.to_string()).or_default();
        reasons.insert(reason);
    }
}

/// Takes the classes of a jar, and of jars in it, to numbered directories.
fn take(bytes: &[u8], name: &str, classes: &Path, found: &mut Found) -> Result<(), LinkError> {
    let dir = classes.join(found.jars.len().to_string());
    fs::create_dir_all(&dir).map_err(at("create", &dir))?;
    found.jars.push(name.to_string());
    let list = entries(bytes).ok_or_else(|| LinkError::Jar {
        name: name.to_string(),
        problem: "it is no jar",
    })?;
    for entry in &list {
        let extension = entry.name.rsplit_once('.').map_or("", |(_, last)| last);
        // On the class path no jar is a module, and its declaration would ask for modules that are not there.
        let is_class = extension == "class" && !entry.name.ends_with("module-info.class");
        let is_jar = ["jar", "war"].contains(&extension);
        let service = entry
            .name
            .strip_prefix("WEB-INF/classes/")
            .or(entry.name.strip_prefix("BOOT-INF/classes/"))
            .unwrap_or(&entry.name)
            .strip_prefix(SERVICES);
        if let Some(service) = service.filter(|service| !service.is_empty()) {
            let service = service.to_string();
            found.services.push((name.to_string(), service));
        }
        if !is_class && !is_jar {
            continue;
        }
        let damaged = || LinkError::Jar {
            name: name.to_string(),
            problem: "a file in it cannot be read",
        };
        let content = content(bytes, entry).ok_or_else(damaged)?;
        if is_jar {
            if found.jars.len() >= MAX_JARS {
                return Err(LinkError::Jar {
                    name: name.to_string(),
                    problem: "there are too many jars in it",
                });
            }
            let inner = entry.name.rsplit('/').next().unwrap_or(&entry.name);
            take(&content, inner, classes, found)?;
            continue;
        }
        let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        if !Path::new(&entry.name).components().all(is_plain) {
            return Err(damaged());
        }
        let path = dir.join(&entry.name);
        let parent = path.parent().unwrap_or(&dir);
        fs::create_dir_all(parent).map_err(at("create", parent))?;
        fs::write(&path, content).map_err(at("write", &path))?;
    }
    Ok(())
}

/// The modules in lines such as `java.base@21.0.1`.
fn known_modules(list: &str) -> BTreeSet<String> {
    let lines = list.lines();
    lines
        .filter_map(|line| Some(line.split_once('@')?.0.to_string()))
        .collect()
}

/// The numbers of directories, and what each needs, from lines such as `3 -> java.sql`.
fn summary(text: &str) -> Vec<(usize, String)> {
    text.lines()
        .filter_map(|line| {
            let (from, to) = line.split_once(" -> ")?;
            Some((from.trim().parse().ok()?, to.trim().to_string()))
        })
        .collect()
}

/// Which module has which file, from what `jimage list` prints: a module, below it its files.
fn owners(list: &str) -> BTreeMap<&str, &str> {
    let mut owners = BTreeMap::new();
    let mut module = "";
    for line in list.lines() {
        match line.strip_prefix("Module: ") {
            Some(name) => module = name.trim(),
            None if line.starts_with(' ') => drop(owners.insert(line.trim(), module)),
            None => {}
        }
    }
    owners
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
        let mut found = Found::default();
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
            let error = take(&app, "app.jar", dir.path(), &mut Found::default()).unwrap_err();
            assert_eq!(
                error.to_string(),
                "cannot look into app.jar: a file in it cannot be read"
            );
        }
    }

    #[test]
    fn what_tools_print_is_understood() {
        let text = "0 -> java.base\n0 -> 1\n1 -> java.sql\n1 -> not found\nWarning: x\n";
        let found = summary(text);
        assert_eq!(found[0], (0, "java.base".to_string()));
        assert_eq!(found[2], (1, "java.sql".to_string()));
        assert_eq!(found.len(), 4);
        let known = known_modules("java.base@21.0.1\njava.sql@21.0.1\n");
        assert!(known.contains("java.sql"));
        let list = "jimage: m\n\nModule: java.base\n    java/A.class\n\nModule: java.sql\n    java/sql/Driver.class\n";
        assert_eq!(owners(list)["java/sql/Driver.class"], "java.sql");
    }
}
