//! Files in a line each.
//!
//! ```text
//! 0644 a.txt                      a file with its own name and a line break in it
//! 0644 a.txt "hello\n"            a file
//! 0755 sub/                       a directory
//! 0777 link -> a.txt              a symbolic link
//! 0644 other == a.txt             a hard link
//! 0644 pipe fifo                  a named pipe
//! 0644 name socket                a socket (on disk)
//! 0644 null char 1,3              a device (in images and archives)
//! 0644,uid=5,gid=6,time=99,user.x=y a.txt
//! ```
//!
//! Directories above a file need no line.

use std::fs;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};

/// The time of a file that says nothing else.
pub(crate) const TIME: i64 = 1_262_304_000;

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileLine {
    /// Without a slash at the end.
    pub(crate) path: String,
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    /// Seconds since 1970.
    pub(crate) time: i64,
    pub(crate) xattrs: Vec<(String, Vec<u8>)>,
    pub(crate) content: Content,
}

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    File(Vec<u8>),
    Directory,
    Symlink(String),
    HardLink(String),
    Fifo,
    Socket,
    Char(u32, u32),
}

/// Reads lines.
pub(crate) fn parse_files(text: &str) -> Result<Vec<FileLine>, String> {
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| parse_line(line).ok_or_else(|| format!("what is `{line}`?")))
        .collect()
}

fn parse_line(line: &str) -> Option<FileLine> {
    let words = words(line)?;
    let (head, rest) = words.split_first()?;
    let (path, rest) = rest.split_first()?;
    let head = String::from_utf8(head.clone()).ok()?;
    let mut options = head.split(',');
    let mut file = FileLine {
        path: String::from_utf8(path.clone()).ok()?,
        mode: u32::from_str_radix(options.next()?, 8).ok()?,
        uid: 0,
        gid: 0,
        time: TIME,
        xattrs: Vec::new(),
        content: Content::Directory,
    };
    for option in options {
        let (name, value) = option.split_once('=')?;
        match name {
            "uid" => file.uid = value.parse().ok()?,
            "gid" => file.gid = value.parse().ok()?,
            "time" => file.time = value.parse().ok()?,
            _ => file.xattrs.push((name.to_owned(), value.into())),
        }
    }
    let word = |index: usize| rest.get(index).map(Vec::as_slice);
    let text = |index: usize| word(index).and_then(|word| String::from_utf8(word.to_vec()).ok());
    file.content = match (word(0), text(1)) {
        (None, _) => match file.path.strip_suffix('/') {
            Some(path) => {
                file.path = path.to_owned();
                Content::Directory
            }
            None => Content::File(format!("{}\n", file.path).into_bytes()),
        },
        (Some(b"->"), Some(target)) => Content::Symlink(target),
        (Some(b"=="), Some(target)) => Content::HardLink(target),
        (Some(b"char"), Some(numbers)) => {
            let (major, minor) = numbers.split_once(',')?;
            Content::Char(major.parse().ok()?, minor.parse().ok()?)
        }
        (Some(b"fifo"), None) => Content::Fifo,
        (Some(b"socket"), None) => Content::Socket,
        (Some(bytes), _) => Content::File(bytes.to_vec()),
    };
    Some(file)
}

/// The words of `line`; a word in double quotes may have spaces and `\n \t \r \\ \" \xNN`.
fn words(line: &str) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let Some(quoted) = rest.strip_prefix('"') else {
            let end = rest.find(' ').unwrap_or(rest.len());
            words.push(rest[..end].into());
            rest = rest[end..].trim_start();
            continue;
        };
        let mut word = Vec::new();
        let mut bytes = quoted.bytes().enumerate();
        let end = loop {
            match bytes.next()? {
                (end, b'"') => break end,
                (_, b'\\') => word.push(match bytes.next()?.1 {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    b'x' => {
                        let (start, _) = bytes.next()?;
                        bytes.next()?;
                        u8::from_str_radix(quoted.get(start..start + 2)?, 16).ok()?
                    }
                    other => other,
                }),
                (_, byte) => word.push(byte),
            }
        };
        words.push(word);
        rest = quoted[end + 1..].trim_start();
    }
    Some(words)
}

