//! What one waiting call is about to do.

use rustix::io::Errno;

use super::calls::{Follow, OpenFlags, PathArgument, SocketCall};
use super::encoding::socket_address;
use super::program::{Head, head};
use super::record::{Note, key};
use super::resolve::{Led, Place, Resolver, Start, directory_of, real_text};
use super::task::{Task, Text};
use super::uses::{Use, Uses};
use super::{GapReason, SocketAction, SocketAddress};

/// A look at one waiting call.
pub(super) struct Look<'a> {
    pub(super) resolver: &'a Resolver,
    pub(super) task: Task,
    pub(super) arguments: &'a [u64; 6],
    /// Where the call is made from.
    pub(super) instruction: u64,
    pub(super) roots_differ: bool,
    pub(super) notes: &'a mut Vec<Note>,
}

impl Look<'_> {
    pub(super) fn gap(&mut self, reason: GapReason) {
        self.notes.push(Note::Gap(reason));
    }

    fn argument(&self, place: u8) -> u64 {
        self.arguments[usize::from(place) % self.arguments.len()]
    }

    /// A descriptor, of which the kernel takes the low half.
    fn descriptor(&self, place: u8) -> i32 {
        let [a, b, c, d, ..] = self.argument(place).to_le_bytes();
        i32::from_le_bytes([a, b, c, d])
    }

    fn follows(&self, follow: Follow) -> bool {
        match follow {
            Follow::Yes => true,
            Follow::No => false,
            Follow::Unless(place, flag) => self.argument(place) & flag == 0,
            Follow::If(place, flag) => self.argument(place) & flag != 0,
        }
    }

    /// One call removes files and directories.
    pub(super) fn uses_of(&self, number: i32, uses: Uses) -> Uses {
        const REMOVEDIR: u64 = 0x200;
        if i64::from(number) == libc::SYS_unlinkat && self.argument(2) & REMOVEDIR != 0 {
            Uses::of(Use::RemoveDirectory)
        } else {
            uses
        }
    }

    pub(super) fn path(&mut self, path: PathArgument, uses: Uses) -> Option<Place> {
        let follow = self.follows(path.follow);
        let start = self.start(path.directory);
        self.path_from(path.path, &start, follow, uses)
    }

    /// Looks up the path at an argument.
    fn path_from(
        &mut self,
        argument: u8,
        start: &DirectoryStart,
        follow: bool,
        uses: Uses,
    ) -> Option<Place> {
        match self.task.path_at(self.argument(argument)) {
            // An empty path is an error, or the descriptor itself. What opened that has been noted, and that it is
            // examined says nothing new; but it may be linked, executed or changed.
            Text::Path(path) if path.is_empty() => {
                if uses != Uses::of(Use::Stat) {
                    self.descriptor_itself(start, uses);
                }
                None
            }
            Text::Path(path) => self.lookup(&path, start, follow, uses),
            Text::Invalid => None,
            Text::Hidden => {
                self.gap(GapReason::HiddenMemory);
                None
            }
        }
    }

    fn lookup(
        &mut self,
        path: &[u8],
        start: &DirectoryStart,
        follow: bool,
        uses: Uses,
    ) -> Option<Place> {
        match self.lead(path, start, follow) {
            Ok(Some((asked, mut led))) => {
                for directory in led.passed.drain(..) {
                    self.note_found(directory, Uses::of(Use::Pass));
                }
                self.notes.push(Note::Lookup(key(&asked, &led), uses));
                Some(led.end)
            }
            Ok(None) => None,
            Err(_) => {
                self.gap(GapReason::Unresolved);
                None
            }
        }
    }

    /// The path as it was asked for, but absolute, and where it leads; `None` if the call fails before it looks.
    fn lead(
        &self,
        path: &[u8],
        start: &DirectoryStart,
        follow: bool,
    ) -> Result<Option<(Vec<u8>, Led)>, Errno> {
        let root = match &start.root {
            Some(root) => root.clone(),
            None => self.root()?,
        };
        let is_absolute = path.first() == Some(&b'/');
        let (real, is_gone) = if is_absolute {
            (root.clone(), false)
        } else {
            match self.directory(start)? {
                Some(directory) => directory,
                None => return Ok(None),
            }
        };
        let mut asked = real.clone();
        if !is_absolute {
            asked.push(b'/');
        }
        asked.extend_from_slice(path);
        let start = Start {
            real,
            root,
            is_gone,
        };
        let led = self.resolver.resolve(self.task, &start, path, follow)?;
        Ok(Some((asked, led)))
    }

    /// Notes what is done with an open descriptor, if it is of something with a path.
    fn descriptor_itself(&mut self, start: &DirectoryStart, uses: Uses) {
        if start.number.is_some()
            && let Ok(Some((real, false))) = self.directory(start)
        {
            self.note_found(real, uses);
        }
    }

    /// Notes what is at a real path, whatever way led there.
    fn note_found(&mut self, real: Vec<u8>, uses: Uses) {
        let asked = if real.is_empty() {
            b"/".to_vec()
        } else {
            real.clone()
        };
        let led = Led {
            links: Vec::new(),
            passed: Vec::new(),
            end: Place::Found(real),
        };
        self.notes.push(Note::Lookup(key(&asked, &led), uses));
    }

    fn root(&self) -> Result<Vec<u8>, Errno> {
        if self.roots_differ {
            let root = self.task.link("root")?;
            Ok(real_text(&root).to_vec())
        } else {
            Ok(Vec::new())
        }
    }

    /// What a path of this call is relative to, if it is relative.
    fn start(&self, directory: Option<u8>) -> DirectoryStart {
        let number = directory.map(|place| self.descriptor(place));
        DirectoryStart {
            number: number.filter(|number| *number != libc::AT_FDCWD),
            root: None,
        }
    }

    /// The directory that relative paths begin in; `None` if there is none, so that the call fails.
    fn directory(&self, start: &DirectoryStart) -> Result<Option<(Vec<u8>, bool)>, Errno> {
        let name = match start.number {
            None => "cwd".to_owned(),
            Some(number) if number < 0 => return Ok(None),
            Some(number) => format!("fd/{number}"),
        };
        match self.task.link(&name) {
            Ok(text) => {
                let path = self.task.proc(&name);
                // What the caller has passed is not in the sandbox, whatever it is called.
                let is_foreign = start
                    .number
                    .is_some_and(|number| number <= libc::STDERR_FILENO);
                if is_foreign && !self.resolver.is_same(real_text(&text), &path) {
                    return Ok(None);
                }
                Ok(directory_of(self.resolver, &path, text))
            }
            // No such descriptor.
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn open(&mut self, path: PathArgument, flags: OpenFlags) {
        const RESOLVE_IN_ROOT: u64 = 0x10;
        // How the dynamic linker opens libraries (glibc: `open_verify`, elf/dl-load.c).
        const LINKERS_FLAGS: u64 = libc::O_CLOEXEC.cast_unsigned() as u64;
        let mut start = self.start(path.directory);
        let flags = match flags {
            OpenFlags::Argument(place) => self.argument(place),
            OpenFlags::Creat => flag(libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC),
            OpenFlags::How(place) => {
                // Three numbers: flags, mode, resolve.
                let how = self.task.bytes_at(self.argument(place), 24);
                let Some(([flags, _, resolve], _)) = words(&how) else {
                    return;
                };
                if resolve & RESOLVE_IN_ROOT != 0 {
                    let Ok(Some((real, false))) = self.directory(&start) else {
                        return;
                    };
                    start.root = Some(real);
                }
                flags
            }
        };
        let has = |bits: i32| flags & flag(bits) == flag(bits);
        let follow = !has(libc::O_NOFOLLOW) && !has(libc::O_CREAT | libc::O_EXCL);
        let mut uses = open_uses(flags);
        if flags == LINKERS_FLAGS && self.task.is_in_linker(self.instruction) {
            uses = Uses::of(Use::Load);
        }
        self.path_from(path.path, &start, follow, uses);
    }

    pub(super) fn list(&mut self) {
        let start = DirectoryStart {
            number: Some(self.descriptor(0)),
            root: None,
        };
        self.descriptor_itself(&start, Uses::of(Use::List));
    }

    pub(super) fn execute(&mut self, path: PathArgument) {
        /// Scripts whose programs are scripts (Linux: `exec_binprm`).
        const MAX_SCRIPTS: usize = 5;
        const EMPTY_PATH: u64 = 0x1000;
        let by_descriptor = path.directory.is_some() && self.argument(4) & EMPTY_PATH != 0;
        let (program, mut file) = match self.path(path, Uses::of(Use::Execute)) {
            Some(Place::Found(real)) => {
                let file = self.resolver.open(&real);
                (real, file)
            }
            None if by_descriptor => {
                let number = self.descriptor(path.directory.unwrap_or(0));
                let name = self.task.link(&format!("fd/{number}")).unwrap_or_default();
                (name, self.task.reopen(number))
            }
            _ => return,
        };
        let mut interpreters = Vec::new();
        for _ in 0..=MAX_SCRIPTS {
            let Some(opened) = file.take() else { break };
            let (next, is_script) = match head(&opened) {
                Head::Itself => break,
                Head::Script(next) => (next, true),
                Head::Linked(next) => (next, false),
                Head::Foreign(next) => {
                    self.gap(GapReason::ForeignCalls);
                    let Some(next) = next else { break };
                    (next, false)
                }
            };
            let here = DirectoryStart {
                number: None,
                root: None,
            };
            let uses = Uses::of(Use::Interpret);
            let Some(Place::Found(real)) = self.lookup(&next, &here, true, uses) else {
                break;
            };
            if is_script {
                file = self.resolver.open(&real);
            }
            interpreters.push(real);
        }
        let user = self.task.user();
        self.notes.push(Note::Start {
            program,
            interpreters,
            user,
        });
    }

    pub(super) fn socket(&mut self, call: SocketCall) {
        // A `sockaddr_storage`.
        const LONGEST: u64 = 128;
        if call == SocketCall::Listen {
            let address = self.task.socket_address(self.descriptor(0));
            if let Ok(address) = address {
                let note = Note::Socket(SocketAction::Listen, raw_address(&address));
                self.notes.push(note);
            }
            return;
        }
        let length = usize::try_from(self.argument(2).min(LONGEST)).unwrap_or(0);
        let address = self.task.bytes_at(self.argument(1), length);
        let (action, what, follow) = match call {
            SocketCall::Bind => (SocketAction::Bind, Use::Bind, false),
            SocketCall::Connect | SocketCall::Listen => (SocketAction::Connect, Use::Connect, true),
        };
        if let Some(SocketAddress::Unix(path)) = socket_address(&address) {
            use std::os::unix::ffi::OsStrExt;
            let here = DirectoryStart {
                number: None,
                root: None,
            };
            let path = path.as_os_str().as_bytes();
            self.lookup(path, &here, follow, Uses::of(what));
        }
        self.notes.push(Note::Socket(action, address));
    }

    /// A filter that only allows and denies takes nothing from us: what it denies does not happen, and is not told.
    pub(super) fn filter(&mut self, argument: u8) {
        const SET_MODE_FILTER: u64 = 1;
        const PR_SECCOMP_MODE_FILTER: u64 = 2;
        const RETURN: u16 = 0x06;
        const RETURN_COMPUTED: u16 = 0x16;
        const ACTION: u32 = 0xffff_0000;
        // `prctl` has the mode where `seccomp` has flags.
        let by_prctl = self.argument(0) != SET_MODE_FILTER;
        if by_prctl && self.argument(1) != PR_SECCOMP_MODE_FILTER {
            return;
        }
        let listens = !by_prctl && self.argument(1) & libc::SECCOMP_FILTER_FLAG_NEW_LISTENER != 0;
        let description = self.task.bytes_at(self.argument(argument), 16);
        let Some(([head, instructions], _)) = words(&description) else {
            return;
        };
        let count = usize::try_from(head & 0xffff).unwrap_or(0);
        let program = self.task.bytes_at(instructions, count * 8);
        let takes = program.chunks_exact(8).any(|one| {
            let code = u16::from_ne_bytes([one[0], one[1]]);
            let value = u32::from_ne_bytes([one[4], one[5], one[6], one[7]]);
            let action = value & ACTION;
            code == RETURN_COMPUTED
                || code == RETURN
                    && [libc::SECCOMP_RET_TRACE, libc::SECCOMP_RET_USER_NOTIF].contains(&action)
        });
        if listens || takes || program.len() != count * 8 {
            self.gap(GapReason::Filters);
        }
    }
}

/// What relative paths of a call are relative to.
struct DirectoryStart {
    /// A descriptor; the working directory if there is none.
    number: Option<i32>,
    /// A root for this call alone.
    root: Option<Vec<u8>>,
}

/// The bits of a flag that has a sign.
fn flag(bits: i32) -> u64 {
    u64::from(bits.cast_unsigned())
}

fn open_uses(flags: u64) -> Uses {
    let has = |bits: i32| flags & flag(bits) == flag(bits);
    if has(libc::O_PATH) {
        return Uses::of(Use::Refer);
    }
    let access = flags & flag(libc::O_ACCMODE);
    let reads = access == flag(libc::O_RDONLY) || access == flag(libc::O_RDWR);
    let writes = access == flag(libc::O_WRONLY) || access == flag(libc::O_RDWR);
    [
        (reads, Use::Read),
        // Even who only reads can have it emptied.
        (has(libc::O_TRUNC), Use::Overwrite),
        (writes && !has(libc::O_TRUNC), Use::Write),
        (access == flag(libc::O_ACCMODE), Use::Write),
        (has(libc::O_CREAT), Use::Create),
    ]
    .into_iter()
    .filter_map(|(is, what)| is.then_some(what))
    .collect()
}

/// The first words of some bytes, and what follows them.
fn words<const N: usize>(bytes: &[u8]) -> Option<([u64; N], &[u8])> {
    let mut words = [0; N];
    let mut rest = bytes;
    for word in &mut words {
        let (first, after) = rest.split_first_chunk()?;
        *word = u64::from_ne_bytes(*first);
        rest = after;
    }
    Some((words, rest))
}

/// The address as the kernel has it.
fn raw_address(address: &rustix::net::SocketAddrAny) -> Vec<u8> {
    use std::net::SocketAddr;
    const PADDING: [u8; 4] = [0; 4];
    if let Ok(address) = SocketAddr::try_from(address.clone()) {
        let family = address_family(address.is_ipv4());
        let mut bytes = family.to_ne_bytes().to_vec();
        bytes.extend_from_slice(&address.port().to_be_bytes());
        match address {
            SocketAddr::V4(address) => bytes.extend_from_slice(&address.ip().octets()),
            SocketAddr::V6(address) => {
                bytes.extend_from_slice(&PADDING);
                bytes.extend_from_slice(&address.ip().octets());
            }
        }
        return bytes;
    }
    let mut bytes = address.address_family().as_raw().to_ne_bytes().to_vec();
    if let Ok(address) = rustix::net::SocketAddrUnix::try_from(address.clone()) {
        if let Some(path) = address.path() {
            bytes.extend_from_slice(path.to_bytes());
        } else if let Some(name) = address.abstract_name() {
            bytes.push(0);
            bytes.extend_from_slice(name);
        }
    }
    bytes
}

fn address_family(is_ipv4: bool) -> u16 {
    let family = if is_ipv4 {
        libc::AF_INET
    } else {
        libc::AF_INET6
    };
    u16::try_from(family).unwrap_or(0)
}
