//! The values of a mount.

use crate::instruction::{comma_separated, is_true};
use crate::refusal::mount::size::size;
use crate::refusal::mount::{Field, read_mount};
use crate::text::lower;

/// What a `--mount` of a `RUN` says, its variables replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountValues {
    /// Its type.
    pub kind: MountKind,
    /// The stage, image or named context to mount from.
    pub from: Option<String>,
    /// The path to mount; empty for all of it.
    pub source: String,
    /// Where it is mounted, as written; empty if it does not say.
    pub target: String,
    /// Which cache, secret or agent; empty if it does not say.
    pub id: String,
    /// Who may use a cache at the same time.
    pub sharing: MountSharing,
    /// Whether the command may only read it.
    pub is_read_only: bool,
    /// Whether the build fails without the secret or agent.
    pub is_required: bool,
    /// The size of a `tmpfs` in bytes.
    pub size: Option<u64>,
    /// The variable that a secret is put into.
    pub env: Option<String>,
    /// Permissions.
    pub mode: Option<u32>,
    /// The owner's number.
    pub uid: Option<u32>,
    /// The group's number.
    pub gid: Option<u32>,
}

/// The type of a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MountKind {
    /// Files of the context, a stage or an image.
    Bind,
    /// A directory that lasts from build to build.
    Cache,
    /// An empty directory in memory.
    Tmpfs,
    /// A file or variable that is not in the image.
    Secret,
    /// The socket of an agent.
    Ssh,
}

/// Who may use a cache at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MountSharing {
    /// Everybody.
    Shared,
    /// Nobody else; others get another directory.
    Private,
    /// Nobody else; others wait.
    Locked,
}

/// Reads a mount, whose values `expand` replaces the variables of. The error is in BuildKit's words.
pub fn mount_values(
    mount: &str,
    expand: &dyn Fn(&str) -> Result<String, String>,
) -> Result<MountValues, String> {
    let written = comma_separated(mount).map_err(|e| format!("failed to parse csv mounts: {e}"))?;
    let keys: Vec<String> = written
        .iter()
        .map(|field| lower(field.split('=').next().unwrap_or_default()))
        .collect();
    let mut fields = Vec::new();
    let mut failed = None;
    for (written, key) in written.iter().zip(&keys) {
        let value = match written.split_once('=').map(|(_, value)| expand(value)) {
            Some(Err(problem)) => {
                failed = Some(problem);
                break;
            }
            Some(Ok(value)) => Some(Some(value)),
            None => None,
        };
        fields.push(Field {
            written,
            key,
            value,
        });
    }
    // What comes before the value that cannot be expanded is looked at before.
    let read = read_mount(&fields, &(0..0)).map_err(|problem| problem.message)?;
    match failed.or_else(|| read.whole_problem()) {
        Some(problem) => Err(problem),
        None => Ok(values(&fields)),
    }
}

/// The values of fields that have been looked at.
fn values(fields: &[Field<'_>]) -> MountValues {
    let mut values = MountValues {
        kind: MountKind::Bind,
        from: None,
        source: String::new(),
        target: String::new(),
        id: String::new(),
        sharing: MountSharing::Shared,
        is_read_only: false,
        is_required: false,
        size: None,
        env: None,
        mode: None,
        uid: None,
        gid: None,
    };
    let mut is_read_only = None;
    for field in fields {
        let known = field.value.as_ref().map(Option::as_deref);
        let text = known.flatten().unwrap_or_default();
        // A switch without a value is on.
        let is_on = known.is_none() || is_true(text);
        match field.key {
            "type" => values.kind = kind(text),
            "from" => values.from = Some(text.to_owned()).filter(|from| !from.is_empty()),
            "source" | "src" => text.clone_into(&mut values.source),
            "target" | "dst" | "destination" => text.clone_into(&mut values.target),
            "id" => text.clone_into(&mut values.id),
            "sharing" => values.sharing = sharing(text),
            "readonly" | "ro" => is_read_only = Some(is_on),
            "readwrite" | "rw" => is_read_only = Some(!is_on),
            "required" => values.is_required = is_on,
            "size" => values.size = size(text).filter(|size| *size > 0),
            "env" => values.env = Some(text.to_owned()),
            "mode" => values.mode = u32::from_str_radix(text, 8).ok(),
            "uid" => values.uid = text.parse().ok(),
            "gid" => values.gid = text.parse().ok(),
            _ => {}
        }
    }
    let is_kept = matches!(values.kind, MountKind::Cache | MountKind::Tmpfs);
    values.is_read_only = is_read_only.unwrap_or(!is_kept);
    values
}

fn kind(text: &str) -> MountKind {
    match lower(text).as_str() {
        "cache" => MountKind::Cache,
        "tmpfs" => MountKind::Tmpfs,
        "secret" => MountKind::Secret,
        "ssh" => MountKind::Ssh,
        _ => MountKind::Bind,
    }
}

fn sharing(text: &str) -> MountSharing {
    match lower(text).as_str() {
        "private" => MountSharing::Private,
        "locked" => MountSharing::Locked,
        _ => MountSharing::Shared,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expand::expand;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(mount: &str, expected: Expect) {
        let lookup = |name: &str| (name == "A").then(|| "a".to_owned());
        let replace = |word: &str| expand(word, '\\', &lookup).map_err(|error| error.to_string());
        expected.assert_eq(&match mount_values(mount, &replace) {
            Err(problem) => format!("error: {problem}"),
            Ok(values) => format!("{values:?}"),
        });
    }

    #[test]
    fn what_is_not_said_depends_on_the_type() {
        check(
            "target=/t,source=$A,from=",
            expect![[
                r#"MountValues { kind: Bind, from: None, source: "a", target: "/t", id: "", sharing: Shared, is_read_only: true, is_required: false, size: None, env: None, mode: None, uid: None, gid: None }"#
            ]],
        );
        check(
            "type=cache,dst=/$A,sharing=LOCKED,uid=5,mode=0700,id=x",
            expect![[
                r#"MountValues { kind: Cache, from: None, source: "", target: "/a", id: "x", sharing: Locked, is_read_only: false, is_required: false, size: None, env: None, mode: Some(448), uid: Some(5), gid: None }"#
            ]],
        );
    }

    #[test]
    fn the_last_of_several_fields_counts() {
        check(
            "type=tmpfs,ro,rw=true,target=/t,size=1,size=1.5k",
            expect![[
                r#"MountValues { kind: Tmpfs, from: None, source: "", target: "/t", id: "", sharing: Shared, is_read_only: false, is_required: false, size: Some(1536), env: None, mode: None, uid: None, gid: None }"#
            ]],
        );
    }

    #[test]
    fn the_first_problem_is_said() {
        check(
            "size=1,target=${",
            expect!["error: unexpected key 'size' for mount type 'bind'"],
        );
        check(
            "target=${,size=1",
            expect!["error: syntax error: missing '}'"],
        );
        check(
            "uid=1",
            expect![[r#"error: uid not allowed for "bind" type mounts"#]],
        );
        check("", expect!["error: failed to parse csv mounts: EOF"]);
    }
}
