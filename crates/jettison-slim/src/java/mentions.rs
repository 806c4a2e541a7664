//! Which of a JDK's modules a program mentions: in its classes, in texts beside them, among its options.
//!
//! jlink itself adds what modules require. What a program finds without naming it in its classes, such as services, is in
//! the rules below ([`super::rules`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::java::class::{Constant, constants};
use crate::java::declaration::Declaration;
use crate::java::image::JdkModules;
use crate::java::jars::{JarError, JarPart, walk};

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
/// The largest text that is looked into, in bytes.
const TEXT_LIMIT: usize = 1 << 20;
/// Options that need a module, by what is in them.
const OPTIONS: [(&str, &str); 7] = [
    ("-javaagent:", "java.instrument"),
    ("-agentlib:jdwp", "jdk.jdwp.agent"),
    ("-Xrunjdwp", "jdk.jdwp.agent"),
    ("-Dcom.sun.management.", "jdk.management.agent"),
    ("-XX:StartFlightRecording", "jdk.jfr"),
    ("-XX:+FlightRecorder", "jdk.jfr"),
    ("-XX:FlightRecorderOptions", "jdk.jfr"),
];

/// Whether `text` could be the name of a JDK's class, such as `java.util.List`.
pub(crate) fn could_be_of_the_jdk(text: &str) -> bool {
    PACKAGES.iter().any(|start| text.starts_with(start))
}

/// Why a module is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Need {
    /// By a rule.
    Rule(&'static str),
    /// This class in it is named in this file.
    Class {
        /// The class, such as `java.util.List`.
        class: String,
        /// The jar or file.
        place: String,
    },
    /// This option asks for it.
    Option(String),
    /// It offers this service, which another module looks for.
    Service(String),
}

impl fmt::Display for Need {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Need::Rule(why) => formatter.write_str(why),
            Need::Class { class, place } => write!(formatter, "{place} names {class}"),
            Need::Option(option) => write!(formatter, "`{option}` needs it"),
            Need::Service(service) => write!(formatter, "it offers {service}"),
        }
    }
}

/// What a program mentions.
#[derive(Debug)]
pub(crate) struct Mentions<'j> {
    pub(super) jdk: &'j JdkModules,
    /// The release of Java.
    java: u8,
    /// Which modules it needs, and why first.
    pub(super) needs: BTreeMap<String, Need>,
    /// The names of the JDK's classes that it mentions, such as `java/util/List`.
    pub(super) classes: BTreeSet<String>,
    /// The methods of the JDK's classes that it calls, such as `java/lang/String.format`.
    pub(super) calls: BTreeSet<String>,
    /// How many jars and classes outside of jars there are.
    pub(super) files: usize,
}

impl<'j> Mentions<'j> {
    /// Nothing yet, of Java of release `java`.
    pub(crate) fn new(jdk: &'j JdkModules, java: u8) -> Mentions<'j> {
        Mentions {
            jdk,
            java,
            needs: BTreeMap::new(),
            classes: BTreeSet::new(),
            calls: BTreeSet::new(),
            files: 0,
        }
    }

    /// How many jars, and classes outside of jars, were looked into.
    pub(crate) fn files(&self) -> usize {
        self.files
    }

    /// Adds what a file mentions, which may be a jar, a class or a text.
    pub(crate) fn add_file(&mut self, name: &str, bytes: &[u8]) -> Result<(), JarError> {
        if bytes.starts_with(b"PK\x03\x04") {
            self.add_jar(name, bytes)
        } else if bytes.starts_with(&[0xca, 0xfe, 0xba, 0xbe]) {
            self.files += 1;
            self.add_class(bytes, name);
            Ok(())
        } else {
            self.add_text(bytes, name);
            Ok(())
        }
    }

    fn add_jar(&mut self, name: &str, bytes: &[u8]) -> Result<(), JarError> {
        let mut jar = name.to_owned();
        let java = self.java;
        let mut visit = |part: JarPart<'_>| {
            match part {
                JarPart::Jar(inner) => {
                    self.files += 1;
                    inner.clone_into(&mut jar);
                }
                JarPart::Service(service) => self.add_name(service, &jar),
                JarPart::Class(_, content) => self.add_class(content, &jar),
                JarPart::Other(file) => {
                    if let Some(content) = file.content(TEXT_LIMIT) {
                        if file.name().ends_with("module-info.class") {
                            self.add_declaration(&content, &jar);
                        } else {
                            self.add_text(&content, &jar);
                        }
                    }
                }
            }
            Ok(())
        };
        walk((bytes, name), java, &mut visit)
    }

