//! Which file systems stamp their files with this kernel's clock.

use std::os::fd::AsFd;

use crate::context::identity::Precision;

/// The numbers that `statfs` gives to local file systems whose times have nanoseconds (`linux/magic.h` and the file systems'
/// own headers).
const LOCAL: [u64; 9] = [
    0x0000_ef53, // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683e, // Btrfs
    0x0102_1994, // tmpfs
    0xf2f5_2010, // F2FS
    0xca45_1a4e, // bcachefs
    0x2fc1_2fc1, // ZFS
    0x794c_7630, // overlayfs
    0x8584_58f6, // ramfs
];

/// How exact the times of the file system of `file` are. That of one that cannot be asked is not.
pub(super) fn precision(file: impl AsFd) -> Precision {
    // The field's type differs between architectures; none of the numbers has more than 32 bits.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the numbers have 32 bits"
    )]
    let number = rustix::fs::fstatfs(file).map(|found| u64::from(found.f_type as u32));
    match number {
        Ok(number) if LOCAL.contains(&number) => Precision::Fine,
        Ok(_) | Err(_) => Precision::Coarse,
    }
}
