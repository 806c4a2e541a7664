//! Named contexts: the values of `--build-context NAME=VALUE` (buildx: `ParseContextNames`, util/buildflags, and
//! `loadInputs`, build/opt.go; BuildKit: `NamedContext.load`, dockerui/namedcontext.go).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use jettison_build::{FileRequest, GitRequest, Remotes};
use jettison_dockerfile::GitReference;
use jettison_oci::{Digest, DigestParseError, Reference};

use crate::failure::Failure;
use crate::remote::address::redacted;
use crate::remote::context::{DOWNLOADED, copy_of_download, of_remote};
use crate::remote::temporary::TemporaryDir;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NamedContext {
    /// A directory of the host, with its own ignore file.
    Directory(PathBuf),
    /// `docker-image://scratch`
    Scratch,
    /// `docker-image://NAME`
    Image(Reference),
    /// `oci-layout://PATH[:TAG][@DIGEST]`
    Layout(LayoutReference),
    /// `debian://SUITE…`, as a base has it.
    Debian(String),
    /// `target:STAGE`
    Target(String),
    /// A repository.
    Repository(GitReference),
    /// A file, which is called `context` there.
    File(String),
}

/// An image in a layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LayoutReference {
    /// The layout's directory.
    pub(crate) path: PathBuf,
    /// The name or tag of the image there; a layout of one image needs none.
    pub(crate) tag: Option<String>,
    /// The digest of its manifest or index.
    pub(crate) digest: Option<Digest>,
}

/// Reads all values, the last one of a name counts. Directories must be there.
pub(crate) fn named_contexts(values: &[String]) -> Result<BTreeMap<String, NamedContext>, Failure> {
    let mut contexts = BTreeMap::new();
    for value in values.iter().filter(|value| !value.is_empty()) {
        let Some((name, value)) = value.split_once('=') else {
            return Err(Failure::user(format!(
                "invalid context value: {value}, expected key=value"
            )));
        };
        let reference: Reference = name.parse().map_err(|error| {
            let error: jettison_oci::ReferenceParseError = error;
            Failure::user(format!("invalid context name {name}")).because(&error)
        })?;
        let familiar = reference.familiar();
        let name = familiar.strip_suffix(":latest").unwrap_or(&familiar);
        contexts.insert(name.to_owned(), named_context(name, value)?);
    }
    Ok(contexts)
}

fn named_context(name: &str, value: &str) -> Result<NamedContext, Failure> {
    let invalid = |error: &(dyn std::error::Error + 'static)| {
        Failure::user(format!(
            "cannot use {} as the context {name}",
            redacted(value)
        ))
        .because(error)
    };
    if let Some(image) = value.strip_prefix("docker-image://") {
        if image == "scratch" {
            return Ok(NamedContext::Scratch);
        }
        return image
            .parse()
            .map(NamedContext::Image)
            .map_err(|error: jettison_oci::ReferenceParseError| invalid(&error));
    }
    if let Some(stage) = value.strip_prefix("target:") {
        return Ok(NamedContext::Target(stage.to_owned()));
    }
    if let Some(layout) = value.strip_prefix("oci-layout://") {
        return layout
            .parse()
            .map(NamedContext::Layout)
            .map_err(|error: DigestParseError| invalid(&error));
    }
    if value.starts_with("debian://") {
        return Ok(NamedContext::Debian(value.to_owned()));
    }
    match GitReference::parse(value) {
        Some(Ok(reference)) => return Ok(NamedContext::Repository(reference)),
        Some(Err(error)) => return Err(invalid(&error)),
        None => {}
    }
    if value.starts_with("http://") || value.starts_with("https://") {
        return Ok(NamedContext::File(value.to_owned()));
    }
    let fail = || Failure::user(format!("failed to get build context {name}"));
    let metadata = fs::metadata(value).map_err(|error| {
        let failure = fail().because(&error);
        match value.split_once("://") {
            Some((scheme, _)) => failure.hint(format!(
                "{scheme}:// is no kind of context: there are docker-image://, oci-layout://, debian://, https:// and target:"
            )),
            None => failure.hint(format!("{value} is taken for a directory")),
        }
    })?;
    if !metadata.is_dir() {
        return Err(fail().hint(format!("{value} is not a directory")));
    }
    Ok(NamedContext::Directory(PathBuf::from(value)))
}

