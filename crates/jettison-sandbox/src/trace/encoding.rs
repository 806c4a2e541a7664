//! How a trace gets from the supervisor to the caller: numbers of four bytes in this machine's order, byte strings after
//! their length, lists after their count. Both sides are one program.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::uses::Uses;
use super::{
    End, Gap, GapReason, Lookup, SocketAction, SocketAddress, SocketUse, Start, Trace, merged,
};

pub(super) const FOUND: u8 = 0;
pub(super) const MISSING: u8 = 1;
pub(super) const NOT_DIRECTORY: u8 = 2;
pub(super) const DENIED: u8 = 3;
pub(super) const LOOP: u8 = 4;
pub(super) const GONE: u8 = 5;

/// In the order of their tags.
const REASONS: [GapReason; 8] = [
    GapReason::ForeignCalls,
    GapReason::Rings,
    GapReason::Handles,
    GapReason::Mounts,
    GapReason::Filters,
    GapReason::HiddenMemory,
    GapReason::Unresolved,
    GapReason::TooMuch,
];

pub(super) fn tag_of(reason: GapReason) -> u8 {
    reason as u8
}

#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(super) fn number(&mut self, number: u32) {
        self.0.extend_from_slice(&number.to_ne_bytes());
    }

    pub(super) fn count(&mut self, count: usize) {
        // Nothing that we keep is so large.
        self.number(u32::try_from(count).unwrap_or(u32::MAX));
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.raw(bytes);
    }

    pub(super) fn list(&mut self, list: &[Vec<u8>]) {
        self.count(list.len());
        for bytes in list {
            self.bytes(bytes);
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads what [`Writer`] wrote; `None` when something is missing.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_ne_bytes(*number))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    /// The root is empty.
    fn real_path(&mut self) -> Option<PathBuf> {
        let bytes = self.bytes()?;
        Some(path(if bytes.is_empty() { b"/" } else { bytes }))
    }

    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.number()?;
        (0..count).map(|_| one(self)).collect()
    }
}

fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes.to_vec()))
}

impl Trace {
    /// Reads what the supervisor sent.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Trace> {
        let mut reader = Reader(bytes);
        let programs: Vec<Option<Arc<Path>>> = reader.list(|reader| {
            let name = reader.bytes()?;
            // The sandbox itself has no name.
            Some((!name.is_empty()).then(|| Arc::from(path(name))))
        })?;
        let program = |reader: &mut Reader<'_>| {
            let id = usize::try_from(reader.number()?).ok()?;
            Some(programs.get(id).cloned().flatten())
        };
        let mut mounts = reader.list(Reader::real_path)?;
        mounts.sort();
        mounts.dedup();
        let gaps = reader.list(|reader| {
            let reason = *REASONS.get(usize::from(reader.byte()?))?;
            let program = program(reader)?;
            Some(Gap { reason, program })
        })?;
        let sockets = reader.list(|reader| {
            let action = match reader.byte()? {
                0 => SocketAction::Bind,
                1 => SocketAction::Connect,
                _ => SocketAction::Listen,
            };
            let address = socket_address(reader.bytes()?);
            let program = program(reader)?;
            Some(address.map(|address| SocketUse {
                action,
                address,
                program,
            }))
        })?;
        let starts = reader.list(|reader| {
            let name = reader.real_path()?;
            let interpreters = reader.list(Reader::real_path)?;
            let by = program(reader)?;
            let is_known = reader.byte()? != 0;
            let user = reader.number()?;
            Some(Start {
                program: name,
                interpreters,
                by,
                user: is_known.then_some(user),
            })
        })?;
        let lookups = reader.list(|reader| lookup(reader, &program))?;
        Some(Trace {
            lookups: merged(lookups),
            starts: BTreeSet::from_iter(starts),
            sockets: sockets.into_iter().flatten().collect(),
            gaps: BTreeSet::from_iter(gaps),
            mounts,
        })
    }
}

