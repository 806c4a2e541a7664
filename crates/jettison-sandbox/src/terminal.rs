//! The caller's terminal, while a program has one of its own.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::termios::{OptionalActions, Termios, Winsize};

/// How many characters a terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

impl TerminalSize {
    /// That of the caller's terminal; 24 by 80 without one.
    pub fn of_caller() -> TerminalSize {
        caller_size().unwrap_or(TerminalSize {
            rows: 24,
            columns: 80,
        })
    }

    pub(crate) fn to_winsize(self) -> Winsize {
        Winsize {
            ws_row: self.rows,
            ws_col: self.columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        }
    }
}

fn caller_size() -> Option<TerminalSize> {
    let streams = [rustix::stdio::stdout(), rustix::stdio::stdin()];
    let size = streams
        .iter()
        .find_map(|stream| rustix::termios::tcgetwinsize(stream).ok())?;
    (size.ws_row > 0 && size.ws_col > 0).then_some(TerminalSize {
        rows: size.ws_row,
        columns: size.ws_col,
    })
}

/// What becomes of what is typed on the caller's standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typed {
    /// The program reads it, every key included: the caller's terminal is raw meanwhile.
    Forwarded,
    /// Nothing.
    Left,
}

/// The caller's terminal, raw until this is dropped.
#[derive(Debug)]
struct Raw {
    before: Option<Termios>,
}

impl Raw {
    fn make() -> Raw {
        let stdin = rustix::stdio::stdin();
        // Without a terminal there is nothing to change.
        let before = rustix::termios::tcgetattr(stdin).ok();
        if let Some(before) = &before {
            let mut raw = before.clone();
            raw.make_raw();
            let _unchanged = rustix::termios::tcsetattr(stdin, OptionalActions::Drain, &raw);
        }
        Raw { before }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let stdin = rustix::stdio::stdin();
            let _gone = rustix::termios::tcsetattr(stdin, OptionalActions::Drain, before);
        }
    }
}

/// A program's terminal, seen from the other side, and the caller's.
#[derive(Debug)]
pub(crate) struct Bridge {
    /// Not blocking.
    controller: Option<OwnedFd>,
    typed: Typed,
    /// What was typed and has not been taken yet.
    pending: Vec<u8>,
    _raw: Option<Raw>,
}

/// What woke up the one who waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Woken {
    pub(crate) report: bool,
    pub(crate) signal: bool,
}

/// More of what is typed is not held at once.
const MOST_PENDING: usize = 64 << 10;

impl Bridge {
    pub(crate) fn new(controller: OwnedFd, typed: Typed) -> io::Result<Bridge> {
        let flags = rustix::fs::fcntl_getfl(&controller)?;
        rustix::fs::fcntl_setfl(&controller, flags | OFlags::NONBLOCK)?;
        let raw = (typed == Typed::Forwarded).then(Raw::make);
        Ok(Bridge {
            controller: Some(controller),
            typed,
            pending: Vec::new(),
            _raw: raw,
        })
    }

    /// Gives the program's terminal the size of the caller's.
    pub(crate) fn resize(&self) {
        if let (Some(controller), Some(size)) = (&self.controller, caller_size()) {
            let _closed = rustix::termios::tcsetwinsize(controller, size.to_winsize());
        }
    }

    /// Carries bytes both ways until there is a report or a signal.
    pub(crate) fn carry(
        &mut self,
        reports: BorrowedFd<'_>,
        signals: BorrowedFd<'_>,
    ) -> io::Result<Woken> {
        loop {
            let stdin = rustix::stdio::stdin();
            let listens = self.typed == Typed::Forwarded && self.pending.len() < MOST_PENDING;
            let mut fds = vec![
                PollFd::from_borrowed_fd(reports, PollFlags::IN),
                PollFd::from_borrowed_fd(signals, PollFlags::IN),
            ];
            if let Some(controller) = &self.controller {
                let wants = if self.pending.is_empty() {
                    PollFlags::IN
                } else {
                    PollFlags::IN | PollFlags::OUT
                };
                fds.push(PollFd::from_borrowed_fd(controller.as_fd(), wants));
                if listens {
                    fds.push(PollFd::from_borrowed_fd(stdin, PollFlags::IN));
                }
            }
            rustix::io::retry_on_intr(|| poll(&mut fds, None))?;
            let ready: Vec<PollFlags> = fds.iter().map(PollFd::revents).collect();
            let is_ready = |index: usize| ready.get(index).is_some_and(|flags| !flags.is_empty());
            if is_ready(3) {
                self.read_typed()?;
            }
            if is_ready(2) {
                self.write_typed();
                self.show()?;
            }
            if is_ready(0) || is_ready(1) {
                return Ok(Woken {
                    report: is_ready(0),
                    signal: is_ready(1),
                });
            }
        }
    }

    /// Shows what the program has written before it ended.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        while self.controller.is_some() && self.show()? {}
        Ok(())
    }

    fn read_typed(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        let stdin = rustix::stdio::stdin();
        match rustix::io::read(stdin, &mut buffer) {
            Ok(0) | Err(Errno::IO) => self.typed = Typed::Left,
            Ok(length) => self.pending.extend_from_slice(&buffer[..length]),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Gives the program as much as it takes. If it has closed its terminal, nobody reads any more.
    fn write_typed(&mut self) {
        let Some(controller) = &self.controller else {
            return;
        };
        if self.pending.is_empty() {
            return;
        }
        match rustix::io::write(controller, &self.pending) {
            Ok(length) => drop(self.pending.drain(..length)),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_closed) => self.pending.clear(),
        }
    }

    /// Shows what the program has written; says whether there was anything.
    fn show(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 16 << 10];
        let Some(controller) = &self.controller else {
            return Ok(false);
        };
        let length = match rustix::io::read(controller, &mut buffer) {
            Ok(length) => length,
            Err(Errno::INTR) => return Ok(true),
            Err(Errno::AGAIN) => return Ok(false),
            // That is how a terminal says that no program has it open.
            Err(Errno::IO) => 0,
            Err(error) => return Err(error.into()),
        };
        if length == 0 {
            self.controller = None;
            return Ok(false);
        }
        let mut rest = &buffer[..length];
        while !rest.is_empty() {
            let written =
                rustix::io::retry_on_intr(|| rustix::io::write(rustix::stdio::stdout(), rest));
            match written {
                Ok(written) => rest = &rest[written..],
                Err(Errno::AGAIN) => {
                    let stdout = rustix::stdio::stdout();
                    let mut fds = [PollFd::from_borrowed_fd(stdout, PollFlags::OUT)];
                    rustix::io::retry_on_intr(|| poll(&mut fds, None))?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }
}
