//! The value of `RUN --mount`, when its variables have values (BuildKit: `parseMount` with an expander,
//! `instructions/commands_runmount.go`).

mod size;
mod values;

use crate::diagnostic::Diagnostic;
use crate::instruction::is_boolean;
use crate::quote::quoted;
use crate::refusal::mount::size::is_size;
use crate::scope::WorkingDirectory;
use crate::text::{TextRange, lower};

pub use crate::refusal::mount::values::{MountKind, MountSharing, MountValues, mount_values};

const KEYS: [&str; 19] = [
    "type",
    "from",
    "source",
    "target",
    "readonly",
    "id",
    "sharing",
    "required",
    "size",
    "mode",
    "uid",
    "gid",
    "src",
    "dst",
    "destination",
    "ro",
    "rw",
    "readwrite",
    "env",
];
const TYPES: [&str; 5] = ["bind", "cache", "tmpfs", "secret", "ssh"];
const SHARING: [&str; 3] = ["shared", "private", "locked"];

/// The value of a word: nothing if it depends on what is not known.
type Known = Option<String>;

/// One field of a mount, expanded.
#[derive(Debug)]
pub(crate) struct Field<'a> {
    /// The field as it stands in the file.
    pub(crate) written: &'a str,
    /// Its key in lower case.
    pub(crate) key: &'a str,
    /// Its value, if there is a `=`.
    pub(crate) value: Option<Known>,
}

/// A mount whose fields are good. A value that is not known is `None` inside.
#[derive(Debug)]
pub(crate) struct Mount {
    /// Its type, if that is known.
    kind: Known,
    from: Option<Known>,
    source: Option<Known>,
    target: Option<Known>,
    id: Option<Known>,
    sharing: Option<Known>,
    /// Says whether there is a `mode`, a `uid` and a `gid`.
    has_owner: [bool; 3],
}

const OWNER: [&str; 3] = ["mode", "uid", "gid"];

