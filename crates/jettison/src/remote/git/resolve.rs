//! What a reference stands for in a remote repository (BuildKit: `resolveMetadata`, source/git/source.go).

use jettison_build::GitRequest;

use crate::remote::address::redacted;
use crate::remote::git::GitError;
use crate::remote::git::program::{Place, Program};

/// What a remote says about a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// The full name, such as `refs/heads/main`, or the commit itself.
    pub(crate) reference: String,
    /// The commit, or the tag that has a text of its own.
    pub(crate) object: String,
    /// The commit that such a tag names.
    pub(crate) peeled: Option<String>,
}

/// Says whether a text is a whole commit.
pub(crate) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64)
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// What can be said without asking the remote.
pub(crate) fn resolve_here(request: &GitRequest) -> Result<Option<Resolved>, GitError> {
    let reference = request.reference.as_deref().unwrap_or_default();
    if reference.starts_with('-') {
        return Err(GitError::Reference(format!(
            "invalid git ref {reference:?}"
        )));
    }
    let checksum = request.checksum.as_deref();
    if let Some(checksum) = checksum
        && (checksum.is_empty() || !checksum.bytes().all(|byte| byte.is_ascii_hexdigit()))
    {
        return Err(GitError::Reference(format!(
            "invalid checksum {checksum} for Git URL, expected hex commit hash"
        )));
    }
    let itself = |object: &str, reference: &str| Resolved {
        reference: reference.to_owned(),
        object: object.to_owned(),
        peeled: None,
    };
    if is_commit(reference) {
        if let Some(checksum) = checksum
            && !reference.starts_with(checksum)
        {
            return Err(mismatch(checksum, reference));
        }
        return Ok(Some(itself(reference, reference)));
    }
    if !request.fetch_by_commit {
        return Ok(None);
    }
    match checksum {
        None => Err(GitError::Reference(
            "fetch-by-commit requires a checksum or a commit SHA ref".to_owned(),
        )),
        Some(checksum) if !is_commit(checksum) => Err(GitError::Reference(format!(
            "fetch-by-commit requires a full commit SHA checksum, got {checksum:?}"
        ))),
        Some(checksum) if reference.is_empty() => Ok(Some(itself(checksum, checksum))),
        Some(checksum) if reference.starts_with("refs/") => Ok(Some(itself(checksum, reference))),
        Some(checksum) => Ok(Some(itself(checksum, &format!("refs/heads/{reference}")))),
    }
}

/// Asks the remote.
pub(crate) fn resolve_there(
    program: &Program<'_>,
    remote: &str,
    reference: Option<&str>,
) -> Result<Resolved, GitError> {
    let fetch = |source| GitError::program("ask", remote, source);
    let default;
    let reference = if let Some(reference) = reference {
        reference
    } else {
        let arguments = ["ls-remote", "--symref", "--", remote, "HEAD"];
        let text = program.far(Place::Nowhere, &arguments).map_err(fetch)?;
        default = default_branch(&text, remote)?;
        &default
    };
    let peeled = format!("{reference}^{{}}");
    let arguments = ["ls-remote", "--", remote, reference, &peeled];
    let text = program.far(Place::Nowhere, &arguments).map_err(fetch)?;
    choose(&text, reference)
}

fn default_branch(text: &str, remote: &str) -> Result<String, GitError> {
    let branch = text
        .lines()
        .find_map(|line| line.strip_prefix("ref: refs/heads/")?.split('\t').next());
    match branch {
        Some(branch) if branch.starts_with('-') => {
            Err(GitError::Reference(format!("invalid git ref {branch:?}")))
        }
        Some(branch) => Ok(format!("refs/heads/{branch}")),
        None => Err(GitError::Reference(format!(
            "could not find default branch for repository: {}",
            redacted(remote)
        ))),
    }
}

/// Takes what a reference means from a list of all that end like it: a full name, else a branch, else a tag.
fn choose(text: &str, reference: &str) -> Result<Resolved, GitError> {
    let named = |name: &str| {
        text.lines()
            .filter_map(|line| line.split_once('\t'))
            .find_map(|(object, found)| (found == name).then(|| object.to_owned()))
    };
    let full = |prefix: &str| {
        let rest = reference.strip_prefix(prefix).unwrap_or(reference);
        format!("{prefix}{rest}")
    };
    let tag = full("refs/tags/");
    let candidates = [full("refs/"), full("refs/heads/"), tag.clone()];
    let found = candidates
        .into_iter()
        .find_map(|name| Some((named(&name)?, name)));
    let Some((object, name)) = found else {
        return Err(GitError::Reference(format!(
            "repository does not contain ref {reference}, output: {text:?}"
        )));
    };
    if !is_commit(&object) {
        return Err(GitError::Reference(format!(
            "invalid commit sha {object:?}"
        )));
    }
    let peeled = (name == tag)
        .then(|| named(&format!("{tag}^{{}}")))
        .flatten()
        .filter(|peeled| is_commit(peeled));
    Ok(Resolved {
        reference: name,
        object,
        peeled,
    })
}

/// Refuses what is not the commit that was meant.
pub(crate) fn check(resolved: &Resolved, checksum: Option<&str>) -> Result<(), GitError> {
    let Some(checksum) = checksum else {
        return Ok(());
    };
    let is_it = |object: &String| object.starts_with(checksum);
    if is_it(&resolved.object) || resolved.peeled.as_ref().is_some_and(is_it) {
        return Ok(());
    }
    match &resolved.peeled {
        Some(peeled) => Err(mismatch(
            checksum,
            &format!("{} or {peeled}", resolved.object),
        )),
        None => Err(mismatch(checksum, &resolved.object)),
    }
}

fn mismatch(checksum: &str, found: &str) -> GitError {
    GitError::Reference(format!(
        "expected checksum to match {checksum}, got {found}"
    ))
}