/// Makes `files` below `directory`, which may exist.
pub(crate) fn place(directory: &Path, files: &[FileLine], owners: Owners) {
    fs::create_dir_all(directory).unwrap();
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    for file in files {
        let path = directory.join(&file.path);
        for above in ancestors(directory, &path) {
            make_directory(&above);
        }
        create(directory, &path, file);
        let id = |id: u64| u32::try_from(id).ok();
        let owner = match owners {
            Owners::Theirs => (id(file.uid), id(file.gid)),
            Owners::Of(user) => (Some(user), Some(user)),
            Owners::Callers => (None, None),
        };
        lchown(&path, owner.0, owner.1).unwrap();
        if !matches!(file.content, Content::Symlink(_)) {
            fs::set_permissions(&path, fs::Permissions::from_mode(file.mode)).unwrap();
        }
        for (name, value) in &file.xattrs {
            rustix::fs::lsetxattr(&path, name.as_str(), value, XattrFlags::empty()).unwrap();
        }
    }
    // What is made in a directory changes its time.
    for file in files {
        let path = directory.join(&file.path);
        set_time(&path, file.time);
        let named = |above: &Path| {
            files
                .iter()
                .find(|other| directory.join(&other.path) == above)
        };
        for above in ancestors(directory, &path) {
            set_time(&above, named(&above).map_or(TIME, |file| file.time));
        }
    }
    set_time(directory, TIME);
}

/// Whose the files become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owners {
    /// Whose their lines say. Only root can.
    Theirs,
    /// A user's. Only root can.
    Of(u32),
    /// The caller's.
    Callers,
}

fn make_directory(path: &Path) {
    if !path.exists() {
        fs::create_dir(path).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// The directories between `directory` and `path`, the highest first.
fn ancestors(directory: &Path, path: &Path) -> Vec<std::path::PathBuf> {
    let mut above: Vec<_> = path
        .ancestors()
        .skip(1)
        .take_while(|above| *above != directory)
        .map(Path::to_path_buf)
        .collect();
    above.reverse();
    above
}

fn create(directory: &Path, path: &Path, file: &FileLine) {
    match &file.content {
        Content::File(bytes) => fs::write(path, bytes).unwrap(),
        Content::Directory => make_directory(path),
        Content::Symlink(target) => symlink(target, path).unwrap(),
        Content::HardLink(target) => fs::hard_link(directory.join(target), path).unwrap(),
        Content::Fifo => {
            rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        }
        Content::Socket => {
            rustix::fs::mknodat(CWD, path, FileType::Socket, Mode::from_raw_mode(0o600), 0)
                .unwrap();
        }
        Content::Char(..) => panic!("{}: devices are for images and archives", file.path),
    }
}

fn set_time(path: &Path, seconds: i64) {
    // Layers have no fractions of seconds.
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: 987_654_321,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// `files` as a tar.
pub(crate) fn tar_of(files: &[FileLine]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for file in files {
        append(&mut builder, file);
    }
    builder.into_inner().unwrap()
}

fn append(builder: &mut tar::Builder<Vec<u8>>, file: &FileLine) {
    let attributes: Vec<(String, &[u8])> = file
        .xattrs
        .iter()
        .map(|(name, value)| (format!("SCHILY.xattr.{name}"), value.as_slice()))
        .collect();
    if !attributes.is_empty() {
        let attributes = attributes
            .iter()
            .map(|(name, value)| (name.as_str(), *value));
        builder.append_pax_extensions(attributes).unwrap();
    }
    let mut header = tar::Header::new_gnu();
    header.set_mode(file.mode);
    header.set_uid(file.uid);
    header.set_gid(file.gid);
    header.set_mtime(u64::try_from(file.time).unwrap());
    header.set_size(0);
    // Written as it stands: a hostile archive has `..` and absolute paths.
    let name = file.path.as_bytes();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    let mut data: &[u8] = &[];
    match &file.content {
        Content::File(bytes) => {
            header.set_entry_type(tar::EntryType::Regular);
            header.set_size(bytes.len() as u64);
            data = bytes;
        }
        Content::Directory => header.set_entry_type(tar::EntryType::Directory),
        Content::Symlink(target) => {
            header.set_entry_type(tar::EntryType::Symlink);
            header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        }
        Content::HardLink(target) => {
            header.set_entry_type(tar::EntryType::Link);
            header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        }
        Content::Fifo => header.set_entry_type(tar::EntryType::Fifo),
        Content::Socket => panic!("{}: archives have no sockets", file.path),
        Content::Char(major, minor) => {
            header.set_entry_type(tar::EntryType::Char);
            header.set_device_major(*major).unwrap();
            header.set_device_minor(*minor).unwrap();
        }
    }
    header.set_cksum();
    builder.append(&header, data).unwrap();
}
