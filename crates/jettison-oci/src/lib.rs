//! OCI images: digests, configurations, layers, layouts and the content store.

#![forbid(unsafe_code)]
