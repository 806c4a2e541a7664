//! Evidence, refactoring rules, base images, verification, audit and report data.

#![forbid(unsafe_code)]
