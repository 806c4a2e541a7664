//! Java's linked runtimes: what slices leave out of them, and which modules they have.

use expect_test::expect;
use jettison_testkit::Scratch;

use crate::base_java::{jdk_bin, run};
use crate::base_programs::Lab;
use crate::family::{assembled, lock_of, with_root};

const SLICES: &str = include_str!("base_java/Slices.java");
const MODULES: &str = include_str!("base_java/Modules.java");
const BASE: &str = "java17-debian12";

/// Compiles the programs; one is run there, where all modules are.
fn compile(scratch: &Scratch) {
    let jdk = assembled(scratch, "java17+openjdk-17-jdk-headless");
    let bin = jdk_bin("17");
    let dockerfile = format!(
        r#"FROM {jdk} AS jdk
WORKDIR /jars
COPY *.java /
RUN ["{bin}/javac", "-d", "/slices", "/Slices.java"]
RUN ["{bin}/jar", "--create", "--file", "/jars/slices.jar", "--main-class", "Slices", "-C", "/slices", "."]
RUN ["{bin}/javac", "-d", "/modules", "/Modules.java"]
RUN ["{bin}/java", "--add-modules", "ALL-SYSTEM", "-cp", "/modules", "Modules", "/jars/modules"]
FROM scratch
COPY --from=jdk /jars /
"#
    );
    scratch
        .write("jars/Dockerfile", dockerfile)
        .write("jars/Slices.java", SLICES)
        .write("jars/Modules.java", MODULES);
    let arguments = ["build", "-q", "jars", "-o", "type=local,dest=built"];
    scratch.jettison(&arguments).succeeded();
}

/// The slices of Java that were left out, as `base show` has them.
#[track_caller]
fn left_out(scratch: &Scratch, keep: &[&str]) -> Vec<String> {
    let lock = lock_of(BASE);
    let mut arguments = vec!["base", "show", BASE, "--lock", lock.to_str().unwrap()];
    for slice in keep {
        arguments.extend(["--keep", slice]);
    }
    let shown = scratch.jettison(&arguments).succeeded().stdout;
    let lines = shown.lines().filter_map(|line| {
        let mut words = line.strip_prefix("  java-")?.split_whitespace();
        let (name, size) = (words.next()?, words.next()?);
        assert_ne!(size, "0", "{shown}");
        Some(name.to_owned())
    });
    lines.collect()
}

#[test]
fn slices_of_javas_runtime_do_what_they_say() {
    with_root(|scratch| {
        compile(scratch);
        let lab = Lab::with_options(scratch, &["--tmpfs", "/tmp"]);
        let tag = assembled(scratch, BASE);
        let without = expect![[r#"
            lines of Java's own classes: false
            archive of classes: false
        "#]];
        without.assert_eq(&run(&lab, scratch, &tag, "slices"));
        assert_eq!(
            left_out(scratch, &[]),
            [
                "cds",
                "cds-large-heaps",
                "line-numbers",
                "modules",
                "plain-locales"
            ]
        );
        let keep = ["java-cds", "java-line-numbers"];
        let lock = lock_of(BASE);
        let mut arguments = vec![
            "base",
            "build",
            BASE,
            "-t",
            "kept",
            "--lock",
            lock.to_str().unwrap(),
        ];
        arguments.extend(["--keep", keep[0], "--keep", keep[1]]);
        scratch.jettison(&arguments).succeeded();
        let with = expect![[r#"
            lines of Java's own classes: true
            archive of classes: true
        "#]];
        with.assert_eq(&run(&lab, scratch, "kept", "slices"));
        assert_eq!(
            left_out(scratch, &keep),
            ["cds-large-heaps", "modules", "plain-locales"]
        );
    });
}

#[test]
fn a_runtime_has_the_modules_of_openjdks_own() {
    with_root(|scratch| {
        compile(scratch);
        let image = assembled(scratch, BASE);
        scratch.write("release/Dockerfile", format!("FROM {image}\n"));
        let arguments = ["build", "-q", "release", "-o", "type=local,dest=image"];
        scratch.jettison(&arguments).succeeded();
        let home = jdk_bin("17").replace("/bin", "");
        let release = scratch.read(&format!("image{home}/release"));
        let modules = release
            .lines()
            .find_map(|line| line.strip_prefix("MODULES="));
        let mut modules: Vec<&str> = modules.unwrap().trim_matches('"').split(' ').collect();
        // The generator that Java takes if none is asked for; OpenJDK's own runtime lacks it.
        modules.retain(|module| *module != "jdk.random");
        modules.sort_unstable();
        // Its compilers in Java are not linked.
        let own = scratch.read("built/modules");
        let own: Vec<&str> = own
            .lines()
            .filter(|module| !module.starts_with("jdk.internal.vm."))
            .collect();
        assert_eq!(modules, own);
    });
}
