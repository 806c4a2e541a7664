//! The tracer, which is part of a sandbox's supervisor: it is root of the sandbox's user namespace, sees the sandbox from
//! outside, has nothing else to do, and ends with it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::io::Errno;
use rustix::process::Pid;

use super::GapReason;
use super::calls::{self, Call};
use super::filter::NATIVE;
use super::look::Look;
use super::record::{Note, Record, key};
use super::resolve::{Resolver, Start};
use super::task::Task;
use super::uses::{Use, Uses};
use crate::system::notify::{self, Notification};
use crate::wire;

/// Looks at the calls of a sandbox's processes before they are made.
#[derive(Debug)]
pub(crate) struct Tracer {
    /// From where the listener comes, until it has come.
    handover: Option<OwnedFd>,
    listener: Option<OwnedFd>,
    init: Task,
    /// The file that the sandbox's first process is started from: what it looks up before it becomes the program is
    /// nobody's.
    own_program: Vec<u8>,
    resolver: Option<Resolver>,
    /// Whether somebody has a root of its own.
    roots_differ: bool,
    /// Whether there are mounts that we know nothing of. Then a file system may be served by a process that waits for
    /// us, so we look at nothing any more.
    is_blind: bool,
    record: Record,
}

impl Tracer {
    /// For the sandbox whose first process is `init`, and sends the listener through `handover`.
    pub(crate) fn new(init: Pid, handover: OwnedFd) -> Tracer {
        Tracer {
            handover: Some(handover),
            listener: None,
            init: Task::new(init.as_raw_pid()),
            own_program: Vec::new(),
            resolver: None,
            roots_differ: false,
            is_blind: false,
            record: Record::default(),
        }
    }

    /// What becomes readable when there is something to do; `None` when there never will be.
    pub(crate) fn source(&self) -> Option<BorrowedFd<'_>> {
        let source = self.listener.as_ref().or(self.handover.as_ref());
        source.map(AsFd::as_fd)
    }

    /// Does what there is to do. An error says that calls may wait which nobody will answer.
    pub(crate) fn advance(&mut self) -> io::Result<()> {
        let Some(listener) = &self.listener else {
            return self.take_over();
        };
        let notification = match notify::receive_notification(listener.as_fd()) {
            Ok(notification) => notification,
            Err(error) => {
                return match error.raw_os_error() {
                    // Its process was killed, or we were interrupted.
                    Some(libc::ENOENT | libc::EINTR | libc::EAGAIN) => Ok(()),
                    _ => Err(error),
                };
            }
        };
        let task = Task::new(notification.thread);
        let mut notes = Vec::new();
        if !self.is_blind {
            self.look(task, &notification, &mut notes);
            notes.retain(|note| self.record.is_news(note));
        }
        let program = if notes.is_empty() {
            Vec::new()
        } else {
            self.program_of(task)
        };
        let Some(listener) = &self.listener else {
            return Ok(());
        };
        match notify::let_continue(listener.as_fd(), notification.id) {
            Ok(()) => {}
            // Killed, or interrupted by a signal: it was not made, and if it is made again, we are told again.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(()),
            Err(error) => return Err(error),
        }
        for note in notes {
            if matches!(note, Note::Gap(GapReason::Mounts)) {
                self.is_blind = true;
            }
            self.record.keep(note, &program);
        }
        Ok(())
    }

    /// Stops listening once nobody can make calls any more.
    pub(crate) fn hang_up(&mut self) {
        self.listener = None;
        self.handover = None;
    }

    /// All that was noted.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.record.encode()
    }

    /// Receives the listener, and looks around in the sandbox, which is complete now.
    fn take_over(&mut self) -> io::Result<()> {
        let Some(handover) = self.handover.take() else {
            return Ok(());
        };
        let (mut tag, mut fds) = ([0], Vec::new());
        if wire::receive(handover.as_fd(), &mut tag, &mut fds)? == 0 {
            // The sandbox could not be set up, and has said so.
            return Ok(());
        }
        let listener = fds.pop().ok_or(Errno::BADF)?;
        // An older kernel cannot, and is slower.
        let _older = notify::share_processor(listener.as_fd());
        let resolver = Resolver::new(self.init)?;
        self.own_program = self.init.link("exe").unwrap_or_default();
        self.record.set_mounts(self.mounts()?);
        let cwd = self.init.link("cwd")?;
        let start = Start {
            real: Vec::new(),
            root: Vec::new(),
            is_gone: false,
        };
        if let Ok(led) = resolver.resolve(self.init, &start, &cwd, true) {
            let note = Note::Lookup(key(&cwd, &led), Uses::of(Use::Enter));
            self.record.keep(note, b"");
        }
        self.resolver = Some(resolver);
        self.listener = Some(listener);
        Ok(())
    }

    /// Where something is mounted, but for the root.
    fn mounts(&self) -> io::Result<Vec<PathBuf>> {
        use std::os::unix::ffi::OsStringExt;
        let text = std::fs::read(self.init.proc("mountinfo"))?;
        let points = text.split(|byte| *byte == b'\n').filter_map(|line| {
            let point = line.split(|byte| *byte == b' ').nth(4)?;
            (point != b"/").then(|| PathBuf::from(std::ffi::OsString::from_vec(unescape(point))))
        });
        Ok(points.collect())
    }

    /// The real path of the program that `task` runs; empty for the sandbox's own.
    fn program_of(&self, task: Task) -> Vec<u8> {
        let program = task.link("exe").unwrap_or_default();
        if program == self.own_program {
            Vec::new()
        } else {
            program
        }
    }

    fn look(&mut self, task: Task, notification: &Notification, notes: &mut Vec<Note>) {
        let arguments = &notification.arguments;
        let call = if notification.architecture == NATIVE {
            calls::find(notification.number, arguments)
        } else {
            None
        };
        let Some(resolver) = &self.resolver else {
            return;
        };
        let mut look = Look {
            resolver,
            task,
            arguments,
            instruction: notification.instruction,
            roots_differ: self.roots_differ,
            notes,
        };
        match call {
            None => look.gap(GapReason::ForeignCalls),
            Some(Call::Gap(reason)) => look.gap(reason),
            Some(Call::Path(path, uses)) => {
                look.path(path, look.uses_of(notification.number, uses));
            }
            Some(Call::Pair(paths)) => {
                for (path, uses) in paths {
                    look.path(path, uses);
                }
            }
            Some(Call::Open(path, flags)) => look.open(path, flags),
            Some(Call::Execute(path)) => look.execute(path),
            Some(Call::ChangeRoot(path)) => {
                look.path(path, Uses::of(Use::Enter));
                self.roots_differ = true;
            }
            Some(Call::List) => look.list(),
            Some(Call::Socket(call)) => look.socket(call),
            Some(Call::Filter(argument)) => look.filter(argument),
        }
    }
}

/// `\040` is a space (Linux: `mangle`, `fs/proc_namespace.c`).
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..3).filter(|_| *first == b'\\').and_then(|code| {
            let code = std::str::from_utf8(code).ok()?;
            u8::from_str_radix(code, 8).ok()
        });
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    bytes
}
