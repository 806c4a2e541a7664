//! What programs are seen to look up.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use jettison_sandbox::{End, Exit, Lookup, Sandbox, Status, Trace, Tracing, Use, Uses};

use crate::runner::Test;
use crate::world::{Scene, World, run};

pub(crate) const TESTS: &[Test] = crate::tests![
    a_program_that_only_starts_is_traced,
    links_are_followed_and_named,
];

/// Runs `sandbox` traced.
#[track_caller]
fn traced(world: &World, sandbox: &Sandbox) -> (Exit, Trace) {
    let mut sandbox = sandbox.clone();
    sandbox.tracing = Tracing::Lookups;
    let mut output = run(world, &sandbox);
    let trace = output.exit.trace.take().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(errors, "");
    (output.exit, trace)
}

/// The lookups of `script` outside of mounts, one per line: what was asked, where it led, what was done with it.
#[track_caller]
fn lookups(world: &World, scene: &Scene, script: &str) -> String {
    let (exit, trace) = traced(world, &scene.sandbox(script));
    assert_eq!(exit.status, Status::Code(0));
    assert_eq!(trace.gaps().collect::<Vec<_>>(), Vec::new() as Vec<&_>);
    let shown = trace.lookups().iter().filter(|lookup| {
        let path = lookup.end.path();
        path.is_none_or(|path| trace.mount_of(path).is_none())
    });
    shown.map(line).collect()
}

fn line(lookup: &Lookup) -> String {
    let verbs: Vec<&str> = lookup.uses.iter().map(Use::verb).collect();
    let end = match &lookup.end {
        End::Found(path) if *path == lookup.asked => "found".to_owned(),
        End::Found(path) => format!("found {}", path.display()),
        End::Missing(path) => format!("missing {}", path.display()),
        End::NotDirectory(path) => format!("not a directory {}", path.display()),
        End::Denied(path) => format!("denied {}", path.display()),
        End::Loop => "loop".to_owned(),
        End::Gone => "gone".to_owned(),
    };
    let links: Vec<String> = lookup
        .links
        .iter()
        .map(|link| format!(" via {}", link.display()))
        .collect();
    format!(
        "{}: {end}{}: {}\n",
        lookup.asked.display(),
        links.concat(),
        verbs.join(" ")
    )
}

fn a_program_that_only_starts_is_traced(world: &World) {
    let scene = Scene::new();
    let mut sandbox = scene.sandbox("");
    sandbox.argv = vec!["/bin/true".to_owned()];
    let (exit, trace) = traced(world, &sandbox);
    assert_eq!(exit.status, Status::Code(0));
    assert!(
        trace.is_complete(),
        "{:?}",
        trace.gaps().collect::<Vec<_>>()
    );
    let start = trace.starts().next().unwrap();
    let name = start.program.file_name().unwrap();
    assert!(name == "true" || name == "coreutils", "{start:?}");
    assert_eq!(start.by, None);
    assert!(!start.interpreters.is_empty());
    let executed: Uses = Uses::of(Use::Execute);
    assert!(trace.lookups().iter().any(|lookup| lookup.uses == executed
        && lookup.asked == Path::new("/bin/true")
        && lookup.program.is_none()));
    let libc = trace
        .lookups()
        .iter()
        .find(|lookup| lookup.asked.ends_with("libc.so.6") && matches!(lookup.end, End::Found(_)));
    assert!(libc.unwrap().uses.contains(Use::Read));
    assert!(trace.mounts().contains(&"/proc".into()));
}

fn links_are_followed_and_named(world: &World) {
    let scene = Scene::new();
    fs::write(scene.path("lower/old/file"), "text").unwrap();
    symlink("/old", scene.path("lower/new")).unwrap();
    symlink("../new/file", scene.path("lower/old/link")).unwrap();
    let script = "read a < /new/link; read b < old/sub/../file; test ! -e /old/file/x";
    let expected = "\
/: found: enter
/etc/ld.so.cache: missing /etc/ld.so.cache: read
/etc/ld.so.preload: missing /etc/ld.so.preload: access
/new/link: found /old/file via /new via /old/link via /new: read
/old/file/x: not a directory /old/file: stat
/old/sub/../file: found /old/file: read
";
    assert_eq!(lookups(world, &scene, script), expected);
}
