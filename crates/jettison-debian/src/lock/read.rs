//! Reading lock files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::ops::Range;
use std::str::FromStr;

use serde::Deserialize;
use toml::Spanned;
use toml::value::Datetime;

use crate::arch::Architecture;
use crate::date::parse_rfc3339;
use crate::lock::{FORMAT, Lock, LockedArchive, LockedPackage, usual_components};
use crate::package::{PackagePart, is_file_name};
use crate::release::Freshness;
use crate::version::Version;

/// Why a lock file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {name}, line {line}: {problem}")]
pub struct LockError {
    /// The file.
    pub name: String,
    /// The line, counted from one.
    pub line: usize,
    /// What is wrong with it.
    pub problem: String,
}

/// What is wrong, and where in the text.
struct Fault {
    span: Range<usize>,
    problem: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: Spanned<u32>,
    request: Option<Spanned<String>>,
    #[serde(default)]
    archive: Vec<Archive>,
    #[serde(default)]
    package: Tables,
    #[serde(default)]
    tool: BTreeMap<Spanned<String>, Tables>,
}

/// Packages by their architecture.
type Tables = BTreeMap<Spanned<String>, Vec<Spanned<Package>>>;

#[derive(Deserialize)]
struct Versioned {
    version: Spanned<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Archive {
    uri: Spanned<String>,
    suite: Spanned<String>,
    codename: String,
    components: Option<Spanned<Vec<String>>>,
    date: Spanned<Datetime>,
    check_valid_until: Option<bool>,
    release: Spanned<String>,
    signers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Package {
    name: Spanned<String>,
    version: Spanned<String>,
    architecture: Option<Spanned<String>>,
    source: Option<Spanned<String>>,
    source_version: Option<Spanned<String>>,
    archive: Spanned<usize>,
    path: Spanned<String>,
    size: u64,
    sha256: Spanned<String>,
}

/// Reads the text of the lock file called `name`.
pub fn parse_lock(name: &str, text: &str) -> Result<Lock, LockError> {
    read(text).map_err(|Fault { span, problem }| LockError {
        name: name.to_owned(),
        line: 1 + text
            .bytes()
            .take(span.start)
            .filter(|&byte| byte == b'\n')
            .count(),
        problem,
    })
}

fn read(text: &str) -> Result<Lock, Fault> {
    let fault = |error: toml::de::Error| Fault {
        span: error.span().unwrap_or(0..0),
        problem: error.message().to_owned(),
    };
    // A later format may have other fields: its number goes before them.
    if let Ok(Versioned { version }) = toml::from_str::<Versioned>(text)
        && *version.get_ref() != FORMAT
    {
        let number = version.get_ref();
        return Err(Fault {
            problem: format!("its format is of version {number}, and only {FORMAT} is known"),
            span: version.span(),
        });
    }
    let File {
        version: _checked_above,
        request,
        archive,
        package,
        tool,
    } = toml::from_str(text).map_err(fault)?;
    let request = match request {
        Some(request) => Some(parsed(&request)?),
        None => None,
    };
    let archives: Vec<LockedArchive> = archive
        .into_iter()
        .map(read_archive)
        .collect::<Result<_, _>>()?;
    let packages = read_tables(package, archives.len())?;
    let mut tools = BTreeMap::new();
    for (architecture, of_architecture) in tool {
        let read = read_tables(of_architecture, archives.len())?;
        tools.insert(parsed(&architecture)?, read);
    }
    Ok(Lock {
        request,
        archives,
        packages,
        tools,
    })
}

/// Packages by their architecture.
fn read_tables(
    tables: Tables,
    archives: usize,
) -> Result<BTreeMap<Architecture, Vec<LockedPackage>>, Fault> {
    let mut packages = BTreeMap::new();
    for (architecture, of_architecture) in tables {
        let architecture: Architecture = parsed(&architecture)?;
        let read = read_packages(&architecture, of_architecture, archives)?;
        packages.insert(architecture, read);
    }
    Ok(packages)
}

/// The value that a text stands for.
fn parsed<T: FromStr<Err: Display>>(text: &Spanned<String>) -> Result<T, Fault> {
    text.get_ref().parse().map_err(|error: T::Err| Fault {
        span: text.span(),
        problem: error.to_string(),
    })
}

fn read_archive(archive: Archive) -> Result<LockedArchive, Fault> {
    for (what, text) in [("URI", &archive.uri), ("suite", &archive.suite)] {
        let is_plain = text.get_ref().bytes().all(|byte| byte.is_ascii_graphic());
        if !is_plain || text.get_ref().is_empty() {
            return Err(Fault {
                span: text.span(),
                problem: format!("`{}` is not a {what}", text.get_ref().escape_debug()),
            });
        }
    }
    let components = match archive.components {
        Some(components) => checked_components(components)?,
        None => usual_components(archive.suite.get_ref()),
    };
    let date = archive.date.get_ref().to_string();
    let date = parse_rfc3339(&date).ok_or_else(|| Fault {
        span: archive.date.span(),
        problem: format!("`{date}` is not a date in universal time"),
    })?;
    Ok(LockedArchive {
        release: parsed(&archive.release)?,
        uri: archive.uri.into_inner(),
        suite: archive.suite.into_inner(),
        codename: archive.codename,
        components,
        date,
        signers: archive.signers,
        freshness: match archive.check_valid_until {
            Some(false) => Freshness::IgnoreValidUntil,
            Some(true) | None => Freshness::Checked,
        },
    })
}

/// Components end up in apt's own configuration.
fn checked_components(components: Spanned<Vec<String>>) -> Result<Vec<String>, Fault> {
    let is_plain = |name: &String| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'#')
    };
    match components.get_ref().iter().find(|name| !is_plain(name)) {
        Some(wrong) => Err(Fault {
            problem: format!("`{}` is not a component", wrong.escape_debug()),
            span: components.span(),
        }),
        None => Ok(components.into_inner()),
    }
}

