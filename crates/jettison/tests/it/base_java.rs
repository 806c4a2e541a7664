//! Java's bases: what programs in Java do works there.

use std::fs;

use expect_test::expect;
use jettison_testkit::Scratch;

use crate::base_programs::Lab;
use crate::family::{assembled, with_root};

const PROGRAMS: [(&str, &str); 3] = [
    ("Basics", include_str!("base_java/Basics.java")),
    ("Features", include_str!("base_java/Features.java")),
    ("Small", include_str!("base_java/Small.java")),
];

/// Where the programs of a JDK are.
pub(crate) fn jdk_bin(java: &str) -> String {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("/usr/lib/jvm/java-{java}-openjdk-{architecture}/bin")
}

/// Compiles the programs, and gets a jar of each, for Java 11 and later. No base but one with a whole JDK can.
fn compile(scratch: &Scratch) {
    let jdk = assembled(scratch, "java17+openjdk-17-jdk-headless");
    let bin = jdk_bin("17");
    let jar = format!(r#"RUN ["{bin}/jar", "--create", "--main-class""#);
    // Whoever looks for modules finds those of the classes in the jar.
    let dockerfile = format!(
        r#"FROM {jdk} AS jdk
WORKDIR /jars
COPY *.java /
RUN ["{bin}/javac", "-nowarn", "-source", "11", "-target", "11", "-d", "/all", "/Basics.java", "/Features.java"]
RUN ["{bin}/javac", "-nowarn", "-source", "11", "-target", "11", "-d", "/small", "/Small.java"]
RUN ["{bin}/keytool", "-genkeypair", "-alias", "server", "-keyalg", "EC", "-dname", "CN=localhost", "-ext", "san=dns:localhost", "-validity", "3650", "-storetype", "PKCS12", "-keystore", "/all/server.p12", "-storepass", "changeit"]
{jar}, "Basics", "--file", "Basics.jar", "-C", "/all", "."]
{jar}, "Features", "--file", "Features.jar", "-C", "/all", "."]
{jar}, "Small", "--file", "Small.jar", "-C", "/small", "."]
FROM scratch
COPY --from=jdk /jars /
"#
    );
    for (name, text) in PROGRAMS {
        scratch.write(&format!("jars/{name}.java"), text);
    }
    scratch.write("jars/Dockerfile", dockerfile);
    let arguments = ["build", "-q", "jars", "-o", "type=local,dest=built"];
    scratch.jettison(&arguments).succeeded();
}

/// What the program called `name` says on a base without privileges, whose files cannot be written.
#[track_caller]
pub(crate) fn run(lab: &Lab<'_>, scratch: &Scratch, base: &str, name: &str) -> String {
    let jar = fs::read(scratch.dir().join(format!("built/{name}.jar"))).unwrap();
    scratch.write("app/app", jar);
    lab.run(base)
}

#[test]
fn what_programs_do_works_on_javas_bases() {
    with_root(|scratch| {
        compile(scratch);
        // Images are read and written through a file.
        let lab = Lab::with_options(scratch, &["--tmpfs", "/tmp"]);
        let basics = |lab: &str| {
            format!(
                "random: 16\nzones: 15:00 Etc/UTC\nissuers are those of the bundle: true\nprocess: 0\nzip: 1000\n\
                 charset: UTF-8 UTF-8\nnames of files: 5\nhosts: 10.9.8.7\nlink: true\nversion: true\n\
                 user: nonroot /home/nonroot\nread-only: true\nthe lab says: {lab}\n"
            )
        };
        let features = "fonts: true\ndraw and png: true\njpeg: true\nlocales: 1. März 2024\n\
                        tls: hello, refused without it\npreferences: b\ncompiler: false\n\
                        unknown: ours has a line: true\n";
        for (recipe, debian) in [
            ("java17", "12"),
            ("java21", "13"),
            ("java25", "13"),
            ("java11", "11"),
        ] {
            let image = lab.trusting(recipe, debian);
            let expected = basics("200") + features;
            assert_eq!(run(&lab, scratch, &image, "Features"), expected, "{image}");
        }
        for (recipe, debian) in [
            ("java-minimal", "12"),
            ("java-minimal", "13"),
            ("java25-minimal", "13"),
        ] {
            let image = lab.trusting(recipe, debian);
            let said = run(&lab, scratch, &image, "Basics");
            assert_eq!(said, basics("200"), "{image}");
        }
        // A base that nobody told of the lab does not trust it.
        let image = assembled(scratch, "java21-debian13:nonroot");
        let said = run(&lab, scratch, &image, "Basics");
        assert_eq!(said, basics("not trusted"), "{image}");
    });
}

#[test]
fn a_runtime_for_one_program_has_what_its_classes_need() {
    with_root(|scratch| {
        compile(scratch);
        let jar = "built/Small.jar";
        let arguments = ["base", "java", "--for", jar, "--java", "17", "-t", "small"];
        let said = scratch.jettison(&arguments).succeeded().stdout;
        assert!(
            said.contains("java.sql               classes in Small.jar\n"),
            "{said}"
        );
        assert!(!said.contains("java.desktop"), "{said}");
        let lab = Lab::new(scratch);
        expect!["2024-07-01 10:00:00.0 0 UTF-8\n"].assert_eq(&run(&lab, scratch, "small", "Small"));
    });
}