    fn add_class(&mut self, class: &[u8], place: &str) {
        let Some((constants, _)) = constants(class) else {
            return;
        };
        let text = |index: u16| match constants.get(usize::from(index)) {
            Some(Constant::Utf8(bytes)) => str::from_utf8(bytes).unwrap_or(""),
            _ => "",
        };
        for constant in &constants {
            match constant {
                Constant::Utf8(bytes) => {
                    let text = str::from_utf8(bytes).unwrap_or("");
                    for name in names_in(text) {
                        self.add_name(name, place);
                    }
                }
                Constant::Method(class, name) => {
                    let class = match constants.get(usize::from(*class)) {
                        Some(Constant::Class(name)) => text(*name),
                        _ => "",
                    };
                    let name = match constants.get(usize::from(*name)) {
                        Some(Constant::NameAndType(name)) => text(*name),
                        _ => "",
                    };
                    if self.jdk.owner(class).is_some() {
                        self.calls.insert(format!("{class}.{name}"));
                    }
                }
                Constant::Class(_)
                | Constant::NameAndType(_)
                | Constant::Module(_)
                | Constant::Other => {}
            }
        }
        self.add_declaration(class, place);
    }

    /// Adds what a module of the program itself requires.
    fn add_declaration(&mut self, class: &[u8], place: &str) {
        let Some(declaration) = Declaration::parse(class) else {
            return;
        };
        for module in &declaration.requires {
            if self.jdk.has(module) {
                let class = format!("the module {module}");
                let place = place.to_owned();
                self.need(module, Need::Class { class, place });
            }
        }
        for service in declaration.uses.iter().chain(&declaration.provides) {
            self.add_name(service, place);
        }
    }

    /// Adds the classes that a text names, such as settings do.
    fn add_text(&mut self, bytes: &[u8], place: &str) {
        if bytes.len() > TEXT_LIMIT || bytes.contains(&0) {
            return;
        }
        for name in names_in(&String::from_utf8_lossy(bytes)) {
            self.add_name(name, place);
        }
    }

    /// Adds a class by its name, as programs or people write it, if it is one of the JDK's.
    fn add_name(&mut self, name: &str, place: &str) {
        let class = name.replace('.', "/");
        let Some(module) = self.jdk.owner(&class) else {
            return;
        };
        if !self.needs.contains_key(module) {
            let (class, place) = (class.replace('/', "."), place.to_owned());
            self.need(module, Need::Class { class, place });
        }
        self.classes.insert(class);
    }

