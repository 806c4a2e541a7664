//! The options of `jettison build`: docker's, by docker's names. Nothing here builds.

use expect_test::{Expect, expect, expect_file};
use jettison_testkit::Scratch;

use crate::PROGRAM;

/// Gives options to a build of a Dockerfile that does not exist: what is wrong with them is said before that is.
#[track_caller]
fn check_options(options: &[&str], expected: Expect) {
    let scratch = Scratch::new(PROGRAM);
    scratch.write("app/notes", "");
    scratch.check(&[&["build", "app"], options].concat(), expected);
}

#[test]
fn the_help_of_build_lists_every_option_of_docker() {
    let help = Scratch::new(PROGRAM).jettison(&["build", "--help"]);
    expect_file!["golden/build-help.txt"].assert_eq(&help.stdout);
    // docker/cli: `NewBuildCommand`, cli/command/image/build.go; docker/buildx: `buildCmd`, commands/build.go.
    let options = "add-host allow annotation attest build-arg build-context builder cache-from cache-to call \
        cgroup-parent check compress cpu-period cpu-quota cpu-shares cpuset-cpus cpuset-mems debug \
        disable-content-trust file force-rm iidfile isolation label load memory memory-swap metadata-file network \
        no-cache no-cache-filter output platform policy progress provenance pull push quiet resource rm sbom secret \
        security-opt shm-size squash ssh tag target ulimit";
    for option in options.split_whitespace() {
        let long = format!("--{option}");
        let is_listed = help.stdout.lines().any(|line| {
            line.split([' ', ',', '[', '=', '<'])
                .any(|word| word == long)
        });
        assert!(is_listed, "{long} is not listed");
    }
}

#[test]
fn the_short_help_leaves_out_what_is_only_explained() {
    let help = Scratch::new(PROGRAM).jettison(&["build", "-h"]);
    expect_file!["golden/build-help-short.txt"].assert_eq(&help.stdout);
}

#[test]
fn the_help_of_the_program_lists_its_commands() {
    for (arguments, golden) in [
        (["--help"].as_slice(), expect_file!["golden/help.txt"]),
        (&["du", "--help"], expect_file!["golden/du-help.txt"]),
        (&["prune", "--help"], expect_file!["golden/prune-help.txt"]),
    ] {
        golden.assert_eq(&Scratch::new(PROGRAM).jettison(arguments).stdout);
    }
}

