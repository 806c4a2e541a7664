//! What Debian's maintainer scripts would have made, made without running them: files in, files out.

mod busybox;
mod certificates;
mod fonts;
mod java_trust_store;
mod library_cache;
mod tree;

pub(crate) use self::busybox::busybox_applets;
pub(crate) use self::certificates::{
    Certificate, CertificateFile, bundle, certificates, is_certificate, links,
};
pub(crate) use self::fonts::font_links;
pub(crate) use self::java_trust_store::java_trust_store;
pub(crate) use self::library_cache::{
    Libraries, Library, library_cache, may_be_library, read_library,
};
pub(crate) use self::tree::{Node, Tree};

/// A symbolic link that an image gets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Link {
    /// Where it lies, from the root and without a leading `/`.
    pub(crate) path: String,
    /// What it holds.
    pub(crate) target: String,
}

/// Says loudly that a test cannot run here.
#[cfg(test)]
#[expect(clippy::print_stderr, reason = "`scripts/test` looks for it")]
pub(crate) fn skip(reason: &str) {
    eprintln!("skipped: {reason}");
}
