//! The extended attributes that belong to a file's content: capabilities and the user's.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

const CAPABILITY: &[u8] = b"security.capability";
/// As much as the kernel gives.
const LARGEST: usize = 64 << 10;

/// Copies the attributes of `from` to `to`. Changing the owner takes capabilities away, so this comes after it.
pub(crate) fn copy_attributes(from: impl AsFd, to: impl AsFd) -> io::Result<()> {
    for (name, value) in read(from)? {
        match rustix::fs::fsetxattr(&to, name.as_slice(), &value, XattrFlags::empty()) {
            // A file system without them cannot have had an image that needs them either.
            Err(Errno::OPNOTSUPP) if name != CAPABILITY => {}
            other => other?,
        }
    }
    Ok(())
}

/// One line for each attribute of `file`, for a cache key.
pub(crate) fn attribute_lines(file: impl AsFd) -> io::Result<Vec<String>> {
    let line = |(name, value): (Vec<u8>, Vec<u8>)| {
        let (name, value) = (name.escape_ascii(), value.escape_ascii());
        format!("attribute \"{name}\" \"{value}\"")
    };
    Ok(read(file)?.into_iter().map(line).collect())
}

/// The attributes that belong to the content, sorted by name.
fn read(file: impl AsFd) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut buffer = [0; 1024];
    let long: Vec<u8>;
    let list = match rustix::fs::flistxattr(&file, &mut buffer[..]) {
        Ok(length) => &buffer[..length],
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(Errno::RANGE) => {
            let mut all = vec![0; LARGEST];
            let length = rustix::fs::flistxattr(&file, &mut all[..])?;
            all.truncate(length);
            long = all;
            &long
        }
        Err(error) => return Err(error.into()),
    };
    let mut attributes = Vec::new();
    for name in list.split(|byte| *byte == 0) {
        let is_content = name == CAPABILITY
            || (name.starts_with(b"user.") && !name.starts_with(b"user.overlay."));
        if !is_content {
            continue;
        }
        let mut value = vec![0; LARGEST];
        let length = rustix::fs::fgetxattr(&file, name, &mut value[..])?;
        value.truncate(length);
        attributes.push((name.to_vec(), value));
    }
    attributes.sort();
    Ok(attributes)
}
