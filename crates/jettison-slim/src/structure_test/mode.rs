//! Permissions as they are written.

use jettison_oci::{Entry, EntryKind};

/// The permission bits of a file; a symbolic link has all of them, as Linux has it.
pub(super) fn permission_bits(entry: &Entry) -> u32 {
    match &entry.kind {
        EntryKind::Symlink(_) => 0o777,
        EntryKind::File
        | EntryKind::HardLink(_)
        | EntryKind::CharDevice(..)
        | EntryKind::BlockDevice(..)
        | EntryKind::Directory
        | EntryKind::Fifo => entry.mode,
    }
}

/// As Go writes a mode: letters for the kind and for special bits, then the permissions (`FileMode.String`, io/fs/fs.go).
pub(super) fn go_mode(entry: &Entry) -> String {
    let mode = permission_bits(entry);
    let mut text = String::new();
    text.push_str(match &entry.kind {
        EntryKind::Directory => "d",
        EntryKind::Symlink(_) => "L",
        EntryKind::BlockDevice(..) | EntryKind::CharDevice(..) => "D",
        EntryKind::Fifo => "p",
        EntryKind::File | EntryKind::HardLink(_) => "",
    });
    let is_character = matches!(&entry.kind, EntryKind::CharDevice(..));
    let special = [
        (mode & 0o4000 != 0, 'u'),
        (mode & 0o2000 != 0, 'g'),
        (is_character, 'c'),
        (mode & 0o1000 != 0, 't'),
    ];
    text.extend(
        special
            .iter()
            .filter(|(is_set, _)| *is_set)
            .map(|(_, letter)| letter),
    );
    if text.is_empty() {
        text.push('-');
    }
    for (index, letter) in "rwxrwxrwx".chars().enumerate() {
        text.push(if mode & (0o400 >> index) == 0 {
            '-'
        } else {
            letter
        });
    }
    text
}

/// As `ls -l` writes it.
pub(super) fn ls_mode(entry: &Entry) -> String {
    let mode = permission_bits(entry);
    let kind = match &entry.kind {
        EntryKind::Directory => 'd',
        EntryKind::Symlink(_) => 'l',
        EntryKind::BlockDevice(..) => 'b',
        EntryKind::CharDevice(..) => 'c',
        EntryKind::Fifo => 'p',
        EntryKind::File | EntryKind::HardLink(_) => '-',
    };
    let mut text = String::from(kind);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 == 0 { '-' } else { 'r' });
        text.push(if bits & 2 == 0 { '-' } else { 'w' });
        text.push(match (bits & 1 != 0, mode & special != 0) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_written_as_go_and_ls_write_them() {
        let cases = [
            (EntryKind::File, 0o644, "-rw-r--r--", "-rw-r--r--"),
            (EntryKind::File, 0o4755, "urwxr-xr-x", "-rwsr-xr-x"),
            (EntryKind::File, 0o6640, "ugrw-r-----", "-rwSr-S---"),
            (EntryKind::Directory, 0o755, "drwxr-xr-x", "drwxr-xr-x"),
            (EntryKind::Directory, 0o1777, "dtrwxrwxrwx", "drwxrwxrwt"),
            (
                EntryKind::Symlink(b"a".to_vec()),
                0,
                "Lrwxrwxrwx",
                "lrwxrwxrwx",
            ),
            (
                EntryKind::CharDevice(1, 3),
                0o666,
                "Dcrw-rw-rw-",
                "crw-rw-rw-",
            ),
            (EntryKind::Fifo, 0o600, "prw-------", "prw-------"),
        ];
        for (kind, mode, go, ls) in cases {
            let entry = Entry {
                mode,
                ..Entry::new(b"a", kind)
            };
            assert_eq!(
                (go_mode(&entry).as_str(), ls_mode(&entry).as_str()),
                (go, ls)
            );
        }
    }
}
