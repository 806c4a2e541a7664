//! What a file of structure tests says.

use std::fmt;

use serde::{Deserialize, Deserializer};

use crate::structure_test::expand::Variables;
use crate::structure_test::pattern::{Pattern, PatternError};

/// The versions of the schema that are read. In the older one, a command is a list, and there is no `metadataTest`.
const VERSIONS: [&str; 2] = ["1.0.0", "2.0.0"];

/// Why a file of structure tests cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StructureTestError {
    /// The line and the column, from 1, if the mistake has a place.
    pub place: Option<(usize, usize)>,
    /// What is wrong.
    pub message: String,
}

/// The tests of one file.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct StructureTests {
    /// The version of the schema.
    pub schema_version: String,
    /// Variables for all commands.
    #[serde(deserialize_with = "null_is_default")]
    pub global_env_vars: Vec<EnvVar>,
    /// Commands to run.
    #[serde(deserialize_with = "null_is_default")]
    pub command_tests: Vec<CommandTest>,
    /// Files that are to be there, or not.
    #[serde(deserialize_with = "null_is_default")]
    pub file_existence_tests: Vec<FileExistenceTest>,
    /// Contents of files.
    #[serde(deserialize_with = "null_is_default")]
    pub file_content_tests: Vec<FileContentTest>,
    /// What the image's configuration is to say.
    pub metadata_test: Option<MetadataTest>,
    /// Texts of licences.
    #[serde(deserialize_with = "null_is_default")]
    pub license_tests: Vec<LicenseTest>,
    /// How commands run.
    #[serde(deserialize_with = "null_is_default")]
    pub container_run_options: ContainerRunOptions,
}

impl StructureTests {
    /// Says whether there is anything to test.
    pub fn is_empty(&self) -> bool {
        self.command_tests.is_empty()
            && self.file_existence_tests.is_empty()
            && self.file_content_tests.is_empty()
            && self.metadata_test.is_none()
            && self.license_tests.is_empty()
    }
}

/// A variable and its value, in which `$NAME` stands for another variable's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvVar {
    /// Its name.
    pub key: String,
    /// Its value.
    #[serde(default, deserialize_with = "null_is_default")]
    pub value: String,
}

/// A command to run, and what is to come of it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommandTest {
    /// What the test is called.
    pub name: String,
    /// Commands to run before, in containers that hand on what they wrote.
    #[serde(default, deserialize_with = "null_is_default")]
    pub setup: Vec<Words>,
    /// Commands for afterwards. They are read and never run: the container is thrown away, as there.
    #[serde(default, deserialize_with = "null_is_default")]
    pub teardown: Vec<Words>,
    /// Variables for this test.
    #[serde(default, deserialize_with = "null_is_default")]
    pub env_vars: Vec<EnvVar>,
    /// The exit status that is expected.
    #[serde(default)]
    pub exit_code: i32,
    /// The program; with schema 1.0.0 its arguments, too.
    pub command: Command,
    /// Its arguments.
    #[serde(default, deserialize_with = "null_is_default")]
    pub args: Vec<String>,
    /// What the standard output is to match.
    #[serde(default, deserialize_with = "null_is_default")]
    pub expected_output: Vec<Pattern>,
    /// What it is not to match.
    #[serde(default, deserialize_with = "null_is_default")]
    pub excluded_output: Vec<Pattern>,
    /// What the standard error is to match.
    #[serde(default, deserialize_with = "null_is_default")]
    pub expected_error: Vec<Pattern>,
    /// What it is not to match.
    #[serde(default, deserialize_with = "null_is_default")]
    pub excluded_error: Vec<Pattern>,
}

impl CommandTest {
    /// The program and its arguments, with values for variables.
    pub(super) fn argv(&self, variables: &Variables) -> Vec<String> {
        let words = self.command.0.iter().chain(&self.args);
        words.map(|word| variables.expand(word)).collect()
    }
}

/// A program with its arguments: at least one word.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Words(pub(super) Vec<String>);

impl TryFrom<Vec<String>> for Words {
    type Error = &'static str;

    fn try_from(words: Vec<String>) -> Result<Words, &'static str> {
        if words.first().is_none_or(String::is_empty) {
            return Err("a command without a program");
        }
        Ok(Words(words))
    }
}

/// A program as a text, or with its arguments as a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Command, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Command;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a program, or a list of a program and its arguments")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Command, E> {
                words(vec![text.to_owned()])
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut list: A,
            ) -> Result<Command, A::Error> {
                let mut all = Vec::new();
                while let Some(word) = list.next_element()? {
                    all.push(word);
                }
                words(all)
            }
        }

        fn words<E: serde::de::Error>(all: Vec<String>) -> Result<Command, E> {
            let Words(all) = Words::try_from(all).map_err(E::custom)?;
            Ok(Command(all))
        }

        deserializer.deserialize_any(Visitor)
    }
}