fn read_packages(
    architecture: &Architecture,
    packages: Vec<Spanned<Package>>,
    archives: usize,
) -> Result<Vec<LockedPackage>, Fault> {
    let mut read = Vec::new();
    let mut names = BTreeSet::new();
    for package in packages {
        let package = package.into_inner();
        let span = package.name.span();
        let locked = read_package(architecture, package, archives)?;
        if !names.insert(locked.name.clone()) {
            return Err(Fault {
                span,
                problem: format!("package `{}` stands here twice", locked.name),
            });
        }
        read.push(locked);
    }
    Ok(read)
}

fn read_package(
    of: &Architecture,
    package: Package,
    archives: usize,
) -> Result<LockedPackage, Fault> {
    let fault = |span: Range<usize>, problem: String| Err(Fault { span, problem });
    let name = checked_name(&package.name)?;
    let version: Version = parsed(&package.version)?;
    let architecture = match &package.architecture {
        Some(text) => parsed(text)?,
        None => of.clone(),
    };
    if let Some(text) = &package.architecture
        && !architecture.is_all()
        && architecture != *of
    {
        return fault(
            text.span(),
            format!("a package for {architecture} is not one for {of}"),
        );
    }
    let archive = *package.archive.get_ref();
    if archive >= archives {
        let problem =
            format!("there is no archive {archive}: there are {archives}, counted from 0");
        return fault(package.archive.span(), problem);
    }
    if !is_file_name(package.path.get_ref()) {
        let path = package.path.get_ref().escape_debug();
        return fault(
            package.path.span(),
            format!("`{path}` is not a path below an archive"),
        );
    }
    Ok(LockedPackage {
        source: match &package.source {
            Some(source) => checked_name(source)?,
            None => name.clone(),
        },
        source_version: match &package.source_version {
            Some(version) => parsed(version)?,
            None => version.clone(),
        },
        name,
        version,
        architecture,
        archive,
        size: package.size,
        sha256: parsed(&package.sha256)?,
        path: package.path.into_inner(),
    })
}

fn checked_name(name: &Spanned<String>) -> Result<String, Fault> {
    let text = name.get_ref();
    if PackagePart::Name.is_well_formed(text) {
        return Ok(text.clone());
    }
    Err(Fault {
        span: name.span(),
        problem: format!("`{}` cannot be the name of a package", text.escape_debug()),
    })
}
