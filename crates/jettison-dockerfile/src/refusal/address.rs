//! What a source of `COPY` or `ADD` is: a path, a URL, or a Git repository.
//!
//! BuildKit: `ParseGitRef`, `dfgitutil/git_ref.go`; `ParseURL`, `util/gitutil/git_url.go`; `isHTTPSource`,
//! `dockerfile2llb/convert_copy.go`.

mod url;

use std::collections::BTreeMap;

use crate::instruction::is_boolean;
use crate::quote::quoted;
use crate::refusal::address::url::{Url, query};
use crate::text::lower;

/// What a source is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// A path; one such as `github.com/a/b` is taken for a repository where only that is asked.
    Path { looks_like_git: bool },
    /// Something to download.
    Url,
    /// A repository.
    Git(GitAddress),
    /// The address of a repository with a query that is wrong; for what asks only what it is, it is a URL or a path.
    Broken { problem: String, is_url: bool },
}

/// What the query of a repository's address says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GitAddress {
    pub(crate) keep_git_dir: Option<bool>,
    pub(crate) checksum: Option<String>,
}

impl Address {
    pub(crate) fn of(source: &str) -> Address {
        let is_web = source.starts_with("http://") || source.starts_with("https://");
        let Some(url) = repository(source) else {
            return if is_web {
                Address::Url
            } else {
                Address::Path {
                    looks_like_git: false,
                }
            };
        };
        match git_address(&url) {
            Err(problem) => Address::Broken {
                problem,
                is_url: is_web,
            },
            Ok(_) if source.starts_with("github.com/") => Address::Path {
                looks_like_git: true,
            },
            Ok(git) => Address::Git(git),
        }
    }

    /// Says whether a source is one that `--checksum` can be given for.
    pub(crate) fn takes_checksum(&self) -> bool {
        match self {
            Address::Path { looks_like_git } => *looks_like_git,
            Address::Broken { is_url, .. } => *is_url,
            Address::Url | Address::Git(_) => true,
        }
    }
}

