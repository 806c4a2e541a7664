//! What the names of whiteouts say.

use crate::changeset::LayerError;
use crate::changeset::entry::WHITEOUT;
use crate::changeset::root::to_path;

/// The name of the whiteout for all that is below a directory.
pub(crate) const OPAQUE: &[u8] = b".wh..wh..opq";
/// What the names of notes start with that AUFS once left in layers.
pub(crate) const AUFS: &[u8] = b".wh..wh.";

/// What an entry of a layer says about layers below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whiteout<'p> {
    /// All that is in this directory is gone.
    Opaque(&'p [u8]),
    /// What is at this path is gone.
    Name(Vec<u8>),
    /// Nothing: a note of AUFS.
    Note,
}

impl<'p> Whiteout<'p> {
    /// What the safe path of an entry says, if it is that of a whiteout.
    pub(crate) fn of(path: &'p [u8]) -> Result<Option<Whiteout<'p>>, LayerError> {
        let slash = path.iter().rposition(|&byte| byte == b'/');
        let (directory, name) = path.split_at(slash.map_or(0, |slash| slash + 1));
        let Some(removed) = name.strip_prefix(WHITEOUT) else {
            return Ok(None);
        };
        Ok(Some(if name == OPAQUE {
            Whiteout::Opaque(directory.strip_suffix(b"/").unwrap_or_default())
        } else if name.starts_with(AUFS) {
            Whiteout::Note
        } else if matches!(removed, b"" | b"." | b"..") {
            return Err(LayerError::UnsafeName {
                path: to_path(path),
            });
        } else {
            Whiteout::Name([directory, removed].concat())
        }))
    }
}
