//! What is executed again, and what is not.

use std::fs;

use expect_test::{Expect, expect};
use jettison_sandbox::Entered;

use crate::runner::Test;
use crate::scene::{Done, Scene, Wishes, listing, text_of};

pub(crate) const TESTS: &[Test] = crate::tests![
    nothing_runs_on_an_unchanged_rebuild,
    a_changed_file_rebuilds_what_follows,
    a_time_alone_changes_nothing,
    files_that_came_out_the_same_are_not_copied_again,
    capabilities_are_part_of_a_file,
    what_was_executed_again_is_not_mixed_with_what_was_not,
    what_is_copied_again_has_the_times_of_its_layer,
    equal_steps_are_executed_once,
    what_was_deleted_by_hand_is_made_again,
    layers_of_other_stages_are_not_written,
    a_step_that_is_executed_says_why,
];

const TEXT: &str = "FROM base AS build\nRUN echo 1 > /one\nCOPY a.txt /a.txt\n\
    RUN read x < /a.txt; echo \"${x%?}\" > /cut\nFROM base\nCOPY b.txt /\nCOPY --from=build /cut /\n";
/// A file that is never the same again.
const RANDOM: &str = "RUN read x < /proc/sys/kernel/random/uuid; echo $x >";

#[track_caller]
fn check(done: &Done, expected: Expect) {
    if let Err(error) = &done.result {
        panic!("{error}: {error:?}");
    }
    expected.assert_eq(&done.steps.join("\n"));
}

