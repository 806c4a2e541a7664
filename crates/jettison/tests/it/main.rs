//! The program, tested whole: each test starts the built binary in a world of its own.

#![expect(
    clippy::needless_raw_string_hashes,
    reason = "UPDATE_EXPECT=1 writes them"
)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod absent;
mod apt;
mod archive;
mod arrows;
mod base_bills;
mod base_foreign;
mod base_java;
mod base_java_for;
mod base_java_slices;
mod base_locks;
mod base_programs;
mod base_tampered;
mod bases;
mod build_contexts;
mod build_options;
mod build_stages;
mod builds;
mod caches;
mod calculator;
mod call;
mod candidates;
mod check;
mod check_formats;
mod cli;
mod conformance;
mod contexts;
mod copying;
mod daemons;
mod debugging;
mod everyday;
mod family;
mod fetched;
mod files;
mod interop;
mod interrupted;
mod layouts;
mod lent;
mod loading;
mod logins;
mod optimize_java;
mod optimizing;
mod outputs;
mod peers;
mod progress;
mod proxies;
mod pruning;
mod pushing;
mod registries;
mod registry_faults;
mod resolved;
mod running;
mod shared;
mod structure_tests;
mod tls_server;
mod users;
mod verify;
mod volumes;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_jettison");
