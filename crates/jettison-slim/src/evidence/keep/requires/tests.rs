use std::fs;

use super::*;
use crate::evidence::collect::Step;
use crate::evidence::keep::UseKind;
use crate::evidence::owner::Owners;

#[track_caller]
fn check_names(source: &str, expected: &[&str]) {
    let found: Vec<String> = named_packages(source.as_bytes())
        .into_iter()
        .map(|named| match named {
            Named::Whole(name) => name,
            Named::Start(start) => format!("{start}*"),
        })
        .collect();
    assert_eq!(found, expected, "{source}");
}

#[test]
fn packages_are_named_by_require_and_import_wherever_they_stand() {
    check_names("const y = require('js-yaml'); // x", &["js-yaml"]);
    check_names("import a, { b } from \"@s/n/deep.js\"", &["@s/n"]);
    check_names(
        "import 'side-effect'\nexport * from 'w'",
        &["side-effect", "w"],
    );
    check_names("const x = await import(/* chunk */ `z`)", &["z"]);
    check_names(
        "import{a as b}from\"m\";var c=__require(\"d/e\"),f=nodeRequire.resolve('g');",
        &["d", "g", "m"],
    );
    check_names("require(\n  \"lodash/fp\",\n)", &["lodash"]);
}

#[test]
fn modules_of_node_and_files_are_no_packages() {
    check_names(
        "require('fs'); require('node:test'); import p from 'fs/promises'; require('stream/web')",
        &[],
    );
    check_names(
        "require('./a'); import('../b'); require('/c'); import '#d'",
        &[],
    );
    check_names("require(name); require(''); import('https://a/b.js')", &[]);
    check_names("required('a'); important 'b'; xfrom 'c'", &[]);
    // With a slash it is the package.
    check_names(
        "require('buffer/'); require('punycode/')",
        &["buffer", "punycode"],
    );
}

#[test]
fn a_name_that_is_put_together_names_all_that_begin_so() {
    check_names(
        "require(`@quill/reporters-${name}`)",
        &["@quill/reporters-*"],
    );
    check_names("import(`@quill/${name}`)", &["@quill/*"]);
    check_names("require('format-' + name)", &["format-*"]);
    check_names("require(`moment/locale/${name}`)", &["moment"]);
    check_names(
        "require(`${name}`); require(`./x/${name}`); require('@' + x)",
        &[],
    );
}

/// What of `/app`, `/lib` and `/node_modules` is kept, where of these files the sources of the program and `used` are.
#[track_caller]
fn check(files: &[(&str, &str)], (kept, used): (&[&str], &[&str]), expected: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match text.strip_prefix("-> ") {
            Some(target) => std::os::unix::fs::symlink(target, path).unwrap(),
            None => fs::write(path, text).unwrap(),
        }
    }
    let root = RootDir::open(dir.path()).unwrap();
    let mut keeper = Keeper::new(&root, Owners::read(&root, &[]).unwrap(), "");
    for path in used {
        keeper
            .add(Path::new(path), UseKind::Looked, "used")
            .unwrap();
    }
    for path in kept {
        keeper.keep_path(path.into(), "kept");
    }
    keeper.add_requires().unwrap();
    let known = |path: &Path| {
        kept.iter()
            .chain(used)
            .any(|known| Path::new(known) == path)
    };
    let found = keeper.kept().paths.keys().filter(|path| !known(path));
    let found: Vec<String> = found.map(|path| path.display().to_string()).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_package_that_no_run_has_loaded_is_kept_with_what_it_depends_on() {
    check(
        &[
            ("app/dist/app.cjs", "x(()=>require(\"js-yaml\"))"),
            (
                "app/node_modules/js-yaml/package.json",
                r#"{"dependencies":{"argparse":"2","gone":"1","@types/x":"1"},"optionalDependencies":{"fast":"1"},"devDependencies":{"mocha":"1"}}"#,
            ),
            (
                "app/node_modules/js-yaml/node_modules/argparse/package.json",
                r#"{"dependencies":{"js-yaml":"4","sprintf":"1"}}"#,
            ),
            ("app/node_modules/argparse/package.json", "{}"),
            ("app/node_modules/@types/x/package.json", "{}"),
            ("app/node_modules/mocha/package.json", "{}"),
            ("app/node_modules/fast/package.json", "no description"),
            ("node_modules/sprintf/index.js", "require('other')"),
            ("node_modules/other/index.js", ""),
        ],
        (&["/app/dist"], &[]),
        &[
            "/app/node_modules/fast",
            "/app/node_modules/js-yaml",
            "/node_modules/sprintf",
        ],
    );
}

