//! What the crate does, seen from outside, and BuildKit's own test data.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod buildkit_checks;
mod conformance;
mod corpus;
mod heredocs;
mod hostile;
mod ignore_walk;
mod instructions;
mod lossless;
mod meanings;
mod outline;
mod proposals;
mod refusals;
mod rule_pages;
mod shell;
mod stage_graph;
mod syntax;
