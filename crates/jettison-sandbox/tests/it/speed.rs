//! How much longer programs take when they are traced: `it --speed`, on this machine's own files.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use jettison_sandbox::{
    EnterOptions, IdChoice, Mount, MountKind, Sandbox, Status, Tracing, Upper, enter,
};

use crate::world::Scene;

/// What is run, after what has to be there for it.
const PROGRAMS: [(&str, &str); 9] = [
    ("true", "/bin/true"),
    (
        "python",
        "/usr/bin/python3 -c 'import json, asyncio, http.server, decimal, email.message, xml.dom.minidom'",
    ),
    ("node", "node -e 'console.log(1)'"),
    ("java", "java -XshowSettings:none -version"),
    (
        "gcc",
        "printf '#include <stdio.h>\\n#include <stdlib.h>\\nint main(){puts(\"x\");}' > /tmp/h.c; gcc -o /tmp/h /tmp/h.c",
    ),
    ("find", "find /usr -type f | wc -l"),
    ("stat", "find /usr/share -newer /etc/passwd | wc -l"),
    (
        "calls",
        "/usr/bin/python3 -c 'import os\nfor i in range(20000): os.stat(\"/usr/bin/python3\")'",
    ),
    (
        "dpkg",
        "test -e /var/tmp/hello.deb && dpkg -i /var/tmp/hello.deb",
    ),
];

const ROUNDS: usize = 7;

/// Runs everything in turn, untraced and traced, and prints the shortest times.
pub(crate) fn compare(only: &str) -> i32 {
    let ids = IdChoice::Best;
    let entered = enter(&EnterOptions { ids }).unwrap();
    for (name, script) in PROGRAMS.iter().filter(|(name, _)| name.contains(only)) {
        let scene = Scene::new();
        for name in ["var/log", "var/tmp", "var/cache"] {
            fs::create_dir_all(scene.path("lower").join(name)).unwrap();
        }
        // Made by `apt-get download hello`.
        let _without = fs::copy("/var/tmp/hello.deb", scene.path("lower/var/tmp/hello.deb"));
        let plain = scene.sandbox(script);
        let mut mounts = plain.mounts.clone();
        for name in ["usr", "etc", "var/lib/dpkg"] {
            let upper = scene.path(&format!("changed/{name}"));
            let work = scene.path(&format!("work-of/{name}"));
            fs::create_dir_all(&upper).unwrap();
            fs::create_dir_all(&work).unwrap();
            mounts.push(Mount {
                target: PathBuf::from("/").join(name),
                kind: MountKind::Layers {
                    lowers: vec![PathBuf::from("/").join(name)],
                    path: PathBuf::from("/"),
                    upper: Some(Upper { dir: upper, work }),
                },
            });
        }
        let sandbox = Sandbox {
            mounts,
            env: vec![(
                "PATH".to_owned(),
                "/usr/bin:/bin:/usr/sbin:/sbin".to_owned(),
            )],
            ..plain
        };
        let mut shortest = [Duration::MAX; 2];
        let mut said = String::new();
        for _ in 0..ROUNDS {
            for (place, tracing) in [Tracing::Off, Tracing::Lookups].into_iter().enumerate() {
                let sandbox = Sandbox {
                    tracing,
                    ..sandbox.clone()
                };
                let output = sandbox.spawn(&entered).unwrap().wait_with_output().unwrap();
                if output.exit.status != Status::Code(0) {
                    said = format!(" {}", String::from_utf8_lossy(&output.stderr));
                }
                shortest[place] = shortest[place].min(output.exit.wall_time);
                if let Some(trace) = output.exit.trace {
                    let gaps: Vec<_> = trace.gaps().collect();
                    said = format!("{said} {} lookups {gaps:?}", trace.lookups().len());
                    said.truncate(200);
                }
            }
        }
        let [plain, traced] = shortest.map(|time| time.as_secs_f64() * 1000.0);
        let ratio = traced / plain;
        let last = said
            .rsplit_once(" lookups")
            .map_or("", |(before, _)| before);
        let count = last.rsplit(' ').next().unwrap_or_default();
        println!("{name:8} {plain:8.1} ms  traced {traced:8.1} ms  {ratio:5.2}x  {count} lookups");
    }
    0
}
