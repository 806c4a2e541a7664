//! Blobs on their way from and to registries and archives, in docker's words (moby: `pullCmd`, `progress.Update`, distribution/xfer).

use std::time::{Duration, Instant};

use jettison_oci::{Digest, Transfer};
use jettison_slim::size_text;

use crate::printable::one_line;
use crate::progress::seconds;

/// How often it is told how far a blob is where each time is a line.
const INTERVAL: Duration = Duration::from_millis(200);
/// How many blobs are shown on a terminal at once.
const SHOWN: usize = 12;

/// Which way blobs go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Into the store.
    #[default]
    Pull,
    /// To a registry.
    Push,
    /// From an archive.
    Load,
    /// To an archive.
    Save,
}

impl Direction {
    /// The word for a blob that is to be carried, if that is worth a line: in archives they come one after the other.
    fn planned(self) -> Option<&'static str> {
        match self {
            Direction::Pull => Some("Pulling fs layer"),
            Direction::Push => Some("Preparing"),
            Direction::Load | Direction::Save => None,
        }
    }

    fn exists(self) -> &'static str {
        match self {
            Direction::Pull | Direction::Load => "Already exists",
            Direction::Push | Direction::Save => "Layer already exists",
        }
    }

    fn moves(self) -> &'static str {
        match self {
            Direction::Pull => "Downloading",
            Direction::Push => "Pushing",
            Direction::Load => "Loading",
            Direction::Save => "Saving",
        }
    }

    fn checks(self) -> &'static str {
        match self {
            Direction::Pull | Direction::Push | Direction::Load => "Extracting",
            Direction::Save => "Compressing",
        }
    }

    fn done(self, was_compressed: bool) -> &'static str {
        match self {
            Direction::Pull => "Pull complete",
            Direction::Push => "Pushed",
            Direction::Load => "Loaded",
            Direction::Save if was_compressed => "Compressed",
            Direction::Save => "Saved",
        }
    }
}

/// The blobs of what is carried.
#[derive(Debug, Default)]
pub(super) struct Carried {
    pub(super) direction: Direction,
    blobs: Vec<Blob>,
}

#[derive(Debug)]
struct Blob {
    digest: Digest,
    size: u64,
    done: u64,
    state: BlobState,
    /// When bytes began to come, and how many there were then.
    began: Option<(Instant, u64)>,
    told: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BlobState {
    Waits,
    Moves,
    Checks,
    Over,
}

/// How far a blob is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) id: String,
    pub(super) done: u64,
    pub(super) total: u64,
    pub(super) is_over: bool,
}

impl Carried {
    /// Takes note of what happened. Returns a line about it that stays, if it is worth one.
    pub(super) fn transfer(&mut self, transfer: &Transfer<'_>, now: Instant) -> Vec<String> {
        let direction = self.direction;
        match transfer {
            Transfer::Planned { blobs } => {
                self.blobs.retain(|blob| blob.state != BlobState::Over);
                let mut lines = Vec::new();
                for blob in *blobs {
                    if self.blobs.iter().any(|known| known.digest == blob.digest) {
                        continue;
                    }
                    self.blobs.push(Blob {
                        digest: blob.digest,
                        size: blob.size,
                        done: 0,
                        state: BlobState::Waits,
                        began: None,
                        told: None,
                    });
                    let word = direction.planned();
                    lines.extend(word.map(|word| format!("{}: {word}", short(&blob.digest))));
                }
                lines
            }
            Transfer::Exists { digest } => self.end(digest, direction.exists().to_owned()),
            Transfer::Mounted { digest, from } => {
                self.end(digest, format!("Mounted from {}", one_line(from)))
            }
            Transfer::Moved { digest, done, .. } => {
                if let Some(blob) = self.find(digest) {
                    if blob.began.is_none() || *done < blob.done {
                        blob.began = Some((now, *done));
                    }
                    blob.done = *done;
                    blob.state = BlobState::Moves;
                }
                Vec::new()
            }
            Transfer::Waits {
                digest,
                attempt,
                reason,
            } => match self.find(digest) {
                Some(blob) => {
                    blob.began = None;
                    let reason = one_line(reason);
                    let id = short(digest);
                    vec![format!("{id}: Retrying after attempt {attempt}: {reason}")]
                }
                None => Vec::new(),
            },
            Transfer::Checks { digest } => match self.find(digest) {
                Some(blob) => {
                    blob.state = BlobState::Checks;
                    match direction {
                        Direction::Pull | Direction::Push => {
                            vec![format!("{}: Download complete", short(digest))]
                        }
                        Direction::Load | Direction::Save => Vec::new(),
                    }
                }
                None => Vec::new(),
            },
            Transfer::Done { digest, elapsed } => {
                let blob = self.find(digest);
                let was_compressed = blob
                    .as_ref()
                    .is_some_and(|blob| blob.state == BlobState::Checks);
                let size = blob.map_or(0, |blob| blob.size);
                let word = direction.done(was_compressed);
                let text = format!("{word}, {} in {}", size_text(size), seconds(*elapsed));
                self.end(digest, text)
            }
        }
    }

