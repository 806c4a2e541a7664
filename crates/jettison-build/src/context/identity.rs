//! What a file is known by as long as nobody writes to it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::Stat;

/// A point in time, as file systems count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileTime {
    /// Since 1970; may be negative.
    pub seconds: i64,
    /// Below 10^9.
    pub nanoseconds: u32,
}

/// A file's place and state on its file system.
///
/// The kernel sets `ctime` at every change of content, mode, owner, names and attributes, and no program can set it back,
/// so two equal identities mean equal content and equal attributes, but for what `is_settled` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileIdentity {
    /// The number of its file system.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// In bytes.
    pub size: u64,
    /// When its content changed, or what somebody has set that to.
    pub mtime: FileTime,
    /// When anything of it changed.
    pub ctime: FileTime,
}

/// As long it takes until a change is told from the one before, at most. A tick is 10 ms (`HZ` is 100 or more).
const SETTLING: Duration = Duration::from_millis(20);

/// How exact the times of a file system are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// The kernel's own clock stamps files, at least a hundred times a second.
    Fine,
    /// Another machine's clock may do it, or it may count in seconds.
    Coarse,
}

impl FileTime {
    /// The time of a clock.
    pub fn of(time: SystemTime) -> FileTime {
        let (seconds, nanoseconds) = match time.duration_since(UNIX_EPOCH) {
            Ok(since) => (since.as_secs().cast_signed(), since.subsec_nanos()),
            // Before 1970: older than every file that could be trusted.
            Err(_) => (i64::MIN, 0),
        };
        FileTime {
            seconds,
            nanoseconds,
        }
    }

    fn after(self, duration: Duration) -> FileTime {
        let nanoseconds = self.nanoseconds + duration.subsec_nanos();
        let more = duration
            .as_secs()
            .saturating_add(u64::from(nanoseconds / 1_000_000_000));
        FileTime {
            seconds: self.seconds.saturating_add_unsigned(more),
            nanoseconds: nanoseconds % 1_000_000_000,
        }
    }
}

impl FileIdentity {
    /// The identity in a file's metadata.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::unnecessary_cast,
        reason = "sizes are not negative, nanoseconds are below 10^9, and the fields' types differ between architectures"
    )]
    pub fn of(stat: &Stat) -> FileIdentity {
        FileIdentity {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            size: stat.st_size as u64,
            mtime: FileTime {
                seconds: stat.st_mtime as i64,
                nanoseconds: stat.st_mtime_nsec as u32,
            },
            ctime: FileTime {
                seconds: stat.st_ctime as i64,
                nanoseconds: stat.st_ctime_nsec as u32,
            },
        }
    }

    /// Whether a later change to the file, which was read at `read` or after it, is going to be seen in its identity.
    ///
    /// A change is stamped with the time of the last tick, so a file that was changed in the tick in which it was read may be
    /// changed again and keep its times. Git knows this as the racily clean entry. The clock may be ahead of the file
    /// system's by less than the margin; that it never goes back is not assumed, for it would have to come back to the very
    /// nanosecond.
    pub fn is_settled(&self, read: FileTime, precision: Precision) -> bool {
        let counts_seconds = self.ctime.nanoseconds == 0 && self.mtime.nanoseconds == 0;
        let margin = match precision {
            Precision::Fine if !counts_seconds => SETTLING,
            // FAT counts two seconds.
            Precision::Fine | Precision::Coarse => Duration::from_secs(3),
        };
        self.ctime.max(self.mtime_if_past(read)).after(margin) < read
    }

    /// How long to wait until the file is settled, if that is not long: it was changed just now.
    pub(crate) fn settles_in(&self, now: FileTime) -> Option<Duration> {
        let is_soon =
            self.ctime.after(SETTLING) >= now && self.ctime <= now && self.ctime.nanoseconds != 0;
        is_soon.then_some(SETTLING + Duration::from_millis(1))
    }

    /// The file's time of modification, unless somebody has set it into the future, which says nothing.
    fn mtime_if_past(&self, now: FileTime) -> FileTime {
        if self.mtime > now {
            self.ctime
        } else {
            self.mtime
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(seconds: i64, milliseconds: u32) -> FileTime {
        FileTime {
            seconds,
            nanoseconds: milliseconds * 1_000_000,
        }
    }

    #[track_caller]
    fn check(mtime: FileTime, ctime: FileTime, read: FileTime, expected: [bool; 2]) {
        let identity = FileIdentity {
            device: 1,
            inode: 2,
            size: 3,
            mtime,
            ctime,
        };
        let settled = [Precision::Fine, Precision::Coarse]
            .map(|precision| identity.is_settled(read, precision));
        assert_eq!(settled, expected);
    }

    #[test]
    fn a_file_that_was_read_in_the_tick_of_its_change_is_not_settled() {
        let changed = time(100, 990);
        check(changed, changed, time(101, 9), [false, false]);
        check(changed, changed, time(101, 11), [true, false]);
        check(changed, changed, time(103, 991), [true, true]);
        check(changed, changed, time(99, 0), [false, false]);
    }

    #[test]
    fn a_time_that_was_set_does_not_hide_a_change() {
        check(time(5, 1), time(100, 1), time(100, 15), [false, false]);
        check(time(9_999, 1), time(100, 1), time(200, 0), [true, true]);
        check(time(199, 999), time(100, 1), time(200, 0), [false, false]);
    }

    #[test]
    fn whole_seconds_are_taken_for_a_file_system_that_counts_seconds() {
        check(time(100, 0), time(100, 0), time(102, 999), [false, false]);
        check(time(100, 0), time(100, 0), time(103, 1), [true, true]);
    }

    #[test]
    fn no_time_is_too_large() {
        let far = FileTime {
            seconds: i64::MAX,
            nanoseconds: 999_999_999,
        };
        check(far, far, time(100, 0), [false, false]);
    }
}
