//! `--cache-from` and `--cache-to`

use std::path::PathBuf;

use crate::cli::values::fields::{Field, fields};
use crate::cli::values::switch::switch;

/// Where results of builds on other machines come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CacheImport {
    /// A directory that `--cache-to` wrote. What was written with any tag is found.
    pub(crate) src: PathBuf,
    pub(crate) mounts: CacheMounts,
}

/// Where results go that builds on other machines may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CacheExport {
    /// The directory.
    pub(crate) dest: PathBuf,
    /// The tag in it.
    pub(crate) tag: Option<String>,
    pub(crate) mode: CacheMode,
    /// Whether a build goes on that cannot write it.
    pub(crate) ignores_errors: bool,
    pub(crate) mounts: CacheMounts,
}

/// Whether the cache mounts of commands go with results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheMounts {
    Left,
    Taken,
}

/// Which results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheMode {
    /// Those of the image's own steps.
    Min,
    /// Those of all steps.
    Max,
}

/// Reads `type=local,src=DIR[,tag=TAG][,mounts=true]`.
pub(crate) fn cache_import(text: &str) -> Result<CacheImport, String> {
    let (mut src, mut mounts) = (None, CacheMounts::Left);
    for (key, value) in attributes(text)? {
        match key.as_str() {
            "src" => src = Some(path(&key, &value)?),
            "tag" => {}
            "mounts" => mounts = cache_mounts(&value)?,
            _ => return Err(unknown(&key, "src, tag and mounts")),
        }
    }
    Ok(CacheImport {
        mounts,
        src: src.ok_or("`src` is missing: the directory that `--cache-to` wrote")?,
    })
}

/// Reads `type=local,dest=DIR[,tag=TAG][,mode=min|max][,ignore-error=true][,mounts=true]`.
pub(crate) fn cache_export(text: &str) -> Result<CacheExport, String> {
    let (mut dest, mut tag) = (None, None);
    let (mut mode, mut ignores_errors, mut mounts) = (CacheMode::Min, false, CacheMounts::Left);
    for (key, value) in attributes(text)? {
        match (key.as_str(), value.as_str()) {
            ("dest", value) => dest = Some(path(&key, value)?),
            ("tag", _) => tag = Some(value),
            ("mode", "min") => mode = CacheMode::Min,
            ("mode", "max") => mode = CacheMode::Max,
            ("mode", _) => return Err(format!("`{value}` is not a mode: take min or max")),
            ("ignore-error", value) => ignores_errors = switch(value)?,
            ("mounts", value) => mounts = cache_mounts(value)?,
            // What is written is always an image layout, with the layers as they are in the store.
            ("oci-mediatypes" | "image-manifest", value) if switch(value)? => {}
            ("compression" | "compression-level" | "force-compression", _) => {
                return Err(format!(
                    "`{key}` is not supported: layers are written as they are in the store"
                ));
            }
            _ => return Err(unknown(&key, "dest, tag, mode, ignore-error and mounts")),
        }
    }
    Ok(CacheExport {
        dest: dest.ok_or("`dest` is missing: the directory to write to")?,
        tag,
        mode,
        ignores_errors,
        mounts,
    })
}

/// The attributes of a cache in a directory; other kinds are refused by name. A value without `=` is a reference
/// (buildx: `CacheOptionsEntry.UnmarshalText`, util/buildflags/cache.go).
fn attributes(text: &str) -> Result<Vec<(String, String)>, String> {
    let list = fields(text)?;
    if let [Field { value: None, .. }] = list.as_slice() {
        return Err(refused("registry"));
    }
    let mut kind = None;
    let mut attributes = Vec::new();
    for Field { key, value } in list {
        let value = value.ok_or_else(|| format!("`{key}` is not `key=value`"))?;
        if key == "type" {
            kind = Some(value);
        } else {
            attributes.push((key, value));
        }
    }
    match kind.as_deref() {
        // What BuildKit calls local is an image layout, too.
        Some("local" | "oci-layout") => Ok(attributes),
        Some(kind) => Err(refused(kind)),
        None => Err("`type` is missing: take type=local".to_string()),
    }
}

