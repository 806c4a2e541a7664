//! Measures how fast a build context is read: the walk, the ignore file, the digest.
//!
//! ```text
//! cargo run --release -p jettison-build --example context -- FOLDER [TIMES]
//! ```
//!
//! Makes 100,000 files in 1,000 directories (64 MB), and one file of 1 GB, in two contexts below FOLDER unless they are there. With
//! TIMES, the first of them is read as often and nothing else is done.

#![expect(
    clippy::print_stdout,
    reason = "a program that measures prints what it has measured"
)]

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jettison_build::{BuildContext, ContentIndex, Contents, ContextTree, DigestRules};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let folder = std::env::args_os().nth(1).ok_or("name a folder")?;
    let folder = PathBuf::from(folder);
    let (small, large) = (folder.join("small"), folder.join("large"));
    if !small.exists() {
        make_small(&small)?;
    }
    if !large.exists() {
        make_large(&large)?;
    }
    if let Some(times) = std::env::args().nth(2) {
        for _ in 0..times.parse()? {
            build("no-op", &small, &folder.join("store"))?;
        }
        return Ok(());
    }
    // What was written just now is not trusted.
    std::thread::sleep(Duration::from_millis(100));
    let store = folder.join("store");
    fs::remove_dir_all(&store).unwrap_or_default();
    println!("{:34}{:>9}{:>9}{:>9}", "", "wall ms", "CPU ms", "peak MB");
    for (name, context, file) in [
        ("100,000 files", &small, small.join("dir-500/file-50.txt")),
        ("1 GB", &large, large.join("large.bin")),
    ] {
        println!("{name}");
        build("first", context, &store)?;
        for _ in 0..3 {
            build("no-op", context, &store)?;
        }
        touch(&file)?;
        build("one changed", context, &store)?;
    }
    Ok(())
}

/// Fifty patterns of the usual kinds, none of which leaves out anything, and a few that do.
fn ignore_file() -> String {
    let mut text = String::from("*.log\n**/node_modules\n.git\ntarget/**\n");
    for number in 0..12 {
        let written = writeln!(
            text,
            "nothing-{number}\n**/*.x{number}\n**/none-{number}\nsome/*/path-{number}*"
        );
        debug_assert!(written.is_ok(), "a String takes everything");
    }
    text
}

fn make_small(folder: &Path) -> Outcome<()> {
    for directory in 0..1000 {
        let path = folder.join(format!("dir-{directory}"));
        fs::create_dir_all(&path)?;
        for file in 0..100 {
            let mut bytes = format!("{directory} {file}\n").into_bytes();
            bytes.resize(640, b'x');
            fs::write(path.join(format!("file-{file}.txt")), bytes)?;
        }
    }
    Ok(fs::write(folder.join(".dockerignore"), ignore_file())?)
}

fn make_large(folder: &Path) -> Outcome<()> {
    fs::create_dir_all(folder)?;
    let mut file = fs::File::create(folder.join("large.bin"))?;
    let mut word = 1_u64;
    for _ in 0..1024 {
        let mut block = Vec::with_capacity(1 << 20);
        while block.len() < 1 << 20 {
            word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            block.extend(word.to_le_bytes());
        }
        file.write_all(&block)?;
    }
    Ok(())
}

fn touch(file: &Path) -> Outcome<()> {
    let mut bytes = fs::OpenOptions::new().append(true).open(file)?;
    Ok(bytes.write_all(b"more\n")?)
}

fn build(name: &str, context: &Path, store: &Path) -> Outcome<()> {
    let all = Meter::start();
    let context = BuildContext::open(context, &context.join("Dockerfile"))?;
    let mut meter = Meter::start();
    let tree = ContextTree::open(&context)?;
    let entries = tree.walk(Path::new(""))?.ok_or("there is nothing")?;
    meter.lap(&format!("{name}: walk, ignore"));
    let index = ContentIndex::open(store, context.root(), tree.root())?;
    meter.lap(&format!("{name}: load index"));
    let mut contents = Contents::known(&entries, &index);
    let unknown = contents.unknown(&entries);
    meter.lap(&format!("{name}: look up"));
    contents.read(&tree, &entries, &unknown, &index)?;
    meter.lap(&format!("{name}: read {} files", unknown.len()));
    let rules = DigestRules {
        mode: &|_, mode| mode,
        keeps_owners: false,
        is_copied: &|_, _| true,
    };
    let digest = entries.digest(&contents, &rules);
    meter.lap(&format!("{name}: digest"));
    index.save()?;
    meter.lap(&format!("{name}: save index"));
    let mut all = all;
    all.lap(&format!("{name}: all"));
    debug_assert!(digest.is_some(), "everything was read");
    Ok(())
}

struct Meter {
    wall: Instant,
    cpu: Duration,
}

impl Meter {
    fn start() -> Meter {
        Meter {
            wall: Instant::now(),
            cpu: cpu_time(),
        }
    }

    fn lap(&mut self, name: &str) {
        let wall = self.wall.elapsed();
        let cpu = cpu_time().saturating_sub(self.cpu);
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        println!(
            "  {name:32}{:9.1}{:9.1}{:9.1}",
            milliseconds(wall),
            milliseconds(cpu),
            peak_memory()
        );
        *self = Meter::start();
    }
}

/// User and system time of this process, as the kernel counts it in hundredths.
fn cpu_time() -> Duration {
    let text = fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let own: u64 = text
        .split(' ')
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or(0);
    // Threads that have ended are in `stat` only.
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or("").split(' ').collect();
    let ticks = |index: usize| fields.get(index).and_then(|word| word.parse::<u64>().ok());
    let all = ticks(11).unwrap_or(0) + ticks(12).unwrap_or(0);
    Duration::from_nanos(own).max(Duration::from_millis(all * 10))
}

/// In megabytes.
fn peak_memory() -> f64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}
