//! Archives as build contexts: what is one, and what is in it.

use std::io::{self, Read};
use std::path::Path;

use jettison_oci::{Devices, LayerError, Owners, TarFile, UnpackOptions, Whiteouts};

/// How many bytes of a file tell whether it is an archive.
pub(crate) const HEADER: usize = 1024;

/// The size of a block of a tar.
const BLOCK: usize = 512;

/// Says whether a file that begins with `header` is an archive (BuildKit: `IsArchive`, util/archiveutil).
pub(crate) fn is_archive(header: &[u8]) -> bool {
    let magics: [&[u8]; 4] = [b"BZh", b"\x1f\x8b\x08", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"];
    // A frame of zstd that is to be skipped is a frame as well.
    let is_skippable =
        header.len() >= 8 && header[0] & 0xf0 == 0x50 && header[1..4] == [0x2a, 0x4d, 0x18];
    magics.iter().any(|magic| header.starts_with(magic)) || is_skippable || is_tar(header)
}

/// Says whether the first block has the sum that it says it has.
fn is_tar(header: &[u8]) -> bool {
    let Some(block) = header.get(..BLOCK) else {
        return false;
    };
    let field = String::from_utf8_lossy(&block[148..156]);
    let digits = field.trim_matches(['\0', ' ']);
    let Ok(sum) = i64::from_str_radix(digits, 8) else {
        return false;
    };
    let bytes = || {
        let at = block.iter().enumerate();
        at.map(|(at, byte)| {
            if (148..156).contains(&at) {
                b' '
            } else {
                *byte
            }
        })
    };
    let unsigned: i64 = bytes().map(i64::from).sum();
    // Some old programs added signed bytes up.
    let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
    sum == unsigned || sum == signed
}

/// Unpacks the archive that `reader` gives into `dir`.
pub(crate) fn unpack(reader: impl Read, dir: &Path, owners: Owners) -> Result<(), LayerError> {
    let options = UnpackOptions {
        whiteouts: Whiteouts::Literal,
        keep_directory_symlinks: false,
        owners,
        devices: Devices::Refuse,
        place: None,
    };
    let tar = TarFile::open(reader).ok_or_else(|| LayerError::Stream {
        action: "unpack",
        source: io::Error::new(
            io::ErrorKind::InvalidData,
            "it begins like an archive, and there is no tar file in it",
        ),
    })?;
    tar.unpack(dir, &options).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_known_by_their_first_bytes() {
        let mut tar = [0_u8; HEADER];
        tar[0] = b'a';
        tar[148..155].copy_from_slice(b"000541\0");
        for (header, expected) in [
            (&b"FROM scratch\n"[..], false),
            (b"", false),
            (&[0; HEADER], false),
            (b"BZh9", true),
            (b"\x1f\x8b\x08\0", true),
            (b"\x1f\x8b\x07\0", false),
            (b"\xfd7zXZ\0", true),
            (b"\x28\xb5\x2f\xfd", true),
            (b"\x53\x2a\x4d\x18\0\0\0\0", true),
            (b"\x53\x2a\x4d\x18", false),
            (&tar, true),
            (&tar[..500], false),
        ] {
            assert_eq!(is_archive(header), expected, "{header:?}");
        }
    }
}