/// Reads the fields of a mount one by one, up to the first that is wrong.
pub(crate) fn read_mount(fields: &[Field<'_>], place: &TextRange) -> Result<Mount, Diagnostic> {
    let mut reading = Reading {
        mount: Mount {
            kind: Some("bind".to_owned()),
            from: None,
            source: None,
            target: None,
            id: None,
            sharing: None,
            has_owner: [false; 3],
        },
        place,
    };
    for field in fields {
        match &field.value {
            Some(value) => reading.set(field, value.as_deref())?,
            None => reading.switch(field)?,
        }
    }
    Ok(reading.mount)
}

impl Mount {
    /// Where it is mounted, if that is known; empty if the mount does not say.
    pub(crate) fn target(&self) -> Option<&str> {
        self.target.as_ref().map_or(Some(""), Known::as_deref)
    }

    /// Says whether it needs what it names to be built; a cache without a source names `scratch`.
    pub(crate) fn mounts_its_source(&self) -> bool {
        is_set(self.from.as_ref()) || self.kind.as_deref() == Some("cache")
    }

    /// Says what is wrong with its fields together.
    pub(crate) fn whole_problem(&self) -> Option<String> {
        let kind = self.kind.as_deref()?;
        if !["secret", "ssh", "cache"].contains(&kind)
            && let Some((_, name)) = self.has_owner.iter().zip(OWNER).find(|(has, _)| **has)
        {
            let kind = quoted(kind);
            return Some(format!("{name} not allowed for {kind} type mounts"));
        }
        let has_sharing = is_surely_set(self.sharing.as_ref());
        if kind == "secret" {
            let may_be_named = [&self.source, &self.target, &self.id]
                .iter()
                .any(|field| is_set(field.as_ref()));
            let is_named_twice =
                is_surely_set(self.source.as_ref()) && is_surely_set(self.id.as_ref());
            let problems = [
                (
                    is_surely_set(self.from.as_ref()),
                    "secret mount should not have a from",
                ),
                (has_sharing, "secret mount should not define sharing"),
                (
                    !may_be_named,
                    "invalid secret mount. one of source, target required",
                ),
                (is_named_twice, "both source and id can't be set"),
            ];
            if let Some((_, problem)) = problems.iter().find(|(is_wrong, _)| *is_wrong) {
                return Some((*problem).to_owned());
            }
        }
        (has_sharing && kind != "cache")
            .then(|| format!("invalid cache sharing set for {kind} mount"))
    }

    /// Says why it cannot be mounted (BuildKit: `dispatchRunMounts` and `dispatchSSH`, dockerfile2llb).
    pub(crate) fn problem(&self, directory: Option<&WorkingDirectory>) -> Option<String> {
        let kind = self.kind.as_deref()?;
        if kind == "ssh" && is_surely_set(self.source.as_ref()) {
            return Some("ssh does not support source".to_owned());
        }
        if matches!(kind, "secret" | "ssh") {
            return None;
        }
        let target = self.target()?;
        // An absolute target is taken as it is written.
        let is_root = target == "/"
            || (!target.starts_with('/')
                && directory.is_some_and(|directory| {
                    directory.join(target) == WorkingDirectory::Absolute("/".to_owned())
                }));
        is_root.then(|| r#"invalid mount target "/""#.to_owned())
    }
}

/// Without a value, and with the empty one, a field is not there. One that is not known may be.
fn is_set(field: Option<&Known>) -> bool {
    field.is_some_and(|value| value.as_deref() != Some(""))
}

fn is_surely_set(field: Option<&Known>) -> bool {
    field.is_some_and(|value| value.as_deref().is_some_and(|text| !text.is_empty()))
}

struct Reading<'a> {
    mount: Mount,
    place: &'a TextRange,
}

impl Reading<'_> {
    fn error(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(self.place.clone(), message)
    }

    /// Reads a field without a value.
    fn switch(&self, field: &Field<'_>) -> Result<(), Diagnostic> {
        match field.key {
            "readonly" | "ro" | "readwrite" | "rw" => Ok(()),
            "required" => self.belongs_to(field.key, &["secret", "ssh"]),
            key => {
                let message = format!("invalid field '{}' must be a key=value pair", field.written);
                Err(self.error(message).with_suggestion(key, KEYS))
            }
        }
    }

    /// Reads a field with a value.
    fn set(&mut self, field: &Field<'_>, value: Option<&str>) -> Result<(), Diagnostic> {
        let key = field.key;
        let known = || Some(value.map(str::to_owned));
        match key {
            "type" => {
                self.mount.kind = value.map(lower);
                self.one_of(&TYPES, value, "unsupported mount type")?;
            }
            "sharing" => {
                self.mount.sharing = Some(value.map(lower));
                self.one_of(&SHARING, value, "unsupported sharing value")?;
            }
            "from" => self.mount.from = known(),
            "source" | "src" => self.mount.source = known(),
            "target" | "dst" | "destination" => self.mount.target = known(),
            "id" => self.mount.id = known(),
            "env" => {}
            "mode" | "uid" | "gid" => self.number(key, value)?,
            "readonly" | "ro" | "readwrite" | "rw" => self.good(key, value, is_boolean)?,
            "required" => {
                self.belongs_to(key, &["secret", "ssh"])?;
                self.good(key, value, is_boolean)?;
            }
            "size" => {
                self.belongs_to(key, &["tmpfs"])?;
                self.good(key, value, is_size)?;
            }
            key => {
                let message = format!("unexpected key '{key}' in '{}'", field.written);
                return Err(self.error(message).with_suggestion(key, KEYS));
            }
        }
        Ok(())
    }

    fn good(
        &self,
        key: &str,
        value: Option<&str>,
        is_good: fn(&str) -> bool,
    ) -> Result<(), Diagnostic> {
        match value.filter(|value| !is_good(value)) {
            Some(value) => Err(self.error(format!("invalid value for {key}: {value}"))),
            None => Ok(()),
        }
    }

    fn number(&mut self, key: &str, value: Option<&str>) -> Result<(), Diagnostic> {
        for (has, name) in self.mount.has_owner.iter_mut().zip(OWNER) {
            *has |= name == key;
        }
        let radix = if key == "mode" { 8 } else { 10 };
        let is_number = |value: &str| {
            let is_plain = value.chars().all(|digit| digit.is_digit(radix));
            is_plain && u32::from_str_radix(value, radix).is_ok()
        };
        match value.filter(|value| !is_number(value)) {
            Some(value) => Err(self.error(format!("invalid value {value} for {key}"))),
            None => Ok(()),
        }
    }

    fn one_of(
        &self,
        allowed: &[&'static str],
        value: Option<&str>,
        problem: &str,
    ) -> Result<(), Diagnostic> {
        let is_wrong = |value: &&str| !allowed.contains(&lower(value).as_str());
        let Some(value) = value.filter(is_wrong) else {
            return Ok(());
        };
        let message = format!("{problem} {}", quoted(value));
        let allowed = allowed.iter().copied();
        Err(self.error(message).with_suggestion(value, allowed))
    }

    fn belongs_to(&self, key: &str, kinds: &[&str]) -> Result<(), Diagnostic> {
        match self.mount.kind.as_deref() {
            Some(kind) if !kinds.contains(&kind) => {
                let message = format!("unexpected key '{key}' for mount type '{kind}'");
                Err(self.error(message))
            }
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instruction::comma_separated;
    use expect_test::{Expect, expect};

    /// Values that are `?` are not known.
    #[track_caller]
    fn check_in(directory: &WorkingDirectory, mount: &str, expected: Expect) {
        let written = comma_separated(mount).unwrap();
        let keys: Vec<String> = written
            .iter()
            .map(|field| lower(field.split('=').next().unwrap()))
            .collect();
        let fields = written.iter().zip(&keys).map(|(written, key)| Field {
            written,
            key,
            value: written
                .split_once('=')
                .map(|(_, value)| Some(value.to_owned()).filter(|value| value != "?")),
        });
        let fields: Vec<Field<'_>> = fields.collect();
        let problem = match read_mount(&fields, &(0..0)) {
            Ok(mount) => mount
                .whole_problem()
                .or_else(|| mount.problem(Some(directory))),
            Err(problem) => Some(problem.message),
        };
        expected.assert_eq(&problem.unwrap_or_default());
    }

    #[track_caller]
    fn check(mount: &str, expected: Expect) {
        check_in(
            &WorkingDirectory::Absolute("/w".to_owned()),
            mount,
            expected,
        );
    }

    #[test]
    fn good_mounts_have_no_problem() {
        check("type=bind,source=a,target=/b,rw", expect![""]);
        check(
            "type=CACHE,target=/c,sharing=Locked,mode=0755,uid=0",
            expect![""],
        );
        check("type=tmpfs,target=/t,size=1.5 GiB", expect![""]);
        check("type=secret,id=a,required=T,env=B", expect![""]);
        check("type=ssh,required", expect![""]);
    }

    #[test]
    fn fields_belong_to_types() {
        check(
            "size=1",
            expect!["unexpected key 'size' for mount type 'bind'"],
        );
        check(
            "required,type=ssh",
            expect!["unexpected key 'required' for mount type 'bind'"],
        );
        check(
            "uid=1",
            expect![[r#"uid not allowed for "bind" type mounts"#]],
        );
        check(
            "sharing=shared",
            expect!["invalid cache sharing set for bind mount"],
        );
        check(
            "type=secret",
            expect!["invalid secret mount. one of source, target required"],
        );
        check(
            "type=secret,id=a,src=b",
            expect!["both source and id can't be set"],
        );
        check(
            "type=secret,id=a,from=b",
            expect!["secret mount should not have a from"],
        );
        check("type=ssh,source=a", expect!["ssh does not support source"]);
    }

    #[test]
    fn values_are_checked() {
        check("ro=maybe", expect!["invalid value for ro: maybe"]);
        check("type=cache,mode=9", expect!["invalid value 9 for mode"]);
        check("type=cache,gid=-1", expect!["invalid value -1 for gid"]);
        check(
            "type=tmpfs,size=big",
            expect!["invalid value for size: big"],
        );
        check(
            "type=tmpfs,size=1xb",
            expect!["invalid value for size: 1xb"],
        );
        check(
            "Target",
            expect!["invalid field 'Target' must be a key=value pair"],
        );
        check(
            "Traget=/x",
            expect!["unexpected key 'traget' in 'Traget=/x'"],
        );
    }

    #[test]
    fn what_is_not_known_may_be_right() {
        check("type=?,mode=0400,sharing=?,target=?,size=1", expect![""]);
        check("type=secret,source=?,id=?", expect![""]);
        check(
            "type=?,type=bind,uid=?",
            expect![[r#"uid not allowed for "bind" type mounts"#]],
        );
        check("target=?", expect![""]);
    }

    #[test]
    fn a_mount_is_not_at_the_root() {
        let root = WorkingDirectory::Absolute("/".to_owned());
        let unknown = WorkingDirectory::BelowBase(String::new());
        check("target=/", expect![[r#"invalid mount target "/""#]]);
        check("target=..", expect![[r#"invalid mount target "/""#]]);
        check_in(&root, "id=a", expect![[r#"invalid mount target "/""#]]);
        check_in(
            &unknown,
            "target=/",
            expect![[r#"invalid mount target "/""#]],
        );
        check_in(&unknown, "id=a", expect![""]);
        // The path is compared as it is written.
        check("target=//", expect![""]);
    }
}
