//! Volumes with names: `jettison run -v NAME:/path`.

use expect_test::expect;
use jettison_testkit::Scratch;

use crate::everyday::stdout;
use crate::running::world;

fn run(scratch: &Scratch, options: &[&str], script: &str) -> String {
    let words = [&["run"], options, &["box", "sh", "-c", script]].concat();
    stdout(scratch, &words)
}

#[test]
fn a_volume_begins_with_what_the_image_has_there_and_keeps_what_is_written() {
    let Some(scratch) = world() else { return };
    scratch
        .write(
            "own/Dockerfile",
            "FROM box\nRUN mkdir -p /own/sub && echo mine >/own/sub/file && ln -s sub/file /own/link && \
             chmod 2751 /own && chmod 4600 /own/sub/file && (chown -R 1000:1001 /own || true)\n",
        )
        .jettison(&["build", "-q", "own", "-t", "own"])
        .succeeded();
    let list = "cd /own && ls -lnR . && cat link && stat -c '%a %u:%g' . sub/file";
    let ours = |options: &[&str]| {
        let words = [&["run"], options, &["own", "sh", "-c", list]].concat();
        stdout(&scratch, &words)
    };
    let plain = ours(&[]);
    assert_eq!(ours(&["-v", "some.data:/own"]), plain);
    assert_eq!(
        ours(&["--mount", "type=volume,src=some.data,dst=/own"]),
        plain
    );
    // Other images have what it began with, and what was added.
    let add = "cat /there/link; echo more >/there/more; ls /there";
    let options = ["-v", "some.data:/there"];
    assert_eq!(run(&scratch, &options, add), "mine\nlink\nmore\nsub\n");
    let read = ["-v", "some.data:/own:ro", "--read-only"];
    assert_eq!(run(&scratch, &read, "cat /own/more"), "more\n");
    let denied = [
        &["run"],
        &read[..],
        &["box", "sh", "-c", "echo x >/own/more"],
    ]
    .concat();
    assert_eq!(scratch.jettison(&denied).code, 1);
    // One that is not to be filled is empty; so is one where the image has nothing.
    for options in [
        ["-v", "empty:/own:nocopy"],
        ["-v", "nothing:/not/there"],
        ["--mount", "src=unfilled,dst=/own,volume-nocopy"],
    ] {
        let target = if options[1].contains("/own") || options[1].contains("dst=") {
            "/own"
        } else {
            "/not/there"
        };
        let words = [&["run"], &options[..], &["own", "ls", "-A", target]].concat();
        assert_eq!(stdout(&scratch, &words), "");
    }
    // It is filled as long as it is empty.
    assert_eq!(ours(&["-v", "empty:/own"]), plain);
}

#[test]
fn volumes_are_listed_and_removed_only_if_they_are_asked_for() {
    let Some(scratch) = world() else { return };
    run(&scratch, &["-v", "data:/data"], "echo kept >>/data/file");
    let listed = stdout(&scratch, &["du", "--type", "volume", "--verbose"]);
    assert!(listed.contains("volumes/data"), "{listed}");
    scratch.jettison(&["prune", "-f", "--all"]).succeeded();
    let kept = run(&scratch, &["-v", "data:/data"], "cat /data/file");
    assert_eq!(kept, "content\nkept\n");
    scratch
        .jettison(&["prune", "-f", "--type", "volume"])
        .succeeded();
    let fresh = run(&scratch, &["-v", "data:/data"], "cat /data/file");
    assert_eq!(fresh, "content\n");
}

#[test]
fn programs_share_a_volume_at_the_same_time() {
    let Some(scratch) = world() else { return };
    std::thread::scope(|scope| {
        for number in 0..4 {
            let scratch = &scratch;
            scope.spawn(move || {
                let script = format!("cat /data/file; echo {number} >/data/{number}");
                let read = run(scratch, &["-v", "shared:/data"], &script);
                assert_eq!(read, "content\n");
            });
        }
    });
    let all = run(&scratch, &["-v", "shared:/x"], "ls /x");
    assert_eq!(all, "0\n1\n2\n3\nfile\n");
}

#[test]
fn what_is_no_name_of_a_volume_is_refused() {
    let Some(scratch) = world() else { return };
    scratch.check(
        &["run", "-v", "some/data:/data", "box"],
        expect![[r#"
        exit: 125
        --- stderr ---
        error: cannot mount `some/data:/data`: `some/data` is not the name of a volume
        hint: a directory of this machine is ./some/data
    "#]],
    );
    scratch.check(
        &["run", "--mount", "type=volume,src=../data,dst=/data", "box"],
        expect![[r#"
            exit: 125
            --- stderr ---
            error: cannot mount `type=volume,src=../data,dst=/data`: `../data` is not the name of a volume
            hint: a directory of this machine is mounted with type=bind
        "#]],
    );
}
