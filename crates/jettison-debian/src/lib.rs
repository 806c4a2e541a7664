//! Debian archives: signed indexes, packages, versions, relations and their solution.

#![forbid(unsafe_code)]
