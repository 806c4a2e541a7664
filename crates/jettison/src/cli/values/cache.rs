//! `--cache-from` and `--cache-to`

use std::path::PathBuf;

use crate::cli::values::fields::{Field, fields};
use crate::cli::values::switch::switch;

/// Where results are that travel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CachePlace {
    /// An image layout, and the tag in it.
    Directory(PathBuf, Option<String>),
    /// The index of this name in a registry.
    Registry(String),
}

impl CachePlace {
    /// How it is shown.
    pub(crate) fn name(&self) -> String {
        match self {
            CachePlace::Directory(path, _) => path.display().to_string(),
            CachePlace::Registry(reference) => reference.clone(),
        }
    }
}

/// Where results of builds on other machines come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CacheImport {
    /// What `--cache-to` wrote. In a directory, what was written with any tag is found.
    pub(crate) place: CachePlace,
    pub(crate) mounts: CacheMounts,
}

/// Where results go that builds on other machines may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CacheExport {
    pub(crate) place: CachePlace,
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

/// Reads `type=local,src=DIR[,tag=TAG][,mounts=true]` or `type=registry,ref=NAME[,mounts=true]`.
pub(crate) fn cache_import(text: &str) -> Result<CacheImport, String> {
    let (kind, attributes) = attributes(text)?;
    let (mut src, mut mounts) = (None, CacheMounts::Left);
    for (key, value) in attributes {
        match (kind, key.as_str()) {
            (Kind::Local, "src") => src = Some(CachePlace::Directory(path(&key, &value)?, None)),
            (Kind::Local, "tag") => {}
            (Kind::Registry, "ref") => src = Some(CachePlace::Registry(value)),
            (_, "mounts") => mounts = cache_mounts(&value)?,
            (Kind::Local, _) => return Err(unknown(&key, "src, tag and mounts")),
            (Kind::Registry, _) => return Err(unknown(&key, "ref and mounts")),
        }
    }
    let missing = || match kind {
        Kind::Local => "`src` is missing: the directory that `--cache-to` wrote",
        Kind::Registry => "`ref` is missing: the name that `--cache-to` wrote to",
    };
    Ok(CacheImport {
        mounts,
        place: src.ok_or_else(missing)?,
    })
}

/// Reads `type=local,dest=DIR[,tag=TAG]` or `type=registry,ref=NAME`, each with
/// `[,mode=min|max][,ignore-error=true][,mounts=true]`.
pub(crate) fn cache_export(text: &str) -> Result<CacheExport, String> {
    let (kind, attributes) = attributes(text)?;
    let (mut dest, mut tag) = (None, None);
    let (mut mode, mut ignores_errors, mut mounts) = (CacheMode::Min, false, CacheMounts::Left);
    for (key, value) in attributes {
        match (kind, key.as_str(), value.as_str()) {
            (Kind::Local, "dest", value) => {
                dest = Some(CachePlace::Directory(path(&key, value)?, None));
            }
            (Kind::Local, "tag", _) => tag = Some(value),
            (Kind::Registry, "ref", _) => dest = Some(CachePlace::Registry(value)),
            (_, "mode", "min") => mode = CacheMode::Min,
            (_, "mode", "max") => mode = CacheMode::Max,
            (_, "mode", _) => return Err(format!("`{value}` is not a mode: take min or max")),
            (_, "ignore-error", value) => ignores_errors = switch(value)?,
            (_, "mounts", value) => mounts = cache_mounts(value)?,
            // What is written is always an index of manifests, with the layers as they are in the store.
            (_, "oci-mediatypes" | "image-manifest", value) if switch(value)? => {}
            (_, "compression" | "compression-level" | "force-compression", _) => {
                return Err(format!(
                    "`{key}` is not supported: layers are written as they are in the store"
                ));
            }
            (Kind::Local, _, _) => {
                return Err(unknown(&key, "dest, tag, mode, ignore-error and mounts"));
            }
            (Kind::Registry, _, _) => {
                return Err(unknown(&key, "ref, mode, ignore-error and mounts"));
            }
        }
    }
    let place = match (dest, kind) {
        (Some(CachePlace::Directory(path, _)), _) => CachePlace::Directory(path, tag),
        (Some(place), _) => place,
        (None, Kind::Local) => {
            return Err("`dest` is missing: the directory to write to".to_string());
        }
        (None, Kind::Registry) => {
            return Err("`ref` is missing: the name in a registry to write to".to_string());
        }
    };
    Ok(CacheExport {
        place,
        mode,
        ignores_errors,
        mounts,
    })
}

