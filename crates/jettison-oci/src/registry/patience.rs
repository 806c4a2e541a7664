//! When something is tried again, and how long is waited before that.

use std::time::Duration;

use crate::registry::error::RegistryError;

/// Tells the time, waits and throws dice.
pub trait Clock: Sync {
    /// The time since some moment; it never goes back.
    fn now(&self) -> Duration;
    /// The date, in seconds since 1970, as far as this machine knows it.
    fn date(&self) -> i64;
    /// Waits.
    fn pause(&self, duration: Duration);
    /// A number from 0 up to, but not including, 1, each time another one.
    fn chance(&self) -> f64;
}

/// How much is put up with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Patience {
    /// How often in a row something is tried that gets no further.
    pub attempts: u32,
    /// About how long the first pause is; each one is twice as long as the one before.
    pub first_pause: Duration,
    /// The longest pause that we choose.
    pub longest_pause: Duration,
    /// The longest pause that a server can ask for; it is given up at once if it asks for more.
    pub longest_wish: Duration,
}

impl Patience {
    /// Some ten seconds, or two minutes if the server asks for it.
    pub const USUAL: Patience = Patience {
        attempts: 6,
        first_pause: Duration::from_millis(400),
        longest_pause: Duration::from_secs(15),
        longest_wish: Duration::from_mins(2),
    };

    /// The pause after the attempt of this number, counted from 1: between half of what doubling gives and all of it,
    /// so that those who failed together do not come back together.
    fn pause_after(&self, attempt: u32, chance: f64) -> Duration {
        let doubled = self
            .first_pause
            .saturating_mul(1 << attempt.saturating_sub(1).min(16));
        let part = 0.5 + chance.clamp(0.0, 1.0) / 2.0;
        doubled.min(self.longest_pause).mul_f64(part)
    }
}

/// Why an attempt failed.
#[derive(Debug)]
pub(crate) enum Failed {
    /// It may work in a while.
    Again {
        error: RegistryError,
        /// How long the server wants us to wait.
        wish: Option<Duration>,
    },
    /// It will not.
    Finally(RegistryError),
}

impl Failed {
    /// It may work in a while, and nobody says when.
    pub(crate) fn again(error: RegistryError) -> Failed {
        Failed::Again { error, wish: None }
    }

    /// Whether what arrived was not what was asked for.
    pub(crate) fn is_wrong(&self) -> bool {
        match self {
            Failed::Again { error, .. } | Failed::Finally(error) => {
                matches!(error, RegistryError::Wrong { .. })
            }
        }
    }

    /// Why, whether it may work again or not.
    pub(crate) fn into_error(self) -> RegistryError {
        match self {
            Failed::Again { error, .. } | Failed::Finally(error) => error,
        }
    }
}

impl From<RegistryError> for Failed {
    fn from(error: RegistryError) -> Failed {
        Failed::Finally(error)
    }
}

/// The attempts at one thing.
pub(crate) struct Tries<'t> {
    clock: &'t dyn Clock,
    patience: Patience,
    attempt: u32,
}

impl<'t> Tries<'t> {
    pub(crate) fn new(clock: &'t dyn Clock, patience: Patience) -> Tries<'t> {
        Tries {
            clock,
            patience,
            attempt: 1,
        }
    }

    /// The number of the attempt, counted from 1.
    pub(crate) fn attempt(&self) -> u32 {
        self.attempt
    }

    /// A slow way on is a way on: counts anew.
    pub(crate) fn got_further(&mut self) {
        self.attempt = 1;
    }

    /// Waits for the next attempt, or says that there is none.
    pub(crate) fn after(&mut self, failed: Failed) -> Result<(), RegistryError> {
        let (error, wish) = match failed {
            Failed::Finally(error) => return Err(error),
            Failed::Again { error, wish } => (error, wish),
        };
        if self.attempt >= self.patience.attempts {
            return Err(error.after_attempts(self.attempt));
        }
        let own = self.patience.pause_after(self.attempt, self.clock.chance());
        let pause = match wish {
            Some(wish) if wish > self.patience.longest_wish => {
                return Err(error.with_wish(wish));
            }
            // Everybody was told the same. Who wants nothing, or names a date that has passed, is not pressed.
            Some(wish) => {
                let wish = wish + self.patience.first_pause.mul_f64(self.clock.chance());
                wish.max(own)
            }
            None => own,
        };
        self.clock.pause(pause);
        self.attempt += 1;
        Ok(())
    }

    /// Tries until it works or patience ends.
    pub(crate) fn until<T>(
        mut self,
        mut attempt: impl FnMut() -> Result<T, Failed>,
    ) -> Result<T, RegistryError> {
        loop {
            match attempt() {
                Ok(value) => return Ok(value),
                Err(failed) => self.after(failed)?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pauses_grow_and_have_an_end(attempt in 1u32..100, chance in 0.0f64..1.0) {
            let patience = Patience::USUAL;
            let pause = patience.pause_after(attempt, chance);
            prop_assert!(pause >= patience.first_pause / 2);
            prop_assert!(pause <= patience.longest_pause);
            prop_assert!(patience.pause_after(attempt, 0.0) * 2 >= patience.pause_after(attempt, 1.0));
        }
    }
}
