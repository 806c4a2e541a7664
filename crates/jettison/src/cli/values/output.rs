//! `-o`, `--output`: what is written out, and how (buildx: `ExportEntry`, util/buildflags/export.go; BuildKit:
//! exporter/containerimage/exptypes/keys.go).

use std::path::PathBuf;

use crate::cli::values::annotation::{Annotation, annotations};
use crate::cli::values::fields::{Field, fields};
use crate::cli::values::switch::switch;

/// One output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutputSpec {
    pub(crate) kind: OutputKind,
    pub(crate) attributes: ImageAttributes,
}

/// What is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OutputKind {
    /// The image's files into a directory.
    Local {
        dest: PathBuf,
        /// Whether everything else in the directory goes.
        deletes: bool,
        /// Whether each platform has a directory of its own; if unsaid, those of several have.
        splits: Option<bool>,
    },
    /// The image's files as a tar.
    Tar(FileDest),
    /// An image layout as a tar.
    OciArchive(FileDest),
    /// An image layout as a directory.
    OciLayout(PathBuf),
    /// What `docker load` takes.
    Docker(FileDest),
    /// The image in a running Docker or Podman.
    Load,
    /// The image in the registries of its names.
    Registry,
    /// The image in the store.
    Image,
    /// Nothing.
    CacheOnly,
}

/// Where a file goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FileDest {
    Stdout,
    Path(PathBuf),
}

/// How an image is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an attribute of the command line"
)]
pub(crate) struct ImageAttributes {
    pub(crate) names: Vec<String>,
    pub(crate) compression: Option<CompressionKind>,
    pub(crate) level: Option<i32>,
    pub(crate) forces_compression: bool,
    pub(crate) has_docker_types: bool,
    pub(crate) rewrites_times: bool,
    pub(crate) epoch: Option<i64>,
    pub(crate) annotations: Vec<Annotation>,
}

/// How layers are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CompressionKind {
    Uncompressed,
    Gzip,
    Zstd,
}

/// What is being read.
#[derive(Default)]
struct Reading {
    kind: Option<String>,
    dest: Option<String>,
    is_tar: Option<bool>,
    deletes: bool,
    splits: Option<bool>,
    pushes: bool,
    attributes: ImageAttributes,
}

/// Reads `DIR`, `-` or `type=TYPE[,KEY=VALUE]…`.
pub(crate) fn output(text: &str) -> Result<OutputSpec, String> {
    let list = fields(text)?;
    if let [Field { value: None, .. }] = list.as_slice() {
        let kind = match text {
            "-" => OutputKind::Tar(FileDest::Stdout),
            dir => OutputKind::Local {
                dest: PathBuf::from(dir.trim_matches('"')),
                deletes: false,
                splits: None,
            },
        };
        let attributes = ImageAttributes::default();
        return Ok(OutputSpec { kind, attributes });
    }
    // buildx takes what is one word with a `=` in it, and no type, for a directory as well.
    let mut reading = Reading::default();
    for Field { key, value } in list {
        let value = value.ok_or_else(|| format!("`{key}` is not `key=value`"))?;
        match key.as_str() {
            "type" => reading.kind = Some(value),
            "dest" => reading.dest = Some(value),
            _ => reading.add(&key, &value)?,
        }
    }
    reading.finish()
}

