//! Builds, for real, of small images that are made of this host's shell.
//!
//! The runner is our own, because [`jettison_sandbox::init_if_asked`] has to be the first thing in `main`, and because
//! entering a user namespace has to happen before there are threads. Where the host does not permit that, every test is
//! skipped aloud.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(clippy::print_stdout, reason = "a test runner prints")]

mod arguments;
mod caching;
mod copying;
mod failures;
mod instructions;
mod mounts;
mod processes;
mod pruning;
mod reading;
mod reproducible;
mod runner;
mod running;
mod scene;
mod travel;

fn main() {
    jettison_sandbox::init_if_asked();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let code = if let ["--build", scene] = words.as_slice() {
        processes::build_alone(scene)
    } else {
        let filter = words.iter().find(|word| !word.starts_with('-'));
        runner::run_all(filter.copied().unwrap_or_default())
    };
    std::process::exit(code)
}
