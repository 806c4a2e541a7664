//! The same inputs give the same image.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use expect_test::expect;
use jettison_sandbox::Entered;
use rustix::fs::Mode;
use rustix::process::umask;

use crate::runner::Test;
use crate::scene::{Scene, listing};

pub(crate) const TESTS: &[Test] = crate::tests![
    two_stores_give_the_same_image,
    neither_umask_nor_the_times_of_directories_above_matter,
    only_the_kernels_mount_points_stay,
];

const COPIES: &str = "FROM base\nWORKDIR /srv/app\nCOPY sub new/\nCOPY a.txt /etc/\n\
    FROM scratch\nCOPY --from=0 /srv /srv\nWORKDIR /x\n";

fn two_stores_give_the_same_image(entered: &Entered) {
    let scene = Scene::new();
    let first = scene.build(entered, COPIES);
    fs::rename(scene.store(), scene.root().join("old")).unwrap();
    let second = scene.build(entered, COPIES);
    assert!(second.steps.iter().all(|step| !step.cached));
    assert_eq!(first.image.id(), second.image.id());
    assert_eq!(
        first.image.manifest_digest(),
        second.image.manifest_digest()
    );
}

fn neither_umask_nor_the_times_of_directories_above_matter(entered: &Entered) {
    let first = Scene::new().build(entered, COPIES);
    let scene = Scene::new();
    fs::File::open(scene.root())
        .unwrap()
        .set_modified(std::time::UNIX_EPOCH)
        .unwrap();
    fs::write(scene.context("unrelated"), "").unwrap();
    let former = umask(Mode::from_raw_mode(0o077));
    let second = scene.build_as(entered, COPIES, &crate::scene::Wishes::default());
    umask(former);
    let second = second.result.unwrap();
    assert_eq!(first.image.id(), second.image.id());
    for step in &second.steps {
        let mode = fs::metadata(&step.files).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o755, "the mode of / for the next step");
    }
}

fn only_the_kernels_mount_points_stay(entered: &Entered) {
    let scene = Scene::new();
    let built = scene.build(entered, "FROM base\nRUN true\nRUN echo x > /tmp/x\n");
    expect![[r"
        755 0:0 0 /dev/
        755 0:0 0 /proc/
        755 0:0 0 /sys/"]]
    .assert_eq(&listing(&built.steps[0].files));
    let names: Vec<String> = listing(&built.steps[1].files)
        .lines()
        .map(|line| line.rsplit(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["/tmp/", "/tmp/x"]);
}
