//! Archives as build contexts: what is one, and what is in it.

use std::io::{self, Read};
use std::path::Path;

use jettison_oci::{Devices, LayerError, Owners, UnpackOptions, Whiteouts, unpack_tar};

/// How many bytes of a file tell whether it is an archive.
pub(crate) const HEADER: usize = 1024;

/// The size of a block of a tar.
const BLOCK: usize = 512;

/// How an archive is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Bzip2,
    Xz,
    Zstd,
}

/// Says what kind of archive begins with `header`, if it is one (BuildKit: `IsArchive`, util/archiveutil).
pub(crate) fn packing(header: &[u8]) -> Option<Packing> {
    let magics: [(&[u8], Packing); 4] = [
        (b"BZh", Packing::Bzip2),
        (b"\x1f\x8b\x08", Packing::Gzip),
        (b"\xfd7zXZ\0", Packing::Xz),
        (b"\x28\xb5\x2f\xfd", Packing::Zstd),
    ];
    for (magic, packing) in magics {
        if header.starts_with(magic) {
            return Some(packing);
        }
    }
    // A frame that is to be skipped is a frame as well.
    if header.len() >= 8 && header[0] & 0xf0 == 0x50 && header[1..4] == [0x2a, 0x4d, 0x18] {
        return Some(Packing::Zstd);
    }
    is_tar(header).then_some(Packing::Plain)
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
pub(crate) fn unpack(
    reader: impl Read,
    packing: Packing,
    dir: &Path,
    owners: Owners,
) -> Result<(), LayerError> {
    let options = UnpackOptions {
        whiteouts: Whiteouts::Literal,
        keep_directory_symlinks: false,
        owners,
        devices: Devices::Refuse,
        place: None,
    };
    let unsupported = || LayerError::Stream {
        action: "unpack",
        source: io::Error::new(
            io::ErrorKind::Unsupported,
            format!("archives that are packed with {packing:?} are not supported yet"),
        ),
    };
    match packing {
        Packing::Plain => unpack_tar(reader, dir, &options).map(drop),
        Packing::Gzip | Packing::Bzip2 | Packing::Xz | Packing::Zstd => Err(unsupported()),
    }
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
            (&b"FROM scratch\n"[..], None),
            (b"", None),
            (&[0; HEADER], None),
            (b"BZh9", Some(Packing::Bzip2)),
            (b"\x1f\x8b\x08\0", Some(Packing::Gzip)),
            (b"\x1f\x8b\x07\0", None),
            (b"\xfd7zXZ\0", Some(Packing::Xz)),
            (b"\x28\xb5\x2f\xfd", Some(Packing::Zstd)),
            (b"\x53\x2a\x4d\x18\0\0\0\0", Some(Packing::Zstd)),
            (b"\x53\x2a\x4d\x18", None),
            (&tar, Some(Packing::Plain)),
            (&tar[..500], None),
        ] {
            assert_eq!(packing(header), expected, "{header:?}");
        }
    }
}
