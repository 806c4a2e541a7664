//! Sandboxes' own networks, from inside.

use std::io::{ErrorKind, Read};
use std::thread;
use std::time::{Duration, Instant};

use jettison_sandbox::{Child, ChildNetwork, Network, Signal, Status};

use crate::runner::Test;
use crate::world::{Scene, World};

pub(crate) const TESTS: &[Test] = crate::tests![
    a_server_is_reached_from_inside,
    the_callers_network_is_not_a_sandboxs,
    a_signal_without_a_handler_is_not_noticed,
];

const PATIENCE: Duration = Duration::from_secs(20);

#[track_caller]
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what} takes too long");
        thread::sleep(Duration::from_millis(5));
    }
}

fn spawn(world: &World, scene: &Scene, script: &str) -> Child {
    scene.sandbox(script).spawn(&world.entered).unwrap()
}

fn a_server_is_reached_from_inside(world: &World) {
    let scene = Scene::new();
    let child = spawn(world, &scene, "exec /it --inside greet");
    let network: ChildNetwork = child.network().unwrap();
    wait_until("listening", || !network.listening().unwrap().is_empty());
    let address = "127.0.0.1:8080".parse().unwrap();
    assert_eq!(network.listening().unwrap(), [address]);
    let mut stream = network.connect(address, PATIENCE).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello");
    wait_until("ending", || child.has_ended());
    assert_eq!(child.wait().unwrap().status, Status::Code(0));
    // It is there as long as it is held, with nobody in it.
    assert!(network.listening().unwrap().is_empty());
    let error = network.connect(address, PATIENCE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

fn the_callers_network_is_not_a_sandboxs(world: &World) {
    let scene = Scene::new();
    let mut sandbox = scene.sandbox("exec sleep 1000");
    sandbox.network = Network::Host;
    let child = sandbox.spawn(&world.entered).unwrap();
    let error = child.network().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

fn a_signal_without_a_handler_is_not_noticed(world: &World) {
    let scene = Scene::new();
    let child = spawn(world, &scene, "exec sleep 1000");
    assert!(child.notices(Signal::KILL) && !child.notices(Signal::TERM));
    assert!(!child.has_ended());
    let child = spawn(
        world,
        &scene,
        "trap 'exit 7' TERM; while :; do sleep 0.05; done",
    );
    wait_until("trapping", || child.notices(Signal::TERM));
    child.signal(Signal::TERM);
    assert_eq!(child.wait().unwrap().status, Status::Code(7));
}