/// A file that is to be there, or not.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileExistenceTest {
    /// What the test is called.
    pub name: String,
    /// The path. A symbolic link at its end is looked at itself.
    pub path: String,
    /// Whether something is to be there.
    #[serde(default = "yes")]
    pub should_exist: bool,
    /// Its kind and permissions, as `ls -l` or Go writes them.
    #[serde(default, deserialize_with = "null_is_default")]
    pub permissions: String,
    /// The number of its owner; -1 is any.
    #[serde(default = "any")]
    pub uid: i64,
    /// The number of its group; -1 is any.
    #[serde(default = "any")]
    pub gid: i64,
    /// Who is to be able to execute it.
    #[serde(default)]
    pub is_executable_by: Option<ExecutableBy>,
}

/// Whose permission to execute is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExecutableBy {
    /// That of any of the others.
    Any,
    /// The owner's.
    Owner,
    /// The group's.
    Group,
    /// Everybody else's.
    Other,
}

/// What a file is to hold.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileContentTest {
    /// What the test is called.
    pub name: String,
    /// The path; symbolic links are followed.
    pub path: String,
    /// What the content is to match.
    #[serde(default, deserialize_with = "null_is_default")]
    pub expected_contents: Vec<Pattern>,
    /// What it is not to match.
    #[serde(default, deserialize_with = "null_is_default")]
    pub excluded_contents: Vec<Pattern>,
}

/// What the image's configuration is to say; what is not mentioned may be anything.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct MetadataTest {
    /// Variables that are to be set; `env` in old files.
    #[serde(alias = "env", deserialize_with = "null_is_default")]
    pub env_vars: Vec<ExpectedPair>,
    /// Variables that are not to be set.
    #[serde(deserialize_with = "null_is_default")]
    pub unbound_env_vars: Vec<UnboundVar>,
    /// Labels.
    #[serde(deserialize_with = "null_is_default")]
    pub labels: Vec<ExpectedPair>,
    /// The ENTRYPOINT; an empty list means that there is none.
    pub entrypoint: Option<Vec<String>>,
    /// The CMD; an empty list means that there is none.
    pub cmd: Option<Vec<String>>,
    /// Ports that are to be exposed: `80`, `53/udp`.
    #[serde(deserialize_with = "null_is_default")]
    pub exposed_ports: Vec<String>,
    /// Ports that are not to be.
    #[serde(deserialize_with = "null_is_default")]
    pub unexposed_ports: Vec<String>,
    /// Volumes.
    #[serde(deserialize_with = "null_is_default")]
    pub volumes: Vec<String>,
    /// Directories that are not to be volumes.
    #[serde(deserialize_with = "null_is_default")]
    pub unmounted_volumes: Vec<String>,
    /// The working directory; empty is any.
    #[serde(deserialize_with = "null_is_default")]
    pub workdir: String,
    /// The user; empty is any.
    #[serde(deserialize_with = "null_is_default")]
    pub user: String,
}

/// A variable that is not to be set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnboundVar {
    /// Its name.
    pub key: String,
}

/// A name, and what its value is to be.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "RawPair")]
pub struct ExpectedPair {
    /// The name.
    pub key: String,
    /// The value.
    pub value: Expected,
}

/// What a value is to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Expected {
    /// This.
    Exactly(String),
    /// Something that matches.
    Matching(Pattern),
}

/// A pair as it is written.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawPair {
    key: String,
    #[serde(default, deserialize_with = "null_is_default")]
    value: String,
    #[serde(default)]
    is_regex: bool,
}

impl TryFrom<RawPair> for ExpectedPair {
    type Error = PatternError;

    fn try_from(raw: RawPair) -> Result<ExpectedPair, PatternError> {
        let value = if raw.is_regex {
            Expected::Matching(Pattern::new(&raw.value)?)
        } else {
            Expected::Exactly(raw.value)
        };
        Ok(ExpectedPair {
            key: raw.key,
            value,
        })
    }
}

/// Files that are not to hold certain licences.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LicenseTest {
    /// Whether to look at the copyright files of Debian's packages.
    #[serde(default)]
    pub debian: bool,
    /// Files to look at.
    #[serde(default, deserialize_with = "null_is_default")]
    pub files: Vec<String>,
}

