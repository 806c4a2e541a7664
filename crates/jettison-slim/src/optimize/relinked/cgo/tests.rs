use std::fs;

use jettison_dockerfile::parse;

use super::*;

/// `command` makes the program; `expected` is it with all options, nothing if the variable has them.
#[track_caller]
fn check(options: &Options, command: &str, expected: Option<&str>) {
    let text = |comment: &str, command: &str| {
        format!("FROM golang\nRUN apt-get install x\n{comment}RUN {command}\nCMD a\n")
    };
    let found = linked(
        &parse(&text("", command)),
        &[(1, false), (2, true)],
        options,
    );
    let expected = expected.map(|command| text(&format!("{COMMENT}\n"), command));
    assert_eq!(found, expected, "{command}");
}

fn options(tags: &[&'static str], libraries: &[&str]) -> Options {
    Options {
        tags: tags.to_vec(),
        libraries: libraries.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn commands_that_build_programs_of_go_get_options_to_link_statically() {
    let names = options(&["netgo", "osusergo"], &[]);
    let check = |command: &str, expected: &str| check(&names, command, Some(expected));
    check(
        "go build -o a .",
        "go build -tags=netgo,osusergo -ldflags=\"-extldflags=-static\" -o a .",
    );
    check(
        "cd x && CGO_ENABLED=1 go install -trimpath ./cmd/... && go version",
        "cd x && CGO_ENABLED=1 go install -tags=netgo,osusergo -ldflags=\"-extldflags=-static\" -trimpath ./cmd/... && go version",
    );
    check(
        "go build -o a ./a && CGO_ENABLED=0 go build -o b ./b && go install x@latest",
        "go build -tags=netgo,osusergo -ldflags=\"-extldflags=-static\" -o a ./a && CGO_ENABLED=0 go build -o b ./b && go install x@latest",
    );
}

#[test]
fn options_that_a_command_has_stay_in_force() {
    let all = options(&["netgo"], &["-lz", "-lm"]);
    let check = |command: &str, expected: Option<&str>| check(&all, command, expected);
    check(
        "go build -tags json1,fts5 -ldflags \"-s -w -X main.v=$V\" .",
        Some(
            "go build -tags json1,fts5,netgo -ldflags \"-extldflags '-static -lz -lm' -s -w -X main.v=$V\" .",
        ),
    );
    check(
        "go build --tags='json1 fts5' '-ldflags=-s -w' .",
        Some(
            "go build --tags='json1 fts5 netgo' '-ldflags=-extldflags \"-static -lz -lm\" -s -w' .",
        ),
    );
    check(
        "go build -ldflags=-s -tags=\"x\" .",
        Some("go build -ldflags=\"-extldflags '-static -lz -lm' \"-s -tags=\"x,netgo\" ."),
    );
    for other in [
        "go build -tags \"$TAGS\" .",
        "go build -tags a -tags b .",
        "go build -tags a\\ b .",
        "go build -ldflags=all=-s .",
        "go build -ldflags '-linkmode=internal' .",
        "go build -ldflags '-s -extldflags=-Wl,-z,now' .",
        "go build $OPTIONS .",
        "go test ./...",
        "go build ./a && go build -tags $T ./b",
    ] {
        check(other, None);
    }
}

#[test]
fn commands_of_scripts_get_options_by_a_variable() {
    let parsed = parse("FROM golang\nRUN make\n");
    let found = with_setting(
        &parsed,
        &[(1, true)],
        &setting(&options(&["netgo"], &["-lm"])),
    );
    let expected = format!(
        "FROM golang\n{COMMENT}\nENV GOFLAGS=\"-tags=netgo '-ldflags=-extldflags \\\"-static -lm\\\"'\"\nRUN make\n"
    );
    assert_eq!(found, Some(expected));
}

#[test]
fn variables_with_options_that_others_would_put_out_of_force_are_seen() {
    for (text, expected) in [
        ("ENV GOFLAGS=-tags=x", true),
        ("ARG GOFLAGS=\"-mod=mod -ldflags=-s\"", true),
        ("RUN go env -w GOFLAGS=-tags=x", true),
        ("ENV GOFLAGS=-mod=vendor", false),
        ("ENV FLAGS=-tags=x", false),
    ] {
        let parsed = parse(&format!("FROM golang\n{text}\n"));
        assert_eq!(has_options(&parsed), expected, "{text}");
    }
}

#[test]
fn a_program_that_is_built_with_other_options_than_ours_is_another_one() {
    let check = |before: &[(&str, &str)], after: &[(&str, &str)], expected: Option<&str>| {
        let [before, after] = [before, after].map(|settings| GoBuildInfo {
            version: "go1.24".to_owned(),
            path: "example.com/a".to_owned(),
            settings: settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        });
        let differences = Differences {
            asks_names: true,
            is_without_extensions: false,
        };
        let found = different_setting(&before, &after, differences);
        assert_eq!(found.as_deref(), expected, "{after:?}");
    };
    let before = [
        ("-tags", "fts5"),
        ("-ldflags", "-s -w"),
        ("GOARCH", "amd64"),
    ];
    check(
        &before,
        &[
            ("-tags", "fts5,netgo,osusergo"),
            ("-ldflags", "-extldflags=-static -s -w"),
            ("GOARCH", "amd64"),
        ],
        None,
    );
    check(&before, &before, Some("-tags"));
    let without_c = [("CGO_ENABLED", "0")];
    check(&without_c, &without_c, None);
    let check = |after: &[(&str, &str)], name: &str| check(&before, after, Some(name));
    check(
        &[
            ("-tags", "netgo,osusergo"),
            ("-ldflags", "-s -w"),
            ("GOARCH", "amd64"),
        ],
        "-tags",
    );
    check(
        &[
            ("-tags", "fts5,netgo,osusergo"),
            ("-ldflags", "-extldflags=-static"),
            ("GOARCH", "amd64"),
        ],
        "-ldflags",
    );
    check(
        &[
            ("-tags", "fts5,netgo,osusergo"),
            ("-ldflags", "-s -w"),
            ("GOARCH", "386"),
        ],
        "GOARCH",
    );
}

/// What has extensions loaded.
const DRIVER: &str = "import \"github.com/mattn/go-sqlite3\"\nsqlite3.SQLiteDriver{Extensions: x}";

#[test]
fn sources_that_have_sqlite_load_extensions_are_seen() {
    let check = |path: &str, text: &str, expected: bool| {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
        let root = RootDir::open(dir.path()).unwrap();
        assert_eq!(loads_extensions(&root).unwrap(), expected, "{path}: {text}");
    };
    check("app/main.go", DRIVER, true);
    check("app/a.go", "db.Exec(\"SELECT load_extension(?)\", x)", true);
    check("app/a.go", "cert.Extensions", false);
    check(
        "app/a.go",
        "import _ \"github.com/mattn/go-sqlite3\"",
        false,
    );
    check(
        "go/pkg/mod/github.com/mattn/go-sqlite3@v1/a.go",
        DRIVER,
        false,
    );
}
