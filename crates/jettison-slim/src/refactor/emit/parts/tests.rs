use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use jettison_dockerfile::parse;

use crate::refactor::emit::write_stages;
use crate::refactor::{
    Aside, Division, KeptPath, RootfsStage, Rung, RuntimeStage, ShellStep, Sources, Writing,
};

fn rootfs() -> RootfsStage {
    RootfsStage {
        singles: vec!["/etc/passwd".into()],
        ..RootfsStage::default()
    }
}

fn runtime() -> RuntimeStage {
    RuntimeStage {
        rung: Rung::Packages,
        base: None,
        build_steps: Vec::new(),
        remade: Vec::new(),
        rootfs: Some(rootfs()),
        kept: vec![KeptPath {
            path: "/app".into(),
            reason: String::new(),
            is_directory: true,
        }],
        owners: BTreeMap::new(),
        entrypoint: None,
        cmd: Some(vec!["/app/x".to_owned()]),
        user: String::new(),
        env: Vec::new(),
        working_dir: "/app".to_owned(),
        labels: Vec::new(),
        exposed_ports: Vec::new(),
        volumes: Vec::new(),
        stop_signal: None,
        healthcheck: None,
    }
}

fn division(at: usize) -> Division {
    Division {
        at,
        early: Some(rootfs()),
        ..Division::default()
    }
}

#[track_caller]
fn check(text: &str, writing: Writing<'_>, expected: Expect) {
    expected.assert_eq(
        &match write_stages(&parse(text), &runtime(), writing, Vec::new()) {
            Ok(candidate) => candidate.dockerfile,
            Err(error) => format!("error: {error}"),
        },
    );
}