    /// Adds the words of a command, or of variables with options.
    pub(crate) fn add_option(&mut self, word: &str) {
        for (part, module) in OPTIONS {
            if word.contains(part) {
                self.need(module, Need::Option(word.to_owned()));
            }
        }
        // Whoever runs the image may watch it through these (`java $JAVA_OPTS -jar …`).
        if word.contains("$JAVA") || word.contains("${JAVA") || word.contains("$JVM") {
            for (_, module) in OPTIONS {
                self.need(module, Need::Option(word.to_owned()));
            }
        }
        // A program that is given as its source is compiled when it starts (JEP 330).
        if word.rsplit_once('.').is_some_and(|(_, end)| end == "java") {
            self.need("jdk.compiler", Need::Option(word.to_owned()));
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
        for name in word.split(|c| !is_name(c)) {
            if name.contains('.') && self.jdk.has(name) {
                self.need(name, Need::Option(word.to_owned()));
            }
        }
        for name in names_in(word) {
            self.add_name(name, "the command");
        }
    }

    /// Adds a module, if the JDK has it.
    pub(super) fn need(&mut self, module: &str, need: Need) {
        if self.jdk.has(module) && !self.needs.contains_key(module) {
            self.needs.insert(module.to_owned(), need);
        }
    }
}

/// What could be names of a JDK's classes in a text: in descriptors and signatures (Java virtual machine specification,
/// 4.3 and 4.7.9.1), in names with dots, in settings.
fn names_in(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_alphanumeric() || "._$/".contains(c);
    text.split(move |c| !is_part(c)).filter_map(|word| {
        // Types of one letter stand before the next class.
        let bare = word.trim_start_matches(['B', 'C', 'D', 'F', 'I', 'J', 'S', 'Z', 'V']);
        [Some(word), bare.strip_prefix('L')]
            .into_iter()
            .flatten()
            .map(|name| name.trim_matches('.'))
            .find(|name| {
                PACKAGES.iter().any(|start| {
                    let (package, rest) =
                        name.split_at_checked(start.len() - 1).unwrap_or_default();
                    let is_package = package.len() == start.len() - 1
                        && package
                            .bytes()
                            .zip(start.bytes())
                            .all(|(is, wanted)| is == wanted || (is == b'/' && wanted == b'.'));
                    is_package && rest.starts_with(['.', '/'])
                })
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::java::class::tests::class_with;
    use crate::java::zip::tests::archive;

    fn module(name: &str) -> Declaration {
        Declaration {
            name: name.to_owned(),
            ..Declaration::default()
        }
    }

    fn jdk() -> JdkModules {
        JdkModules::of(&[
            (module("java.base"), &["java/util/List", "java/lang/String"]),
            (module("java.sql"), &["java/sql/Driver"]),
            (module("java.naming"), &["javax/naming/InitialContext"]),
            (module("java.instrument"), &[]),
            (module("jdk.compiler"), &[]),
            (module("jdk.unsupported"), &["sun/misc/Unsafe"]),
        ])
    }

    #[track_caller]
    fn check(name: &str, bytes: &[u8], expected: &[&str]) {
        let jdk = jdk();
        let mut mentions = Mentions::new(&jdk, 21);
        mentions.add_file(name, bytes).unwrap();
        let found: Vec<String> = mentions
            .needs
            .iter()
            .map(|(module, need)| format!("{module}: {need}"))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn classes_are_found_in_constants_descriptors_and_signatures() {
        for text in [
            "java/sql/Driver",
            "[Ljava/sql/Driver;",
            "(IJLjava/sql/Driver;Z)V",
            "Lx/Y<TT;+Ljava/sql/Driver;>;",
            "java.sql.Driver",
        ] {
            let expected = "java.sql: A.class names java.sql.Driver";
            check("A.class", &class_with("A", &[text]), &[expected]);
        }
        for text in [
            "java/sql/",
            "java.sql",
            "xjava.sql.Driver",
            "java.sql.Drivers",
            "java",
        ] {
            check("A.class", &class_with("A", &[text]), &[]);
        }
    }

    #[test]
    fn jars_in_jars_services_and_settings_are_looked_into() {
        let inner = archive(&[("b/B.class", &class_with("b/B", &["sun.misc.Unsafe"]))]);
        let jar = archive(&[
            ("META-INF/services/java.sql.Driver", b"x.Y\n"),
            ("BOOT-INF/lib/b.jar", &inner),
            ("app.properties", b"factory=javax.naming.InitialContext\n"),
        ]);
        check(
            "app.jar",
            &jar,
            &[
                "java.naming: app.jar names javax.naming.InitialContext",
                "java.sql: app.jar names java.sql.Driver",
                "jdk.unsupported: b.jar names sun.misc.Unsafe",
            ],
        );
        let xml = b"<bean class=\"java.sql.Driver\"/>";
        check("c.xml", xml, &["java.sql: c.xml names java.sql.Driver"]);
        check("c.bin", b"java.sql.Driver\0", &[]);
    }

    #[test]
    fn options_ask_for_modules() {
        let jdk = jdk();
        let mut mentions = Mentions::new(&jdk, 21);
        for word in [
            "-javaagent:/a.jar",
            "java.sql/java.sql=ALL-UNNAMED",
            "Main.java",
        ] {
            mentions.add_option(word);
        }
        let found: Vec<&str> = mentions.needs.keys().map(String::as_str).collect();
        let expected = ["java.instrument", "java.sql", "jdk.compiler"];
        assert_eq!(found, expected);
        let mut mentions = Mentions::new(&jdk, 21);
        mentions.add_option("exec java $JAVA_OPTS -jar app.jar");
        assert!(mentions.needs.contains_key("java.instrument"));
    }
}
