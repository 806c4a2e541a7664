//! The crate through its public interface, on real directories.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod archives;
mod docker_archives;
mod exports;
mod interop;
mod layers;
mod layouts;
mod rootfs;
mod scratch;
mod store;
mod streams;
mod tar_files;
