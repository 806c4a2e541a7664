//! Which modules a program needs although its classes do not name them.
//!
//! A linked runtime must not do less than the whole one, where a program or its data could notice. Small modules are always
//! there; of services, those that a needed module looks for.

use std::collections::{BTreeMap, BTreeSet};

use crate::java::image::JdkModules;
use crate::java::mentions::{Mentions, Need};

/// Modules that cost little and that are found by names in data.
const ALWAYS: [(&str, &str); 5] = [
    ("java.base", "every program needs it"),
    ("java.logging", "the JDK's own loggers write through it"),
    ("jdk.charsets", "names of character sets come with data"),
    ("jdk.crypto.ec", "TLS needs its elliptic curves"),
    ("jdk.zipfs", "archives are file systems by it"),
];
/// Services that modules look for, and that are only of use to programs that name one of these classes.
const ASKED: [(&str, &[&str]); 4] = [
    (
        "java/util/spi/ToolProvider",
        &["java/util/spi/ToolProvider"],
    ),
    (
        "javax/tools/JavaCompiler",
        &["javax/tools/ToolProvider", "javax/tools/JavaCompiler"],
    ),
    (
        "javax/tools/DocumentationTool",
        &["javax/tools/DocumentationTool"],
    ),
    ("java/net/ContentHandlerFactory", &[]),
];
/// Services that `java.base` looks for, and the classes whose users may notice.
const OF_BASE: [(&str, &[&str]); 3] = [
    (
        "java/util/spi/ToolProvider",
        &["java/util/spi/ToolProvider"],
    ),
    ("java/util/random/RandomGenerator", &["java/util/random/"]),
    (
        "javax/security/auth/spi/LoginModule",
        &["javax/security/auth/login/"],
    ),
];
/// The module whose console `java.base` takes from Java 22 on. One of another, which brings the compiler, is only taken if the
/// property `jdk.console` names its module.
const CONSOLE: &str = "jdk.internal.le";
/// What looks at what providers of security there are.
const SECURITY: [&str; 7] = [
    "java/security/Security.addProvider",
    "java/security/Security.getAlgorithms",
    "java/security/Security.getImpl",
    "java/security/Security.getProvider",
    "java/security/Security.getProviders",
    "java/security/Security.insertProviderAt",
    "java/security/Security.removeProvider",
];
/// Classes whose users write or read numbers, dates and names as a language has them.
const LANGUAGES: [&str; 11] = [
    "java/lang/System$Logger",
    "java/text/",
    "java/time/format/",
    "java/util/Calendar",
    "java/util/Currency",
    "java/util/Formatter",
    "java/util/GregorianCalendar",
    "java/util/Locale",
    "java/util/ResourceBundle",
    "java/util/Scanner",
    "java/util/logging/",
];
/// Methods that do.
const LANGUAGE_CALLS: [&str; 8] = [
    "java/io/Console.format",
    "java/io/Console.printf",
    "java/io/PrintStream.format",
    "java/io/PrintStream.printf",
    "java/io/PrintWriter.format",
    "java/io/PrintWriter.printf",
    "java/lang/String.format",
    "java/lang/String.formatted",
];

impl Mentions<'_> {
    /// The modules that are needed, and why.
    pub(crate) fn into_needs(mut self) -> BTreeMap<String, Need> {
        for (module, why) in ALWAYS {
            self.need(module, Need::Rule(why));
        }
        let calls = |calls: &[&str]| calls.iter().any(|call| self.calls.contains(*call));
        let has_languages = self.names(&LANGUAGES) || calls(&LANGUAGE_CALLS);
        let has_providers = calls(&SECURITY);
        let shows_content = calls(&[
            "java/net/URL.getContent",
            "java/net/URLConnection.getContent",
        ]);
        if has_languages {
            let why = "numbers, dates and names are written as a language has them";
            self.need("jdk.localedata", Need::Rule(why));
        }
        if shows_content {
            self.offer("java/net/ContentHandlerFactory");
        }
        if has_providers {
            self.offer("java/security/Provider");
        }
        for (service, classes) in OF_BASE {
            if self.names(classes) {
                self.offer(service);
            }
        }
        if self.names(&["java/io/Console"]) {
            let service = "jdk.internal.io.JdkConsoleProvider";
            self.need(CONSOLE, Need::Service(service.to_owned()));
        }
        self.bind();
        self.needs
    }

    /// Adds what offers the services that needed modules look for, and what those look for in turn.
    fn bind(&mut self) {
        loop {
            let known = self.needs.len();
            let jdk = self.jdk;
            let needed: Vec<String> = self.needs.keys().cloned().collect();
            let closure = jdk.closure(needed.iter().map(String::as_str));
            let services: BTreeSet<&str> = closure
                .iter()
                .filter(|(module, _)| **module != "java.base")
                .flat_map(|(_, declaration)| &declaration.uses)
                .map(String::as_str)
                .filter(|service| !self.is_unasked(service))
                .collect();
            for service in services {
                self.offer(service);
            }
            if self.needs.len() == known {
                return;
            }
        }
    }

    fn is_unasked(&self, service: &str) -> bool {
        ASKED
            .iter()
            .any(|(name, classes)| *name == service && !self.names(classes))
    }

    /// Whether the program mentions one of the classes, or of the packages, which end with a slash.
    fn names(&self, classes: &[&str]) -> bool {
        classes.iter().any(|name| {
            if name.ends_with('/') {
                let next = self.classes.range((*name).to_owned()..).next();
                next.is_some_and(|class| class.starts_with(name))
            } else {
                self.classes.contains(*name)
            }
        })
    }

    /// Adds all modules that offer a service.
    fn offer(&mut self, service: &str) {
        let jdk = self.jdk;
        for declaration in jdk.declarations() {
            if declaration
                .provides
                .iter()
                .any(|offered| offered == service)
            {
                let service = service.replace('/', ".");
                self.need(&declaration.name, Need::Service(service));
            }
        }
    }
}

