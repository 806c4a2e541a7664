//! Measures how fast a text is parsed: `parse_speed FILE…` concatenates the files up to some size.
use std::time::Instant;
fn main() {
    let mut text = String::new();
    for path in std::env::args().skip(1) {
        text.push_str(&std::fs::read_to_string(path).unwrap());
        if !text.ends_with('\n') {
            text.push('\n');
        }
    }
    let one = text.clone();
    while text.len() < 8_000_000 {
        text.push_str(&one);
    }
    for _ in 0..5 {
        let start = Instant::now();
        let parse = jettison_dockerfile::parse(&text);
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{} MB, {} instructions, {:.0} MB/s",
            text.len() / 1_000_000,
            parse.instructions().len(),
            text.len() as f64 / 1e6 / seconds
        );
        let start = Instant::now();
        let mut n = 0;
        for _ in 0..(8_000_000 / one.len()) {
            n += jettison_dockerfile::parse(&one).instructions().len();
        }
        println!(
            "   in one-corpus pieces: {n} {:.0} MB/s",
            8.0 / start.elapsed().as_secs_f64()
        );
    }
}
