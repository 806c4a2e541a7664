//! Measures how fast texts are parsed, and how fast the same text is copied and its lines are counted.
//!
//! `parse_speed FILE…` joins the files, and repeats them to 8 MB. Files that are not UTF-8 are left out.

#![allow(
    clippy::disallowed_methods,
    reason = "an example may read files and clocks; the crate may not"
)]
#![allow(clippy::print_stdout, reason = "this is how it answers")]
#![allow(
    clippy::cast_precision_loss,
    reason = "a speed need not be exact to a byte"
)]

use std::hint::black_box;
use std::time::Instant;

/// How often each thing is measured.
const RUNS: usize = 15;

/// How much text is parsed, at least.
const SIZE: usize = 8_000_000;

fn main() {
    let corpus = corpus();
    if corpus.is_empty() {
        println!("usage: parse_speed FILE…");
        return;
    }
    let text = corpus.repeat(SIZE.div_ceil(corpus.len()));
    let instructions = jettison_dockerfile::parse(&text).instructions().len();
    let parse = median(&text, jettison_dockerfile::parse);
    let pass = median(&text, |text| {
        let copy = text.to_owned();
        let lines = copy.bytes().filter(|&byte| byte == b'\n').count();
        (copy, lines)
    });
    println!(
        "{} bytes, {instructions} instructions of {} bytes on average",
        text.len(),
        text.len() / instructions.max(1)
    );
    println!(
        "parse: {parse:.0} MB/s, {:.0} ns per instruction",
        text.len() as f64 / parse * 1e3 / instructions.max(1) as f64
    );
    println!(
        "copy and count lines: {pass:.0} MB/s, {:.1} times as fast",
        pass / parse
    );
}

/// The files named by the arguments, joined.
fn corpus() -> String {
    let mut corpus = String::new();
    for path in std::env::args_os().skip(1) {
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        corpus.push_str(&text);
        if !text.ends_with('\n') {
            corpus.push('\n');
        }
    }
    corpus
}

/// The median speed of `work` in MB/s. Dropping the result is not part of it.
fn median<T>(text: &str, work: impl Fn(&str) -> T) -> f64 {
    let run = |_| {
        let start = Instant::now();
        let result = black_box(work(black_box(text)));
        let elapsed = start.elapsed();
        drop(result);
        text.len() as f64 / 1e6 / elapsed.as_secs_f64()
    };
    let mut speeds: Vec<f64> = (0..RUNS).map(run).collect();
    speeds.sort_by(f64::total_cmp);
    speeds[RUNS / 2]
}
