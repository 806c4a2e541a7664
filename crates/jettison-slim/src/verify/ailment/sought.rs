//! Whom a program tries to reach, of those that nobody is in a sandbox.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use jettison_sandbox::{SocketAction, SocketAddress, Trace};

/// Services by the ports that IANA has given them or that everybody uses for them.
const SERVICES: [(u16, &str); 15] = [
    (1433, "SQL Server"),
    (1521, "Oracle"),
    (2181, "ZooKeeper"),
    (2379, "etcd"),
    (3306, "MySQL"),
    (4222, "NATS"),
    (5432, "PostgreSQL"),
    (5672, "RabbitMQ"),
    (6379, "Redis"),
    (8086, "InfluxDB"),
    (9042, "Cassandra"),
    (9092, "Kafka"),
    (9200, "Elasticsearch"),
    (11211, "memcached"),
    (27017, "MongoDB"),
];

/// The port of name servers.
const DNS: u16 = 53;

/// Sockets that libraries try by themselves and do without.
const BY_LIBRARIES: [&str; 5] = [
    "/dev/log",
    "/run/dbus",
    "/run/nscd",
    "/run/systemd",
    "/run/uuidd",
];

/// Somebody who is not there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sought {
    pub(super) kind: SoughtKind,
    who: Who,
    program: Option<PathBuf>,
}

/// What is wanted of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SoughtKind {
    /// A database or the like, or somebody on the same machine.
    Service,
    /// Somebody on a network, or what a name means there.
    Network,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Address(SocketAddr),
    Socket(PathBuf),
    /// A name server, wherever it is.
    NameServer,
}

impl fmt::Display for Sought {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.who {
            Who::NameServer => formatter.write_str("a name server, to look up a name")?,
            Who::Socket(path) => write!(formatter, "{}", path.display())?,
            Who::Address(address) => {
                write!(formatter, "{address}")?;
                if let Some(service) = service(address.port()) {
                    write!(formatter, " ({service})")?;
                }
            }
        }
        match &self.program {
            Some(program) => write!(formatter, " from {}", program.display()),
            None => Ok(()),
        }
    }
}

fn service(port: u16) -> Option<&'static str> {
    let known = SERVICES.iter().find(|(known, _)| *known == port);
    known.map(|(_, name)| *name)
}

/// Where somebody in the sandbox listens, in one run or in several of the same program.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    ports: BTreeSet<u16>,
    sockets: BTreeSet<PathBuf>,
}

impl Listeners {
    /// Those of the runs that were traced.
    pub(super) fn of<'t>(traces: impl IntoIterator<Item = &'t Trace>) -> Listeners {
        let mut listeners = Listeners::default();
        let used = traces.into_iter().flat_map(Trace::sockets);
        for used in used.filter(|used| used.action != SocketAction::Connect) {
            match &used.address {
                SocketAddress::Ip(address) => {
                    listeners.ports.insert(address.port());
                }
                SocketAddress::Unix(path) => {
                    listeners.sockets.insert(real_run(path));
                }
                SocketAddress::Abstract(_) | SocketAddress::Other(_) => {}
            }
        }
        listeners
    }
}

/// Whom a run tries to reach, but for `own` listeners.
pub(super) fn sought_by(trace: &Trace, own: &Listeners) -> Vec<Sought> {
    let found: BTreeSet<Sought> = trace
        .sockets()
        .filter(|used| used.action == SocketAction::Connect)
        .filter_map(|used| {
            let (kind, who) = match &used.address {
                SocketAddress::Ip(address) => of_address(*address, own)?,
                SocketAddress::Unix(path) => of_path(path, own)?,
                SocketAddress::Abstract(_) | SocketAddress::Other(_) => return None,
            };
            let program = used.program.as_deref().map(Path::to_path_buf);
            Some(Sought { kind, who, program })
        })
        .collect();
    found.into_iter().collect()
}

/// A port of its own is one that somebody in the sandbox listens on; port 0 only asks the kernel for a route.
fn of_address(address: SocketAddr, own: &Listeners) -> Option<(SoughtKind, Who)> {
    let port = address.port();
    if port == DNS {
        return Some((SoughtKind::Network, Who::NameServer));
    }
    // `::ffff:127.0.0.1`
    let host = address.ip().to_canonical();
    let is_local = host.is_loopback() || host.is_unspecified();
    if port == 0 || (is_local && own.ports.contains(&port)) {
        return None;
    }
    let kind = if is_local || service(port).is_some() {
        SoughtKind::Service
    } else {
        SoughtKind::Network
    };
    Some((kind, Who::Address(address)))
}

fn of_path(path: &Path, own: &Listeners) -> Option<(SoughtKind, Who)> {
    let real = real_run(path);
    let is_by_library = BY_LIBRARIES.iter().any(|known| real.starts_with(known));
    let is_other = !is_by_library && !own.sockets.contains(&real);
    is_other.then(|| (SoughtKind::Service, Who::Socket(path.to_path_buf())))
}

/// `path` with `/run` for `/var/run`, which is a link to it.
fn real_run(path: &Path) -> PathBuf {
    match path.strip_prefix("/var/run") {
        Ok(inside) => Path::new("/run").join(inside),
        Err(_) => path.to_path_buf(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: &str, own: &[u16], expected: Option<&str>) {
        let own = Listeners {
            ports: own.iter().copied().collect(),
            ..Listeners::default()
        };
        let found = of_address(address.parse().unwrap(), &own).map(|(kind, who)| {
            let sought = Sought {
                kind,
                who,
                program: None,
            };
            format!("{kind:?}: {sought}")
        });
        assert_eq!(found.as_deref(), expected, "{address}");
    }

    #[test]
    fn databases_are_services_wherever_they_are() {
        check(
            "10.0.0.5:5432",
            &[],
            Some("Service: 10.0.0.5:5432 (PostgreSQL)"),
        );
        check("[::1]:6379", &[], Some("Service: [::1]:6379 (Redis)"));
        check("127.0.0.1:7000", &[], Some("Service: 127.0.0.1:7000"));
    }

    #[test]
    fn others_and_names_need_a_network() {
        check("192.0.2.1:443", &[443], Some("Network: 192.0.2.1:443"));
        check(
            "127.0.0.53:53",
            &[53],
            Some("Network: a name server, to look up a name"),
        );
    }

    #[test]
    fn a_program_may_talk_to_itself() {
        check("127.0.0.1:8080", &[8080], None);
        check("[::ffff:127.0.0.1]:8080", &[8080], None);
        check("192.0.2.1:0", &[], None);
    }

    #[test]
    fn sockets_of_its_own_and_those_that_libraries_try_are_not_looked_for() {
        let own = Listeners {
            sockets: [PathBuf::from("/run/php/app.sock")].into(),
            ..Listeners::default()
        };
        for (path, is_sought) in [
            ("/var/run/nscd/socket", false),
            ("/dev/log", false),
            ("/run/uuidd/request", false),
            ("/run/php/app.sock", false),
            ("/var/run/php/app.sock", false),
            ("/run/mysqld/mysqld.sock", true),
        ] {
            assert_eq!(
                of_path(Path::new(path), &own).is_some(),
                is_sought,
                "{path}"
            );
        }
    }
}
