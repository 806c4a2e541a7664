//! Passing on signals to a sandboxed process.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::process::Signal;

use crate::system;

/// What users, terminals and service managers send to the programs that they have started.
const PASSED_ON: [Signal; 8] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::USR1,
    Signal::USR2,
    Signal::TERM,
    Signal::CONT,
    Signal::WINCH,
];

/// Signals to this process that do nothing by themselves as long as this value lives, so that
/// [`crate::Child::wait_passing_on`] can pass them on. To be made before there are threads.
#[derive(Debug)]
pub struct HeldSignals {
    fd: OwnedFd,
    stop: Signal,
}

impl HeldSignals {
    /// Holds the signals by which users and service managers talk to a program from now on.
    pub fn hold() -> io::Result<HeldSignals> {
        system::block_signals(&PASSED_ON)?;
        let fd = system::signal_fd(&PASSED_ON)?;
        let stop = Signal::TERM;
        Ok(HeldSignals { fd, stop })
    }

    /// The same, but that programs get the signal `stop` when this process is asked to end by `SIGTERM`: it is what an
    /// image says that its program wants then.
    #[must_use]
    pub fn stopping_by(mut self, stop: Signal) -> HeldSignals {
        self.stop = stop;
        self
    }

    /// What a program gets that is asked to end.
    pub(crate) fn stop(&self) -> Signal {
        self.stop
    }

    /// The next signal; waits for it.
    pub(crate) fn next(&self) -> io::Result<Option<Signal>> {
        // `struct signalfd_siginfo`, which begins with the number.
        let mut info = [0_u8; 128];
        rustix::io::retry_on_intr(|| rustix::io::read(&self.fd, &mut info))?;
        let [a, b, c, d, ..] = info;
        let number = i32::try_from(u32::from_ne_bytes([a, b, c, d])).unwrap_or(0);
        Ok(Signal::from_named_raw(number))
    }
}

impl AsFd for HeldSignals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for HeldSignals {
    fn drop(&mut self) {
        // It cannot fail: the set is a constant.
        let _never = system::unblock_all_signals();
    }
}