    /// How far the blob is that something happened to, not too often.
    pub(super) fn work(&mut self, transfer: &Transfer<'_>, now: Instant) -> Option<Work> {
        let digest = match transfer {
            Transfer::Planned { .. } | Transfer::Waits { .. } => return None,
            Transfer::Exists { digest }
            | Transfer::Mounted { digest, .. }
            | Transfer::Moved { digest, .. }
            | Transfer::Checks { digest }
            | Transfer::Done { digest, .. } => digest,
        };
        let blob = self.find(digest)?;
        let is_over = blob.state == BlobState::Over;
        let is_soon = |told| now.saturating_duration_since(told) < INTERVAL;
        if !is_over && blob.told.is_some_and(is_soon) {
            return None;
        }
        blob.told = Some(now);
        Some(Work {
            id: digest.to_string(),
            done: if is_over { blob.size } else { blob.done },
            total: blob.size,
            is_over,
        })
    }

    /// The lines of what moves, for a terminal.
    pub(super) fn lines(&self, now: Instant) -> Vec<String> {
        let active = |blob: &&Blob| matches!(blob.state, BlobState::Moves | BlobState::Checks);
        let waiting = self
            .blobs
            .iter()
            .filter(|blob| blob.state == BlobState::Waits);
        let mut lines: Vec<String> = self
            .blobs
            .iter()
            .filter(active)
            .take(SHOWN)
            .map(|blob| blob.line(self.direction, now))
            .collect();
        let n_waiting = waiting.count();
        if n_waiting > 0 && !lines.is_empty() {
            lines.push(format!("{n_waiting} more to come"));
        }
        lines
    }

    fn find(&mut self, digest: &Digest) -> Option<&mut Blob> {
        self.blobs.iter_mut().find(|blob| blob.digest == *digest)
    }

    fn end(&mut self, digest: &Digest, text: String) -> Vec<String> {
        match self.find(digest) {
            Some(blob) if blob.state != BlobState::Over => {
                blob.state = BlobState::Over;
                vec![format!("{}: {text}", short(digest))]
            }
            Some(_) | None => Vec::new(),
        }
    }
}

impl Blob {
    /// Bytes, speed, and the time that is left.
    fn line(&self, direction: Direction, now: Instant) -> String {
        let id = short(&self.digest);
        if self.state == BlobState::Checks {
            return format!("{id}: {} {}", direction.checks(), size_text(self.size));
        }
        let word = direction.moves();
        let bytes = format!("{} of {}", size_text(self.done), size_text(self.size));
        let moving = self.began.filter(|(_, before)| self.done > *before);
        let Some((began, before)) = moving else {
            return format!("{id}: {word} {bytes}");
        };
        let elapsed = now.saturating_duration_since(began).as_millis().max(1);
        let moved = u128::from(self.done.saturating_sub(before));
        let per_second = u64::try_from(moved * 1000 / elapsed).unwrap_or(u64::MAX);
        // Before there is a speed there is no time left either.
        let left = self.size.saturating_sub(self.done).checked_div(per_second);
        let left = left.map_or_else(String::new, |left| format!(", {left} s left"));
        format!("{id}: {word} {bytes}, {}/s{left}", size_text(per_second))
    }
}