/// The parts of an address, if it is one of a repository.
fn repository(source: &str) -> Option<Url> {
    if source.starts_with("./") || source.starts_with("../") {
        return None;
    }
    if source.starts_with("github.com/") {
        return Url::parse(source);
    }
    let scheme = source.split_once("://").map(|(scheme, _)| lower(scheme));
    let is_scheme = |scheme: &&String| {
        !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    match scheme.as_ref().filter(is_scheme).map(String::as_str) {
        Some("http" | "https") => {
            // Case matters.
            Url::parse(source).filter(|url| url.path.strip_suffix(".git").is_some())
        }
        Some("git" | "ssh") => Url::parse(source),
        Some(_) => None,
        None => as_of_scp(source),
    }
}

/// Reads `user@host:path?query#fragment`.
fn as_of_scp(source: &str) -> Option<Url> {
    let is_in = |text: &str, more: &str| {
        let is_good = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
        !text.is_empty() && text.chars().all(is_good)
    };
    let (user, rest) = source.split_once('@')?;
    let (host, rest) = rest.split_once(':')?;
    if !is_in(user, "-_") || !is_in(host, "-.") || rest.contains('\n') {
        return None;
    }
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (path, raw_query) = rest.split_once('?').unwrap_or((rest, ""));
    let (query, is_whole) = query(raw_query);
    is_whole.then(|| Url {
        path: path.to_owned(),
        query,
        fragment: fragment.to_owned(),
    })
}

/// Reads the query and the fragment (BuildKit: `loadQuery`).
fn git_address(url: &Url) -> Result<GitAddress, String> {
    let (mut reference, directory) = url.fragment.split_once(':').unwrap_or((&url.fragment, ""));
    let directory = crate::scope::clean(&format!("/{directory}"));
    let mut directory = directory.trim_start_matches('/');
    let mut git = GitAddress::default();
    let mut named: BTreeMap<&str, &str> = BTreeMap::new();
    for (key, values) in &url.query {
        let is_switch = ["submodules", "keep-git-dir", "fetch-by-commit"].contains(&key.as_str());
        let value = match values.as_slice() {
            [value] if !value.is_empty() => Some(value.as_str()),
            [] | [_] if is_switch => None,
            [] | [_] => return Err(format!("query {} has no value", quoted(key))),
            _ => return Err(format!("query {} has multiple values", quoted(key))),
        };
        let text = value.unwrap_or_default();
        let invalid = || format!("invalid {key} value: {}", quoted(text));
        match key.as_str() {
            "ref" => agree("ref", &mut reference, text)?,
            "subdir" => agree("subdir", &mut directory, text)?,
            "tag" | "branch" => {
                named.insert(key, text);
            }
            "checksum" | "commit" => git.checksum = Some(text.to_owned()),
            "submodules" | "keep-git-dir" | "fetch-by-commit" => {
                if value.is_some_and(|value| !is_boolean(value)) {
                    return Err(invalid());
                }
                if key == "keep-git-dir" {
                    let is_on =
                        |value: &str| ["1", "t", "T", "TRUE", "true", "True"].contains(&value);
                    git.keep_git_dir = Some(value.is_none_or(is_on));
                }
            }
            "mtime" if ["checkout", "commit"].contains(&text) => {}
            "mtime" => {
                return Err(format!(r#"{} (must be "checkout" or "commit")"#, invalid()));
            }
            other => return Err(format!("unexpected query {}", quoted(other))),
        }
    }
    let full = |name: &str, prefix: &str| {
        let name = name.strip_prefix(prefix).unwrap_or(name);
        format!("{prefix}{name}")
    };
    let tag = named.get("tag").map(|tag| full(tag, "refs/tags/"));
    let branch = named.get("branch").map(|name| full(name, "refs/heads/"));
    match (&tag, &branch) {
        (Some(tag), None) => agree("ref", &mut reference, tag)?,
        (None, Some(branch)) => agree("ref", &mut reference, branch)?,
        (Some(tag), Some(_)) => {
            agree("ref", &mut reference, tag)?;
            return Err("branch conflicts with tag".to_owned());
        }
        (None, None) => {}
    }
    Ok(git)
}

/// Sets what may be set twice, but not to two values.
fn agree<'a>(what: &str, known: &mut &'a str, value: &'a str) -> Result<(), String> {
    if !known.is_empty() && *known != value {
        let (known, value) = (quoted(known), quoted(value));
        return Err(format!("{what} conflicts: {known} vs {value}"));
    }
    *known = value;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(source: &str, expected: Expect) {
        expected.assert_eq(&match Address::of(source) {
            Address::Path { looks_like_git } => format!("path, git {looks_like_git}"),
            Address::Url => "url".to_owned(),
            Address::Git(git) => format!("git {:?} {:?}", git.keep_git_dir, git.checksum),
            Address::Broken { problem, .. } => problem,
        });
    }

    #[test]
    fn sources_are_told_apart() {
        check("a/b.git", expect!["path, git false"]);
        check("./git@a:b", expect!["path, git false"]);
        check("github.com/a/b", expect!["path, git true"]);
        check("https://a/b", expect!["url"]);
        check("HTTPS://a/b", expect!["path, git false"]);
        check("https://a/b.git#main:dir", expect!["git None None"]);
        check("https://a/b.git/", expect!["url"]);
        check("https://a:port/b.git", expect!["url"]);
        check("git://a/b", expect!["git None None"]);
        check("git@a:b", expect!["git None None"]);
        check("git@a/b", expect!["path, git false"]);
        check("ftp://a/b.git", expect!["path, git false"]);
    }

    #[test]
    fn the_query_of_a_repository_is_read() {
        check(
            "https://a/b.git?commit=12&keep-git-dir",
            expect![[r#"git Some(true) Some("12")"#]],
        );
        check("https://a/b.git?x=1", expect![[r#"unexpected query "x""#]]);
        check("git@a:b?ref=", expect![[r#"query "ref" has no value"#]]);
        check(
            "git@a:b?ref=1&ref=2",
            expect![[r#"query "ref" has multiple values"#]],
        );
        check(
            "https://a/b.git?tag=1#main",
            expect![[r#"ref conflicts: "main" vs "refs/tags/1""#]],
        );
        check(
            "https://a/b.git?tag=1&branch=2",
            expect!["branch conflicts with tag"],
        );
        check(
            "https://a/b.git?mtime=x",
            expect![[r#"invalid mtime value: "x" (must be "checkout" or "commit")"#]],
        );
        check(
            "github.com/a?submodules=2",
            expect![[r#"invalid submodules value: "2""#]],
        );
    }
}