fn nothing_runs_on_an_unchanged_rebuild(entered: &Entered) {
    let scene = Scene::new();
    let first = scene.build_as(entered, TEXT, &Wishes::default());
    check(
        &first,
        expect![[r#"
        run [build 2/4] RUN echo 1 > /one
        run [build 3/4] COPY a.txt /a.txt
        run [build 4/4] RUN read x < /a.txt; echo "${x%?}" > /cut
        run [stage-1 2/3] COPY b.txt /
        run [stage-1 3/3] COPY --from=build /cut /"#]],
    );
    let second = scene.build_as(entered, TEXT, &Wishes::default());
    check(
        &second,
        expect![[r#"
        cached [build 2/4] RUN echo 1 > /one
        cached [build 3/4] COPY a.txt /a.txt
        cached [build 4/4] RUN read x < /a.txt; echo "${x%?}" > /cut
        cached [stage-1 2/3] COPY b.txt /
        cached [stage-1 3/3] COPY --from=build /cut /"#]],
    );
    let (first, second) = (first.result.unwrap(), second.result.unwrap());
    assert_eq!(first.image.id(), second.image.id());
    // The cache keeps whole microseconds.
    let difference = first.cold_time().abs_diff(second.cold_time());
    assert!(difference.as_millis() == 0, "{difference:?}");
}

fn a_changed_file_rebuilds_what_follows(entered: &Entered) {
    let scene = Scene::new();
    scene.build(entered, TEXT);
    scene.write("a.txt", "other");
    let done = scene.build_as(entered, TEXT, &Wishes::default());
    check(
        &done,
        expect![[r#"
        cached [build 2/4] RUN echo 1 > /one
        run [build 3/4] COPY a.txt /a.txt
        run [build 4/4] RUN read x < /a.txt; echo "${x%?}" > /cut
        cached [stage-1 2/3] COPY b.txt /
        run [stage-1 3/3] COPY --from=build /cut /"#]],
    );
}

fn a_time_alone_changes_nothing(entered: &Entered) {
    let scene = Scene::new();
    scene.build(entered, TEXT);
    fs::write(scene.context("a.txt"), "a.txt").unwrap();
    let done = scene.build_as(entered, TEXT, &Wishes::default());
    assert!(done.steps.iter().all(|step| step.starts_with("cached")));
}

fn files_that_came_out_the_same_are_not_copied_again(entered: &Entered) {
    let scene = Scene::new();
    scene.build(entered, TEXT);
    // The command cuts off the only character that differs.
    scene.write("a.txt", "a.txT");
    let done = scene.build_as(entered, TEXT, &Wishes::default());
    check(
        &done,
        expect![[r#"
        cached [build 2/4] RUN echo 1 > /one
        run [build 3/4] COPY a.txt /a.txt
        run [build 4/4] RUN read x < /a.txt; echo "${x%?}" > /cut
        cached [stage-1 2/3] COPY b.txt /
        cached [stage-1 3/3] COPY --from=build /cut /"#]],
    );
}

fn capabilities_are_part_of_a_file(entered: &Entered) {
    let scene = Scene::new();
    let text = "FROM scratch\nCOPY a.txt /\n";
    let plain = scene.build(entered, text);
    // CAP_NET_BIND_SERVICE, permitted and effective.
    let value = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let name = "security.capability";
    let flags = rustix::fs::XattrFlags::empty();
    if let Err(error) = rustix::fs::setxattr(scene.context("a.txt"), name, &value, flags) {
        crate::runner::skip(format!("files cannot be given capabilities here: {error}"));
    }
    let capable = scene.build(entered, text);
    assert_ne!(plain.image.id(), capable.image.id());
    let mut read = [0; 64];
    let copied = capable.steps[0].files.join("a.txt");
    rustix::fs::getxattr(&copied, name, &mut read[..]).unwrap();
    assert_eq!(read[4..8], value[4..8]);
}

fn what_was_executed_again_is_not_mixed_with_what_was_not(entered: &Entered) {
    let scene = Scene::new();
    let text = format!(
        "FROM base AS one\n{RANDOM} /one\nFROM one AS two\nRUN read x < /one; echo $x > /two\n"
    );
    scene.build(entered, &text);
    let wishes = Wishes {
        target: Some("one"),
        without_cache: true,
        ..Wishes::default()
    };
    let again = scene.build_as(entered, &text, &wishes).result.unwrap();
    let both = scene.build(entered, &text);
    assert_eq!(text_of(&both, "/one"), text_of(&again, "/one"));
    assert_eq!(text_of(&both, "/two"), text_of(&both, "/one"));
}

fn equal_steps_are_executed_once(entered: &Entered) {
    let text = format!(
        "FROM base AS one\n{RANDOM} /out\nFROM base AS two\n{RANDOM} /out\n\
         FROM scratch\nCOPY --from=one /out /one\nCOPY --from=two /out /two\n"
    );
    let wishes = Wishes {
        without_cache: true,
        ..Wishes::default()
    };
    let scene = Scene::new();
    let done = scene.build_as(entered, &text, &wishes);
    let is_run = |step: &&String| step.starts_with("run") && step.contains("RUN");
    assert_eq!(done.steps.iter().filter(is_run).count(), 1);
    let built = done.result.unwrap();
    assert_eq!(text_of(&built, "/one"), text_of(&built, "/two"));
}

fn what_was_deleted_by_hand_is_made_again(entered: &Entered) {
    let scene = Scene::new();
    let first = scene.build(entered, TEXT);
    let cut = text_of(&first, "/cut");
    for step in &first.steps {
        fs::remove_dir_all(step.files.parent().unwrap()).unwrap();
    }
    let second = scene.build_as(entered, TEXT, &Wishes::default());
    assert!(second.steps.iter().all(|step| step.starts_with("cached")));
    let second = second.result.unwrap();
    assert_eq!(first.image.id(), second.image.id());
    assert_eq!(text_of(&second, "/cut"), cut);

    let digest = second.steps[0].layer.as_ref().unwrap().blob.digest;
    let blob = scene.store().join("blobs/sha256").join(digest.hex());
    fs::write(&blob, "cut off").unwrap();
    let third = scene.build_as(entered, TEXT, &Wishes::default());
    // The layer is made of the snapshot again.
    assert!(third.steps[0].starts_with("cached"), "{:?}", third.steps);
    let third = third.result.unwrap();
    assert_eq!(text_of(&third, "/cut"), cut);
    assert_ne!(fs::read(&blob).unwrap(), b"cut off");
    fs::write(&blob, "cut off").unwrap();
    fs::remove_dir_all(third.steps[0].files.parent().unwrap()).unwrap();
    let fourth = scene.build_as(entered, TEXT, &Wishes::default());
    assert!(fourth.steps[0].starts_with("run"), "{:?}", fourth.steps);
    assert_eq!(text_of(&fourth.result.unwrap(), "/cut"), cut);

    fs::remove_dir_all(scene.store().join("cache/v1/preimages")).unwrap();
    fs::remove_dir_all(scene.store().join("snapshots/chains")).unwrap();
    assert_eq!(text_of(&scene.build(entered, TEXT), "/cut"), cut);
}

fn what_is_copied_again_has_the_times_of_its_layer(entered: &Entered) {
    let scene = Scene::new();
    let text = "FROM scratch\nCOPY a.txt /a.txt\nCOPY b.txt /b.txt\n";
    scene.build(entered, text);
    let later = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_100_000_000);
    let file = fs::File::open(scene.context("a.txt")).unwrap();
    file.set_times(fs::FileTimes::new().set_modified(later))
        .unwrap();
    let again = Wishes {
        without_cache: true,
        keeps_little: true,
        ..Wishes::default()
    };
    scene.build_as(entered, text, &again).result.unwrap();
    // What is found now is what the last build made: its layer and its files.
    let built = scene.build(entered, text);
    let copied = listing(&built.steps[0].files);
    assert!(copied.ends_with(" 1100000000 /a.txt"), "{copied}");
}

fn layers_of_other_stages_are_not_written(entered: &Entered) {
    let scene = Scene::new();
    let little = Wishes {
        keeps_little: true,
        ..Wishes::default()
    };
    let layers = |done: Done| -> Vec<bool> {
        let steps = done.result.unwrap().steps;
        steps.iter().map(|step| step.layer.is_some()).collect()
    };
    let text = "FROM base AS build\nRUN echo 1 > /one\nFROM scratch\nCOPY --from=build /one /\n";
    assert_eq!(
        layers(scene.build_as(entered, text, &little)),
        [false, true]
    );
    // Now it is the image's own.
    let done = scene.build_as(entered, "FROM base\nRUN echo 1 > /one\n", &little);
    check(&done, expect!["cached [2/2] RUN echo 1 > /one"]);
    assert_eq!(layers(done), [true]);
    assert_eq!(layers(scene.build_as(entered, text, &little)), [true, true]);
}

fn a_step_that_is_executed_says_why(entered: &Entered) {
    let scene = Scene::new();
    let why = |done: Done| -> Vec<String> {
        let steps = done.result.unwrap().steps;
        let changes = steps.iter().map(|step| match &step.change {
            Some(change) => format!("{change:?}"),
            None => "-".to_owned(),
        });
        changes.collect()
    };
    let text = "FROM base\nCOPY sub /sub\nRUN echo 1 > /one\n";
    let first = why(scene.build_as(entered, text, &Wishes::default()));
    assert_eq!(first, ["New", "New"]);
    scene.write("sub/c.txt", "other");
    expect![[r#"File { path: "c.txt", change: Content } | Parent"#]]
        .assert_eq(&why(scene.build_as(entered, text, &Wishes::default())).join(" | "));
    let other = text.replace("echo 1", "echo 2");
    expect![[r#"- | Part(KeyPart { name: "argv", before: "\"/bin/sh\" \"-c\" \"echo 1 > /one\"", after: "\"/bin/sh\" \"-c\" \"echo 2 > /one\"" })"#]]
        .assert_eq(&why(scene.build_as(entered, &other, &Wishes::default())).join(" | "));
}