/// As many digits as docker shows.
fn short(digest: &Digest) -> String {
    digest.hex().chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use jettison_oci::{Descriptor, MediaType};

    #[track_caller]
    fn check(direction: Direction, expected: Expect) {
        let start = Instant::now();
        let mut carried = Carried {
            direction,
            ..Carried::default()
        };
        let blob =
            |name: &[u8], size| Descriptor::new(MediaType::OciLayerTarGzip, Digest::of(name), size);
        let blobs = [blob(b"a", 30_000_000), blob(b"b", 1000), blob(b"c", 5)];
        let [first, second, third] = [blobs[0].digest, blobs[1].digest, blobs[2].digest];
        let mut shown = Vec::new();
        let events = [
            Transfer::Planned { blobs: &blobs },
            Transfer::Exists { digest: second },
            Transfer::Moved {
                digest: first,
                done: 0,
                size: 30_000_000,
            },
            Transfer::Moved {
                digest: first,
                done: 10_000_000,
                size: 30_000_000,
            },
            Transfer::Waits {
                digest: first,
                attempt: 1,
                reason: "cut\noff",
            },
            Transfer::Checks { digest: first },
            Transfer::Done {
                digest: first,
                elapsed: Duration::from_secs(3),
            },
            Transfer::Mounted {
                digest: third,
                from: "other",
            },
        ];
        for (index, event) in events.iter().enumerate() {
            let now = start + Duration::from_secs(index as u64);
            shown.extend(carried.transfer(event, now));
            shown.extend(carried.lines(now).iter().map(|line| format!("    {line}")));
        }
        expected.assert_eq(&shown.join("\n"));
    }

    #[test]
    fn blobs_are_shown_as_docker_shows_them() {
        check(
            Direction::Pull,
            expect![[r"
            ca978112ca1b: Pulling fs layer
            3e23e8160039: Pulling fs layer
            2e7d2c03a950: Pulling fs layer
            3e23e8160039: Already exists
                ca978112ca1b: Downloading 0 B of 30 MB
                1 more to come
                ca978112ca1b: Downloading 10 MB of 30 MB, 10 MB/s, 2 s left
                1 more to come
            ca978112ca1b: Retrying after attempt 1: cut␊off
                ca978112ca1b: Downloading 10 MB of 30 MB
                1 more to come
            ca978112ca1b: Download complete
                ca978112ca1b: Extracting 30 MB
                1 more to come
            ca978112ca1b: Pull complete, 30 MB in 3.0 s
            2e7d2c03a950: Mounted from other"]],
        );
        check(
            Direction::Push,
            expect![[r"
            ca978112ca1b: Preparing
            3e23e8160039: Preparing
            2e7d2c03a950: Preparing
            3e23e8160039: Layer already exists
                ca978112ca1b: Pushing 0 B of 30 MB
                1 more to come
                ca978112ca1b: Pushing 10 MB of 30 MB, 10 MB/s, 2 s left
                1 more to come
            ca978112ca1b: Retrying after attempt 1: cut␊off
                ca978112ca1b: Pushing 10 MB of 30 MB
                1 more to come
            ca978112ca1b: Download complete
                ca978112ca1b: Extracting 30 MB
                1 more to come
            ca978112ca1b: Pushed, 30 MB in 3.0 s
            2e7d2c03a950: Mounted from other"]],
        );
    }
}
