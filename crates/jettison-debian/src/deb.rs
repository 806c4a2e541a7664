//! Binary packages: `.deb` files.
//!
//! ```text
//! ar archive
//! ├── debian-binary        "2.0\n"
//! ├── control.tar[.xz|…]   ./control, ./md5sums, ./conffiles, ./postinst, …
//! └── data.tar[.xz|…]      the files to install
//! ```
//!
//! See <https://manpages.debian.org/deb.5>. A package is hostile until its digest was checked, and possibly then.

use std::io::{self, Read};

use crate::arch::Architecture;
use crate::compression::Compression;
use crate::deb::members::Members;
use crate::deb822::{Deb822Error, Stanza, field_of, parse_stanzas};
use crate::digest::parse_hex;
use crate::package::Package;
use crate::version::Version;

mod ar;
mod control;
mod members;

/// What the control archive may unpack to, at most.
const CONTROL_LIMIT: u64 = 64 << 20;
/// What the data archive may always unpack to.
const DATA_FLOOR: u64 = 1 << 30;
/// How many times its packed size the data archive may unpack to beyond that.
const DATA_RATIO: u64 = 1000;

/// A binary package.
#[derive(Debug, Clone)]
pub struct Deb<'a> {
    // Invariant: a single stanza.
    control: String,
    files: Vec<ControlFile>,
    data: &'a [u8],
    data_compression: Compression,
}

/// A file of the control archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlFile {
    /// Its name, without a directory.
    pub name: String,
    /// Its permissions.
    pub mode: u32,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// A line of a package's `md5sums`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Md5Sum {
    /// The path, without a slash at its start.
    pub path: String,
    /// The MD5 digest of the file as it was packaged.
    pub digest: [u8; 16],
}

/// Why a binary package cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    /// It is no `ar` archive, or a broken one.
    #[error("cannot read binary package: {problem}")]
    Format {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A member is missing, or is where it should not be.
    #[error("cannot find {member} in binary package")]
    Member {
        /// What should be there.
        member: &'static str,
    },
    /// A member is compressed in a way that we do not read.
    #[error("cannot unpack `{member}` of binary package: unknown compression")]
    Compression {
        /// The member's name.
        member: String,
    },
    /// The control archive cannot be unpacked.
    #[error("cannot unpack the control archive of binary package")]
    ControlArchive {
        /// Why not.
        source: io::Error,
    },
    /// The data archive cannot be unpacked.
    #[error("cannot unpack the data archive of binary package")]
    DataArchive {
        /// Why not.
        source: io::Error,
    },
    /// The control file is not control data.
    #[error("cannot read the control file of binary package")]
    Control {
        /// What is wrong with it.
        source: Deb822Error,
    },
    /// The control file is not one stanza of text.
    #[error("cannot read the control file of binary package: {problem}")]
    ControlText {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A list of files cannot be read.
    #[error("cannot read line {line} of `{file}` of binary package")]
    List {
        /// The control file.
        file: &'static str,
        /// The line's number, counted from one.
        line: usize,
    },
    /// It is another package than the index promised.
    #[error("cannot use binary package: its {field} is `{actual}` and should be `{expected}`")]
    Promise {
        /// The field that differs.
        field: &'static str,
        /// What the index promised.
        expected: String,
        /// What the package says.
        actual: String,
    },
}

impl<'a> Deb<'a> {
    /// Reads a binary package: all of its control archive, and where its data archive is.
    pub fn read(bytes: &'a [u8]) -> Result<Deb<'a>, DebError> {
        let members = ar::members(bytes)?;
        let mut members = members
            .iter()
            .filter(|member| !member.name.starts_with('_'));
        match members.next() {
            Some(member) if member.name == "debian-binary" => check_format(member.bytes)?,
            Some(_) | None => {
                return Err(DebError::Member {
                    member: "`debian-binary`",
                });
            }
        }
        let control = tar_member(members.next(), "control.tar", "the control archive")?;
        let data = tar_member(members.next(), "data.tar", "the data archive")?;
        let files = control::read_files(control.0, control.1, CONTROL_LIMIT)?;
        let file = files.iter().find(|file| file.name == "control");
        let file = file.ok_or(DebError::Member {
            member: "the control file",
        })?;
        let control = check_control(&file.bytes)?;
        Ok(Deb {
            control,
            files,
            data: data.0,
            data_compression: data.1,
        })
    }

    /// The fields of the control file.
    pub fn control(&self) -> Stanza<'_> {
        presume_stanza(&self.control)
    }

    /// The files of the control archive, in its order.
    pub fn control_files(&self) -> &[ControlFile] {
        &self.files
    }

    /// The file of the control archive called `name`.
    pub fn control_file(&self, name: &str) -> Option<&ControlFile> {
        self.files.iter().find(|file| file.name == name)
    }

    /// The decompressed data archive, a tar. Reading fails if it grows out of all proportion, and where a name in it is
    /// absolute or goes up.
    pub fn data(&self) -> Result<impl Read + use<'a>, DebError> {
        let limit = DATA_FLOOR.max((self.data.len() as u64).saturating_mul(DATA_RATIO));
        self.data_compression
            .reader(self.data, limit)
            .map(Members::new)
            .map_err(|source| DebError::DataArchive { source })
    }

    /// The absolute paths of the configuration files.
    pub fn conffiles(&self) -> Result<Vec<String>, DebError> {
        let mut paths = Vec::new();
        for (line, text) in self.lines("conffiles")? {
            // `remove-on-upgrade /path` is about a file that the package has no more.
            if text.starts_with('/') {
                paths.push(text.to_owned());
            } else if !text.starts_with("remove-on-upgrade /") {
                return Err(DebError::List {
                    file: "conffiles",
                    line,
                });
            }
        }
        Ok(paths)
    }

    /// The digests of the packaged files; configuration files have none.
    pub fn md5sums(&self) -> Result<Vec<Md5Sum>, DebError> {
        let mut sums = Vec::new();
        for (line, text) in self.lines("md5sums")? {
            let sum = text.split_once(' ').and_then(|(digest, path)| {
                Some(Md5Sum {
                    digest: parse_hex(digest)?,
                    path: path.trim_start().trim_start_matches("./").to_owned(),
                })
            });
            sums.push(sum.ok_or(DebError::List {
                file: "md5sums",
                line,
            })?);
        }
        Ok(sums)
    }

    /// The lines of a list with their numbers; none, if the package has no such list.
    fn lines(&self, file: &'static str) -> Result<Vec<(usize, &str)>, DebError> {
        let bytes = self.control_file(file).map_or(&[][..], |file| &file.bytes);
        let mut lines = Vec::new();
        for (line, bytes) in (1..).zip(bytes.split(|&byte| byte == b'\n')) {
            let text = std::str::from_utf8(bytes).map_err(|_| DebError::List { file, line })?;
            if !text.trim().is_empty() {
                lines.push((line, text.trim_end()));
            }
        }
        Ok(lines)
    }

    /// Roughly how many bytes it takes when installed, where it says so.
    pub fn installed_size(&self) -> Option<u64> {
        let size_kib: u64 = self.control().get("Installed-Size")?.parse().ok()?;
        size_kib.checked_mul(1024)
    }

    /// Checks that this is the package that the index promised.
    pub fn check(&self, promised: Package<'_>) -> Result<(), DebError> {
        self.check_identity(
            promised.name(),
            &promised.version(),
            &promised.architecture(),
        )
    }

    /// Checks that the package says that it is this one.
    pub(crate) fn check_identity(
        &self,
        name: &str,
        version: &Version,
        architecture: &Architecture,
    ) -> Result<(), DebError> {
        check_promise(&self.control, name, version, architecture)
    }
}

