//! The TOML of recipes.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::Error as _;

use crate::base::recipe::{
    Generator, Recipe, RecipeContent, RecipeError, RecipeFile, RecipeGroup, RecipeLink, RecipePart,
    RecipeUser,
};

/// A recipe, or what it says of one release, where the first four keys have no place.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WirePart {
    from: Option<String>,
    description: Option<String>,
    releases: Option<Vec<u8>>,
    debian: Option<BTreeMap<String, WirePart>>,
    #[serde(default)]
    packages: Vec<PackageName>,
    #[serde(default)]
    ignore: Vec<PackageName>,
    #[serde(default)]
    only: BTreeMap<PackageName, Vec<String>>,
    #[serde(default)]
    exclude: Vec<String>,
    #[serde(default)]
    keep: Vec<String>,
    #[serde(default, rename = "move")]
    moves: BTreeMap<String, String>,
    #[serde(default)]
    files: Vec<WireFile>,
    #[serde(default)]
    users: Vec<WireUser>,
    #[serde(default)]
    groups: Vec<WireGroup>,
    link: Option<WireLink>,
    #[serde(default)]
    generate: BTreeSet<Generator>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    workdir: Option<String>,
    user: Option<String>,
}

/// A package's name, in the letters that Debian Policy (5.6.7) permits.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(try_from = "String")]
struct PackageName(String);

impl TryFrom<String> for PackageName {
    type Error = String;

    fn try_from(name: String) -> Result<PackageName, String> {
        let is_valid = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c));
        if is_valid {
            Ok(PackageName(name))
        } else {
            Err(format!("`{name}` is not the name of a package"))
        }
    }
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    try_from = "WireFileFields"
)]
struct WireFile(RecipeFile);

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WireFileFields {
    path: String,
    text: Option<String>,
    link: Option<String>,
    #[serde(default)]
    directory: bool,
    mode: Option<String>,
    owner: Option<String>,
    owned_by: Option<String>,
}

impl TryFrom<WireFileFields> for WireFile {
    type Error = String;

