//! Images whose layers stay in their registry until somebody looks at them.

use std::fs::File;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use jettison_oci::{Manifest, Reference, Store};
use jettison_testkit::{
    DockerRegistry, FaultProxy, Mishap, MishapPlan, Outcome, RegistryDemands, Scratch,
};

use crate::PROGRAM;
use crate::registries::registry;
use crate::running;

/// What is only copied onto its base.
const LINKED: &str = "COPY --link hello /hello\nENV A=b\nLABEL c=d\n\
    CMD [\"/bin/busybox\", \"cat\", \"/hello\", \"/data/file\"]\n";

/// A registry that has an image with busybox, `base:1`, and a proxy before it that writes down what is asked for.
struct World {
    proxy: FaultProxy,
    /// The blobs of the image's layers, as they are in the registry.
    layers: Vec<String>,
    // It ends with this.
    _registry: DockerRegistry,
}

impl World {
    fn new() -> Option<World> {
        let scratch = running::world()?;
        let registry = registry(&RegistryDemands::default())?;
        let proxy = FaultProxy::start(&registry.authority());
        let base = format!("{}/base:1", proxy.authority());
        scratch.jettison(&["tag", "box", &base]).succeeded();
        scratch.jettison(&["push", "-q", &base]).succeeded();
        proxy.take_requests();
        Some(World {
            proxy,
            layers: layers_of(&scratch, &base),
            _registry: registry,
        })
    }

    fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.proxy.authority())
    }

    /// An empty machine, with a Dockerfile on top of the image.
    fn machine(&self, instructions: &str) -> Scratch {
        let scratch = Scratch::new(PROGRAM);
        let base = self.name("base:1");
        scratch
            .write("app/Dockerfile", format!("FROM {base}\n{instructions}"))
            .write("app/hello", "hello\n");
        // All machines copy the same file.
        let hello = File::options()
            .write(true)
            .open(scratch.dir().join("app/hello"));
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        hello.unwrap().set_modified(time).unwrap();
        scratch
    }

    /// How many layers of the base were fetched since this was asked before.
    fn n_fetched(&self) -> usize {
        let requests = self.proxy.take_requests();
        let is_fetched = |layer: &&String| {
            let mut requests = requests.iter();
            requests.any(|line| line.starts_with("GET ") && line.ends_with(layer.as_str()))
        };
        self.layers.iter().filter(is_fetched).count()
    }

    #[track_caller]
    fn assert_runs(&self, image: &str) {
        let empty = Scratch::new(PROGRAM);
        let ran = empty.jettison(&["run", "-q", image]).succeeded();
        assert_eq!(ran.stdout, "hello\ncontent\n");
        self.proxy.take_requests();
    }
}

/// The blobs of an image's layers in the registry that it was pushed to.
fn layers_of(scratch: &Scratch, name: &str) -> Vec<String> {
    let store = Store::open(scratch.root()).unwrap();
    let reference: Reference = name.parse().unwrap();
    let image = store.find(&reference).unwrap().unwrap();
    let origins = store.origins(&image.manifest_digest());
    let manifest = Manifest::from_json(origins[0].manifest_json.as_bytes()).unwrap();
    let layers = manifest.layers.iter();
    layers.map(|layer| layer.digest.to_string()).collect()
}

#[track_caller]
fn build(scratch: &Scratch, more: &[&str]) -> Outcome {
    let arguments = [&["build", "app"][..], more].concat();
    scratch.jettison(&arguments).succeeded()
}

#[test]
fn what_is_only_copied_onto_its_base_is_pushed_without_it() {
    let Some(world) = World::new() else { return };
    let app = world.name("team/app:1");
    for in_one in [true, false] {
        let scratch = world.machine(LINKED);
        if in_one {
            build(&scratch, &["-q", "-t", &app, "--push"]);
        } else {
            build(&scratch, &["-q", "-t", &app]);
            scratch.jettison(&["push", "-q", &app]).succeeded();
        }
        assert_eq!(world.n_fetched(), 0);
        world.assert_runs(&app);
        // It runs here, too: now they are fetched.
        let ran = scratch.jettison(&["run", "-q", &app]).succeeded();
        assert_eq!(ran.stdout, "hello\ncontent\n");
        assert_ne!(world.n_fetched(), 0);
        scratch.jettison(&["run", "-q", &app]).succeeded();
        assert_eq!(world.n_fetched(), 0);
    }
}

