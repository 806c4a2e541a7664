//! What is said when something fails, and what stays.

use std::fs;

use expect_test::{Expect, expect};
use jettison_sandbox::Entered;

use crate::runner::{Test, skip};
use crate::scene::{Scene, Wishes};

pub(crate) const TESTS: &[Test] = crate::tests![
    a_failed_command_is_named_with_its_line_and_exit_code,
    output_is_complete_without_a_last_line_break,
    steps_before_a_failure_stay_in_the_cache,
    a_full_disk_is_an_error_and_loses_nothing,
    a_failure_ends_what_else_runs,
    a_failure_ends_who_waits_for_a_cache,
];

fn a_failed_command_is_named_with_its_line_and_exit_code(entered: &Entered) {
    let check = |text: &str, expected: Expect| {
        let done = Scene::new().build_as(entered, text, &Wishes::default());
        expected.assert_eq(&done.result.unwrap_err().to_string());
    };
    check(
        "FROM base\n\nRUN exit 7\n",
        expect![[
            r#"line 3: process "/bin/sh -c exit 7" did not complete successfully: exit code: 7"#
        ]],
    );
    check(
        "FROM base\nRUN [\"/nope\", \"x\"]\n",
        expect![[
            r#"line 2: process "/nope x" did not complete successfully: exit code: 1 (cannot execute `/nope`: No such file or directory (os error 2))"#
        ]],
    );
    check(
        "FROM scratch\nRUN x\n",
        expect![[
            r#"line 2: process "/bin/sh -c x" did not complete successfully: exit code: 1 (cannot execute `/bin/sh`: No such file or directory (os error 2))"#
        ]],
    );
    check(
        "FROM base\nRUN <<E\nx=1\nexit 3\nE\n",
        expect![[
            r#"line 2: process "/bin/sh -c x=1\nexit 3\n" did not complete successfully: exit code: 3"#
        ]],
    );
    check(
        "FROM base\nUSER ghost\nRUN x\n",
        expect![[
            r#"line 3: process "/bin/sh -c x" did not complete successfully: unable to find user ghost: no matching entries in passwd file"#
        ]],
    );
    check(
        "FROM nowhere\n",
        expect!["line 1: cannot get base image `nowhere`"],
    );
}

fn output_is_complete_without_a_last_line_break(entered: &Entered) {
    let text = "FROM base\nRUN echo one; printf two; printf three >&2; exit 1\n";
    let done = Scene::new().build_as(entered, text, &Wishes::default());
    assert!(done.result.is_err());
    assert_eq!(done.output, "one\ntwothree\n");
}

fn steps_before_a_failure_stay_in_the_cache(entered: &Entered) {
    let scene = Scene::new();
    let text = "FROM base\nRUN echo 1 > /one\nRUN echo 2 > /two\nRUN exit ";
    let failed = scene.build_as(entered, &format!("{text}1\n"), &Wishes::default());
    assert!(failed.result.is_err());
    let repaired = scene.build_as(entered, &format!("{text}0\n"), &Wishes::default());
    expect![[r"
        cached [2/4] RUN echo 1 > /one
        cached [3/4] RUN echo 2 > /two
        run [4/4] RUN exit 0"]]
    .assert_eq(&repaired.steps.join("\n"));
    assert!(repaired.result.is_ok());
}

fn a_full_disk_is_an_error_and_loses_nothing(entered: &Entered) {
    let scene = Scene::new();
    fs::create_dir(scene.store()).unwrap();
    let flags = rustix::mount::MountFlags::empty();
    let mounted = rustix::mount::mount("tmpfs", scene.store(), "tmpfs", flags, c"size=16m");
    if let Err(error) = mounted {
        skip(format!("a tmpfs cannot be mounted here: {error}"));
    }
    let small = "FROM base\nCOPY a.txt /\n";
    let before = scene.build(entered, small);
    // Random bytes, so that the layer is as large as the file.
    let mut bytes = vec![0; 12 << 20];
    let mut random = fs::File::open("/dev/urandom").unwrap();
    std::io::Read::read_exact(&mut random, &mut bytes).unwrap();
    fs::write(scene.context("large"), &bytes).unwrap();
    let full = scene.build_as(entered, "FROM base\nCOPY large /\n", &Wishes::default());
    let error = full.result.unwrap_err();
    let mut said = vec![error.to_string()];
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        said.push(cause.to_string());
        source = cause.source();
    }
    assert!(
        said.iter().any(|line| line.contains("No space left")),
        "{said:?}"
    );
    assert!(error.is_for_lack_of_room());
    // What a command says of it, it says in its own words.
    let text = "FROM base\nRUN x=0123456789abcdef; x=$x$x$x$x; x=$x$x$x$x; x=$x$x$x$x; \
                while echo $x; do :; done > /much; exit 7\n";
    let command = scene.build_as(entered, text, &Wishes::default());
    let error = command.result.unwrap_err();
    assert!(error.is_for_lack_of_room(), "{error}");
    let expected =
        "did not complete successfully: exit code: 7, and the disk of the store is nearly full";
    assert!(error.to_string().ends_with(expected), "{error}");
    let elsewhere = scene.build_as(entered, "FROM base\nRUN exit 7\n", &Wishes::default());
    assert!(!elsewhere.result.unwrap_err().is_for_lack_of_room());
    let after = scene.build_as(entered, small, &Wishes::default());
    assert_eq!(after.steps, ["cached [2/2] COPY a.txt /"]);
    assert_eq!(after.result.unwrap().image.id(), before.image.id());
    rustix::mount::unmount(scene.store(), rustix::mount::UnmountFlags::DETACH).unwrap();
}

fn a_failure_ends_what_else_runs(entered: &Entered) {
    let scene = Scene::new();
    let wishes = Wishes {
        runs_at_once: true,
        ..Wishes::default()
    };
    // None of them would ever end by itself.
    for endless in [
        "while :; do :; done",
        "while :; do echo x; done",
        "exec >&- 2>&-; while :; do :; done",
    ] {
        let text = format!(
            "FROM base AS endless\nRUN {endless}\nFROM base AS failing\nRUN exit 3\n\
             FROM scratch\nCOPY --from=endless /etc /\nCOPY --from=failing /etc /\n"
        );
        let done = scene.build_as(entered, &text, &wishes);
        let error = done.result.unwrap_err().to_string();
        assert!(error.contains("exit code: 3"), "{error}");
    }
}

fn a_failure_ends_who_waits_for_a_cache(entered: &Entered) {
    let scene = Scene::new();
    let wishes = Wishes {
        runs_at_once: true,
        ..Wishes::default()
    };
    let mount = "--mount=type=cache,target=/c,sharing=locked";
    // One of the two has the directory, and the other one waits for it.
    let text = format!(
        "FROM base AS one\nRUN {mount} exec >&- 2>&-; while :; do :; done\n\
         FROM base AS two\nRUN {mount} exec 2>&- >&-; while :; do :; done\n\
         FROM base AS failing\nRUN i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; exit 3\n\
         FROM scratch\nCOPY --from=one /etc /\nCOPY --from=two /etc /\nCOPY --from=failing /etc /\n"
    );
    let done = scene.build_as(entered, &text, &wishes);
    let error = done.result.unwrap_err().to_string();
    assert!(error.contains("exit code: 3"), "{error}");
}
