//! What a source of `COPY` or `ADD` is: a path, a URL, or a Git repository.
//!
//! BuildKit: `isHTTPSource`, `dispatchCopy`, `dockerfile2llb/convert_copy.go`.

use crate::git_reference::{GitReference, path_of};

/// What a source of `COPY` or `ADD` is, once its variables are replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceAddress {
    /// A path or a pattern.
    Path {
        /// Whether it would be a repository where a build context is named, such as `github.com/a/b`.
        looks_like_git: bool,
    },
    /// Something to download.
    Url {
        /// The name that the file gets in a directory.
        file_name: String,
    },
    /// A repository.
    Git(GitReference),
    /// The address of a repository with a query that is wrong.
    Broken {
        /// What is wrong.
        problem: String,
        /// Whether it is a URL, for those who ask no further.
        is_url: bool,
    },
}

impl SourceAddress {
    /// Reads a source.
    pub fn of(source: &str) -> SourceAddress {
        let is_web = source.starts_with("http://") || source.starts_with("https://");
        match GitReference::parse(source) {
            None if is_web => SourceAddress::Url {
                file_name: file_name(source),
            },
            None => SourceAddress::Path {
                looks_like_git: false,
            },
            Some(Err(error)) => SourceAddress::Broken {
                problem: error.message,
                is_url: is_web,
            },
            Some(Ok(git)) if git.looks_like_path => SourceAddress::Path {
                looks_like_git: true,
            },
            Some(Ok(git)) => SourceAddress::Git(git),
        }
    }

    /// Says whether a source is one that `--checksum` can be given for.
    pub fn takes_checksum(&self) -> bool {
        match self {
            SourceAddress::Path { looks_like_git } => *looks_like_git,
            SourceAddress::Broken { is_url, .. } => *is_url,
            SourceAddress::Url { .. } | SourceAddress::Git(_) => true,
        }
    }
}

/// The name of a downloaded file: the last part of its URL's path, if that can be a name
/// (BuildKit: `dispatchCopy`; `SafeFileName`, source/util/pathutil).
fn file_name(url: &str) -> String {
    let path = path_of(url).unwrap_or_default();
    let path = path.trim_end_matches('/');
    if path.is_empty() {
        return "__unnamed__".to_owned();
    }
    let base = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    match base(path).trim() {
        "." => "__unnamed__".to_owned(),
        "" | ".." => "download".to_owned(),
        name if name.chars().any(char::is_control) => "download".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(source: &str, expected: Expect) {
        expected.assert_eq(&match SourceAddress::of(source) {
            SourceAddress::Path { looks_like_git } => format!("path, git {looks_like_git}"),
            SourceAddress::Url { file_name } => format!("url of {file_name}"),
            SourceAddress::Git(git) => format!("git {}", git.remote),
            SourceAddress::Broken { problem, is_url } => format!("{problem}, url {is_url}"),
        });
    }

    #[test]
    fn sources_are_told_apart() {
        check("a/b.git", expect!["path, git false"]);
        check("./git@a:b", expect!["path, git false"]);
        check("github.com/a/b", expect!["path, git true"]);
        check("https://a/b", expect!["url of b"]);
        check("HTTPS://a/b", expect!["path, git false"]);
        check("https://a:port/b", expect!["url of __unnamed__"]);
        check("https://a/b/c%20d.tgz?x=y/z#w", expect!["url of c d.tgz"]);
        check("http://a", expect!["url of __unnamed__"]);
        check("http://a/", expect!["url of __unnamed__"]);
        check("http://a/b//", expect!["url of b"]);
        check("http://a/b/..", expect!["url of download"]);
        check("http://a/b%0a", expect!["url of b"]);
        check("https://a/b.git#main:dir", expect!["git https://a/b.git"]);
        check("https://a/b.git/", expect!["url of b.git"]);
        check("git@a:b", expect!["git git@a:b"]);
        check("git@a/b", expect!["path, git false"]);
        check(
            "https://a/b.git?x=1",
            expect![[r#"unexpected query "x", url true"#]],
        );
        check(
            "github.com/a?x=1",
            expect![[r#"unexpected query "x", url false"#]],
        );
    }
}
