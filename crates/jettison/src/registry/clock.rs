//! Time as it passes, and dice.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jettison_oci::Clock;

/// The host's clock.
#[derive(Debug)]
pub(crate) struct HostClock {
    start: Instant,
    /// Seconds since 1970 at the start.
    date: u64,
    dice: AtomicU64,
}

impl HostClock {
    /// A clock that starts now, so many seconds after 1970 began. What two processes throw differs by when they were started and by their numbers.
    pub(crate) fn new(now: u64) -> HostClock {
        let seed = now.rotate_left(32) ^ u64::from(std::process::id());
        HostClock {
            start: Instant::now(),
            date: now,
            dice: AtomicU64::new(seed),
        }
    }
}

impl Clock for HostClock {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn date(&self) -> i64 {
        let seconds = self.date.saturating_add(self.start.elapsed().as_secs());
        i64::try_from(seconds).unwrap_or(i64::MAX)
    }

    fn pause(&self, duration: Duration) {
        thread::sleep(duration);
    }

    fn chance(&self) -> f64 {
        // SplitMix64, which is good enough for pauses (Steele, Lea, Flood: Fast Splittable Pseudorandom Number
        // Generators, 2014).
        let step = 0x9E37_79B9_7F4A_7C15;
        let mut bits = self.dice.fetch_add(step, Ordering::Relaxed);
        bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        let top = u32::try_from((bits ^ bits >> 31) >> 32).unwrap_or(0);
        f64::from(top) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dice_fall_everywhere() {
        let clock = HostClock::new(7);
        let throws: Vec<f64> = (0..1000).map(|_| clock.chance()).collect();
        assert!(throws.iter().all(|throw| (0.0..1.0).contains(throw)));
        for tenth in 0..10 {
            let range = f64::from(tenth) / 10.0..f64::from(tenth + 1) / 10.0;
            assert!(throws.iter().any(|throw| range.contains(throw)), "{tenth}");
        }
    }
}
