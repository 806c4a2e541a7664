//! Namespaces, mounts, overlays and child processes: what one Linux host lets us do.
