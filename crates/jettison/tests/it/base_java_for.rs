//! `jettison base java --for`: a runtime with what a packed application needs, and what is said of the rest.

use jettison_testkit::Scratch;

use crate::base_java::{jdk_bin, run};
use crate::base_programs::Lab;
use crate::family::{assembled, with_root};

/// The application's parts.
const SOURCES: [(&str, &str); 5] = [
    (
        "Application.java",
        include_str!("base_java/Application.java"),
    ),
    ("Driver.java", include_str!("base_java/Driver.java")),
    ("Launcher.java", include_str!("base_java/Launcher.java")),
    ("Release.java", include_str!("base_java/Release.java")),
    ("17/Release.java", include_str!("base_java/Release17.java")),
];

/// Packs the application: a jar with classes and with a library in it, which has a class for any Java, one for Java 17 and
/// one for a Java to come, and which offers a service.
fn pack(scratch: &Scratch) {
    let jdk = assembled(scratch, "java17+openjdk-17-jdk-headless");
    let bin = jdk_bin("17");
    let dockerfile = format!(
        r#"FROM {jdk} AS jdk
WORKDIR /jars
COPY . /sources
RUN ["{bin}/javac", "-d", "/library", "/sources/Driver.java", "/sources/Release.java"]
RUN ["{bin}/javac", "-d", "/library/META-INF/versions/17", "/sources/17/Release.java"]
RUN ["{bin}/javac", "-d", "/library/META-INF/versions/99", "/sources/Release.java"]
COPY services /library/META-INF/services
COPY manifest /manifest
WORKDIR /app/BOOT-INF/lib
WORKDIR /jars
RUN ["{bin}/jar", "--create", "--file", "/app/BOOT-INF/lib/library-1.0.jar", "--manifest", "/manifest", "-C", "/library", "."]
RUN ["{bin}/javac", "-d", "/app/BOOT-INF/classes", "-cp", "/library", "/sources/Application.java"]
RUN ["{bin}/javac", "-d", "/app", "/sources/Launcher.java"]
RUN ["{bin}/jar", "--create", "--file", "/jars/packed.jar", "--main-class", "Launcher", "-C", "/app", "."]
FROM scratch
COPY --from=jdk /jars /
"#
    );
    for (name, text) in SOURCES {
        scratch.write(&format!("packed/{name}"), text);
    }
    scratch
        .write("packed/Dockerfile", dockerfile)
        .write("packed/manifest", "Multi-Release: true\n")
        .write("packed/services/java.sql.Driver", "lab.Driver\n");
    scratch
        .jettison(&["build", "-q", "packed", "-o", "type=local,dest=built"])
        .succeeded();
}

/// What the command says of the application's modules, and what the application says on the base.
#[track_caller]
fn told_and_said(lab: &Lab<'_>, scratch: &Scratch, more: &[&str]) -> (String, String) {
    let mut arguments = vec!["base", "java", "--for", "built/packed.jar"];
    arguments.extend(["--java", "17", "-t", "packed"]);
    arguments.extend(more);
    let told = scratch.jettison(&arguments).succeeded().stdout;
    (told, run(lab, scratch, "packed", "packed"))
}

#[test]
fn a_packed_application_has_what_it_needs_and_is_told_what_it_may_lack() {
    with_root(|scratch| {
        pack(scratch);
        let lab = Lab::with_options(scratch, &["--tmpfs", "/tmp"]);
        let (told, said) = told_and_said(&lab, scratch, &["--nonroot"]);
        for there in [
            "  java.desktop           classes in packed.jar\n",
            "  jdk.httpserver         classes in packed.jar\n",
            // The class for Java 17 names it, the one for any Java does not.
            "  java.management        classes in library-1.0.jar\n",
            "  java.scripting         javax.script.ScriptEngineManager in packed.jar\n",
        ] {
            assert!(told.contains(there), "{told}");
        }
        assert!(told.contains("  java.sql  "), "{told}");
        // Classes for any Java and for one to come name it, which Java 17 does not load.
        assert!(!told.contains("java.naming"), "{told}");
        let common = "drawn: true\nserved: hello\ndatabase: 42\nrelease: 17, true\n";
        assert_eq!(said, format!("{common}by name: absent\n"));
        let (told, said) = told_and_said(&lab, scratch, &["--add-modules", "java.scripting"]);
        assert!(
            told.contains("  java.scripting         asked for\n"),
            "{told}"
        );
        assert_eq!(said, format!("{common}by name: java.scripting\n"));
    });
}