/// How commands run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct ContainerRunOptions {
    /// As whom, if not as the image says.
    #[serde(deserialize_with = "null_is_default")]
    pub user: String,
    /// With all rights that there are to give.
    pub privileged: bool,
    /// On a terminal.
    #[serde(rename = "allocateTty")]
    pub terminal: bool,
    /// A file of variables.
    #[serde(deserialize_with = "null_is_default")]
    pub env_file: String,
    /// Variables that keep the values which they have here.
    #[serde(deserialize_with = "null_is_default")]
    pub env_vars: Vec<String>,
    /// Capabilities on top of a container's.
    #[serde(deserialize_with = "null_is_default")]
    pub capabilities: Vec<String>,
    /// Files and directories of this machine: `source:target[:ro]`.
    #[serde(deserialize_with = "null_is_default")]
    pub bind_mounts: Vec<String>,
    /// The network: `none`, or the host's.
    #[serde(deserialize_with = "null_is_default")]
    pub network: String,
}

fn yes() -> bool {
    true
}

fn any() -> i64 {
    -1
}

/// A key without a value says as much as no key.
fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a file of structure tests, in YAML or in JSON, which is YAML as well.
pub fn parse_structure_tests(text: &str) -> Result<StructureTests, StructureTestError> {
    let options = serde_saphyr::options! { with_snippet: false };
    let tests: StructureTests =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| wrong(&error))?;
    let error = |message: String| {
        Err(StructureTestError {
            place: None,
            message,
        })
    };
    match tests.schema_version.as_str() {
        "" => error("`schemaVersion` is missing: write `schemaVersion: 2.0.0`".to_owned()),
        version if VERSIONS.contains(&version) => Ok(tests),
        version => error(format!(
            "`schemaVersion` {version} is not known: the versions are 1.0.0 and 2.0.0"
        )),
    }
}

fn wrong(error: &serde_saphyr::Error) -> StructureTestError {
    let place = error.location().and_then(|at| {
        let number = |number: u64| usize::try_from(number).ok();
        Some((number(at.line())?, number(at.column())?))
    });
    let mut message = error.to_string();
    if let Some((line, column)) = place {
        let suffix = format!(" at line {line}, column {column}");
        message.truncate(
            message
                .strip_suffix(&suffix)
                .map_or(message.len(), str::len),
        );
    }
    StructureTestError { place, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_wrong(text: &str, place: Option<(usize, usize)>, message: &str) {
        let error = parse_structure_tests(text).unwrap_err();
        assert_eq!(
            (error.place, error.message.as_str()),
            (place, message),
            "{text}"
        );
    }

    #[test]
    fn both_versions_and_both_notations_are_read() {
        let old = "schemaVersion: \"1.0.0\"\ncommandTests:\n- name: a\n  command: [\"b\", \"c\"]\n";
        let new = "schemaVersion: 2.0.0\ncommandTests:\n- name: a\n  command: b\n  args: [c]\n";
        let json = "{\n\t\"schemaVersion\": \"2.0.0\",\n\t\"commandTests\": [{\"name\": \"a\", \"command\": \"b\", \"args\": [\"c\"]}]\n}";
        for text in [old, new, json] {
            let tests = parse_structure_tests(text).unwrap();
            let argv = tests.command_tests[0].argv(&Variables::default());
            assert_eq!(argv, ["b", "c"], "{text}");
        }
    }

    #[test]
    fn what_is_not_written_may_be_anything() {
        let tests = parse_structure_tests(
            "schemaVersion: 2.0.0\nglobalEnvVars:\ncommandTests:\nfileExistenceTests:\n- name: a\n  path: /a\n\
             metadataTest:\n  entrypoint: []\n  env:\n  - {key: A, value: 5}\n",
        )
        .unwrap();
        let file = &tests.file_existence_tests[0];
        assert!(file.should_exist && file.uid == -1 && file.permissions.is_empty());
        let metadata = tests.metadata_test.unwrap();
        assert_eq!(
            (metadata.entrypoint, metadata.cmd),
            (Some(Vec::new()), None)
        );
        assert_eq!(
            metadata.env_vars[0].value,
            Expected::Exactly("5".to_owned())
        );
    }

    #[test]
    fn mistakes_have_a_place() {
        check_wrong(
            "",
            None,
            "`schemaVersion` is missing: write `schemaVersion: 2.0.0`",
        );
        check_wrong(
            "schemaVersion: 3.0.0\n",
            None,
            "`schemaVersion` 3.0.0 is not known: the versions are 1.0.0 and 2.0.0",
        );
        check_wrong(
            "schemaVersion: 2.0.0\nfileExistenceTests:\n- path: /a\n",
            Some((3, 3)),
            "missing field `name`",
        );
        check_wrong(
            "schemaVersion: 2.0.0\nfileContentTests:\n- name: a\n  path: /a\n  expectedContents: ['x', 'a(b']\n",
            Some((5, 27)),
            "`a(b` is no regular expression: unclosed group",
        );
        check_wrong(
            "schemaVersion: 2.0.0\ncommandTests:\n- name: a\n  command: []\n",
            Some((4, 12)),
            "a command without a program",
        );
    }
}
