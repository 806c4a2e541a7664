use super::*;
use crate::evidence::Step;
use crate::evidence::owner::Owners;

#[test]
fn dependencies_are_followed_through_alternatives_and_what_is_provided() {
    let status = "Package: git\nStatus: install ok installed\nDepends: libc6 (>= 2.1), perl:any | x, debconf, mta\n\n\
        Package: perl\nStatus: install ok installed\nDepends: perl-base\n\n\
        Package: perl-base\nStatus: install ok installed\n\n\
        Package: gone\nStatus: deinstall ok config-files\n\n\
        Package: postfix\nStatus: install ok installed\nProvides: mta, x (= 1)\nSuggests: perl | debconf, gone\nDepends: gone | git\n\n\
        Package: debconf\nStatus: install ok installed\n\n\
        Package: libc6\nStatus: install ok installed\n";
    let all = Dependencies::parse(status);
    assert_eq!(
        all.optional("postfix").collect::<Vec<_>>(),
        ["perl", "debconf"]
    );
    let found = all.closure("git");
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    assert_eq!(found, ["git", "libc6", "perl", "perl-base", "postfix"]);
}

#[test]
fn packages_of_modules_are_told_by_their_names() {
    for (interpreter, package, is_module) in [
        ("erlang-base", "erlang-mnesia", true),
        ("erlang-base", "erlang-src", false),
        ("erlang-base", "elixir", false),
        ("perl-base", "libjson-perl", true),
        ("python3", "python3-yaml", true),
        ("python3", "python3-venv", false),
    ] {
        let (_, names) = LANGUAGES
            .iter()
            .find(|(name, _)| *name == interpreter)
            .unwrap();
        assert_eq!(is_module_package(package, *names), is_module, "{package}");
    }
}

#[test]
fn what_came_with_tools_alone_is_told_from_what_others_can_use() {
    let dir = tempfile::tempdir().unwrap();
    let status = "Package: git\nStatus: install ok installed\nDepends: less\nRecommends: ssh\n\n\
        Package: less\nStatus: install ok installed\nSuggests: npm\n\n\
        Package: ssh\nStatus: install ok installed\n\n\
        Package: npm\nStatus: install ok installed\nDepends: node-opener\n\n\
        Package: node-opener\nStatus: install ok installed\nDepends: xdg-utils, less\n\n\
        Package: xdg-utils\nStatus: install ok installed\n";
    let unasked = ["less", "ssh", "node-opener", "xdg-utils"]
        .map(|name| format!("Package: {name}\nAuto-Installed: 1\n\n"));
    for (path, text) in [(STATUS, status), (EXTENDED_STATES, &unasked.concat())] {
        let path = dir.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let root = RootDir::open(dir.path()).unwrap();
    let mut keeper = Keeper::new(&root, Owners::read(&root, &[]).unwrap(), "");
    for (package, expected) in [
        ("xdg-utils", true),
        ("node-opener", true),
        ("less", false),
        ("ssh", false),
        ("npm", false),
    ] {
        assert_eq!(
            keeper.came_with_tools(package).unwrap(),
            expected,
            "{package}"
        );
    }
}

#[test]
fn a_package_of_dependencies_alone_is_meant_with_all_of_them() {
    let [dir, made] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let status = "Package: client\nStatus: install ok installed\nDepends: client-15\n\n\
        Package: client-15\nStatus: install ok installed\nDepends: client-common\n\n\
        Package: client-common\nStatus: install ok installed\n\n\
        Package: tool\nStatus: install ok installed\nDepends: client-common\n";
    let asked =
        "Package: client-15\nAuto-Installed: 1\n\nPackage: client-common\nAuto-Installed: 1\n";
    for (path, text) in [
        ("var/lib/dpkg/status", status),
        ("var/lib/apt/extended_states", asked),
        ("var/lib/dpkg/info/client.list", "/usr/share/doc/client\n"),
        (
            "var/lib/dpkg/info/client-15.list",
            "/usr/lib/client/15/query\n",
        ),
        ("var/lib/dpkg/info/client-common.list", "/usr/bin/query\n"),
        ("var/lib/dpkg/info/tool.list", "/usr/bin/tool\n"),
        ("usr/share/doc/client", ""),
        ("usr/lib/client/15/query", ""),
        ("usr/bin/query", ""),
        ("usr/bin/tool", ""),
    ] {
        for root in [&dir, &made] {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }
    let root = RootDir::open(dir.path()).unwrap();
    let step = Step {
        files: made.path().to_path_buf(),
        line: 2,
        copies: false,
        ..Step::default()
    };
    let steps = [step];
    let mut keeper = Keeper::new(&root, Owners::read(&root, &steps).unwrap(), "");
    keeper.add_askers("client-common").unwrap();
    let found: Vec<&String> = keeper.kept().packages.keys().collect();
    assert_eq!(found, ["client", "client-15", "client-common"]);
}

#[test]
fn what_a_package_of_dependencies_alone_means_counts_as_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let status = "Package: fonts\nStatus: install ok installed\nDepends: fonts-core (>= 2), a | b\nRecommends: fonts-extra\n\n\
        Package: fonts-core\nStatus: install ok installed\n\n\
        Package: fonts-extra\nStatus: install ok installed\n\n\
        Package: a\nStatus: install ok installed\n\n\
        Package: tool\nStatus: install ok installed\nDepends: library\n\n\
        Package: python3-venv\nStatus: install ok installed\nDepends: venv\n\n\
        Package: venv\nStatus: install ok installed\n\n\
        Package: library\nStatus: install ok installed\n";
    let auto = ["fonts-core", "fonts-extra", "a", "library"];
    let auto: Vec<String> = auto
        .iter()
        .map(|name| format!("Package: {name}\nAuto-Installed: 1\n"))
        .collect();
    for (path, text) in [
        ("var/lib/dpkg/status", status),
        ("var/lib/apt/extended_states", &auto.join("\n")),
        ("var/lib/dpkg/info/fonts.list", "/usr/share/doc/fonts\n"),
        ("var/lib/dpkg/info/tool.list", "/usr/bin/tool\n"),
        ("usr/share/doc/fonts", ""),
        ("usr/bin/tool", ""),
    ] {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let root = RootDir::open(dir.path()).unwrap();
    let steps = [Step {
        files: dir.path().join("nothing"),
        asks_for: ["fonts", "python3-venv", "tool"].map(str::to_owned).into(),
        ..Step::default()
    }];
    let mut keeper = Keeper::new(&root, Owners::read(&root, &steps).unwrap(), "");
    keeper.note_meant().unwrap();
    let packages = [
        "fonts",
        "fonts-core",
        "fonts-extra",
        "a",
        "tool",
        "library",
        "venv",
    ];
    let asked = packages.map(|package| keeper.is_asked_for(package));
    assert_eq!(asked, [true, true, true, false, true, false, false]);
    let unasked = keeper.unasked().unwrap().unwrap();
    assert_eq!(Vec::from_iter(unasked), ["a", "library"]);
}
