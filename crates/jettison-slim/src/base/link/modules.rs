//! Which of Java's modules programs need: those that their classes name, and those of services that they offer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::PathBuf;

use jettison_sandbox::Entered;

use crate::base::link::jars::{Found, take};
use crate::base::link::{LinkError, LinkRequest};
use crate::base::tools::at;

/// Modules, and why each is needed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NeededModules {
    /// By name.
    pub modules: BTreeMap<String, BTreeSet<ModuleReason>>,
    /// How many jars were looked into, those in jars included.
    pub jars: usize,
    /// Modules that are not needed, as far as can be seen, and what of them texts in jars name, as what is loaded by its
    /// name alone would be named.
    pub named: BTreeMap<String, BTreeSet<NamedClass>>,
}

/// A class that a text names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedClass {
    /// Its name, such as `javax.naming.InitialContext`.
    pub class: String,
    /// The jar.
    pub jar: String,
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

/// The modules that programs in `jars` need, and those that were asked for.
pub fn needed_modules(
    request: &LinkRequest<'_>,
    jars: &[PathBuf],
    asked: &BTreeSet<String>,
    entered: &Entered,
) -> Result<NeededModules, LinkError> {
    let mut needed = NeededModules::default();
    needed.add("java.base", ModuleReason::Always("every program needs it"));
    // No class names it: it is a service of security that TLS asks for.
    let why = "TLS needs its elliptic curves";
    needed.add("jdk.crypto.ec", ModuleReason::Always(why));
    for module in asked {
        needed.add(module, ModuleReason::Asked);
    }
    if jars.is_empty() {
        return Ok(needed);
    }
    let tools = request.lay_out(&request.job()?, entered)?;
    let classes = tools.out().join("classes");
    let mut found = Found::for_java(request.link.java);
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
    let known = tools.run(&request.command("java", &["--list-modules"]))?;
    let known: BTreeSet<String> = known_modules(&known);
    for (number, module) in summary(&tools.run(&request.command("jdeps", &arguments))?) {
        if let Some(jar) = found.jars.get(number)
            && known.contains(&module)
        {
            needed.add(&module, ModuleReason::Classes(jar.clone()));
        }
    }
    let list = tools.run(&request.command("jimage", &["list", &request.modules_file()]))?;
    let owners = owners(&list);
    for (jar, service) in found.services {
        if let Some(module) = owners.get(file_of(&service).as_str()) {
            needed.add(module, ModuleReason::Service { jar, service });
        }
    }
    // What these modules need is there, too.
    let modules: Vec<&str> = needed.modules.keys().map(String::as_str).collect();
    let limit = ["--limit-modules", &modules.join(","), "--list-modules"];
    let there = known_modules(&tools.run(&request.command("java", &limit))?);
    for (class, jar) in found.texts {
        if let Some(module) = owners.get(file_of(&class).as_str())
            && !there.contains(*module)
        {
            let named = needed.named.entry((*module).to_string()).or_default();
            named.insert(NamedClass { class, jar });
        }
    }
    Ok(needed)
}

/// The file of a class in its module.
fn file_of(class: &str) -> String {
    format!("{}.class", class.replace('.', "/"))
}

impl NeededModules {
    /// Adds a module.
    pub fn add(&mut self, module: &str, reason: ModuleReason) {
        let reasons = self.modules.entry(module.to_string()).or_default();
        reasons.insert(reason);
    }
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
