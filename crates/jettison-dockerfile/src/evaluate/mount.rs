//! What is wrong with a mount whose variables have been expanded.
//!
//! BuildKit looks at the values only then (`parseMount`, `instructions/commands_runmount.go`).

use crate::diagnostic::Diagnostic;
use crate::instruction::MountField;
use crate::quote::quoted;
use crate::scope::clean;
use crate::text::{TextRange, lower};

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

/// Finds the first problem. `written` has the fields as they stand in the file.
pub(super) fn mount_problem(
    written: &[MountField],
    expanded: &[MountField],
    place: &TextRange,
) -> Option<Diagnostic> {
    let mut mount = Mount {
        kind: "bind".to_owned(),
        place,
    };
    for (written, field) in written.iter().zip(expanded) {
        let result = match &field.value {
            Some(value) => mount.set(written, &field.key, value),
            None => mount.switch(&field.key),
        };
        if let Err(problem) = result {
            return Some(problem);
        }
    }
    mount.check(expanded).err()
}

struct Mount<'a> {
    kind: String,
    place: &'a TextRange,
}

impl Mount<'_> {
    fn error(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(self.place.clone(), message)
    }

    fn is(&self, kinds: &[&str]) -> bool {
        kinds.contains(&self.kind.as_str())
    }

    /// Reads a field without a value.
    fn switch(&self, key: &str) -> Result<(), Diagnostic> {
        match key {
            "readonly" | "ro" | "readwrite" | "rw" => Ok(()),
            "required" => self.belongs_to(key, &["secret", "ssh"]),
            other => {
                let message = format!("invalid field '{other}' must be a key=value pair");
                Err(self.error(message).with_suggestion(key, KEYS))
            }
        }
    }

    /// Reads a field with a value.
    fn set(&mut self, written: &MountField, key: &str, value: &str) -> Result<(), Diagnostic> {
        let is_valid = match key {
            "type" => {
                self.kind = lower(value);
                let message = || format!("unsupported mount type {}", quoted(value));
                return self.one_of(&TYPES, value, message);
            }
            "sharing" => {
                let message = || format!("unsupported sharing value {}", quoted(value));
                return self.one_of(&SHARING, value, message);
            }
            "mode" | "uid" | "gid" => {
                let radix = if key == "mode" { 8 } else { 10 };
                let is_number = value.chars().all(|digit| digit.is_digit(radix));
                if is_number && u32::from_str_radix(value, radix).is_ok() {
                    return Ok(());
                }
                return Err(self.error(format!("invalid value {value} for {key}")));
            }
            "readonly" | "ro" | "readwrite" | "rw" => is_boolean(value),
            "required" => {
                self.belongs_to(key, &["secret", "ssh"])?;
                is_boolean(value)
            }
            "size" => {
                self.belongs_to(key, &["tmpfs"])?;
                is_size(value)
            }
            "from" | "source" | "src" | "target" | "dst" | "destination" | "id" | "env" => true,
            other => {
                let text = written.value.as_deref().unwrap_or_default();
                let message = format!("unexpected key '{other}' in '{other}={text}'");
                return Err(self.error(message).with_suggestion(key, KEYS));
            }
        };
        if is_valid {
            return Ok(());
        }
        Err(self.error(format!("invalid value for {key}: {value}")))
    }

    fn one_of(
        &self,
        allowed: &[&'static str],
        value: &str,
        message: impl Fn() -> String,
    ) -> Result<(), Diagnostic> {
        if allowed.contains(&lower(value).as_str()) {
            return Ok(());
        }
        let allowed = allowed.iter().copied();
        Err(self.error(message()).with_suggestion(value, allowed))
    }

    fn belongs_to(&self, key: &str, kinds: &[&str]) -> Result<(), Diagnostic> {
        if self.is(kinds) {
            return Ok(());
        }
        let message = format!("unexpected key '{key}' for mount type '{}'", self.kind);
        Err(self.error(message))
    }

    /// Checks what only the whole mount shows.
    fn check(&self, fields: &[MountField]) -> Result<(), Diagnostic> {
        let value = |keys: &[&str]| {
            let mut fields = fields.iter().rev();
            let field = fields.find(|field| keys.contains(&field.key.as_str()))?;
            field.value.as_deref().filter(|value| !value.is_empty())
        };
        for key in ["mode", "uid", "gid"] {
            if value(&[key]).is_some() && !self.is(&["secret", "ssh", "cache"]) {
                let kind = quoted(&self.kind);
                return Err(self.error(format!("{key} not allowed for {kind} type mounts")));
            }
        }
        let (source, id) = (value(&["source", "src"]), value(&["id"]));
        let target = value(&["target", "dst", "destination"]);
        let sharing = value(&["sharing"]);
        if self.is(&["secret"]) {
            let problem = match (value(&["from"]), sharing) {
                (Some(_), _) => Some("secret mount should not have a from"),
                (None, Some(_)) => Some("secret mount should not define sharing"),
                (None, None) => match (source, id) {
                    (Some(_), Some(_)) => Some("both source and id can't be set"),
                    (None, None) if target.is_none() => {
                        Some("invalid secret mount. one of source, target required")
                    }
                    _ => None,
                },
            };
            if let Some(problem) = problem {
                return Err(self.error(problem));
            }
        }
        if sharing.is_some() && !self.is(&["cache"]) {
            let message = format!("invalid cache sharing set for {} mount", self.kind);
            return Err(self.error(message));
        }
        // BuildKit: `dispatchRunMounts` and `dispatchSSH`, dockerfile2llb.
        if self.is(&["ssh"]) && source.is_some() {
            return Err(self.error("ssh does not support source"));
        }
        if self.is(&["bind", "cache", "tmpfs"]) && target.is_some_and(is_root) {
            return Err(self.error("invalid mount target \"/\""));
        }
        Ok(())
    }
}

/// Says whether an absolute path is that of the root, however it is written.
fn is_root(path: &str) -> bool {
    path.starts_with('/') && clean(path) == "/"
}

/// Reads a switch as Go's `strconv.ParseBool` does.
fn is_boolean(value: &str) -> bool {
    let words = ["1", "t", "T", "true", "TRUE", "True"];
    let others = ["0", "f", "F", "false", "FALSE", "False"];
    words.contains(&value) || others.contains(&value)
}

/// Reads a size such as `64m` or `1.5 GiB` (docker/go-units: `RAMInBytes`).
fn is_size(value: &str) -> bool {
    let Some(last) = value.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ') else {
        return false;
    };
    let (number, unit) = value.split_at(last + 1);
    let number = number.strip_suffix(' ').unwrap_or(number);
    let is_number = number.parse::<f64>().is_ok_and(|number| number >= 0.0);
    let unit = unit.to_ascii_lowercase();
    let rest = unit.strip_prefix(['k', 'm', 'g', 't', 'p']);
    is_number
        && (unit.is_empty() || unit == "b" || rest.is_some_and(|r| ["", "b", "ib"].contains(&r)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instruction::mount_fields;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(mount: &str, expected: Expect) {
        let fields = mount_fields(mount).unwrap();
        let problem = mount_problem(&fields, &fields, &(0..0));
        expected.assert_eq(&problem.map_or_else(String::new, |problem| problem.message));
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
            "target",
            expect!["invalid field 'target' must be a key=value pair"],
        );
        check(
            "traget=/x",
            expect!["unexpected key 'traget' in 'traget=/x'"],
        );
    }
}