impl Reading {
    fn add(&mut self, key: &str, value: &str) -> Result<(), String> {
        let attributes = &mut self.attributes;
        let refused = |what: &str| Err(format!("`{key}` is not supported: {what}"));
        match key {
            "tar" => self.is_tar = Some(switch(value)?),
            "mode" => self.deletes = mode(value)?,
            "platform-split" => self.splits = Some(switch(value)?),
            "name" => attributes.names.extend(names(value)),
            "compression" => attributes.compression = Some(compression(value)?),
            "compression-level" => {
                let level = value
                    .parse()
                    .map_err(|_| format!("`{value}` is no level"))?;
                attributes.level = Some(level);
            }
            "force-compression" => attributes.forces_compression = switch(value)?,
            "oci-mediatypes" => attributes.has_docker_types = !switch(value)?,
            "rewrite-timestamp" => attributes.rewrites_times = switch(value)?,
            "source-date-epoch" => {
                let epoch = value
                    .parse()
                    .map_err(|_| format!("`{value}` is not a number of seconds"))?;
                attributes.epoch = Some(epoch);
            }
            "push" => self.pushes = switch(value)?,
            "push-by-digest" | "registry.insecure" if !switch(value)? => {}
            "push-by-digest" => return refused("a name without a tag cannot be found again"),
            "registry.insecure" => {
                return refused(
                    "`insecure = true` below `[registries.\"HOST\"]` in the settings says it",
                );
            }
            // What is in the store can be run, and there are no attestations.
            "unpack" | "oci-artifact" | "attestation-prefix" => {}
            "store" | "prefer-nondist-layers" | "attestation-inline" | "name-canonical" => {
                let usual = key == "store";
                if switch(value)? != usual {
                    return refused("leave it out");
                }
            }
            "context" => return refused("DOCKER_HOST says where the daemon is"),
            _ if key.starts_with("annotation") => {
                attributes.annotations.extend(annotation(key, value)?);
            }
            _ => {
                return Err(format!(
                    "`{key}` is not supported; there are dest, tar, name, compression, compression-level, force-compression, oci-mediatypes, rewrite-timestamp, annotation.KEY, mode and platform-split"
                ));
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<OutputSpec, String> {
        let Reading {
            kind,
            dest,
            is_tar,
            deletes,
            splits,
            pushes,
            attributes,
        } = self;
        let kind = kind.ok_or(
            "`type` is missing: write type=oci,dest=FILE for an archive, type=docker,dest=FILE for `docker load`, type=local,dest=DIR for the files",
        )?;
        let path = |dest: Option<String>| match dest {
            Some(dest) if !dest.is_empty() => Ok(PathBuf::from(dest)),
            _ => Err("`dest` is missing".to_string()),
        };
        let file = |dest: Option<String>| match dest.as_deref() {
            None | Some("" | "-") => FileDest::Stdout,
            Some(path) => FileDest::Path(PathBuf::from(path)),
        };
        let kind = match (kind.as_str(), is_tar) {
            ("local", _) => OutputKind::Local {
                dest: path(dest)?,
                deletes,
                splits,
            },
            ("tar", _) => OutputKind::Tar(file(dest)),
            ("oci", Some(false)) => OutputKind::OciLayout(path(dest)?),
            ("oci", _) => OutputKind::OciArchive(file(dest)),
            ("docker", Some(false)) => {
                return Err("docker takes one tar: leave `tar` out".to_string());
            }
            ("docker", _) if dest.is_none() => OutputKind::Load,
            ("docker", _) => OutputKind::Docker(file(dest)),
            ("registry", _) => OutputKind::Registry,
            ("image", _) if pushes => OutputKind::Registry,
            ("image", _) => OutputKind::Image,
            ("cacheonly", _) => OutputKind::CacheOnly,
            (other, _) => {
                return Err(format!(
                    "there is no type `{other}`: take local, tar, oci, docker, image, registry or cacheonly"
                ));
            }
        };
        check(&kind, &attributes)?;
        Ok(OutputSpec { kind, attributes })
    }
}

/// Refuses what would have no effect.
fn check(kind: &OutputKind, attributes: &ImageAttributes) -> Result<(), String> {
    let only_names = ImageAttributes {
        names: attributes.names.clone(),
        ..ImageAttributes::default()
    };
    let is_plain = *attributes == ImageAttributes::default();
    match kind {
        OutputKind::Image if *attributes != only_names => Err(
            "the store keeps layers as it likes: attributes of layers belong to type=oci or type=docker".to_string(),
        ),
        OutputKind::Local { .. } | OutputKind::Tar(_) | OutputKind::CacheOnly if !is_plain => {
            Err("attributes of images belong to type=oci or type=docker".to_string())
        }
        OutputKind::Image
        | OutputKind::Local { .. }
        | OutputKind::Tar(_)
        | OutputKind::CacheOnly
        | OutputKind::OciArchive(_)
        | OutputKind::OciLayout(_)
        | OutputKind::Docker(_)
        | OutputKind::Load
        | OutputKind::Registry => check_level(attributes),
    }
}

fn check_level(attributes: &ImageAttributes) -> Result<(), String> {
    let most = match attributes.compression {
        Some(CompressionKind::Zstd) => 22,
        None | Some(CompressionKind::Gzip | CompressionKind::Uncompressed) => 9,
    };
    match attributes.level {
        Some(level) if !(0..=most).contains(&level) => {
            Err(format!("level {level} is not from 0 to {most}"))
        }
        Some(_) | None => Ok(()),
    }
}

fn mode(value: &str) -> Result<bool, String> {
    match value {
        "copy" => Ok(false),
        "delete" => Ok(true),
        _ => Err(format!("`{value}` is not a mode: take copy or delete")),
    }
}

fn compression(value: &str) -> Result<CompressionKind, String> {
    match value {
        "uncompressed" => Ok(CompressionKind::Uncompressed),
        "gzip" => Ok(CompressionKind::Gzip),
        "zstd" => Ok(CompressionKind::Zstd),
        "estargz" => Err("compression `estargz` is not supported: take gzip or zstd".to_string()),
        _ => Err(format!(
            "there is no compression `{value}`: take uncompressed, gzip or zstd"
        )),
    }
}

fn names(value: &str) -> impl Iterator<Item = String> {
    let names = value.split(',').filter(|name| !name.is_empty());
    names.map(str::to_string)
}

/// Reads `annotation[-LEVEL][[PLATFORM]].KEY` (BuildKit: `ParseAnnotationKey`, exptypes/parse.go).
fn annotation(key: &str, value: &str) -> Result<Vec<Annotation>, String> {
    let rest = key.strip_prefix("annotation").unwrap_or(key);
    let (head, name) = rest
        .split_once('.')
        .ok_or_else(|| format!("`{key}` is not `annotation.KEY`"))?;
    let level = match head.strip_prefix('-') {
        Some(level) => level.to_string(),
        None => format!("manifest{head}"),
    };
    annotations(&format!("{level}:{name}={value}")).map(|annotations| annotations.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check_output(text: &str, expected: Expect) {
        expected.assert_eq(&match output(text) {
            Err(problem) => problem,
            Ok(OutputSpec { kind, attributes }) if attributes == ImageAttributes::default() => {
                format!("{kind:?}")
            }
            Ok(OutputSpec { kind, attributes }) => format!("{kind:?}\n{attributes:?}"),
        });
    }

    #[test]
    fn short_forms_are_files() {
        check_output(
            "out",
            expect![[r#"Local { dest: "out", deletes: false, splits: None }"#]],
        );
        check_output("-", expect!["Tar(Stdout)"]);
        check_output(
            "\"a,b\"",
            expect![[r#"Local { dest: "a,b", deletes: false, splits: None }"#]],
        );
    }

    #[test]
    fn types_have_destinations() {
        check_output(
            "type=local,dest=out,mode=delete,platform-split=false",
            expect![[r#"Local { dest: "out", deletes: true, splits: Some(false) }"#]],
        );
        check_output("type=tar", expect!["Tar(Stdout)"]);
        check_output(
            "type=oci,dest=x.tar",
            expect![[r#"OciArchive(Path("x.tar"))"#]],
        );
        check_output("type=oci,tar=false,dest=x", expect![[r#"OciLayout("x")"#]]);
        check_output("type=docker,dest=-", expect!["Docker(Stdout)"]);
        check_output(
            "type=image,push=false,unpack=true,\"name=a,b\"",
            expect![[r#"
                Image
                ImageAttributes { names: ["a", "b"], compression: None, level: None, forces_compression: false, has_docker_types: false, rewrites_times: false, epoch: None, annotations: [] }"#]],
        );
        check_output("type=cacheonly", expect!["CacheOnly"]);
        check_output("type=oci,tar=false", expect!["`dest` is missing"]);
        check_output("type=local", expect!["`dest` is missing"]);
        check_output("type=docker", expect!["Load"]);
        check_output(
            "dest=x",
            expect![
                "`type` is missing: write type=oci,dest=FILE for an archive, type=docker,dest=FILE for `docker load`, type=local,dest=DIR for the files"
            ],
        );
        check_output(
            "type=registry,name=x",
            expect![[r#"
                Registry
                ImageAttributes { names: ["x"], compression: None, level: None, forces_compression: false, has_docker_types: false, rewrites_times: false, epoch: None, annotations: [] }"#]],
        );
        check_output(
            "type=paper",
            expect![
                "there is no type `paper`: take local, tar, oci, docker, image, registry or cacheonly"
            ],
        );
    }

    #[test]
    fn attributes_say_how_an_image_is_written() {
        check_output(
            "type=oci,dest=x,compression=zstd,compression-level=19,force-compression=true,oci-mediatypes=false,rewrite-timestamp=1,annotation.a=b,annotation-index[linux/arm64].c=d",
            expect![[r#"
                OciArchive(Path("x"))
                ImageAttributes { names: [], compression: Some(Zstd), level: Some(19), forces_compression: true, has_docker_types: true, rewrites_times: true, epoch: None, annotations: [Annotation { level: Manifest, platform: None, key: "a", value: "b" }, Annotation { level: Index, platform: Some("linux/arm64"), key: "c", value: "d" }] }"#]],
        );
        check_output(
            "type=oci,dest=x,compression=lz4",
            expect!["there is no compression `lz4`: take uncompressed, gzip or zstd"],
        );
        check_output(
            "type=oci,dest=x,compression-level=10",
            expect!["level 10 is not from 0 to 9"],
        );
        check_output(
            "type=oci,dest=x,push=true",
            expect![[r#"OciArchive(Path("x"))"#]],
        );
        check_output(
            "type=oci,dest=x,colour=red",
            expect![
                "`colour` is not supported; there are dest, tar, name, compression, compression-level, force-compression, oci-mediatypes, rewrite-timestamp, annotation.KEY, mode and platform-split"
            ],
        );
        check_output(
            "type=tar,dest=x,compression=zstd",
            expect!["attributes of images belong to type=oci or type=docker"],
        );
        check_output(
            "type=image,compression=zstd",
            expect![
                "the store keeps layers as it likes: attributes of layers belong to type=oci or type=docker"
            ],
        );
    }
}