/// Checks that a control file says that it is of this package.
pub fn check_promise(
    control: &str,
    name: &str,
    version: &Version,
    architecture: &Architecture,
) -> Result<(), DebError> {
    let field = |name| field_of(control, name).unwrap_or_default();
    let same = |field, expected: &str, actual: &str, is_same: bool| {
        if is_same {
            return Ok(());
        }
        Err(DebError::Promise {
            field,
            expected: expected.to_owned(),
            actual: actual.to_owned(),
        })
    };
    let own = field("Package");
    same("name", name, own, own == name)?;
    let own = field("Version");
    let is_same = own.parse::<Version>().as_ref() == Ok(version);
    same("version", version.as_str(), own, is_same)?;
    let own = field("Architecture");
    let is_same = own.parse::<Architecture>().as_ref() == Ok(architecture);
    same("architecture", architecture.as_str(), own, is_same)
}

/// Checks the format's version; newer minor versions add members that can be passed over.
fn check_format(bytes: &[u8]) -> Result<(), DebError> {
    if bytes.starts_with(b"2.") && bytes.contains(&b'\n') {
        return Ok(());
    }
    Err(DebError::Format {
        problem: "its format is not of version 2",
    })
}

fn tar_member<'a>(
    member: Option<&ar::Member<'a>>,
    expected: &str,
    description: &'static str,
) -> Result<(&'a [u8], Compression), DebError> {
    let missing = DebError::Member {
        member: description,
    };
    let Some(member) = member.filter(|member| member.name.starts_with(expected)) else {
        return Err(missing);
    };
    match Compression::of_file_name(&member.name) {
        Some((stem, compression)) if stem == expected => Ok((member.bytes, compression)),
        Some(_) | None => Err(DebError::Compression {
            member: member.name.clone(),
        }),
    }
}

fn presume_stanza(text: &str) -> Stanza<'_> {
    let stanzas = parse_stanzas(text).ok();
    let stanza = stanzas.and_then(|stanzas| stanzas.into_iter().next());
    stanza.expect("`check_control` has read it")
}

fn check_control(bytes: &[u8]) -> Result<String, DebError> {
    let text = std::str::from_utf8(bytes).map_err(|_| DebError::ControlText {
        problem: "it is not UTF-8",
    })?;
    match parse_stanzas(text) {
        Ok(stanzas) if stanzas.len() == 1 => Ok(text.to_owned()),
        Ok(_) => Err(DebError::ControlText {
            problem: "it is not a single stanza",
        }),
        Err(source) => Err(DebError::Control { source }),
    }
}