/// Reads `PATH[:TAG][@DIGEST]` (buildx: `Parse`, util/ocilayout).
impl FromStr for LayoutReference {
    type Err = DigestParseError;

    fn from_str(text: &str) -> Result<LayoutReference, DigestParseError> {
        let (text, digest) = match text.rsplit_once('@') {
            Some((before, after)) if looks_like_digest(after) => (before, Some(after.parse()?)),
            _ => (text, None),
        };
        let (path, tag) = match text.rsplit_once(':') {
            Some((before, after)) if is_tag(after) => (before, Some(after.to_owned())),
            _ => (text, None),
        };
        Ok(LayoutReference {
            path: PathBuf::from(path),
            tag: match (tag, digest) {
                (None, None) => Some("latest".to_owned()),
                (tag, _) => tag,
            },
            digest,
        })
    }
}

/// `algorithm:hex`
fn looks_like_digest(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        algorithm.starts_with(|c: char| c.is_ascii_alphabetic())
            && hex.len() >= 32
            && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

fn is_tag(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= 128
        && text.starts_with(is_word)
        && text.chars().all(|c| is_word(c) || ".-".contains(c))
}

/// The files of a named context that has some.
#[derive(Debug)]
pub(crate) struct NamedFiles {
    /// The directory.
    pub(crate) root: PathBuf,
    /// Whether its `.dockerignore` counts, which is so for directories of the host.
    pub(crate) has_ignore_file: bool,
    _temporary: Option<TemporaryDir>,
}

impl NamedContext {
    /// Gets the files; `None` for what is an image or a stage.
    pub(crate) fn files(
        &self,
        name: &str,
        remotes: &dyn Remotes,
        root: &Path,
    ) -> Result<Option<NamedFiles>, Failure> {
        let message = format!("cannot get the context {name}");
        Ok(Some(match self {
            NamedContext::Scratch
            | NamedContext::Image(_)
            | NamedContext::Layout(_)
            | NamedContext::Debian(_)
            | NamedContext::Target(_) => return Ok(None),
            NamedContext::Directory(path) => NamedFiles {
                root: path.clone(),
                has_ignore_file: true,
                _temporary: None,
            },
            NamedContext::Repository(reference) => NamedFiles {
                root: remotes
                    .git(&GitRequest::of(reference))
                    .map_err(|error| of_remote(&message, &error))?
                    .dir,
                has_ignore_file: false,
                _temporary: None,
            },
            NamedContext::File(url) => {
                let request = FileRequest {
                    url: url.clone(),
                    checksum: None,
                };
                let downloaded = remotes
                    .file(&request)
                    .map_err(|error| of_remote(&message, &error))?;
                let temporary = TemporaryDir::create(root)
                    .map_err(|error| Failure::user(message).because(&error))?;
                let dir = temporary.path().join("context");
                copy_of_download(&downloaded, &dir, DOWNLOADED)?;
                NamedFiles {
                    root: dir,
                    has_ignore_file: false,
                    _temporary: Some(temporary),
                }
            }
        }))
    }
}

#[cfg(test)]
#[expect(
    clippy::needless_raw_string_hashes,
    reason = "UPDATE_EXPECT=1 writes them"
)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(value: &str, expected: Expect) {
        expected.assert_eq(&match named_contexts(&[value.to_owned()]) {
            Ok(contexts) => {
                let lines: Vec<_> = contexts
                    .iter()
                    .map(|(name, context)| match context {
                        NamedContext::Image(image) => format!("{name}: image {}", image.familiar()),
                        NamedContext::Layout(layout) => format!(
                            "{name}: {} {} {}",
                            layout.path.display(),
                            layout.tag.as_deref().unwrap_or("-"),
                            layout
                                .digest
                                .map_or("-".to_owned(), |digest| digest.to_string())
                        ),
                        NamedContext::Repository(git) => format!("{name}: git {}", git.remote),
                        context => format!("{name}: {context:?}"),
                    })
                    .collect();
                lines.join("\n")
            }
            Err(failure) => {
                let lines = failure.lines();
                let lines: Vec<_> = lines.iter().map(|(_, text)| *text).collect();
                lines.join("\n")
            }
        });
    }

    #[test]
    fn a_context_is_what_its_value_begins_with() {
        check("a=/", expect![[r#"a: Directory("/")"#]]);
        check(
            "a=docker-image://busybox",
            expect!["a: image busybox:latest"],
        );
        check("a=docker-image://scratch", expect!["a: Scratch"]);
        check(
            "a=debian://bookworm",
            expect![[r#"a: Debian("debian://bookworm")"#]],
        );
        check("a=target:b", expect![[r#"a: Target("b")"#]]);
        check("a=https://h/b.git#c", expect!["a: git https://h/b.git"]);
        check("a=git@h:b", expect!["a: git git@h:b"]);
        check("a=http://h/b", expect![[r#"a: File("http://h/b")"#]]);
        check("", expect![""]);
    }

    #[test]
    fn a_layout_has_a_path_and_a_tag_or_a_digest() {
        check("a=oci-layout://b", expect!["a: b latest -"]);
        check("a=oci-layout:///b/c:1.3", expect!["a: /b/c 1.3 -"]);
        check("a=oci-layout:///b@c/d", expect!["a: /b@c/d latest -"]);
        check(
            "a=oci-layout://b:c@sha256:0123456789012345678901234567890123456789012345678901234567890123",
            expect![
                "a: b c sha256:0123456789012345678901234567890123456789012345678901234567890123"
            ],
        );
        check(
            "a=oci-layout://b@sha512:0123456789012345678901234567890123",
            expect![[r#"
                cannot use oci-layout://b@sha512:0123456789012345678901234567890123 as the context a
                `sha512:0123456789012345678901234567890123` is not a digest (`sha256:` and 64 lower-case hex digits)"#]],
        );
        check("a=oci-layout://b:x/y", expect!["a: b:x/y latest -"]);
    }

    #[test]
    fn names_are_those_of_images() {
        check(
            "docker.io/library/alpine:latest=/",
            expect![[r#"alpine: Directory("/")"#]],
        );
        check("alpine:3=/", expect![[r#"alpine:3: Directory("/")"#]]);
        check(
            "Alpine=/",
            expect![[r#"
            invalid context name Alpine
            `library/Alpine` in `Alpine` is not a repository name (lower-case words)"#]],
        );
        check(
            "=/",
            expect![[r#"
            invalid context name 
            an image reference cannot be empty"#]],
        );
    }

    #[test]
    fn what_is_no_context_is_refused() {
        check("a", expect!["invalid context value: a, expected key=value"]);
        check(
            "a=/nowhere",
            expect![[r#"
            failed to get build context a
            No such file or directory (os error 2)
            /nowhere is taken for a directory"#]],
        );
        check(
            "a=/dev/null",
            expect![[r#"
            failed to get build context a
            /dev/null is not a directory"#]],
        );
        check(
            "a=ftp://h/b",
            expect![[r#"
            failed to get build context a
            No such file or directory (os error 2)
            ftp:// is no kind of context: there are docker-image://, oci-layout://, debian://, https:// and target:"#]],
        );
        check(
            "a=docker-image://B",
            expect![[r#"
            cannot use docker-image://B as the context a
            `library/B` in `B` is not a repository name (lower-case words)"#]],
        );
        check(
            "a=https://h/b.git?x=1",
            expect![[r#"
            cannot use https://h/b.git?x=1 as the context a
            unexpected query "x""#]],
        );
    }
}
