//! Addresses of Git repositories, as sources of `ADD` and as build contexts.
//!
//! BuildKit: `ParseGitRef`, `dfgitutil/git_ref.go`; `ParseURL`, `util/gitutil/git_url.go`.

mod url;

use std::collections::BTreeMap;

use crate::git_reference::url::{Url, query};
use crate::instruction::is_boolean;
use crate::quote::quoted;
use crate::text::lower;

/// Files of a Git repository: `https://host/a.git#reference:directory`, `git@host:a?tag=v1&subdir=directory`, …
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitReference {
    /// The repository's address, without query and fragment.
    pub remote: String,
    /// A branch, a tag, a full name such as `refs/heads/main`, or a commit.
    pub reference: Option<String>,
    /// The commit that it must be, or the beginning of it.
    pub checksum: Option<String>,
    /// The directory of the repository that is meant.
    pub subdir: Option<String>,
    /// Whether `.git` is kept.
    pub keep_git_dir: Option<bool>,
    /// Whether submodules are checked out.
    pub submodules: Option<bool>,
    /// The modification times of the files.
    pub mtime: Option<GitMtime>,
    /// Whether the commit is fetched by itself, without asking what the reference stands for.
    pub fetch_by_commit: bool,
    /// Whether it is of the form `github.com/…`, which is a path where files are copied from: only a build context
    /// of this form is a repository.
    pub looks_like_path: bool,
}

/// The modification times of the files of a checkout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GitMtime {
    /// When the files were checked out.
    Checkout,
    /// When the commit was made.
    Commit,
}

/// What is wrong with the query of a repository's address, in BuildKit's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct GitReferenceError {
    /// The words.
    pub message: String,
}

impl GitReference {
    /// Reads an address; `None` if it is not one of a repository.
    pub fn parse(text: &str) -> Option<Result<GitReference, GitReferenceError>> {
        let url = repository(text)?;
        let reference = of_url(&url).map(|reference| GitReference {
            looks_like_path: text.starts_with("github.com/"),
            ..reference
        });
        Some(reference.map_err(|message| GitReferenceError { message }))
    }

    /// Whether the repository is reached over SSH.
    pub fn is_ssh(&self) -> bool {
        match self.remote.split_once("://") {
            Some((scheme, _)) => scheme == "ssh",
            None => true,
        }
    }
}

/// The path of a URL, without escapes, if it can be read.
pub(crate) fn path_of(url: &str) -> Option<String> {
    Url::parse(url).map(|url| url.path)
}