#[test]
fn what_only_says_something_else_needs_no_files() {
    let Some(world) = World::new() else { return };
    let scratch = world.machine("ENV A=b\nUSER app\nCMD [\"/bin/busybox\", \"id\", \"-u\"]\n");
    build(&scratch, &["-q", "-t", "app"]);
    for arguments in [
        &["images"][..],
        &["history", "app"],
        &["inspect", "app"],
        &["tag", "app", "other"],
        &["du"],
        &["prune", "-f"],
        &["rmi", "other"],
    ] {
        scratch.jettison(arguments).succeeded();
    }
    assert_eq!(world.n_fetched(), 0);
    // So does what is built on top of it.
    scratch.write("app/Dockerfile", "FROM app\nENV B=c\n");
    build(&scratch, &["-q", "-t", "next"]);
    assert_eq!(world.n_fetched(), 0);
    let ran = scratch.jettison(&["run", "-q", "next"]).succeeded();
    assert_eq!(ran.stdout, "1000\n");
    assert_ne!(world.n_fetched(), 0);
}

#[test]
fn those_who_look_at_files_fetch_them() {
    let Some(world) = World::new() else { return };
    let layout = "layout";
    for (what, arguments) in [
        ("save", &["save", "-o", "app.tar", "app"][..]),
        ("copy", &["copy", "jettison:app", "oci:layout"]),
        ("debug", &["debug", "--toolbox=host", "app", "ls", "/data"]),
        ("output", &["build", "app", "-o", "type=local,dest=files"]),
        (
            "archive",
            &["build", "app", "-o", "type=docker,dest=app.tar"],
        ),
        (
            "layout",
            &["build", "app", "-o", "type=oci,dest=layout,tar=false"],
        ),
    ] {
        let scratch = world.machine("COPY --link hello /hello\n");
        build(&scratch, &["-q", "-t", "app"]);
        assert_eq!(world.n_fetched(), 0, "{what}");
        scratch.jettison(arguments).succeeded();
        assert_ne!(world.n_fetched(), 0, "{what}");
        if scratch.exists(layout) {
            let other = Scratch::new(PROGRAM);
            let from = scratch.dir().join(layout);
            let loaded = other.jettison(&["load", "-i", from.to_str().unwrap()]);
            loaded.succeeded();
        }
    }
    // A step that is executed, and no step that is not.
    for instructions in [
        "COPY hello /data/\n",
        "RUN [\"/bin/busybox\", \"true\"]\n",
        "WORKDIR /data/new\n",
    ] {
        let scratch = world.machine(instructions);
        let cache = format!("type=registry,ref={}", world.name("cache"));
        build(&scratch, &["-q", "--cache-to", &cache]);
        assert_ne!(world.n_fetched(), 0, "{instructions}");
        let other = world.machine(instructions);
        let app = world.name("team/app:2");
        build(&other, &["--push", "-t", &app, "--cache-from", &cache]);
        assert_eq!(world.n_fetched(), 0, "{instructions}");
    }
}

#[test]
fn an_image_to_look_into_and_its_tools_come_from_their_registry() {
    let Some(world) = World::new() else { return };
    let base = world.name("base:1");
    let scratch = Scratch::new(PROGRAM);
    // Neither is here.
    let debug = [
        "debug",
        "-q",
        "--toolbox",
        &base,
        &base,
        "cat",
        "/data/file",
    ];
    let outcome = scratch.jettison(&debug).succeeded();
    assert_eq!(outcome.stdout, "content\n");
    assert_ne!(world.n_fetched(), 0);
    scratch.jettison(&debug).succeeded();
    assert!(world.proxy.take_requests().is_empty());
    let again = [&["debug", "--pull=always"][..], &debug[1..]].concat();
    scratch.jettison(&again).succeeded();
    assert!(!world.proxy.take_requests().is_empty());
    let never = ["debug", "--pull=never", "--toolbox=host", "other"];
    let missing = scratch.jettison(&never).to_string();
    assert!(missing.contains("no such image: other"), "{missing}");
    // The tools alone.
    let scratch = world.machine("CMD [\"/x\"]\n");
    build(&scratch, &["-q", "-t", "app"]);
    assert_eq!(world.n_fetched(), 0);
    let outcome = scratch.jettison(&["debug", "--toolbox", &base, "app", "true"]);
    outcome.succeeded();
    assert_ne!(world.n_fetched(), 0);
}

#[test]
fn files_are_copied_from_an_image_that_nobody_has_looked_at() {
    let Some(world) = World::new() else { return };
    let scratch = world.machine("ENV A=b\n");
    build(&scratch, &["-q", "-t", "app"]);
    let dockerfile = "FROM scratch\nCOPY --from=app /data/file /file\n";
    scratch.write("app/Dockerfile", dockerfile);
    assert_eq!(world.n_fetched(), 0);
    let output = ["-o", "files"];
    build(&scratch, &output);
    assert_ne!(world.n_fetched(), 0);
    assert_eq!(scratch.read("files/file"), "content\n");
}