fn lookup(
    reader: &mut Reader<'_>,
    program: &dyn Fn(&mut Reader<'_>) -> Option<Option<Arc<Path>>>,
) -> Option<Lookup> {
    // Doubled slashes and dots mean nothing.
    let asked = path(reader.bytes()?).components().collect();
    let tag = reader.byte()?;
    let end = reader.real_path()?;
    let end = match tag {
        FOUND => End::Found(end),
        MISSING => End::Missing(end),
        NOT_DIRECTORY => End::NotDirectory(end),
        DENIED => End::Denied(end),
        LOOP => End::Loop,
        GONE => End::Gone,
        _ => return None,
    };
    let links = reader.list(Reader::real_path)?;
    let uses = Uses::from_bits(reader.number()?);
    Some(Lookup {
        asked,
        links,
        end,
        uses,
        program: program(reader)?,
    })
}

/// What a `sockaddr` says; `None` if it says nothing.
pub(super) fn socket_address(bytes: &[u8]) -> Option<SocketAddress> {
    const UNIX: u16 = 1;
    const IPV4: u16 = 2;
    const IPV6: u16 = 10;
    let (family, rest) = bytes.split_first_chunk()?;
    let family = u16::from_ne_bytes(*family);
    let port = || Some(u16::from_be_bytes(*rest.first_chunk()?));
    match family {
        0 => None,
        UNIX => match rest {
            [] => None,
            [0, name @ ..] => Some(SocketAddress::Abstract(name.to_vec())),
            name => {
                let end = name.iter().position(|byte| *byte == 0);
                Some(SocketAddress::Unix(path(
                    &name[..end.unwrap_or(name.len())],
                )))
            }
        },
        IPV4 => {
            let address: [u8; 4] = *rest.get(2..)?.first_chunk()?;
            let address = IpAddr::V4(Ipv4Addr::from(address));
            Some(SocketAddress::Ip(SocketAddr::new(address, port()?)))
        }
        IPV6 => {
            let address: [u8; 16] = *rest.get(6..)?.first_chunk()?;
            let address = IpAddr::V6(Ipv6Addr::from(address));
            Some(SocketAddress::Ip(SocketAddr::new(address, port()?)))
        }
        other => Some(SocketAddress::Other(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::{Note, Record, key};
    use super::super::resolve::{Led, Place};
    use super::super::uses::Use;
    use super::*;

    fn record() -> Record {
        let mut record = Record::default();
        record.set_mounts(vec!["/proc".into(), "/dev".into()]);
        let led = Led {
            links: vec![b"/lib".to_vec()],
            passed: Vec::new(),
            end: Place::Found(b"/usr/lib/x\xff".to_vec()),
        };
        for what in [Use::Stat, Use::Read] {
            let note = Note::Lookup(key(b"/lib/x\xff", &led), Uses::of(what));
            assert!(record.is_news(&note));
            record.keep(note, b"/bin/cat");
        }
        let root = Led {
            links: Vec::new(),
            passed: Vec::new(),
            end: Place::Found(Vec::new()),
        };
        record.keep(Note::Lookup(key(b"/", &root), Uses::of(Use::List)), b"");
        record.keep(Note::Gap(GapReason::TooMuch), b"");
        record.keep(
            Note::Start {
                program: b"/bin/cat".to_vec(),
                interpreters: vec![b"/ld.so".to_vec()],
                user: Some(7),
            },
            b"",
        );
        let local = [2, 0, 0x1f, 0x90, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        record.keep(Note::Socket(SocketAction::Listen, local.to_vec()), b"/a");
        record
    }

    #[test]
    fn what_is_written_is_read() {
        let trace = Trace::decode(&record().encode()).unwrap();
        expect_test::expect![[r#"
            Lookup { asked: "/", links: [], end: Found("/"), uses: Uses(512), program: None }
            Lookup { asked: "/lib/x\xFF", links: ["/lib"], end: Found("/usr/lib/x\xFF"), uses: Uses(1032), program: Some("/bin/cat") }
            Start { program: "/bin/cat", interpreters: ["/ld.so"], by: None, user: Some(7) }
            SocketUse { action: Listen, address: Ip(127.0.0.1:8080), program: Some("/a") }
            Gap { reason: TooMuch, program: None }
            ["/dev", "/proc"]
        "#]]
        .assert_eq(&{
            let mut lines: Vec<String> = Vec::new();
            lines.extend(trace.lookups().iter().map(|one| format!("{one:?}")));
            lines.extend(trace.starts().map(|one| format!("{one:?}")));
            lines.extend(trace.sockets().map(|one| format!("{one:?}")));
            lines.extend(trace.gaps().map(|one| format!("{one:?}")));
            lines.push(format!("{:?}", trace.mounts()));
            lines.push(String::new());
            lines.join("\n")
        });
    }

    #[test]
    fn half_a_trace_is_none() {
        let bytes = record().encode();
        for length in 0..bytes.len() {
            assert_eq!(Trace::decode(&bytes[..length]), None, "{length}");
        }
    }

    #[test]
    fn every_reason_has_its_tag() {
        for (place, reason) in REASONS.into_iter().enumerate() {
            assert_eq!(usize::from(tag_of(reason)), place);
        }
    }

    #[test]
    fn every_use_is_kept() {
        for what in Use::ALL {
            let uses = Uses::from_bits(Uses::of(what).bits());
            assert!(uses.iter().eq([what]));
        }
    }
}
