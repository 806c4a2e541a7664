//! Which crate may use which. `ARCHITECTURE.md` draws these arrows; this file is why they stay true.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Every crate, and the crates of ours that it uses.
const ARROWS: &[(&str, &[&str])] = &[
    (
        "jettison",
        &[
            "jettison-build",
            "jettison-debian",
            "jettison-dockerfile",
            "jettison-oci",
            "jettison-sandbox",
            "jettison-slim",
        ],
    ),
    (
        "jettison-build",
        &["jettison-dockerfile", "jettison-oci", "jettison-sandbox"],
    ),
    ("jettison-debian", &[]),
    ("jettison-dockerfile", &[]),
    ("jettison-oci", &[]),
    ("jettison-sandbox", &[]),
    (
        "jettison-slim",
        &[
            "jettison-build",
            "jettison-debian",
            "jettison-dockerfile",
            "jettison-oci",
            "jettison-sandbox",
        ],
    ),
    ("jettison-testkit", &[]),
];

/// What may be used beyond that, by integration tests alone.
const FOR_TESTS: &str = "jettison-testkit";

/// The crates of ours in each table of dependencies of one `Cargo.toml`.
fn ours(manifest: &toml::Table) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    collect(manifest, "", &mut found);
    found
}

fn collect(table: &toml::Table, path: &str, found: &mut BTreeMap<String, Vec<String>>) {
    for (key, value) in table {
        let Some(inner) = value.as_table() else {
            continue;
        };
        let path = format!("{path}{key}");
        if key.ends_with("dependencies") {
            let names = inner
                .keys()
                .filter(|name| name.starts_with("jettison"))
                .cloned();
            found.entry(path).or_default().extend(names);
        } else {
            collect(inner, &format!("{path}."), found);
        }
    }
}

#[test]
fn crates_use_the_crates_below_them_and_no_others() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut drawn: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    for entry in fs::read_dir(&crates).unwrap() {
        let dir = entry.unwrap().path();
        let name = dir.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(dir.join("Cargo.toml")).unwrap();
        let manifest: toml::Table = text.parse().unwrap();
        assert_eq!(manifest["package"]["name"].as_str(), Some(name.as_str()));
        let allowed = drawn.remove(name.as_str()).unwrap_or_else(|| {
            panic!("{name} is new: draw its arrows in ARCHITECTURE.md and here")
        });
        let used = ours(&manifest);
        let mut normal: Vec<&str> = Vec::new();
        for (table, names) in &used {
            for used in names {
                if table == "dev-dependencies" {
                    let fine = used == FOR_TESTS && dir.join("tests/it/main.rs").exists();
                    assert!(fine, "the tests of {name} must not use {used}");
                } else {
                    normal.push(used);
                }
            }
        }
        normal.sort_unstable();
        assert_eq!(
            normal, allowed,
            "{name}: ARCHITECTURE.md draws other arrows"
        );
    }
    assert!(drawn.is_empty(), "these crates are gone: {drawn:?}");
}

#[test]
fn only_the_sandbox_may_be_unsafe() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (name, _) in ARROWS {
        let src = crates.join(name).join("src");
        let root = ["lib.rs", "main.rs"]
            .iter()
            .map(|file| src.join(file))
            .find(|path| path.exists())
            .unwrap();
        let forbids = fs::read_to_string(root)
            .unwrap()
            .contains("#![forbid(unsafe_code)]");
        assert_eq!(forbids, *name != "jettison-sandbox", "{name}");
    }
}
