//! Measures how fast texts are parsed, and how fast the same text is copied and its lines are counted.
//!
//! `parse_speed FILE…` joins the files, and repeats them to 8 MB. Files that are not UTF-8 are left out.
//!
//! Each line gives the medians of 15 runs in MB/s: by the time that this thread had the processor, which other
//! programs hardly change, and by the clock. Dropping what was made counts only where the line says so. The last
//! line is the first run alone: it has to get all of its memory from the system, the others find some of it left.

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
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

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
    let parse = Measured::new(&text, jettison_dockerfile::parse);
    let pass = Measured::new(&text, |text| {
        let copy = text.to_owned();
        let lines = copy.bytes().filter(|&byte| byte == b'\n').count();
        (copy, lines)
    });
    let instructions = jettison_dockerfile::parse(&text).instructions().len();
    let size = text.len() as f64;
    println!(
        "{size} bytes, {instructions} instructions of {:.0} bytes on average",
        size / instructions.max(1) as f64
    );
    parse.print("parse", size);
    pass.print("copy and count lines", size);
    println!(
        "parse: {:.0} ns per instruction; copying and counting is {:.1} times as fast",
        parse.work.processor * 1e9 / instructions.max(1) as f64,
        parse.work.processor / pass.work.processor
    );
    println!(
        "parse, first run: {:.0} MB/s",
        size / 1e6 / parse.first.processor
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

/// How long something took, in seconds.
#[derive(Clone, Copy)]
struct Time {
    /// What this thread had of the processor, the system's work for it included.
    processor: f64,
    clock: f64,
}

impl Time {
    /// Measures `work`.
    fn of<T>(work: impl FnOnce() -> T) -> (T, Time) {
        let (clock, processor) = (Instant::now(), processor_time());
        let result = black_box(work());
        let time = Time {
            processor: processor_time().saturating_sub(processor).as_secs_f64(),
            clock: clock.elapsed().as_secs_f64(),
        };
        (result, time)
    }

    /// The medians of `times`, taken apart.
    fn median(times: &[Time]) -> Time {
        let median = |part: fn(&Time) -> f64| {
            let mut parts: Vec<f64> = times.iter().map(part).collect();
            parts.sort_by(f64::total_cmp);
            parts[parts.len() / 2]
        };
        Time {
            processor: median(|time| time.processor),
            clock: median(|time| time.clock),
        }
    }
}

/// How long this thread has had the processor.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

/// Something that was measured.
struct Measured {
    /// The first run, the result not dropped.
    first: Time,
    /// The median without dropping the result.
    work: Time,
    /// The median with that.
    work_and_drop: Time,
}

impl Measured {
    fn new<T>(text: &str, work: impl Fn(&str) -> T) -> Measured {
        let (mut works, mut totals) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            let (result, time) = Time::of(|| work(black_box(text)));
            let ((), dropping) = Time::of(|| drop(result));
            works.push(time);
            totals.push(Time {
                processor: time.processor + dropping.processor,
                clock: time.clock + dropping.clock,
            });
        }
        Measured {
            first: works[0],
            work: Time::median(&works),
            work_and_drop: Time::median(&totals),
        }
    }

    /// Prints the speeds, given how many bytes there were.
    fn print(&self, name: &str, size: f64) {
        for (suffix, time) in [("", self.work), (", and drop", self.work_and_drop)] {
            println!(
                "{name}{suffix}: {:.0} MB/s of processor time, {:.0} MB/s by the clock",
                size / 1e6 / time.processor,
                size / 1e6 / time.clock
            );
        }
    }
}