fn cache_mounts(value: &str) -> Result<CacheMounts, String> {
    Ok(if switch(value)? {
        CacheMounts::Taken
    } else {
        CacheMounts::Left
    })
}

fn refused(kind: &str) -> String {
    match kind {
        "registry" | "inline" => format!(
            "type `{kind}` needs a registry, and registries are not supported yet: take type=local and a directory"
        ),
        "gha" | "s3" | "azblob" => format!(
            "type `{kind}` is a service on the network and is not supported: take type=local and a directory that your CI keeps"
        ),
        _ => format!("there is no cache of type `{kind}`: take type=local"),
    }
}

fn path(key: &str, value: &str) -> Result<PathBuf, String> {
    match value {
        "" => Err(format!("`{key}` is empty")),
        value => Ok(PathBuf::from(value)),
    }
}

fn unknown(key: &str, known: &str) -> String {
    format!("`{key}` is not supported: there are {known}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check_import(text: &str, expected: Expect) {
        expected.assert_eq(&match cache_import(text) {
            Ok(import) => format!("{} {:?}", import.src.display(), import.mounts),
            Err(problem) => problem,
        });
    }

    #[track_caller]
    fn check_export(text: &str, expected: Expect) {
        expected.assert_eq(&match cache_export(text) {
            Ok(to) => format!(
                "{} {:?} {:?} {} {:?}",
                to.dest.display(),
                to.tag,
                to.mode,
                to.ignores_errors,
                to.mounts
            ),
            Err(problem) => problem,
        });
    }

    #[test]
    fn a_cache_comes_from_a_directory() {
        check_import("type=local,src=a", expect!["a Left"]);
        check_import("type=local,src=a,mounts=true", expect!["a Taken"]);
        check_import(
            "type=oci-layout,src=a,tag=t,digest=sha256:0",
            expect!["`digest` is not supported: there are src, tag and mounts"],
        );
        check_import(
            "type=local",
            expect!["`src` is missing: the directory that `--cache-to` wrote"],
        );
        check_import(
            "type=local,src=a,ref=b",
            expect!["`ref` is not supported: there are src, tag and mounts"],
        );
        check_import("src=a", expect!["`type` is missing: take type=local"]);
    }

    #[test]
    fn caches_of_other_kinds_are_refused_by_name() {
        for text in ["user/app:cache", "type=registry,ref=user/app"] {
            check_import(
                text,
                expect![
                    "type `registry` needs a registry, and registries are not supported yet: take type=local and a directory"
                ],
            );
        }
        check_export(
            "type=inline",
            expect![
                "type `inline` needs a registry, and registries are not supported yet: take type=local and a directory"
            ],
        );
        check_export(
            "type=gha",
            expect![
                "type `gha` is a service on the network and is not supported: take type=local and a directory that your CI keeps"
            ],
        );
        check_export(
            "type=tape",
            expect!["there is no cache of type `tape`: take type=local"],
        );
    }

    #[test]
    fn a_cache_goes_to_a_directory() {
        check_export("type=local,dest=a", expect!["a None Min false Left"]);
        check_export(
            "type=local,dest=a,mode=max,tag=t,ignore-error=true,mounts=1,oci-mediatypes=true",
            expect![[r#"a Some("t") Max true Taken"#]],
        );
        check_export("type=local,dest=", expect!["`dest` is empty"]);
        check_export(
            "type=local,dest=a,mode=all",
            expect!["`all` is not a mode: take min or max"],
        );
        check_export(
            "type=local,dest=a,compression=zstd",
            expect!["`compression` is not supported: layers are written as they are in the store"],
        );
        check_export(
            "type=local,dest=a,oci-mediatypes=false",
            expect![
                "`oci-mediatypes` is not supported: there are dest, tag, mode, ignore-error and mounts"
            ],
        );
    }
}