#[test]
fn what_does_not_change_with_the_sources_is_collected_before_them() {
    let text = "FROM debian:12 AS web\nRUN apt-get update \\\n && apt-get install -y gcc\n# the program\nCOPY . /app\nRUN make -C /app\nCMD /app/x\n";
    let late = RootfsStage {
        singles: vec!["/etc/ld.so.cache".into()],
        ..RootfsStage::default()
    };
    let division = Division {
        late: Some(late),
        ..division(2)
    };
    let writing = Writing {
        division: Some(&division),
        ..Writing::default()
    };
    check(
        text,
        writing,
        expect![[r#"
            FROM debian:12 AS deps
            RUN apt-get update \
             && apt-get install -y gcc

            # A change of the sources leaves what is above in the cache.
            FROM deps AS web
            # the program
            COPY . /app
            RUN make -C /app

            FROM deps AS rootfs
            # What the program needs of the system, with its links, owners and modes.
            RUN mkdir -p /rootfs \
             && { printf '%s\n' /etc/passwd; } \
                | sort -u | while IFS= read -r path; do if [ -e "$path" ] || [ -L "$path" ]; then echo ".$path"; fi; done >/rootfs.list \
             && tar -C / --xattrs --no-recursion --files-from=/rootfs.list -cf /rootfs.tar \
             && tar -C /rootfs --xattrs --xattrs-include='*' --delay-directory-restore -xpf /rootfs.tar

            FROM web AS changed
            # What the program needs of the system, with its links, owners and modes.
            RUN mkdir -p /rootfs \
             && { printf '%s\n' /etc/ld.so.cache; } \
                | sort -u | while IFS= read -r path; do if [ -e "$path" ] || [ -L "$path" ]; then echo ".$path"; fi; done >/rootfs.list \
             && tar -C / --xattrs --no-recursion --files-from=/rootfs.list -cf /rootfs.tar \
             && tar -C /rootfs --xattrs --xattrs-include='*' --delay-directory-restore -xpf /rootfs.tar

            FROM scratch AS runtime
            WORKDIR /app
            COPY --from=rootfs /rootfs /
            COPY --from=changed /rootfs /
            COPY --from=web /app /app
            CMD ["/app/x"]
        "#]],
    );
}

#[test]
fn what_the_base_brings_is_collected_from_it() {
    let division = division(1);
    let writing = Writing {
        division: Some(&division),
        ..Writing::default()
    };
    check(
        "ARG V=12\nFROM --platform=linux/amd64 debian:$V\nCOPY . /app\nRUN make -C /app\n",
        Writing {
            division: Some(&Division {
                at: 2,
                ..division.clone()
            }),
            ..writing
        },
        expect![[r#"
            ARG V=12
            FROM --platform=linux/amd64 debian:$V AS build
            COPY . /app
            RUN make -C /app

            FROM --platform=linux/amd64 debian:$V AS rootfs
            # What the program needs of the system, with its links, owners and modes.
            RUN mkdir -p /rootfs \
             && { printf '%s\n' /etc/passwd; } \
                | sort -u | while IFS= read -r path; do if [ -e "$path" ] || [ -L "$path" ]; then echo ".$path"; fi; done >/rootfs.list \
             && tar -C / --xattrs --no-recursion --files-from=/rootfs.list -cf /rootfs.tar \
             && tar -C /rootfs --xattrs --xattrs-include='*' --delay-directory-restore -xpf /rootfs.tar

            FROM scratch AS runtime
            WORKDIR /app
            COPY --from=rootfs /rootfs /
            COPY --from=build /app /app
            CMD ["/app/x"]
        "#]],
    );
}

#[test]
fn sources_of_which_nothing_is_made_are_copied_by_the_final_stage() {
    let sources = Sources {
        is_stage_used: true,
        ..Sources::default()
    };
    let division = Division {
        sources: Some(sources),
        ..division(4)
    };
    let writing = Writing {
        division: Some(&division),
        ..Writing::default()
    };
    check(
        "FROM node:20\nWORKDIR /app\nCOPY package*.json ./\nRUN npm ci\n\n# the app itself\nCOPY . .\nCMD [\"/app/x\"]\n",
        writing,
        expect![[r#"
            FROM node:20 AS build
            WORKDIR /app
            COPY package*.json ./
            RUN npm ci

            FROM build AS rootfs
            # What the program needs of the system, with its links, owners and modes.
            RUN mkdir -p /rootfs \
             && { printf '%s\n' /etc/passwd; } \
                | sort -u | while IFS= read -r path; do if [ -e "$path" ] || [ -L "$path" ]; then echo ".$path"; fi; done >/rootfs.list \
             && tar -C / --xattrs --no-recursion --files-from=/rootfs.list -cf /rootfs.tar \
             && tar -C /rootfs --xattrs --xattrs-include='*' --delay-directory-restore -xpf /rootfs.tar

            FROM scratch AS runtime
            WORKDIR /app
            COPY --from=rootfs /rootfs /
            COPY --from=build /app /app
            # the app itself
            COPY . .
            CMD ["/app/x"]
        "#]],
    );
}

#[test]
fn what_is_made_anew_of_what_sources_do_not_change_is_made_before_they_are_copied() {
    let mut runtime = runtime();
    runtime.build_steps = vec![ShellStep {
        comment: "Modules that only development needs.".to_owned(),
        commands: vec!["npm prune".to_owned()],
        trees: vec!["/app/node_modules".into()],
        ..ShellStep::default()
    }];
    runtime.remade = vec!["/app/node_modules".into()];
    let division = Division {
        sources: Some(Sources {
            is_stage_used: true,
            ..Sources::default()
        }),
        ..division(4)
    };
    assert!(division.suits(&runtime));
    let writing = Writing {
        division: Some(&division),
        ..Writing::default()
    };
    let text = "FROM node:20\nWORKDIR /app\nCOPY package*.json ./\nRUN npm ci\nCOPY . .\nCMD [\"/app/x\"]\n";
    let written = write_stages(&parse(text), &runtime, writing, Vec::new()).unwrap();
    let text = written.dockerfile;
    let places = ["npm ci", "npm prune", "AS rootfs", "AS runtime", "COPY . ."];
    let places = places.map(|part| text.find(part).unwrap_or_else(|| panic!("{part}: {text}")));
    assert!(places.is_sorted(), "{text}");
}

/// How a project of TypeScript is written whose modules for development are taken away on what is there before its sources.
#[track_caller]
fn check_aside(collected: usize, user: &str, expected: Expect) {
    let prune = ShellStep {
        comment: "Modules that only development needs.".to_owned(),
        commands: vec!["cd /app".to_owned(), "npm prune --omit=dev".to_owned()],
        trees: vec!["/app/node_modules".into()],
        makes: vec!["/app/node_modules".into(), "/app/package-lock.json".into()],
        caches: vec!["/root/.npm".to_owned()],
    };
    let kept = |path: &str, is_directory| KeptPath {
        path: path.into(),
        reason: String::new(),
        is_directory,
    };
    let taken = vec![
        kept("/app/node_modules", true),
        kept("/app/package-lock.json", false),
    ];
    let mut runtime = runtime();
    runtime.remade = prune.makes.clone();
    runtime.build_steps = vec![prune.clone()];
    runtime.user = user.to_owned();
    let division = Division {
        aside: Some(Aside {
            at: 4,
            steps: vec![prune],
            taken,
            needs_root: !user.is_empty(),
        }),
        ..division(collected)
    };
    assert!(division.suits(&runtime));
    let writing = Writing {
        division: Some(&division),
        ..Writing::default()
    };
    let text = "FROM node:20\nWORKDIR /app\nCOPY package*.json ./\nRUN npm ci\nCOPY . .\nRUN npm run build\n";
    let written = write_stages(&parse(text), &runtime, writing, Vec::new()).unwrap();
    let (start, rest) = written.dockerfile.split_once("AS rootfs\n").unwrap();
    let (_, end) = rest.split_once("\n\n").unwrap();
    expected.assert_eq(&format!("{start}AS rootfs\n…\n\n{end}"));
    assert!(written.own_stages.contains(&"prod-deps".to_owned()));
}

#[test]
fn what_the_build_needs_is_taken_away_in_a_stage_of_its_own() {
    check_aside(
        4,
        "",
        expect![[r#"
            FROM node:20 AS deps
            WORKDIR /app
            COPY package*.json ./
            RUN npm ci

            # A change of the sources leaves what is above in the cache.
            FROM deps AS build
            COPY . .
            RUN npm run build

            # What the program needs of this comes from prod-deps.
            RUN rm -rf /app/node_modules /app/package-lock.json

            FROM deps AS prod-deps
            # Modules that only development needs.
            RUN --mount=type=cache,target=/root/.npm cd /app \
             && npm prune --omit=dev

            FROM deps AS rootfs
            …

            FROM scratch AS runtime
            WORKDIR /app
            COPY --from=rootfs /rootfs /
            COPY --from=prod-deps /app/node_modules /app/node_modules
            COPY --from=prod-deps /app/package-lock.json /app/package-lock.json
            COPY --from=build /app /app
            CMD ["/app/x"]
        "#]],
    );
    check_aside(
        1,
        "1000",
        expect![[r#"
            FROM node:20 AS deps
            WORKDIR /app
            COPY package*.json ./
            RUN npm ci

            # A change of the sources leaves what is above in the cache.
            FROM deps AS build
            COPY . .
            RUN npm run build

            USER root
            # What the program needs of this comes from prod-deps.
            RUN rm -rf /app/node_modules /app/package-lock.json

            FROM deps AS prod-deps
            USER root
            # Modules that only development needs.
            RUN --mount=type=cache,target=/root/.npm cd /app \
             && npm prune --omit=dev

            FROM node:20 AS rootfs
            …

            FROM scratch AS runtime
            WORKDIR /app
            COPY --from=rootfs /rootfs /
            COPY --from=prod-deps /app/node_modules /app/node_modules
            COPY --from=prod-deps /app/package-lock.json /app/package-lock.json
            COPY --from=build /app /app
            USER 1000
            CMD ["/app/x"]
        "#]],
    );
}

#[test]
fn a_stage_of_which_nothing_is_used_goes_away() {
    let division = Division {
        early: None,
        sources: Some(Sources {
            absent: ["/app".into()].into(),
            is_stage_used: false,
        }),
        ..division(3)
    };
    let writing = Writing {
        division: Some(&division),
        ..Writing::default()
    };
    check(
        "# Two stages\nFROM golang:1 AS builder\nRUN go build -o /app/x\n\nFROM debian:12\nARG A\nCOPY --from=builder /app /app\nUSER root\nENTRYPOINT /app/x\n",
        writing,
        expect![[r#"
            # Two stages
            FROM golang:1 AS builder
            RUN go build -o /app/x

            FROM scratch AS runtime
            WORKDIR /app
            COPY --from=builder /app /app
            CMD ["/app/x"]
        "#]],
    );
}

#[test]
fn the_last_of_several_stages_keeps_its_name() {
    let text = "FROM golang:1 AS build\nRUN go build -o /app/x\nFROM debian:12 AS Web\nCOPY --from=build /app /app\nCMD /app/x\n\n# for tests\nFROM web AS test\nRUN /app/x --test\n";
    let writing = Writing {
        target: Some("web"),
        ..Writing::default()
    };
    check(
        text,
        writing,
        expect![[r#"
            FROM golang:1 AS build
            RUN go build -o /app/x
            FROM debian:12 AS builder
            COPY --from=build /app /app

            FROM builder AS rootfs
            # What the program needs of the system, with its links, owners and modes.
            RUN mkdir -p /rootfs \
             && { printf '%s\n' /etc/passwd; } \
                | sort -u | while IFS= read -r path; do if [ -e "$path" ] || [ -L "$path" ]; then echo ".$path"; fi; done >/rootfs.list \
             && tar -C / --xattrs --no-recursion --files-from=/rootfs.list -cf /rootfs.tar \
             && tar -C /rootfs --xattrs --xattrs-include='*' --delay-directory-restore -xpf /rootfs.tar

            FROM scratch AS web
            WORKDIR /app
            COPY --from=rootfs /rootfs /
            COPY --from=builder /app /app
            CMD ["/app/x"]
        "#]],
    );
}

#[test]
fn many_files_of_one_directory_say_why_they_are_there() {
    let mut runtime = runtime();
    runtime.rootfs = None;
    let names = [
        "alembic",
        "celery",
        "dotenv",
        "email_validator",
        "fastapi",
        "markdown-it",
    ];
    let scripts = names.iter().map(|name| KeptPath {
        path: format!("/usr/local/bin/{name}").into(),
        reason: "the names in /usr/local/bin are read".to_owned(),
        is_directory: false,
    });
    runtime.kept.extend(scripts);
    let parsed = parse("FROM python:3.13\nRUN pip install fastapi\nCMD [\"/app/x\"]\n");
    let written = write_stages(&parsed, &runtime, Writing::default(), Vec::new()).unwrap();
    let (_, end) = written.dockerfile.split_once("FROM scratch").unwrap();
    expect![[r#"
         AS runtime
        WORKDIR /app
        COPY --from=build /app /app
        # The names in /usr/local/bin are read.
        COPY --from=build /usr/local/bin/alembic /usr/local/bin/celery /usr/local/bin/dotenv \
                /usr/local/bin/email_validator /usr/local/bin/fastapi /usr/local/bin/markdown-it \
                /usr/local/bin/
        CMD ["/app/x"]
    "#]]
    .assert_eq(end);
}

#[test]
fn names_that_mean_something_else_are_not_taken() {
    let taken = ["runtime", "Build"].map(str::to_owned);
    let writing = Writing {
        taken: &taken,
        ..Writing::default()
    };
    check(
        "FROM debian:12\nCOPY --from=rootfs /x /app/x\nRUN --mount=type=bind,from=builder,target=/b true\n",
        writing,
        expect![[r#"
            FROM debian:12 AS app
            COPY --from=rootfs /x /app/x
            RUN --mount=type=bind,from=builder,target=/b true

            FROM app AS packages
            # What the program needs of the system, with its links, owners and modes.
            RUN mkdir -p /rootfs \
             && { printf '%s\n' /etc/passwd; } \
                | sort -u | while IFS= read -r path; do if [ -e "$path" ] || [ -L "$path" ]; then echo ".$path"; fi; done >/rootfs.list \
             && tar -C / --xattrs --no-recursion --files-from=/rootfs.list -cf /rootfs.tar \
             && tar -C /rootfs --xattrs --xattrs-include='*' --delay-directory-restore -xpf /rootfs.tar

            FROM scratch AS final
            WORKDIR /app
            COPY --from=packages /rootfs /
            COPY --from=app /app /app
            CMD ["/app/x"]
        "#]],
    );
}

#[test]
fn what_the_sources_do_not_change_is_copied_first_and_from_the_first_part() {
    let kept = |path: &str, is_directory| KeptPath {
        path: path.into(),
        reason: String::new(),
        is_directory,
    };
    let mut runtime = runtime();
    runtime.kept = vec![
        kept("/app/dist", true),
        kept("/app/package.json", false),
        kept("/usr/local/lib/node_modules/serve", true),
        kept("/usr/local/lib/node_modules/npm", true),
        kept("/opt", true),
        kept("/opt/tool", true),
    ];
    runtime.remade = vec!["/usr/local/lib/node_modules/npm/docs".into()];
    let settled = runtime.kept.iter().skip(1).map(|kept| kept.path.clone());
    let mut division = Division {
        settled: settled.collect(),
        ..division(4)
    };
    let text = "FROM node:20\nWORKDIR /app\nCOPY package*.json ./\nRUN npm install -g serve\nCOPY . .\nRUN npm run build\n";
    let write = |division: &Division| {
        let writing = Writing {
            division: Some(division),
            ..Writing::default()
        };
        let written = write_stages(&parse(text), &runtime, writing, Vec::new()).unwrap();
        let (_, end) = written
            .dockerfile
            .split_once("WORKDIR /app\nCOPY --from=")
            .unwrap();
        format!("COPY --from={end}")
    };
    expect![[r#"
        COPY --from=rootfs /rootfs /
        COPY --from=deps /app/package.json /app/package.json
        COPY --from=deps /usr/local/lib/node_modules/serve /usr/local/lib/node_modules/serve
        COPY --from=build /app/dist /app/dist
        COPY --from=build /usr/local/lib/node_modules/npm /usr/local/lib/node_modules/npm
        COPY --from=build /opt /opt
        COPY --from=build /opt/tool /opt/tool
        CMD ["/app/x"]
    "#]]
    .assert_eq(&write(&division));
    division.late = Some(rootfs());
    let end = write(&division);
    assert!(!end.contains("--from=deps"), "{end}");
}
