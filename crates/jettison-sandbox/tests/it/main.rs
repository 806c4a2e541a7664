//! Sandboxes, tried for real.
//!
//! The runner is our own, because [`jettison_sandbox::init_if_asked`] has to be the first thing in `main`, and because
//! entering a user namespace has to happen before there are threads. It starts itself once for every way of entering
//! (a *world*), and what cannot be tried on this host is skipped aloud.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(clippy::print_stdout, reason = "a test runner prints")]

mod files;
mod inside;
mod inside_traces;
mod isolation;
mod limits;
mod mounting;
mod networks;
mod overlays;
mod processes;
mod runner;
mod speed;
mod traces;
mod world;

fn main() {
    jettison_sandbox::init_if_asked();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let code = match words.as_slice() {
        ["--inside", what] => inside::answer(what),
        ["--caller", marker] => processes::be_a_caller(marker),
        ["--passing-on", script] => processes::be_a_caller_that_passes_on(script),
        ["--speed"] => speed::compare(""),
        ["--speed", only] => speed::compare(only),
        ["--world", name, filter] => runner::run_world(name, filter),
        _ => {
            let filter = words.iter().find(|word| !word.starts_with('-'));
            runner::run_all(filter.copied().unwrap_or_default())
        }
    };
    std::process::exit(code)
}