/// The parts of an address, if it is one of a repository.
fn repository(text: &str) -> Option<Url> {
    if text.starts_with("./") || text.starts_with("../") {
        return None;
    }
    if text.starts_with("github.com/") {
        let url = Url::parse(text)?;
        let remote = format!("https://{}", url.remote);
        return Some(Url { remote, ..url });
    }
    let scheme = text.split_once("://").map(|(scheme, _)| lower(scheme));
    let is_scheme = |scheme: &&String| {
        !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    match scheme.as_ref().filter(is_scheme).map(String::as_str) {
        Some("http" | "https") => {
            // Case matters.
            Url::parse(text).filter(|url| url.path.strip_suffix(".git").is_some())
        }
        Some("git" | "ssh") => Url::parse(text),
        Some(_) => None,
        None => as_of_scp(text),
    }
}

/// Reads `user@host:path?query#fragment`.
fn as_of_scp(text: &str) -> Option<Url> {
    let is_in = |text: &str, more: &str| {
        let is_good = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
        !text.is_empty() && text.chars().all(is_good)
    };
    let (user, rest) = text.split_once('@')?;
    let (host, rest) = rest.split_once(':')?;
    if !is_in(user, "-_") || !is_in(host, "-.") || rest.contains('\n') {
        return None;
    }
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (path, raw_query) = rest.split_once('?').unwrap_or((rest, ""));
    let (query, is_whole) = query(raw_query);
    is_whole.then(|| Url {
        remote: format!("{user}@{host}:{path}"),
        path: path.to_owned(),
        query,
        fragment: fragment.to_owned(),
    })
}

/// Reads the query and the fragment (BuildKit: `loadQuery`).
fn of_url(url: &Url) -> Result<GitReference, String> {
    let (mut reference, directory) = url.fragment.split_once(':').unwrap_or((&url.fragment, ""));
    let directory = crate::scope::clean(&format!("/{directory}"));
    let mut directory = directory.trim_start_matches('/');
    let mut git = GitReference {
        remote: url.remote.clone(),
        reference: None,
        checksum: None,
        subdir: None,
        keep_git_dir: None,
        submodules: None,
        mtime: None,
        fetch_by_commit: false,
        looks_like_path: false,
    };
    let mut named: BTreeMap<&str, &str> = BTreeMap::new();
    for (key, values) in &url.query {
        let text = only_value(key, values)?;
        match key.as_str() {
            "ref" => agree("ref", &mut reference, text)?,
            "subdir" => agree("subdir", &mut directory, text)?,
            "tag" | "branch" => {
                named.insert(key, text);
            }
            "checksum" | "commit" => git.checksum = Some(text.to_owned()),
            "submodules" => git.submodules = Some(switch(key, text)?),
            "keep-git-dir" => git.keep_git_dir = Some(switch(key, text)?),
            "fetch-by-commit" => git.fetch_by_commit = switch(key, text)?,
            "mtime" => git.mtime = Some(mtime(text)?),
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
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    git.reference = some(reference);
    git.subdir = some(directory);
    Ok(git)
}

/// The one value of a key; that of a switch may be empty.
fn only_value<'a>(key: &str, values: &'a [String]) -> Result<&'a str, String> {
    match values {
        [value] if !value.is_empty() => Ok(value),
        [] | [_] if ["submodules", "keep-git-dir", "fetch-by-commit"].contains(&key) => Ok(""),
        [] | [_] => Err(format!("query {} has no value", quoted(key))),
        _ => Err(format!("query {} has multiple values", quoted(key))),
    }
}

/// Reads a switch; without a value it is on.
fn switch(key: &str, text: &str) -> Result<bool, String> {
    if text.is_empty() {
        return Ok(true);
    }
    if !is_boolean(text) {
        return Err(invalid(key, text));
    }
    Ok(["1", "t", "T", "TRUE", "true", "True"].contains(&text))
}

fn mtime(text: &str) -> Result<GitMtime, String> {
    match text {
        "checkout" => Ok(GitMtime::Checkout),
        "commit" => Ok(GitMtime::Commit),
        _ => Err(format!(
            r#"{} (must be "checkout" or "commit")"#,
            invalid("mtime", text)
        )),
    }
}

fn invalid(key: &str, text: &str) -> String {
    format!("invalid {key} value: {}", quoted(text))
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

    /// What was read, without what was not said.
    fn said(git: &GitReference) -> String {
        let mut parts = vec![git.remote.clone()];
        let texts = [
            ("ref", &git.reference),
            ("checksum", &git.checksum),
            ("subdir", &git.subdir),
        ];
        parts.extend(
            texts
                .iter()
                .filter_map(|(name, text)| Some(format!("{name}={}", text.as_ref()?))),
        );
        let switches = [
            ("git-dir", git.keep_git_dir),
            ("submodules", git.submodules),
        ];
        parts.extend(
            switches
                .iter()
                .filter_map(|(name, is_on)| Some(format!("{name}={}", (*is_on)?))),
        );
        parts.extend(git.mtime.map(|mtime| format!("{mtime:?}")));
        parts.extend(git.fetch_by_commit.then(|| "by-commit".to_owned()));
        parts.extend(git.looks_like_path.then(|| "like-a-path".to_owned()));
        parts.extend(git.is_ssh().then(|| "ssh".to_owned()));
        parts.join(" ")
    }

    #[track_caller]
    fn check(text: &str, expected: Expect) {
        expected.assert_eq(&match GitReference::parse(text) {
            None => "no repository".to_owned(),
            Some(Ok(git)) => said(&git),
            Some(Err(error)) => format!("error: {error}"),
        });
    }

    #[test]
    fn repositories_are_told_from_other_addresses() {
        check("./git@a:b", expect!["no repository"]);
        check("https://a/b", expect!["no repository"]);
        check("https://a/b.git/", expect!["no repository"]);
        check("https://a:port/b.git", expect!["no repository"]);
        check("ftp://a/b.git", expect!["no repository"]);
        check("git@a/b", expect!["no repository"]);
        check("https://a/b.git", expect!["https://a/b.git"]);
        check(
            "HTTPS://me:pw@A:80/b.git",
            expect!["https://me:pw@A:80/b.git"],
        );
        check("https://a/b c.git", expect!["https://a/b%20c.git"]);
        check("https://a/b%20c.git", expect!["https://a/b%20c.git"]);
        check("git://a/b", expect!["git://a/b"]);
        check("ssh://git@a:22/b", expect!["ssh://git@a:22/b ssh"]);
        check("git@a:b", expect!["git@a:b ssh"]);
        check("git@a:b?ref=x#:d", expect!["git@a:b ref=x subdir=d ssh"]);
        check(
            "github.com/a/b#main",
            expect!["https://github.com/a/b ref=main like-a-path"],
        );
    }

    #[test]
    fn the_fragment_is_a_reference_and_a_directory() {
        check("https://a/b.git#main", expect!["https://a/b.git ref=main"]);
        check(
            "https://a/b.git#main:d/../../e",
            expect!["https://a/b.git ref=main subdir=e"],
        );
        check("https://a/b.git#:d", expect!["https://a/b.git subdir=d"]);
        check("https://a/b.git#", expect!["https://a/b.git"]);
        check("https://a/b.git#a%2Fb", expect!["https://a/b.git ref=a/b"]);
    }

    #[test]
    fn the_query_says_the_same_and_more() {
        check(
            "https://a/b.git?ref=main&subdir=d#main:d",
            expect!["https://a/b.git ref=main subdir=d"],
        );
        check(
            "https://a/b.git?tag=1",
            expect!["https://a/b.git ref=refs/tags/1"],
        );
        check(
            "https://a/b.git?branch=refs/heads/x",
            expect!["https://a/b.git ref=refs/heads/x"],
        );
        check(
            "https://a/b.git?commit=12&keep-git-dir",
            expect!["https://a/b.git checksum=12 git-dir=true"],
        );
        check(
            "https://a/b.git?submodules=0&keep-git-dir=f&mtime=commit&fetch-by-commit=&checksum=1",
            expect!["https://a/b.git checksum=1 git-dir=false submodules=false Commit by-commit"],
        );
        check("git@a:b?mtime=checkout", expect!["git@a:b Checkout ssh"]);
    }

    #[test]
    fn queries_are_refused_in_the_words_of_buildkit() {
        check(
            "https://a/b.git?x=1",
            expect![[r#"error: unexpected query "x""#]],
        );
        check(
            "git@a:b?ref=",
            expect![[r#"error: query "ref" has no value"#]],
        );
        check(
            "git@a:b?ref=1&ref=2",
            expect![[r#"error: query "ref" has multiple values"#]],
        );
        check(
            "https://a/b.git?tag=1#main",
            expect![[r#"error: ref conflicts: "main" vs "refs/tags/1""#]],
        );
        check(
            "https://a/b.git?tag=1&branch=2",
            expect!["error: branch conflicts with tag"],
        );
        check(
            "https://a/b.git?subdir=a#:b",
            expect![[r#"error: subdir conflicts: "b" vs "a""#]],
        );
        check(
            "https://a/b.git?mtime=x",
            expect![[r#"error: invalid mtime value: "x" (must be "checkout" or "commit")"#]],
        );
        check(
            "github.com/a?submodules=2",
            expect![[r#"error: invalid submodules value: "2""#]],
        );
    }
}
