//! What comes from the build context.

use crate::checks::input::InstructionView;
use crate::checks::packages::base_name;
use crate::instruction::{CopyInstruction, CopySource, InstructionKind, mount_fields};

/// `COPY` or `ADD`.
pub(super) fn copy_of(kind: &InstructionKind) -> Option<&CopyInstruction> {
    if let InstructionKind::Copy(copy) | InstructionKind::Add(copy) = kind {
        Some(copy)
    } else {
        None
    }
}

/// The source of a copy that is the whole context.
pub(super) fn whole_context(copy: &CopyInstruction) -> Option<&str> {
    if copy.from.is_some() {
        return None;
    }
    copy.sources.iter().find_map(|source| match source {
        CopySource::Path(path) => {
            matches!(path.as_str(), "." | "./" | "/").then_some(path.as_str())
        }
        CopySource::Heredoc(_) => None,
    })
}

/// Says whether an instruction brings a file with this name from the context: literally, by a pattern, or as a mount.
/// The whole context does not count, as nothing is known of what is in it.
pub(super) fn brings_file(view: &InstructionView<'_>, name: &str) -> bool {
    if let InstructionKind::Run(run) = &view.instruction.kind {
        return run.mounts.iter().any(|mount| {
            let fields = mount_fields(mount).unwrap_or_default();
            let source = fields
                .iter()
                .find(|field| matches!(field.key.as_str(), "source" | "src"));
            let value = source.and_then(|field| field.value.as_deref());
            value.is_some_and(|value| base_name(value) == name)
        });
    }
    let Some(copy) = copy_of(&view.instruction.kind).filter(|copy| copy.from.is_none()) else {
        return false;
    };
    copy.sources.iter().any(|source| match source {
        CopySource::Path(path) => matches(base_name(path), name),
        CopySource::Heredoc(_) => false,
    })
}

/// Says whether a pattern with some text before its `*` matches a name.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => {
            let rest = name.strip_prefix(before).filter(|_| !before.is_empty());
            rest.is_some_and(|rest| rest.ends_with(after))
        }
    }
}

/// Says whether a `RUN` has a cache mount: what it downloads is kept anyway.
pub(super) fn has_cache_mount(view: &InstructionView<'_>) -> bool {
    let InstructionKind::Run(run) = &view.instruction.kind else {
        return false;
    };
    run.mounts.iter().any(|mount| {
        let fields = mount_fields(mount).unwrap_or_default();
        fields
            .iter()
            .any(|field| field.key == "type" && field.value.as_deref() == Some("cache"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_names() {
        let check = |pattern: &str, name: &str, expected: bool| {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        };
        check("package-lock.json", "package-lock.json", true);
        check("package*.json", "package-lock.json", true);
        check("yarn.lock*", "yarn.lock", true);
        check("*.json", "package-lock.json", false);
        check("package.json", "package-lock.json", false);
    }
}