#[test]
fn links_lead_to_the_workspace_and_to_the_store_of_packages() {
    check(
        &[
            (
                "app/api/main.mjs",
                "import '@w/lib'; import 'p'; import 'q'; import 'app'",
            ),
            ("app/node_modules/@w/lib", "-> ../../../lib/w"),
            ("lib/w/package.json", r#"{"dependencies":{"p":"1"}}"#),
            ("app/node_modules/p", "-> .pnpm/p@1/node_modules/p"),
            (
                "app/node_modules/.pnpm/p@1/node_modules/p/package.json",
                r#"{"dependencies":{"r":"1"}}"#,
            ),
            (
                "app/node_modules/.pnpm/p@1/node_modules/r",
                "-> ../../r@1/node_modules/r",
            ),
            ("app/node_modules/.pnpm/r@1/node_modules/r/index.js", ""),
            ("app/node_modules/q", "-> ../../elsewhere"),
            ("app/node_modules/app", "-> .."),
        ],
        (&["/app/api"], &[]),
        &[
            "/app/node_modules/.pnpm/p@1/node_modules/p",
            "/app/node_modules/.pnpm/p@1/node_modules/r",
            "/app/node_modules/.pnpm/r@1/node_modules/r",
            "/app/node_modules/@w/lib",
            "/app/node_modules/app",
            "/app/node_modules/p",
            "/lib/w",
        ],
    );
}

#[test]
fn packages_that_begin_alike_are_kept_where_a_name_is_put_together() {
    check(
        &[
            ("app/main.js", "require(`@quill/reporters-${name}`)"),
            ("app/node_modules/@quill/reporters-json/index.js", ""),
            ("app/node_modules/@quill/reporters-tap/index.js", ""),
            ("app/node_modules/@quill/core/index.js", ""),
            ("node_modules/@quill/reporters-tap/index.js", ""),
        ],
        (&["/app/main.js"], &[]),
        &[
            "/app/node_modules/@quill/reporters-json",
            "/app/node_modules/@quill/reporters-tap",
        ],
    );
}

#[test]
fn packages_of_npm_are_known_by_their_places() {
    for (path, expected) in [
        ("/app/node_modules/a", true),
        ("/app/node_modules/@s/a", true),
        ("/app/node_modules/a/node_modules/b", true),
        ("/app/node_modules/@s", false),
        ("/app/node_modules/.bin", false),
        ("/app/node_modules/a/lib", false),
        ("/app/node_modules", false),
        ("/app/@s/a", false),
    ] {
        assert_eq!(is_npm_package(Path::new(path)), expected, "{path}");
    }
}

#[test]
fn what_builds_and_tests_a_program_or_goes_to_browsers_names_nothing() {
    let files = [
        ("app/webpack.config.js", "require('webpack')"),
        ("app/.eslintrc.cjs", "require('eslint')"),
        ("app/test/a.js", "require('mocha')"),
        ("app/public/page.js", "require('react')"),
        ("app/types.ts", "import 'types'"),
        ("app/cli", "#!/usr/bin/env node\nrequire('commander')"),
        ("app/package.json", r#"{"devDependencies":{"nodemon":"1"}}"#),
        ("app/reload.js", "require('nodemon')"),
        ("app/node_modules/webpack/index.js", ""),
        ("app/node_modules/eslint/index.js", ""),
        ("app/node_modules/mocha/index.js", ""),
        ("app/node_modules/react/index.js", ""),
        ("app/node_modules/types/index.js", ""),
        ("app/node_modules/commander/index.js", ""),
        ("app/node_modules/nodemon/index.js", ""),
    ];
    let kept = [
        "/app/.eslintrc.cjs",
        "/app/cli",
        "/app/public",
        "/app/reload.js",
        "/app/test",
        "/app/types.ts",
        "/app/webpack.config.js",
    ];
    check(&files, (&kept, &[]), &[]);
    check(
        &files,
        (
            &[],
            &["/app/webpack.config.js", "/app/cli", "/app/reload.js"],
        ),
        &[
            "/app/node_modules/commander",
            "/app/node_modules/nodemon",
            "/app/node_modules/webpack",
        ],
    );
}

#[test]
fn plugins_that_were_installed_for_everybody_stay_where_a_program_from_there_does() {
    let dir = tempfile::tempdir().unwrap();
    let place = "usr/local/lib/node_modules";
    for (package, text) in [
        ("lint", r#"{"name": "lint", "bin": {"lint": "x.js"}}"#),
        ("build", r#"{"name": "build", "bin": "x.js"}"#),
        (
            "lint-config",
            r#"{"name": "lint-config", "dependencies": {"rules": "1"}}"#,
        ),
        ("lint-config/node_modules/rules", "{}"),
        ("@lint/plugin", "{}"),
        ("broken", "{"),
    ] {
        let path = dir.path().join(place).join(package);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("package.json"), text).unwrap();
    }
    let root = RootDir::open(dir.path()).unwrap();
    let check = |files: &Path, expected: &[&str]| {
        let steps = [Step {
            files: files.to_path_buf(),
            line: 2,
            ..Step::default()
        }];
        let mut keeper = Keeper::new(&root, Owners::read(&root, &steps).unwrap(), "");
        let place = Path::new("/").join(place);
        keeper.keep_path(place.join("lint"), "used");
        keeper.add_plugins_of_node().unwrap();
        let kept = keeper.kept.paths.keys();
        let kept: Vec<&Path> = kept
            .filter_map(|path| path.strip_prefix(&place).ok())
            .collect();
        let expected: Vec<&Path> = expected.iter().map(Path::new).collect();
        assert_eq!(kept, expected);
    };
    check(dir.path(), &["@lint/plugin", "lint", "lint-config"]);
    // The base image has them.
    check(&dir.path().join("none"), &["lint"]);
}