    fn try_from(fields: WireFileFields) -> Result<WireFile, String> {
        let path = fields.path;
        let mut parts = path.split('/').skip(1);
        if !path.starts_with('/') || parts.any(|part| ["", ".", ".."].contains(&part)) {
            return Err(format!(
                "`{path}` is not an absolute path without `.` and `..`"
            ));
        }
        let (content, default) = match (fields.text, fields.link, fields.directory) {
            (Some(text), None, false) => (RecipeContent::Text(text), 0o644),
            (None, Some(link), false) => (RecipeContent::Link(link), 0o777),
            (None, None, true) => (RecipeContent::Directory, 0o755),
            _ => {
                return Err(format!(
                    "`{path}` needs one of `text`, `link` and `directory = true`"
                ));
            }
        };
        let mode = match &fields.mode {
            Some(text) => u32::from_str_radix(text, 8)
                .ok()
                .filter(|mode| *mode <= 0o7777)
                .ok_or_else(|| format!("mode `{text}` is no octal number"))?,
            None => default,
        };
        let owner = match &fields.owner {
            Some(text) => text
                .split_once(':')
                .and_then(|(uid, gid)| Some((uid.parse().ok()?, gid.parse().ok()?)))
                .ok_or_else(|| format!("owner `{text}` is not `UID:GID`"))?,
            None => (0, 0),
        };
        Ok(WireFile(RecipeFile {
            path,
            content,
            mode,
            owner,
            owned_by: fields.owned_by,
        }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireLink {
    java: u8,
    modules: BTreeSet<ModuleName>,
}

/// A module's name (Java Language Specification 7.7), which becomes part of a command line.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(try_from = "String")]
struct ModuleName(String);

impl TryFrom<String> for ModuleName {
    type Error = String;

    fn try_from(name: String) -> Result<ModuleName, String> {
        if is_module_name(&name) {
            Ok(ModuleName(name))
        } else {
            Err(format!("`{name}` is not the name of a module of Java"))
        }
    }
}

/// Whether `name` can be the name of one of the JDK's modules, such as `java.sql`.
pub fn is_module_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._".contains(c))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireUser {
    name: AccountText,
    uid: u32,
    gid: Option<u32>,
    home: AccountText,
    shell: AccountText,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireGroup {
    name: AccountText,
    gid: u32,
}

/// A text that fits into a field of `/etc/passwd`.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct AccountText(String);

impl TryFrom<String> for AccountText {
    type Error = String;

    fn try_from(text: String) -> Result<AccountText, String> {
        if text.contains([':', '\n', '\0']) {
            return Err(format!("{text:?} cannot stand in a field of /etc/passwd"));
        }
        Ok(AccountText(text))
    }
}

impl<'de> Deserialize<'de> for Generator {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Generator, D::Error> {
        let name = String::deserialize(deserializer)?;
        Generator::ALL
            .into_iter()
            .find(|generator| generator.name() == name)
            .ok_or_else(|| {
                let names = Generator::ALL.map(Generator::name).join(", ");
                D::Error::custom(format!("`{name}` cannot be generated: there are {names}"))
            })
    }
}

impl WirePart {
    fn has_head(&self) -> bool {
        self.from.is_some()
            || self.description.is_some()
            || self.releases.is_some()
            || self.debian.is_some()
    }
}

impl From<WirePart> for RecipePart {
    fn from(wire: WirePart) -> RecipePart {
        let names = |names: Vec<PackageName>| names.into_iter().map(|name| name.0).collect();
        RecipePart {
            packages: names(wire.packages),
            ignore: names(wire.ignore),
            only: wire
                .only
                .into_iter()
                .map(|(name, patterns)| (name.0, patterns))
                .collect(),
            exclude: wire.exclude,
            keep: wire.keep,
            moves: wire.moves,
            files: wire.files.into_iter().map(|file| file.0).collect(),
            users: wire
                .users
                .into_iter()
                .map(|user| RecipeUser {
                    name: user.name.0,
                    uid: user.uid,
                    gid: user.gid.unwrap_or(user.uid),
                    home: user.home.0,
                    shell: user.shell.0,
                })
                .collect(),
            groups: wire
                .groups
                .into_iter()
                .map(|group| RecipeGroup {
                    name: group.name.0,
                    gid: group.gid,
                })
                .collect(),
            link: wire.link.map(|link| RecipeLink {
                java: link.java,
                modules: link.modules.into_iter().map(|name| name.0).collect(),
            }),
            generate: wire.generate,
            env: wire.env,
            labels: wire.labels,
            entrypoint: wire.entrypoint,
            cmd: wire.cmd,
            workdir: wire.workdir,
            user: wire.user,
        }
    }
}

/// Reads the recipe `name` from the text of `file`.
pub(in crate::base) fn parse(name: &str, file: &str, text: &str) -> Result<Recipe, RecipeError> {
    let fail = |line, problem: String| RecipeError::Text {
        file: file.to_string(),
        line,
        problem,
    };
    let mut wire: WirePart = toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = text[..start].matches('\n').count() + 1;
        fail(line, error.message().to_string())
    })?;
    let mut debian = BTreeMap::new();
    for (release, part) in wire.debian.take().unwrap_or_default() {
        let line = line_of(text, &format!("[debian.{release}"));
        let number = release.parse().map_err(|_| {
            fail(
                line,
                format!("`{release}` is no number of a release of Debian, such as 12"),
            )
        })?;
        if part.has_head() {
            let keys = "`from`, `description`, `releases` and `debian`";
            return Err(fail(
                line,
                format!("{keys} are said once, for all releases"),
            ));
        }
        debian.insert(number, part.into());
    }
    Ok(Recipe {
        name: name.to_string(),
        from: wire.from.take(),
        description: wire.description.take().unwrap_or_default(),
        releases: wire.releases.take().unwrap_or_default(),
        part: wire.into(),
        debian,
    })
}

/// The number of the line with `needle`.
fn line_of(text: &str, needle: &str) -> usize {
    let start = text.find(needle).unwrap_or(0);
    text[..start].matches('\n').count() + 1
}
