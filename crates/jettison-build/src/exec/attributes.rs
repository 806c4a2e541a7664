//! The extended attributes that belong to a file's content: its capabilities. BuildKit's layers have no others (containerd:
//! `ChangeWriter.HandleChange`, pkg/archive), so nothing copied has more.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use crate::exec::files::Xattrs;

const CAPABILITY: &[u8] = b"security.capability";

/// Those of `xattrs` that belong to the content.
pub(crate) fn of_content(xattrs: &Xattrs) -> Xattrs {
    let capability = xattrs.get_key_value(CAPABILITY).into_iter();
    capability
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Gives `file` the attributes. Changing the owner takes capabilities away, so this comes after it.
pub(crate) fn write(file: impl AsFd, xattrs: &Xattrs) -> io::Result<()> {
    if let Some(value) = xattrs.get(CAPABILITY) {
        rustix::fs::fsetxattr(file, CAPABILITY, value, XattrFlags::empty())?;
    }
    Ok(())
}

/// The attributes that belong to the content.
pub(crate) fn read(file: impl AsFd) -> io::Result<Xattrs> {
    // Version 3 has 24 bytes (linux/capability.h).
    let mut buffer = [0; 64];
    match rustix::fs::fgetxattr(file, CAPABILITY, &mut buffer[..]) {
        Ok(length) => Ok(Xattrs::from([(
            CAPABILITY.to_vec(),
            buffer[..length].to_vec(),
        )])),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(Xattrs::new()),
        Err(error) => Err(error.into()),
    }
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
