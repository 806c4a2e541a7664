//! The extended attributes that belong to a file's content: capabilities and the user's.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use crate::exec::files::Xattrs;

const CAPABILITY: &[u8] = b"security.capability";
/// As much as the kernel gives.
const LARGEST: usize = 64 << 10;

/// Whether an attribute of this name is copied.
pub(crate) fn is_content(name: &[u8]) -> bool {
    name == CAPABILITY || (name.starts_with(b"user.") && !name.starts_with(b"user.overlay."))
}

/// Gives `file` the attributes. Changing the owner takes capabilities away, so this comes after it.
pub(crate) fn write(file: impl AsFd, xattrs: &Xattrs) -> io::Result<()> {
    for (name, value) in xattrs.iter().filter(|(name, _)| is_content(name)) {
        match rustix::fs::fsetxattr(&file, name.as_slice(), value, XattrFlags::empty()) {
            // A file system without them cannot have had an image that needs them either.
            Err(Errno::OPNOTSUPP) if name != CAPABILITY => {}
            other => other?,
        }
    }
    Ok(())
}

/// The attributes that belong to the content.
pub(crate) fn read(file: impl AsFd) -> io::Result<Xattrs> {
    let mut buffer = [0; 1024];
    let long: Vec<u8>;
    let list = match rustix::fs::flistxattr(&file, &mut buffer[..]) {
        Ok(length) => &buffer[..length],
        Err(Errno::OPNOTSUPP) => return Ok(Xattrs::new()),
        Err(Errno::RANGE) => {
            let mut all = vec![0; LARGEST];
            let length = rustix::fs::flistxattr(&file, &mut all[..])?;
            all.truncate(length);
            long = all;
            &long
        }
        Err(error) => return Err(error.into()),
    };
    let mut xattrs = Xattrs::new();
    for name in list
        .split(|byte| *byte == 0)
        .filter(|name| is_content(name))
    {
        let mut value = vec![0; LARGEST];
        let length = rustix::fs::fgetxattr(&file, name, &mut value[..])?;
        value.truncate(length);
        xattrs.insert(name.to_vec(), value);
    }
    Ok(xattrs)
}

/// One line for each attribute of `file`, for a cache key.
pub(crate) fn attribute_lines(file: impl AsFd) -> io::Result<Vec<String>> {
    Ok(lines(&read(file)?).collect())
}

/// One line for each attribute, for a cache key.
pub(crate) fn lines(xattrs: &Xattrs) -> impl Iterator<Item = String> {
    xattrs.iter().map(|(name, value)| {
        let (name, value) = (name.escape_ascii(), value.escape_ascii());
        format!("attribute \"{name}\" \"{value}\"")
    })
}