#[test]
fn switches_take_a_value_as_dockers_do() {
    for option in [
        "--pull=true",
        "--pull=0",
        "--no-cache=false",
        "--check=f",
        "-q=true",
        "--rm=false",
    ] {
        check_options(
            &[option, "--squash"],
            expect![[r#"
                exit: 2
                --- stderr ---
                error: --squash is not supported
                hint: a last stage `FROM scratch` with `COPY --from=STAGE / /` has one layer
            "#]],
        );
    }
    check_options(
        &["--pull=maybe"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: invalid value 'maybe' for '--pull[=<BOOL>]': take true or false

            For more information, try '--help'.
        "#]],
    );
}

#[test]
fn the_last_of_two_values_counts() {
    check_options(
        &[
            "--target",
            "a",
            "--target",
            "b",
            "--pull",
            "--pull",
            "--call",
            "outline",
            "--call=build",
        ],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: cannot read app/Dockerfile
              cause: No such file or directory (os error 2)
        "#]],
    );
}

#[test]
fn what_needs_a_daemon_is_refused_by_name() {
    check_options(
        &["--squash"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: --squash is not supported
            hint: a last stage `FROM scratch` with `COPY --from=STAGE / /` has one layer
        "#]],
    );
    check_options(
        &["--security-opt", "seccomp=unconfined"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: --security-opt seccomp=unconfined is not supported
            hint: `RUN --security=insecure` in the Dockerfile and `--allow security.insecure` let a command do everything
        "#]],
    );
    check_options(
        &["--isolation", "hyperv"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: --isolation hyperv is not supported
            hint: leave it out: commands always run in namespaces of their own
        "#]],
    );
    check_options(
        &["--policy", "filename=x"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: --policy is not supported
            hint: pin images by digest in FROM, and files by `ADD --checksum`
        "#]],
    );
}

#[test]
fn what_changes_nothing_is_explained() {
    check_options(
        &[
            "--builder=remote",
            "--rm",
            "--force-rm",
            "--compress",
            "--debug",
            "--disable-content-trust",
            "--isolation=process",
            "--provenance=mode=max",
            "--sbom",
            "true",
            "--attest=type=sbom,generator=x",
        ],
        expect![[r#"
            exit: 2
            --- stderr ---
            note: provenance attestations are not made here: the image has none
            note: sbom attestations are not made here: the image has none
            note: --builder: there is no daemon to choose; this program builds
            note: --isolation: commands always run in namespaces of their own
            note: --compress: the context is read where it is, and not sent anywhere
            note: --rm: a build leaves no containers; `jettison prune` removes what the cache holds
            note: --force-rm: a build leaves no containers, whether it fails or not
            note: --disable-content-trust: there is no content trust; a digest in FROM pins an image
            note: --debug: there is no log; --progress=plain shows all that happens, --explain says why
            error: cannot read app/Dockerfile
              cause: No such file or directory (os error 2)
        "#]],
    );
    check_options(
        &[
            "--provenance",
            "false",
            "--sbom=0",
            "--attest=type=sbom,disabled=true",
            "--builder=default",
            "--isolation=default",
        ],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: cannot read app/Dockerfile
              cause: No such file or directory (os error 2)
        "#]],
    );
}

#[test]
fn wrong_values_are_shown_with_the_option_and_what_it_takes() {
    check_options(
        &["--ulimit", "files=5"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: invalid value 'files=5' for '--ulimit <NAME=SOFT[:HARD]>': there is no limit called `files`: take core, cpu, data, fsize, locks, memlock, msgqueue, nice, nofile, nproc, rss, rtprio, rttime, sigpending, stack

            For more information, try '--help'.
        "#]],
    );
    check_options(
        &["--shm-size", "big"],
        expect![[r#"
        exit: 2
        --- stderr ---
        error: invalid value 'big' for '--shm-size <BYTES>': take a number and a unit: b, k, m, g, t or p

        For more information, try '--help'.
    "#]],
    );
    check_options(
        &["--memory", "big"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: invalid value 'big' for '--memory <BYTES>': take a number and a unit: b, k, m, g, t or p

            For more information, try '--help'.
        "#]],
    );
    check_options(
        &["--resource", "cpus=2"],
        expect![[r#"
        exit: 2
        --- stderr ---
        error: invalid value 'cpus=2' for '--resource <NAME=VALUE>': there is no resource called `cpus`: take memory, memory-swap, cpu-shares, cpu-period, cpu-quota, cpuset-cpus or cpuset-mems

        For more information, try '--help'.
    "#]],
    );
    check_options(
        &["--add-host", "other:somewhere"],
        expect![[r#"
        exit: 2
        --- stderr ---
        error: invalid value 'other:somewhere' for '--add-host <NAME=ADDRESS>': `somewhere` is not an IP address

        For more information, try '--help'.
    "#]],
    );
    check_options(
        &["--allow", "everything"],
        expect![[r#"
        exit: 2
        --- stderr ---
        error: invalid value 'everything' for '--allow <ENTITLEMENT>': take network.host, security.insecure, device or buildx.local.delete

        For more information, try '--help'.
    "#]],
    );
}

#[test]
fn values_of_lists_are_shown_as_well() {
    check_options(
        &["--annotation", "x"],
        expect![[r#"
        exit: 2
        --- stderr ---
        error: invalid value 'x' for '--annotation <[LEVEL:]KEY=VALUE>': take [LEVEL:]KEY=VALUE

        For more information, try '--help'.
    "#]],
    );
    check_options(
        &["--cache-to", "type=inline"],
        expect![[r#"
            exit: 2
            --- stderr ---
            error: invalid value 'type=inline' for '--cache-to <SPEC>': type `inline` is not supported: take type=registry and a name beside the image's

            For more information, try '--help'.
        "#]],
    );
    check_options(
        &["--network", "bridge"],
        expect![[r#"
        exit: 2
        --- stderr ---
        error: invalid value 'bridge' for '--network <NETWORK>'
          [possible values: default, host, none]

        For more information, try '--help'.
    "#]],
    );
    check_options(
        &["--jobs", "0"],
        expect![[r#"
        exit: 2
        --- stderr ---
        error: invalid value '0' for '--jobs <NUMBER>': 0 is not in 1..=65535

        For more information, try '--help'.
    "#]],
    );
}

#[test]
fn every_option_is_in_the_guide() {
    let guide = include_str!("../../../../docs/build.md");
    for command in ["build", "du", "prune"] {
        let help = Scratch::new(PROGRAM).jettison(&[command, "--help"]).stdout;
        let words = help.lines().filter_map(|line| {
            let option = line
                .trim_start()
                .trim_start_matches(|c: char| c.is_ascii_uppercase());
            let start = option.find("--").filter(|start| *start <= 4)?;
            let end = option[start + 2..].find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
            Some(&option[start..end.map_or(option.len(), |end| start + 2 + end)])
        });
        for option in words.filter(|option| {
            !["--help", "--root", "--file", "--format", "--verbose"].contains(option)
        }) {
            assert!(
                guide.contains(option),
                "{command} {option} is not in docs/build.md"
            );
        }
    }
}
