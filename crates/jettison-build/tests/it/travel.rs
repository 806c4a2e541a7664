//! Results that are taken from one store to another.

use std::fs;
use std::path::Path;

use expect_test::expect;
use jettison_sandbox::Entered;

use crate::runner::Test;
use crate::scene::{Scene, Wishes, text_of};

pub(crate) const TESTS: &[Test] = crate::tests![
    another_store_executes_nothing,
    a_small_cache_has_the_images_own_steps,
    what_is_not_needed_is_not_fetched,
    a_damaged_cache_is_as_good_as_none,
    two_executions_are_not_mixed,
];

const TEXT: &str = "FROM base AS build\nRUN echo 1 > /one\nCOPY a.txt /a.txt\n\
    FROM base\nCOPY --from=build /one /a.txt /\nRUN echo 2 > /two\n";

fn taking(path: &Path) -> Wishes {
    Wishes {
        keeps_little: true,
        cache_from: vec![path.to_owned()],
        ..Wishes::default()
    }
}

fn giving(path: &Path, keeps_little: bool) -> Wishes {
    Wishes {
        keeps_little,
        cache_to: Some(path.to_owned()),
        ..Wishes::default()
    }
}

fn another_store_executes_nothing(entered: &Entered) {
    let (here, there) = (Scene::new(), Scene::new());
    let layout = here.root().join("steps");
    let first = here.build_as(entered, TEXT, &giving(&layout, false));
    let first = first.result.unwrap();
    let second = there.build_as(entered, TEXT, &taking(&layout));
    expect![[r"
        cached [build 2/3] RUN echo 1 > /one
        cached [build 3/3] COPY a.txt /a.txt
        cached [stage-1 2/3] COPY --from=build /one /a.txt /
        cached [stage-1 3/3] RUN echo 2 > /two"]]
    .assert_eq(&second.steps.join("\n"));
    assert_eq!(second.result.unwrap().image.id(), first.image.id());
    // What was fetched is in the cache now.
    fs::remove_dir_all(&layout).unwrap();
    let third = there.build_as(entered, TEXT, &Wishes::default());
    let cached = third.steps.iter().filter(|step| step.starts_with("cached"));
    assert!(cached.count() >= 1, "{:?}", third.steps);
}

fn a_small_cache_has_the_images_own_steps(entered: &Entered) {
    let (here, there) = (Scene::new(), Scene::new());
    let layout = here.root().join("steps");
    let first = here.build_as(entered, TEXT, &giving(&layout, true));
    assert!(first.result.is_ok());
    let second = there.build_as(entered, TEXT, &taking(&layout));
    // The build stage was executed again and has another name, and its files have the same contents.
    expect![[r"
        run [build 2/3] RUN echo 1 > /one
        run [build 3/3] COPY a.txt /a.txt
        cached [stage-1 2/3] COPY --from=build /one /a.txt /
        cached [stage-1 3/3] RUN echo 2 > /two"]]
    .assert_eq(&second.steps.join("\n"));
}

fn what_is_not_needed_is_not_fetched(entered: &Entered) {
    let (here, there) = (Scene::new(), Scene::new());
    let layout = here.root().join("steps");
    let first = here.build_as(entered, TEXT, &giving(&layout, false));
    let first = first.result.unwrap();
    let second = there.build_as(entered, TEXT, &taking(&layout));
    let second = second.result.unwrap();
    let blob = first.steps[0].layer.as_ref().unwrap().blob.digest;
    let path = there.store().join("blobs/sha256").join(blob.hex());
    assert!(!path.exists() && !second.steps[0].files.exists());
    // Now it is.
    let target = "FROM base AS build\nRUN echo 1 > /one\nRUN read x < /one; echo $x > /other\n";
    let third = there.build_as(entered, target, &taking(&layout));
    assert!(third.steps[0].starts_with("cached"), "{:?}", third.steps);
    assert_eq!(text_of(&third.result.unwrap(), "/other"), "1\n");
    assert!(path.exists());
}

fn a_damaged_cache_is_as_good_as_none(entered: &Entered) {
    let (here, there) = (Scene::new(), Scene::new());
    let layout = here.root().join("steps");
    let first = here.build_as(entered, TEXT, &giving(&layout, false));
    assert!(first.result.is_ok());
    for entry in fs::read_dir(layout.join("blobs/sha256")).unwrap() {
        fs::write(entry.unwrap().path(), "damaged").unwrap();
    }
    let second = there.build_as(entered, TEXT, &taking(&layout));
    assert!(second.result.is_ok());
    let is_warned = second
        .steps
        .iter()
        .any(|step| step.starts_with("warning there cannot be used"));
    assert!(is_warned, "{:?}", second.steps);
    assert!(!second.steps.iter().any(|step| step.starts_with("cached")));
}

fn two_executions_are_not_mixed(entered: &Entered) {
    let text = "FROM base AS one\nRUN read x < /proc/sys/kernel/random/uuid; echo $x > /one\n\
        FROM one AS two\nRUN read x < /one; echo $x > /two\n";
    let (here, there) = (Scene::new(), Scene::new());
    let layout = here.root().join("steps");
    assert!(
        here.build_as(entered, text, &giving(&layout, false))
            .result
            .is_ok()
    );
    let one = Wishes {
        target: Some("one"),
        ..Wishes::default()
    };
    // This store has its own `/one`, which comes before the other's.
    assert!(there.build_as(entered, text, &one).result.is_ok());
    let both = there.build_as(
        entered,
        text,
        &Wishes {
            keeps_little: false,
            ..taking(&layout)
        },
    );
    let both = both.result.unwrap();
    assert_eq!(text_of(&both, "/one"), text_of(&both, "/two"));
}
