//! What the tracer keeps while the programs run.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use super::encoding::{self, Writer};
use super::resolve::{Led, Place};
use super::uses::Uses;
use super::{GapReason, SocketAction};

/// More lookups than this are not kept: some 400 MB.
const MAX_LOOKUPS: usize = 2 << 20;

/// A program, by its place among those that did something.
pub(super) type ProgramId = u32;

/// Everything that was noted.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// By the encoded path, end and links.
    lookups: HashMap<Box<[u8]>, (Uses, ProgramId)>,
    programs: Vec<Vec<u8>>,
    program_ids: HashMap<Vec<u8>, ProgramId>,
    starts: BTreeSet<StartKey>,
    sockets: BTreeSet<(SocketAction, Vec<u8>, ProgramId)>,
    gaps: BTreeSet<(GapReason, ProgramId)>,
    mounts: Vec<PathBuf>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct StartKey {
    program: Vec<u8>,
    interpreters: Vec<Vec<u8>>,
    by: ProgramId,
    user: Option<u32>,
}

/// Something that a waiting call does, noted as soon as the call goes on.
#[derive(Debug)]
pub(super) enum Note {
    Lookup(Box<[u8]>, Uses),
    Start {
        program: Vec<u8>,
        interpreters: Vec<Vec<u8>>,
        user: Option<u32>,
    },
    /// The address is a `sockaddr` of the kernel's.
    Socket(SocketAction, Vec<u8>),
    Gap(GapReason),
}

/// The lookup as bytes, which are what it is known by.
pub(super) fn key(asked: &[u8], led: &Led) -> Box<[u8]> {
    let mut writer = Writer::default();
    writer.bytes(asked);
    let (tag, path): (u8, &[u8]) = match &led.end {
        Place::Found(path) => (encoding::FOUND, path),
        Place::Missing(path) => (encoding::MISSING, path),
        Place::NotDirectory(path) => (encoding::NOT_DIRECTORY, path),
        Place::Denied(path) => (encoding::DENIED, path),
        Place::Loop => (encoding::LOOP, b""),
        Place::Gone => (encoding::GONE, b""),
    };
    writer.byte(tag);
    writer.bytes(path);
    writer.list(&led.links);
    writer.finish().into()
}

impl Record {
    pub(super) fn set_mounts(&mut self, mounts: Vec<PathBuf>) {
        self.mounts = mounts;
    }

    /// Whether the note says something new.
    pub(super) fn is_news(&self, note: &Note) -> bool {
        match note {
            Note::Lookup(key, uses) => {
                let known = self.lookups.get(key);
                known.is_none_or(|(known, _)| known.and(*uses) != *known)
            }
            Note::Start { .. } | Note::Socket(..) | Note::Gap(_) => true,
        }
    }

    /// Keeps what `program` did.
    pub(super) fn keep(&mut self, note: Note, program: &[u8]) {
        let id = self.id_of(program);
        match note {
            Note::Lookup(key, uses) => {
                if self.lookups.len() >= MAX_LOOKUPS && !self.lookups.contains_key(&key) {
                    self.gaps.insert((GapReason::TooMuch, 0));
                    return;
                }
                let (known, _) = self.lookups.entry(key).or_insert((Uses::NONE, id));
                *known = known.and(uses);
            }
            Note::Start {
                program,
                interpreters,
                user,
            } => {
                self.starts.insert(StartKey {
                    program,
                    interpreters,
                    by: id,
                    user,
                });
            }
            Note::Socket(action, address) => {
                self.sockets.insert((action, address, id));
            }
            Note::Gap(reason) => {
                self.gaps.insert((reason, id));
            }
        }
    }

    fn id_of(&mut self, program: &[u8]) -> ProgramId {
        if let Some(id) = self.program_ids.get(program) {
            return *id;
        }
        let id = ProgramId::try_from(self.programs.len()).unwrap_or(ProgramId::MAX);
        self.programs.push(program.to_vec());
        self.program_ids.insert(program.to_vec(), id);
        id
    }

    /// All of it, as [`super::Trace::decode`] reads it.
    pub(super) fn encode(self) -> Vec<u8> {
        use std::os::unix::ffi::OsStrExt;
        let mut writer = Writer::default();
        writer.list(&self.programs);
        let mounts: Vec<Vec<u8>> = self
            .mounts
            .iter()
            .map(|mount| mount.as_os_str().as_bytes().to_vec())
            .collect();
        writer.list(&mounts);
        writer.count(self.gaps.len());
        for (reason, program) in self.gaps {
            writer.byte(encoding::tag_of(reason));
            writer.number(program);
        }
        writer.count(self.sockets.len());
        for (action, address, program) in self.sockets {
            writer.byte(action as u8);
            writer.bytes(&address);
            writer.number(program);
        }
        writer.count(self.starts.len());
        for start in self.starts {
            writer.bytes(&start.program);
            writer.list(&start.interpreters);
            writer.number(start.by);
            writer.byte(u8::from(start.user.is_some()));
            writer.number(start.user.unwrap_or(0));
        }
        writer.count(self.lookups.len());
        // Sorted by who reads it.
        self.lookups.into_iter().for_each(|(key, (uses, program))| {
            writer.raw(&key);
            writer.number(uses.bits());
            writer.number(program);
        });
        writer.finish()
    }
}
