//! Makes container images small and safe.

fn main() {}
