//! What programs do with what they look up.

/// What a program does with what it looks up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Use {
    /// Goes through the directory and up again (`..`).
    Pass,
    /// Makes it the working directory or the root.
    Enter,
    /// Opens it without reading it, as a place to start from (`O_PATH`).
    Refer,
    /// Asks for its kind, size, mode, owner and times.
    Stat,
    /// Asks whether it may be read, written or executed.
    Access,
    /// Asks about the file system that it is on.
    FileSystem,
    /// Reads where the link leads.
    ReadLink,
    /// Reads extended attributes.
    ReadAttributes,
    /// Wants to be told of changes.
    Watch,
    /// Reads the names in the directory.
    List,
    /// Opens it for reading. (A directory that is opened is [listed](Use::List) only if its names are read.)
    Read,
    /// Opens it for the dynamic linker, which maps what the file says is to be loaded and looks at nothing else of it.
    Load,
    /// Becomes this program.
    Execute,
    /// Has the kernel read it to start another: the interpreter of a script, or the dynamic linker.
    Interpret,
    /// Connects to the socket.
    Connect,
    /// Opens it for writing and keeps what is in it.
    Write,
    /// Opens it for writing and discards what is in it.
    Overwrite,
    /// Makes a file, a link, a node, if there is none.
    Create,
    /// Makes a directory.
    MakeDirectory,
    /// Makes a socket that listens.
    Bind,
    /// Changes mode, owner, times or extended attributes.
    ChangeMetadata,
    /// Removes it. It is no directory.
    Remove,
    /// Removes the directory, which has to be empty.
    RemoveDirectory,
    /// Gives it another name.
    MoveFrom,
    /// Puts something else in its place.
    MoveTo,
    /// Gives it a second name.
    LinkFrom,
}

impl Use {
    /// All of them, in their order.
    pub const ALL: [Use; 26] = [
        Use::Pass,
        Use::Enter,
        Use::Refer,
        Use::Stat,
        Use::Access,
        Use::FileSystem,
        Use::ReadLink,
        Use::ReadAttributes,
        Use::Watch,
        Use::List,
        Use::Read,
        Use::Load,
        Use::Execute,
        Use::Interpret,
        Use::Connect,
        Use::Write,
        Use::Overwrite,
        Use::Create,
        Use::MakeDirectory,
        Use::Bind,
        Use::ChangeMetadata,
        Use::Remove,
        Use::RemoveDirectory,
        Use::MoveFrom,
        Use::MoveTo,
        Use::LinkFrom,
    ];

    /// Whether it changes the file system.
    pub const fn is_change(self) -> bool {
        match self {
            Use::Write
            | Use::Overwrite
            | Use::Create
            | Use::MakeDirectory
            | Use::Bind
            | Use::ChangeMetadata
            | Use::Remove
            | Use::RemoveDirectory
            | Use::MoveFrom
            | Use::MoveTo => true,
            Use::Pass
            | Use::Enter
            | Use::Refer
            | Use::Stat
            | Use::Access
            | Use::FileSystem
            | Use::ReadLink
            | Use::ReadAttributes
            | Use::Watch
            | Use::List
            | Use::Read
            | Use::Load
            | Use::Execute
            | Use::Interpret
            | Use::Connect
            | Use::LinkFrom => false,
        }
    }

    /// A verb for reports.
    pub const fn verb(self) -> &'static str {
        match self {
            Use::Pass => "pass",
            Use::Enter => "enter",
            Use::Refer => "refer",
            Use::Stat => "stat",
            Use::Access => "access",
            Use::FileSystem => "statfs",
            Use::ReadLink => "readlink",
            Use::ReadAttributes => "getxattr",
            Use::Watch => "watch",
            Use::List => "list",
            Use::Read => "read",
            Use::Load => "load",
            Use::Execute => "execute",
            Use::Interpret => "interpret",
            Use::Connect => "connect",
            Use::Write => "write",
            Use::Overwrite => "overwrite",
            Use::Create => "create",
            Use::MakeDirectory => "mkdir",
            Use::Bind => "bind",
            Use::ChangeMetadata => "change",
            Use::Remove => "remove",
            Use::RemoveDirectory => "rmdir",
            Use::MoveFrom => "move",
            Use::MoveTo => "replace",
            Use::LinkFrom => "link",
        }
    }
}

/// A set of uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Uses(u32);

impl Uses {
    /// No use.
    pub const NONE: Uses = Uses(0);

    /// This one alone.
    pub const fn of(what: Use) -> Uses {
        Uses(1 << what as u32)
    }

    /// Those of both.
    #[must_use]
    pub const fn and(self, others: Uses) -> Uses {
        Uses(self.0 | others.0)
    }

    /// Whether `what` is among them.
    pub const fn contains(self, what: Use) -> bool {
        self.0 & (1 << what as u32) != 0
    }

    /// Whether one of `others` is among them.
    pub const fn intersects(self, others: Uses) -> bool {
        self.0 & others.0 != 0
    }

    /// Each of them, in the order of [`Use`].
    pub fn iter(self) -> impl Iterator<Item = Use> {
        Use::ALL
            .into_iter()
            .filter(move |what| self.contains(*what))
    }

    /// Whether one of them changes the file system.
    pub fn change(self) -> bool {
        self.iter().any(Use::is_change)
    }

    pub(super) const fn bits(self) -> u32 {
        self.0
    }

    /// Bits that mean nothing are dropped.
    pub(super) const fn from_bits(bits: u32) -> Uses {
        Uses(bits & ((1 << Use::ALL.len()) - 1))
    }
}

impl FromIterator<Use> for Uses {
    fn from_iter<I: IntoIterator<Item = Use>>(uses: I) -> Uses {
        uses.into_iter()
            .fold(Uses::NONE, |all, what| all.and(Uses::of(what)))
    }
}
