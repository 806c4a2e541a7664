//! Image configurations: the OCI fields, Docker's fields beyond them, and whatever else was there.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::DiffId;
use crate::wire::{is_default, keys, null_is_default, to_json};

/// The configuration of an image.
///
/// See <https://github.com/opencontainers/image-spec/blob/main/config.md>.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ImageConfig {
    /// When the image was made, as RFC 3339 has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who made the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The processor architecture: `amd64`, `arm64`, …
    #[serde(default, deserialize_with = "null_is_default")]
    pub architecture: String,
    /// The operating system: `linux`.
    #[serde(default, deserialize_with = "null_is_default")]
    pub os: String,
    /// The variant of the architecture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// How a container of this image runs.
    #[serde(default, deserialize_with = "null_is_default")]
    pub config: RunConfig,
    /// The layers that make up the root filesystem.
    pub rootfs: RootFs,
    /// How each layer came about, bottom first.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "is_default"
    )]
    pub history: Vec<HistoryEntry>,
    /// Members that we do not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl ImageConfig {
    /// Reads a configuration.
    pub fn from_json(json: &[u8]) -> Result<ImageConfig, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// The JSON; the same value gives the same bytes.
    pub fn to_json(&self) -> Vec<u8> {
        to_json(self)
    }
}

/// How a container of an image runs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RunConfig {
    /// The user, and after a colon the group, by name or by number. Empty is root.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "is_default"
    )]
    pub user: String,
    /// The ports to expose: `80/tcp`.
    #[serde(default, with = "keys", skip_serializing_if = "is_default")]
    pub exposed_ports: BTreeSet<String>,
    /// The environment, `NAME=value` each.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "is_default"
    )]
    pub env: Vec<String>,
    /// The command that always runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// The default arguments of the entrypoint, or the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// The directories that hold data of a container's own.
    #[serde(default, with = "keys", skip_serializing_if = "is_default")]
    pub volumes: BTreeSet<String>,
    /// The directory to start in. Empty is `/`.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "is_default"
    )]
    pub working_dir: String,
    /// The labels.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "is_default"
    )]
    pub labels: BTreeMap<String, String>,
    /// The signal that asks a container to stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Whether the command is already escaped (Windows).
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "is_default"
    )]
    pub args_escaped: bool,
    /// Docker's health check, as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Value>,
    /// Docker's triggers for builds that start from this image.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "is_default"
    )]
    pub on_build: Vec<String>,
    /// Docker's shell for shell-form commands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<Vec<String>>,
    /// Members that we do not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// The layers that make up a root filesystem.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type", default = "layers_kind")]
    pub kind: String,
    /// The diff IDs of the layers, bottom first.
    #[serde(default, deserialize_with = "null_is_default")]
    pub diff_ids: Vec<DiffId>,
}

impl RootFs {
    /// A root filesystem made of `diff_ids`, bottom first.
    pub fn new(diff_ids: Vec<DiffId>) -> RootFs {
        RootFs {
            kind: layers_kind(),
            diff_ids,
        }
    }
}

impl Default for RootFs {
    fn default() -> RootFs {
        RootFs::new(Vec::new())
    }
}

fn layers_kind() -> String {
    "layers".to_owned()
}

/// How one layer, or one change of the configuration, came about.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// When, as RFC 3339 has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The instruction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// What was said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether there is no layer that belongs to this entry.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "is_default"
    )]
    pub empty_layer: bool,
    /// Members that we do not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(json: &str, expected: Expect) {
        let config = ImageConfig::from_json(json.as_bytes()).unwrap();
        let written = String::from_utf8(config.to_json()).unwrap();
        expected.assert_eq(&written);
        assert_eq!(ImageConfig::from_json(written.as_bytes()).unwrap(), config);
    }

    #[test]
    fn dockers_own_fields_and_unknown_ones_survive() {
        check(
            r#"{"zebra":[1],"os":"linux","architecture":"arm64","os.version":"1","rootfs":{"type":"layers","diff_ids":[]},
               "config":{"Zed":{"b":1,"a":null},"Healthcheck":{"Test":["NONE"]},"OnBuild":["RUN x"],"Shell":["/bin/bash","-c"],
               "ArgsEscaped":true,"ExposedPorts":{"80/tcp":{},"53/udp":{}},"Volumes":{"/b":{},"/a":{}},"StopSignal":"SIGINT"},
               "history":[{"created_by":"RUN x","empty_layer":true,"note":"kept"}]}"#,
            expect![[
                r#"{"architecture":"arm64","os":"linux","config":{"ExposedPorts":{"53/udp":{},"80/tcp":{}},"Volumes":{"/a":{},"/b":{}},"StopSignal":"SIGINT","ArgsEscaped":true,"Healthcheck":{"Test":["NONE"]},"OnBuild":["RUN x"],"Shell":["/bin/bash","-c"],"Zed":{"a":null,"b":1}},"rootfs":{"type":"layers","diff_ids":[]},"history":[{"created_by":"RUN x","empty_layer":true,"note":"kept"}],"os.version":"1","zebra":[1]}"#
            ]],
        );
    }

    #[test]
    fn null_is_as_good_as_absent() {
        check(
            r#"{"architecture":"amd64","os":"linux","config":{"Env":null,"Cmd":null,"Labels":null,"Volumes":null,"ExposedPorts":null,
               "OnBuild":null,"User":null,"WorkingDir":null},"rootfs":{"diff_ids":null},"history":null}"#,
            expect![[
                r#"{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}"#
            ]],
        );
    }

    #[test]
    fn an_empty_command_is_not_an_absent_one() {
        check(
            r#"{"architecture":"amd64","os":"linux","config":{"Cmd":[],"Entrypoint":[""]},"rootfs":{"type":"layers","diff_ids":[]}}"#,
            expect![[
                r#"{"architecture":"amd64","os":"linux","config":{"Entrypoint":[""],"Cmd":[]},"rootfs":{"type":"layers","diff_ids":[]}}"#
            ]],
        );
    }

    #[test]
    fn a_configuration_without_a_root_filesystem_is_refused() {
        assert!(ImageConfig::from_json(br#"{"architecture":"amd64","os":"linux"}"#).is_err());
    }
}
