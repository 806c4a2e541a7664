//! Programs of Java: the runtime is linked anew of the modules that they need.

use crate::shared::{SETTINGS, turn};

const DOCKERFILE: &str = "FROM ubuntu:latest
RUN apt-get update && apt-get install -y openjdk-17-jdk-headless
WORKDIR /app
COPY src src
RUN javac -d classes src/app/*.java
CMD [\"java\", \"-cp\", \"classes\", \"app.Main\"]
";

/// It asks for a module by a name in a text alone, and has a class that no probe needs.
const MAIN: &str = r#"package app;

public class Main {
    public static void main(String[] words) throws Exception {
        Class<?> type = Class.forName("java.sql.Timestamp");
        System.out.println(type.getModule().getName() + " " + (words.length > 0 ? Other.NAME.toLowerCase() : ""));
    }
}
"#;
const OTHER: &str = "package app;\n\nclass Other {\n    static final String NAME = System.getProperty(\"none\", \"OTHER\");\n}\n";

#[test]
fn a_java_runtime_is_linked_of_the_modules_that_classes_and_texts_name() {
    let Some(mut turn) = turn() else { return };
    let scratch = turn.scratch();
    let probe = "[[probe]]\nname = \"it\"\nexpect-stdout = \"java.sql \\n\"\n";
    scratch.write("app/jettison.toml", format!("{SETTINGS}{probe}"));
    scratch.write("app/Dockerfile", DOCKERFILE);
    scratch.write("app/src/app/Main.java", MAIN);
    scratch.write("app/src/app/Other.java", OTHER);
    let outcome = scratch.jettison(&["optimize", "app", "-t", "java", "--report", "report.json"]);
    assert_eq!(outcome.code, 0, "{outcome}");
    let written = scratch.read("app/Dockerfile.optimized");
    assert!(
        written.contains("jlink --add-modules java.sql,"),
        "{written}"
    );
    for idle in ["libasound2", "libharfbuzz0b", "libglib2.0-0", "app/src"] {
        let (_, collected) = written.split_once("AS rootfs").unwrap();
        assert!(!collected.contains(idle), "{idle}: {written}");
    }
    // It is linked before the sources come: a change of them leaves it in the cache.
    let linked = written.find("jlink --add-modules").unwrap();
    assert!(written.find("AS rootfs").unwrap() < linked, "{written}");
    let report: serde_json::Value = serde_json::from_str(&scratch.read("report.json")).unwrap();
    // lib/modules is another file.
    assert_eq!(report["verdict"], "proven-but", "{report}");
    let size = report["after"]["unpacked_size"].as_u64().unwrap();
    assert!(size < 90_000_000, "{size}");
    let outcome = scratch.jettison(&[
        "run",
        "java:optimized",
        "java",
        "-cp",
        "classes",
        "app.Main",
        "x",
    ]);
    assert_eq!(outcome.stdout, "java.sql other\n", "{outcome}");
}
