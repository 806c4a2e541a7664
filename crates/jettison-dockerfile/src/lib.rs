//! Dockerfiles: text in, a lossless tree, typed instructions and build stages out.

#![forbid(unsafe_code)]
