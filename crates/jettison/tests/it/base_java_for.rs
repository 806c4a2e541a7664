//! `jettison base java --for`: a runtime with what a packed application needs, and what is said of the rest.

use expect_test::{Expect, expect};
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

#[track_caller]
fn check(scratch: &Scratch, more: &[&str], said: &Expect, expected: &Expect) {
    let mut arguments = vec![
        "base",
        "java",
        "--for",
        "built/packed.jar",
        "--java",
        "17",
        "-t",
        "packed",
    ];
    arguments.extend(more);
    let outcome = scratch.jettison(&arguments).succeeded();
    let (explained, _id) = outcome.stdout.trim_end().rsplit_once('\n').unwrap();
    said.assert_eq(&format!("{explained}\n"));
    let lab = Lab::with_options(scratch, &["--tmpfs", "/tmp"]);
    expected.assert_eq(&run(&lab, scratch, "packed", "packed"));
}

#[test]
fn a_packed_application_has_what_it_needs_and_is_told_what_it_may_lack() {
    with_root(|scratch| {
        pack(scratch);
        check(scratch, &["--nonroot"], &expect![[""]], &expect![[""]]);
        check(
            scratch,
            &["--add-modules", "java.scripting"],
            &expect![[""]],
            &expect![[""]],
        );
    });
}
