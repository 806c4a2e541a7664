//! What the crate promises, seen from outside.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod archive;
mod deb;
mod index;
mod lists;
mod lock;
mod memory;
mod openpgp;
mod signatures;
mod solving;
mod universe;
mod versions;