/// The kinds of places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Local,
    Registry,
}

/// The kind of a cache and its attributes; other kinds are refused by name. A value without `=` is a reference
/// (buildx: `CacheOptionsEntry.UnmarshalText`, util/buildflags/cache.go).
fn attributes(text: &str) -> Result<(Kind, Vec<(String, String)>), String> {
    let list = fields(text)?;
    if let [Field { key, value: None }] = list.as_slice() {
        return Ok((Kind::Registry, vec![("ref".to_string(), key.clone())]));
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
        Some("local" | "oci-layout") => Ok((Kind::Local, attributes)),
        Some("registry") => Ok((Kind::Registry, attributes)),
        Some(kind) => Err(refused(kind)),
        None => Err("`type` is missing: take type=local or type=registry".to_string()),
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
        "inline" => {
            "type `inline` is not supported: take type=registry and a name beside the image's"
                .to_string()
        }
        "gha" | "s3" | "azblob" => format!(
            "type `{kind}` is a service on the network and is not supported: take type=registry, or type=local and a directory that your CI keeps"
        ),
        _ => format!("there is no cache of type `{kind}`: take type=local or type=registry"),
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
            Ok(import) => format!("{} {:?}", import.place.name(), import.mounts),
            Err(problem) => problem,
        });
    }

    #[track_caller]
    fn check_export(text: &str, expected: Expect) {
        expected.assert_eq(&match cache_export(text) {
            Ok(to) => format!(
                "{:?} {:?} {} {:?}",
                to.place, to.mode, to.ignores_errors, to.mounts
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
        check_import(
            "src=a",
            expect!["`type` is missing: take type=local or type=registry"],
        );
    }

    #[test]
    fn caches_of_other_kinds_are_refused_by_name() {
        check_export(
            "type=inline",
            expect![
                "type `inline` is not supported: take type=registry and a name beside the image's"
            ],
        );
        check_export(
            "type=gha",
            expect![
                "type `gha` is a service on the network and is not supported: take type=registry, or type=local and a directory that your CI keeps"
            ],
        );
        check_export(
            "type=tape",
            expect!["there is no cache of type `tape`: take type=local or type=registry"],
        );
    }

    #[test]
    fn a_cache_is_in_a_registry() {
        check_import("user/app:cache", expect!["user/app:cache Left"]);
        check_import(
            "type=registry,ref=user/app,mounts=1",
            expect!["user/app Taken"],
        );
        check_import(
            "type=registry",
            expect!["`ref` is missing: the name that `--cache-to` wrote to"],
        );
        check_export(
            "type=registry,ref=user/app:cache,mode=max,image-manifest=true",
            expect![[r#"Registry("user/app:cache") Max false Left"#]],
        );
        check_export(
            "type=registry,dest=a",
            expect!["`dest` is not supported: there are ref, mode, ignore-error and mounts"],
        );
    }

    #[test]
    fn a_cache_goes_to_a_directory() {
        check_export(
            "type=local,dest=a",
            expect![[r#"Directory("a", None) Min false Left"#]],
        );
        check_export(
            "type=local,dest=a,mode=max,tag=t,ignore-error=true,mounts=1,oci-mediatypes=true",
            expect![[r#"Directory("a", Some("t")) Max true Taken"#]],
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
