//! Measures how fast layers are written and exported, beside other tools on the same data.
//!
//! ```text
//! cargo run --release -p jettison-oci --example speed -- DIRECTORY [SCRATCH]
//! ```
//!
//! `buildah`, `pigz` and `zstd` take part if they are installed.

#![expect(clippy::print_stdout, reason = "an example shows what it measures")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use jettison_oci::{
    Compression, Destination, ExportOptions, Image, ImageConfig, LayerOptions, RootFs, Store,
    export_image, write_layer,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let directory = arguments.next().ok_or("which directory?")?;
    let parent = arguments.next().unwrap_or_else(std::env::temp_dir);
    let scratch = tempfile::tempdir_in(parent)?;
    let path = |name: &str| scratch.path().join(name);
    let store = Store::open(&path("store"))?;
    let options = LayerOptions {
        compression: Compression::STORE,
        clamp_mtime: None,
    };
    let mut bytes = 0;
    let mut layer = None;
    measure("write_layer", &mut bytes, || {
        let written = write_layer(&store, &directory, &[], &options)?;
        let size = written.blob.size;
        let tar = Command::new("zstd")
            .args(["-dc", "--"])
            .arg(store.blob_path(&written.blob.digest))
            .stdout(fs::File::create(path("tar"))?)
            .status();
        if !tar.is_ok_and(|status| status.success()) {
            return Err("zstd is needed".into());
        }
        layer = Some(written);
        Ok(size)
    })?;
    bytes = fs::metadata(path("tar"))?.len();
    println!("{bytes} bytes of tar");
    measure("write_layer again", &mut bytes, || {
        Ok(write_layer(&store, &directory, &[], &options)?.blob.size)
    })?;
    let layer = layer.ok_or("there is no layer")?;
    let config = ImageConfig {
        architecture: "amd64".to_owned(),
        os: "linux".to_owned(),
        rootfs: RootFs::new(vec![layer.diff_id]),
        ..ImageConfig::default()
    };
    let image = Image::new(config, vec![layer])?;
    store.put_image(&image)?;
    for (name, compression) in exports() {
        measure(&format!("export {name}"), &mut bytes, || {
            let target = path(&name);
            let options = ExportOptions {
                compression,
                reference: None,
            };
            export_image(
                &store,
                &image,
                &Destination::Layout(target.clone()),
                &options,
            )?;
            largest(&target)
        })?;
    }
    peers(&path, &mut bytes)
}

fn exports() -> Vec<(String, Compression)> {
    let gzip = (1..=6).map(|level| (format!("gzip-{level}"), Compression::Gzip { level }));
    let zstd = (1..=4).map(|level| (format!("zstd-{level}"), Compression::Zstd { level }));
    let none = ("none".to_owned(), Compression::None);
    gzip.chain(zstd).chain([none]).collect()
}

/// Other tools do the same with the same tar.
fn peers(path: &dyn Fn(&str) -> PathBuf, bytes: &mut u64) -> Outcome<()> {
    let tar = path("tar");
    for (name, arguments) in [
        ("pigz", vec!["-c"]),
        ("zstd", vec!["-3", "-T0", "-c", "-q"]),
    ] {
        measure(name, bytes, || {
            let output = path(name);
            let mut command = Command::new(name);
            command.args(arguments).arg(&tar);
            run(command.stdout(fs::File::create(&output)?))?;
            Ok(fs::metadata(output)?.len())
        })?;
    }
    let buildah = |arguments: &[&str]| {
        let mut command = Command::new("buildah");
        command.arg("--root").arg(path("storage"));
        command.arg("--runroot").arg(path("state"));
        command.args(["--storage-driver", "vfs"]).args(arguments);
        run(command.stdout(Stdio::null()).stderr(Stdio::null()))
    };
    let tar = tar.to_string_lossy().into_owned();
    if buildah(&["from", "--name", "c", "scratch"]).is_err() {
        println!("buildah is not here");
        return Ok(());
    }
    // The tar as one file: only the bytes count.
    buildah(&["copy", "c", &tar, "/"])?;
    buildah(&["commit", "--disable-compression", "c", "localhost/x"])?;
    for format in ["gzip", "zstd"] {
        measure(&format!("buildah {format}"), bytes, || {
            let target = path(&format!("buildah-{format}"));
            let destination = format!("oci:{}", target.display());
            buildah(&[
                "push",
                "--compression-format",
                format,
                "localhost/x",
                &destination,
            ])?;
            largest(&target)
        })?;
    }
    Ok(())
}

fn run(command: &mut Command) -> Outcome<()> {
    match command.status()? {
        status if status.success() => Ok(()),
        status => Err(format!("{command:?}: {status}").into()),
    }
}

/// The size of the largest blob of a layout.
fn largest(layout: &Path) -> Outcome<u64> {
    let mut largest = 0;
    for blob in fs::read_dir(layout.join("blobs/sha256"))? {
        largest = largest.max(blob?.metadata()?.len());
    }
    Ok(largest)
}

/// Prints how long `work` takes, and the size that it returns.
fn measure(name: &str, bytes: &mut u64, work: impl FnOnce() -> Outcome<u64>) -> Outcome<()> {
    let cpu_before = cpu()?;
    let start = Instant::now();
    let size = match work() {
        Ok(size) => size,
        Err(error) => {
            println!("{name:18} {error}");
            return Ok(());
        }
    };
    let (wall, cpu) = (start.elapsed().as_secs_f64(), cpu()? - cpu_before);
    #[expect(clippy::cast_precision_loss, reason = "these are figures for people")]
    let megabytes = *bytes as f64 / 1e6;
    println!(
        "{name:18} {wall:7.2} s  cpu {cpu:6.2} s  {:6.0} MB/s  {size:11} bytes  peak {} MiB",
        megabytes / wall,
        peak()?
    );
    Ok(())
}

/// Seconds that this process and its children have run.
fn cpu() -> Outcome<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let mut ticks = 0.0;
    for field in fields.iter().skip(11).take(4) {
        ticks += field.parse::<f64>()?;
    }
    Ok(ticks / 100.0)
}

/// The most memory that this process has had, in MiB; starts over after each measurement.
fn peak() -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    let kib: u64 = kib.ok_or("no VmHWM")?.parse()?;
    fs::write("/proc/self/clear_refs", "5")?;
    Ok(kib >> 10)
}