#[test]
fn a_registry_that_takes_nothing_from_elsewhere_is_sent_the_layers() {
    let Some(world) = World::new() else { return };
    world.proxy.plan(MishapPlan {
        method: "POST",
        path: "mount=".to_owned(),
        after: 0,
        times: 100,
        mishap: Mishap::Unasked,
    });
    let app = world.name("team/app:1");
    let scratch = world.machine(LINKED);
    build(&scratch, &["-q", "-t", &app, "--push"]);
    assert_ne!(world.n_fetched(), 0);
    assert!(world.proxy.has_happened(100));
    world.assert_runs(&app);
    // And another registry.
    let Some(second) = registry(&RegistryDemands::default()) else {
        return;
    };
    let app = format!("{}/app:1", second.authority());
    let scratch = world.machine(LINKED);
    build(&scratch, &["-q", "-t", &app, "--push"]);
    assert_ne!(world.n_fetched(), 0);
    world.assert_runs(&app);
}

#[test]
fn a_build_that_is_killed_while_it_fetches_loses_nothing() {
    let Some(world) = World::new() else { return };
    let scratch = world.machine(
        "COPY hello /data/\nCMD [\"/bin/busybox\", \"cat\", \"/data/hello\", \"/data/file\"]\n",
    );
    for after in [1, 2] {
        world.proxy.plan(MishapPlan {
            method: "GET",
            path: "/base/blobs/".to_owned(),
            after,
            times: 100,
            mishap: Mishap::Delayed(Duration::from_secs(5)),
        });
        let mut build = scratch.command(&["build", "-q", "app"]).spawn().unwrap();
        let start = Instant::now();
        while !world.proxy.has_happened(100) && start.elapsed() < Duration::from_secs(20) {
            thread::sleep(Duration::from_millis(10));
        }
        build.kill().unwrap();
        build.wait().unwrap();
        scratch.jettison(&["images"]).succeeded();
    }
    world.proxy.plan(MishapPlan {
        method: "NONE",
        path: String::new(),
        after: 0,
        times: 0,
        mishap: Mishap::Closed,
    });
    build(&scratch, &["-q", "-t", "app"]);
    let ran = scratch.jettison(&["run", "-q", "app"]).succeeded();
    assert_eq!(ran.stdout, "hello\ncontent\n");
}

#[test]
fn what_is_pushed_does_not_depend_on_what_was_fetched() {
    let Some(world) = World::new() else { return };
    for compression in ["gzip", "zstd"] {
        let scratch = Scratch::new(PROGRAM);
        let base = world.name("base:1");
        scratch.jettison(&["pull", "-q", &base]).succeeded();
        let compressed = ["push", "-q", "--compression", compression, &base];
        scratch.jettison(&compressed).succeeded();
        let app = world.name("team/app:1");
        let mut digests = Vec::new();
        for is_pulled in [false, true] {
            let scratch = world.machine(LINKED);
            if is_pulled {
                scratch.jettison(&["pull", "-q", &base]).succeeded();
            }
            let pushed = build(&scratch, &["-t", &app, "--push"]);
            let mut lines = pushed.stderr.lines();
            let line = lines.find(|line| line.starts_with("pushed ")).unwrap();
            digests.push(line.to_owned());
        }
        assert_eq!(digests[0], digests[1], "{compression}");
        world.assert_runs(&app);
    }
}

#[test]
fn layers_that_are_gone_are_a_clear_error() {
    let Some(world) = World::new() else { return };
    let scratch = world.machine("ENV A=b\n");
    build(&scratch, &["-q", "-t", "app"]);
    world.proxy.plan(MishapPlan {
        method: "GET",
        path: "/base/blobs/".to_owned(),
        after: 0,
        times: 100,
        mishap: Mishap::Instead(404, vec![("Content-Length".to_owned(), "0".to_owned())]),
    });
    let failed = scratch.jettison(&["run", "-q", "app"]);
    let shown = failed.to_string();
    assert!(shown.contains("cannot get the layers of app"), "{shown}");
    assert!(shown.contains("pull or build it again"), "{shown}");
    scratch.write("app/Dockerfile", "FROM app\nRUN true\n");
    let failed = scratch.jettison(&["build", "app"]).to_string();
    assert!(failed.contains("cannot get the layers of app"), "{failed}");
    assert!(failed.contains("exit: 2"), "{failed}");
}
