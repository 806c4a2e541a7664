//! Whether a command failed for lack of room on the disk.

use std::path::Path;

use jettison_sandbox::IdMapKind;

/// So little is nearly nothing, in bytes: programs remove what they could not write whole.
const LITTLE: u64 = 32 << 20;
/// Nor is a disk with more than this part of it free nearly full.
const SHARE: u64 = 20;
/// The most that a program removes before it ends, in bytes: where more is free, it was another disk that was full.
const REMOVED: u64 = 2 << 30;

/// What programs say of a disk on which there is no room: the C library's texts for `ENOSPC` and `EDQUOT`, and GNU tar's where the
/// rest of a block does not fit.
const MESSAGES: [&[u8]; 3] = [
    b"No space left on device",
    b"Disk quota exceeded",
    b": Wrote only ",
];

/// What a command says of the room that it has.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// The end of what it has said, in which the message may begin.
    last: Vec<u8>,
    /// Whether it has said that there is none.
    is_wanting: bool,
}

impl Room {
    /// Listens to a part of the output.
    pub(super) fn listen(&mut self, bytes: &[u8]) {
        if self.is_wanting {
            return;
        }
        self.last.extend_from_slice(bytes);
        let mut messages = MESSAGES.iter();
        self.is_wanting =
            messages.any(|message| memchr::memmem::find(&self.last, message).is_some());
        let longest = MESSAGES.iter().map(|message| message.len()).max();
        let start = self.last.len().saturating_sub(longest.unwrap_or_default());
        self.last.drain(..start);
    }

    /// Whether the disk of `files`, to which the command has written, is nearly full, now that it has failed.
    pub(super) fn is_gone(&self, files: &Path, ids: IdMapKind) -> bool {
        // What cannot be seen is no reason; the command has failed, and that is told.
        let Ok(disk) = rustix::fs::statvfs(files) else {
            return false;
        };
        let bytes = |count: u64| count.saturating_mul(disk.f_frsize);
        // The administrator has some more than others, but not on every disk: so a command that was refused room counts without it.
        let others_free = bytes(disk.f_bavail);
        let free = match ids {
            IdMapKind::Root => bytes(disk.f_bfree),
            IdMapKind::SubordinateIds { .. } | IdMapKind::SingleId => others_free,
        };
        let has_no_files = disk.f_files > 0 && disk.f_ffree == 0;
        has_no_files
            || free < LITTLE.min(bytes(disk.f_blocks) / SHARE)
            || self.is_wanting && others_free < REMOVED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_heard_wherever_the_output_is_divided() {
        let heard = |parts: &[&str]| {
            let mut room = Room::default();
            for part in parts {
                room.listen(part.as_bytes());
            }
            room.is_wanting
        };
        assert!(heard(&["write error: No space left on device\n", "more"]));
        assert!(heard(&["tar: x: No spa", "ce left", " on device"]));
        assert!(heard(&[
            "tar: /rootfs.tar: Wrote only",
            " 4096 of 10240 bytes\n"
        ]));
        assert!(heard(&["cp: x: Disk quota exceeded\n"]));
        assert!(!heard(&["No space", "left on device"]));
        assert!(!heard(&[]));
    }
}