/// The modules that have to be told to jlink for all of `needed`: it adds by itself what they require.
pub(crate) fn roots<'n>(
    jdk: &JdkModules,
    needed: impl Iterator<Item = &'n String> + Clone,
) -> Vec<String> {
    let is_required = |module: &String| {
        needed.clone().any(|other| {
            other != module && jdk.closure([other.as_str()]).contains_key(module.as_str())
        })
    };
    needed
        .clone()
        .filter(|module| !is_required(module))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::java::class::tests::class_with;
    use crate::java::declaration::Declaration;

    fn module(name: &str, requires: &[&str], uses: &[&str], provides: &[&str]) -> Declaration {
        let list = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Declaration {
            name: name.to_owned(),
            requires: list(requires),
            uses: list(uses),
            provides: list(provides),
        }
    }

    fn jdk() -> JdkModules {
        let base: &[&str] = &[
            "java/io/Console",
            "java/lang/String",
            "java/util/Locale",
            "java/text/Format",
        ];
        let console = "jdk/internal/io/JdkConsoleProvider";
        let context = "javax/naming/spi/InitialContextFactory";
        let compiler = "javax/tools/JavaCompiler";
        JdkModules::of(&[
            (
                module("java.base", &[], &["java/security/Provider"], &[]),
                base,
            ),
            (module("java.logging", &["java.base"], &[], &[]), &[]),
            (
                module(
                    "java.naming",
                    &["java.base"],
                    &[context],
                    &["java/security/Provider"],
                ),
                &["javax/naming/InitialContext"],
            ),
            (
                module("jdk.naming.dns", &["java.naming"], &[], &[context]),
                &[],
            ),
            (
                module("java.compiler", &["java.base"], &[compiler], &[]),
                &[
                    "javax/tools/ToolProvider",
                    "javax/annotation/processing/Processor",
                ],
            ),
            (
                module("jdk.compiler", &["java.compiler"], &[], &[compiler]),
                &[],
            ),
            (
                module("jdk.internal.le", &["java.base"], &[], &[console]),
                &[],
            ),
            (
                module("jdk.jshell", &["jdk.compiler"], &[], &[console]),
                &[],
            ),
            (module("jdk.localedata", &["java.base"], &[], &[]), &[]),
        ])
    }

    #[track_caller]
    fn check(texts: &[&str], expected: &[&str]) {
        let jdk = jdk();
        let mut mentions = Mentions::new(&jdk, 21);
        mentions
            .add_file("A.class", &class_with("A", texts))
            .unwrap();
        let needs = mentions.into_needs();
        assert_eq!(roots(&jdk, needs.keys()), expected, "{texts:?}");
    }

    #[test]
    fn what_offers_a_service_comes_with_what_looks_for_it() {
        check(&[], &["java.logging"]);
        check(
            &["javax/naming/InitialContext"],
            &["java.logging", "jdk.naming.dns"],
        );
        check(
            &["javax/annotation/processing/Processor"],
            &["java.compiler", "java.logging"],
        );
        check(
            &["javax/tools/ToolProvider"],
            &["java.logging", "jdk.compiler"],
        );
    }

    #[test]
    fn whoever_asks_for_a_console_gets_no_compiler() {
        check(&["java/io/Console"], &["java.logging", "jdk.internal.le"]);
    }

    #[test]
    fn languages_come_with_what_is_written_in_them() {
        let with = ["java.logging", "jdk.localedata"];
        check(&["java/util/Locale"], &with);
        check(&["java/text/Format"], &with);
        check(&["java/lang/String"], &["java.logging"]);
    }
}
