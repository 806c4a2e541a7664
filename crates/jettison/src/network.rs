//! Debian's files over HTTP, and the cache of packages. What Dockerfiles name is fetched in `remote`.
//!
//! ```text
//! downloads/sha256/<digest>    a file, by what it contains; it appears by rename
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use jettison_build::{Event, Reporter};
use jettison_debian::{Fetch, FetchError, Fetched, PackageFile, Sha256};
use jettison_slim::Downloads;
use serde::{Deserialize, Serialize};
use ureq::Agent;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::archives::Credentials;
use crate::remote::{Reach, Server, WebAddress, agent_for, is_final, redacted};

/// How many files are fetched at a time.
const PARALLEL: usize = 6;
/// How often a file is asked for before giving up.
const ATTEMPTS: u32 = 4;

type BoxError = Box<dyn Error + Send + Sync>;

/// Fetches files over HTTP and HTTPS.
pub(crate) struct Http {
    reach: Reach,
    /// Those for servers that are reached through a proxy come first, then those for encrypted connections.
    agents: [[OnceLock<Agent>; 2]; 2],
    /// For archives whose addresses have none.
    credentials: Credentials,
}

impl Http {
    /// Servers are reached as `reach` says.
    pub(crate) fn new(reach: &Reach) -> Http {
        Http {
            reach: reach.clone(),
            agents: Default::default(),
            credentials: Credentials::default(),
        }
    }

    /// The same, and archives are shown these.
    pub(crate) fn with_credentials(self, credentials: Credentials) -> Http {
        Http {
            credentials,
            ..self
        }
    }

    /// The client for an address.
    fn agent(&self, address: &WebAddress) -> Result<&Agent, BoxError> {
        let server = Server {
            is_secure: address.is_encrypted(),
            host: &address.host,
            port: address.port,
        };
        let is_direct = self.reach.proxy(&server)?.is_none();
        let slot = &self.agents[usize::from(is_direct)][usize::from(server.is_secure)];
        if let Some(agent) = slot.get() {
            return Ok(agent);
        }
        let agent = agent_for(&self.reach, &server)?;
        Ok(slot.get_or_init(|| agent))
    }

    fn get(
        &self,
        agent: &Agent,
        address: &WebAddress,
        limit: u64,
        mark: Option<&Mark>,
    ) -> Result<Fetched, BoxError> {
        let mut request = agent.get(&address.url);
        let own = address.authorization();
        let known = || self.credentials.authorization(address).map(str::to_string);
        if let Some(value) = own.or_else(known) {
            request = request.header("Authorization", value);
        }
        for (name, value) in mark.into_iter().flat_map(Mark::questions) {
            request = request.header(name, value);
        }
        let mut response = request.call()?;
        match response.status().as_u16() {
            200 => {}
            304 if mark.is_some() => return Ok(Fetched::Unchanged),
            404 | 410 => return Ok(Fetched::Missing),
            status => return Err(format!("the server answered with status {status}").into()),
        }
        let header = |name| {
            let value = response.headers().get(name)?.to_str().ok()?;
            Some(value.to_string())
        };
        let mark = Mark {
            etag: header("ETag"),
            last_modified: header("Last-Modified"),
        };
        let mut bytes = Vec::new();
        response
            .body_mut()
            .as_reader()
            .take(limit + 1)
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(format!("the file is larger than {limit} bytes").into());
        }
        let mark = serde_json::to_string(&mark).ok();
        Ok(Fetched::File { bytes, mark })
    }

    fn try_often(&self, url: &str, limit: u64, mark: Option<&Mark>) -> Result<Fetched, FetchError> {
        let failed = |source: BoxError| FetchError {
            url: redacted(url),
            source,
        };
        let address = WebAddress::parse(url)
            .ok_or_else(|| failed("it is not a URL of http or https".into()))?;
        let agent = self.agent(&address).map_err(failed)?;
        let mut attempt = 1;
        loop {
            match self.get(agent, &address, limit, mark) {
                Ok(answer) => return Ok(answer),
                Err(error) if attempt < ATTEMPTS && !is_hopeless(&error) => {
                    thread::sleep(Duration::from_millis(250 << attempt));
                    attempt += 1;
                }
                Err(source) => return Err(failed(source)),
            }
        }
    }
}

/// Whether another attempt would end as this one did.
fn is_hopeless(error: &BoxError) -> bool {
    error.downcast_ref::<ureq::Error>().is_some_and(is_final)
}

/// What a server said that tells one version of a file from the next.
#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    etag: Option<String>,
    last_modified: Option<String>,
}

impl Mark {
    /// The headers that ask whether there is another version.
    fn questions(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let etag = self.etag.as_deref();
        let etag = etag.map(|value| ("If-None-Match", value));
        let date = self.last_modified.as_deref();
        let date = date.map(|value| ("If-Modified-Since", value));
        etag.into_iter().chain(date)
    }
}

/// Looks every host up once. Resolvers lose questions that come in bursts, and each one lost
/// costs five seconds.
#[derive(Debug, Default)]
pub(crate) struct OnceResolver {
    known: Mutex<BTreeMap<String, Vec<SocketAddr>>>,
}

impl Resolver for OnceResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        let host = format!("{}://{authority}", uri.scheme_str().unwrap_or_default());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(addresses) = known.get(&host) {
            let mut resolved = self.empty();
            for address in addresses {
                resolved.push(*address);
            }
            return Ok(resolved);
        }
        let resolved = DefaultResolver::default().resolve(uri, config, timeout)?;
        known.insert(host, resolved.to_vec());
        Ok(resolved)
    }
}

impl Fetch for Http {
    fn fetch(&self, url: &str, limit: u64) -> Result<Option<Vec<u8>>, FetchError> {
        Ok(match self.try_often(url, limit, None)? {
            Fetched::File { bytes, mark: _ } => Some(bytes),
            Fetched::Missing | Fetched::Unchanged => None,
        })
    }

    fn refetch(&self, url: &str, limit: u64, mark: Option<&str>) -> Result<Fetched, FetchError> {
        let mark = mark.and_then(|mark| serde_json::from_str(mark).ok());
        self.try_often(url, limit, mark.as_ref())
    }
}

/// Packages on disk, fetched when they are not there.
pub(crate) struct DownloadCache<'a> {
    dir: PathBuf,
    fetch: &'a dyn Fetch,
    reporter: &'a dyn Reporter,
}

/// How files end that are not whole yet, and after how long nobody is writing to one any more.
const UNFINISHED: &str = "new";
const ABANDONED: Duration = Duration::from_hours(1);

/// How many files were written by this process.
static NUMBER: AtomicU64 = AtomicU64::new(0);

impl<'a> DownloadCache<'a> {
    pub(crate) fn open(
        root: &Path,
        fetch: &'a dyn Fetch,
        reporter: &'a dyn Reporter,
    ) -> io::Result<DownloadCache<'a>> {
        let dir = root.join("downloads").join("sha256");
        fs::create_dir_all(&dir)?;
        remove_abandoned(&dir);
        Ok(DownloadCache {
            dir,
            fetch,
            reporter,
        })
    }

    /// The file of one package; checked now if it was fetched, else when it was.
    fn file(&self, wanted: &PackageFile) -> Result<PathBuf, BoxError> {
        let path = self.dir.join(wanted.sha256.to_string());
        if fs::metadata(&path).is_ok_and(|metadata| metadata.len() == wanted.size)
            && fs::read(&path).is_ok_and(|bytes| Sha256::of(&bytes) == wanted.sha256)
        {
            return Ok(path);
        }
        let bytes = self.fetched(wanted)?;
        // The same file may be wanted twice at once, by packages of an image and by tools that make a part of it.
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let temporary =
            path.with_extension(format!("{}-{number}.{UNFINISHED}", std::process::id()));
        fs::write(&temporary, &bytes)
            .and_then(|()| fs::rename(&temporary, &path))
            .map_err(|error| {
                let text = format!("cannot write {}: {error}", path.display());
                io::Error::new(error.kind(), text)
            })?;
        Ok(path)
    }
}

/// Removes what processes that were killed have left. What cannot be removed stays.
fn remove_abandoned(dir: &Path) {
    let is_old = |path: &Path| {
        let written = fs::metadata(path).and_then(|metadata| metadata.modified());
        written.is_ok_and(|written| written.elapsed().is_ok_and(|age| age > ABANDONED))
    };
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let unfinished = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == UNFINISHED));
    for path in unfinished.filter(|path| is_old(path)) {
        fs::remove_file(path).unwrap_or_default();
    }
}

impl DownloadCache<'_> {
    /// The package, from the first place that has it.
    fn fetched(&self, wanted: &PackageFile) -> Result<Vec<u8>, BoxError> {
        for url in [&wanted.url].into_iter().chain(&wanted.elsewhere) {
            if let Some(bytes) = self.fetch.fetch(url, wanted.size)? {
                wanted.check(&bytes)?;
                return Ok(bytes);
            }
        }
        let gone = Gone {
            url: redacted(&wanted.url),
            elsewhere: wanted.elsewhere.iter().map(|url| redacted(url)).collect(),
        };
        Err(gone.into())
    }
}

/// No archive has the package.
#[derive(Debug, thiserror::Error)]
#[error("{url} does not exist{}{WHAT_TO_DO}", also(.elsewhere))]
pub(crate) struct Gone {
    /// Where it should be.
    url: String,
    /// Where else it was asked for.
    elsewhere: Vec<String>,
}

/// What is said of a package that is gone.
const WHAT_TO_DO: &str = ": newer packages may have taken its place (`jettison base update` writes a lock file anew; `snapshot` under [debian] in the settings names an archive that keeps old ones)";

/// The other addresses, in words.
fn also(elsewhere: &[String]) -> String {
    let other = |url: &String| format!(", nor does {url}");
    elsewhere.iter().map(other).collect()
}

impl Downloads for DownloadCache<'_> {
    fn files(&self, wanted: &[PackageFile]) -> Result<Vec<PathBuf>, BoxError> {
        let total: u64 = wanted.iter().map(|file| file.size).sum();
        let next = AtomicUsize::new(0);
        let state = Mutex::new((0, Vec::new()));
        thread::scope(|scope| {
            for _ in 0..PARALLEL.min(wanted.len()) {
                scope.spawn(|| {
                    while let Some((index, file)) = take(&next, wanted) {
                        let result = self.file(file);
                        let failed = result.is_err();
                        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                        state.0 += file.size;
                        state.1.push((index, result));
                        self.reporter.event(Event::TaskProgress {
                            done: state.0,
                            total,
                        });
                        if failed {
                            next.store(wanted.len(), Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        let (_, mut results) = state.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.sort_by_key(|(index, _)| *index);
        results.into_iter().map(|(_, result)| result).collect()
    }
}

fn take<'p, T>(next: &AtomicUsize, items: &'p [T]) -> Option<(usize, &'p T)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    items.get(index).map(|item| (index, item))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jettison_build::Silent;

    #[test]
    fn what_a_killed_process_left_goes_after_an_hour() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("downloads/sha256");
        fs::create_dir_all(&dir).unwrap();
        for (name, hours) in [("a", 2), ("a.1-0.new", 2), ("b.1-1.new", 0)] {
            fs::write(dir.join(name), "").unwrap();
            let file = fs::File::options()
                .write(true)
                .open(dir.join(name))
                .unwrap();
            let written = file.metadata().unwrap().modified().unwrap();
            file.set_modified(written - hours * Duration::from_hours(1))
                .unwrap();
        }
        DownloadCache::open(root.path(), &Given(None), &Silent).unwrap();
        let entries = fs::read_dir(&dir).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["a", "b.1-1.new"]);
    }

    /// What stands on disk or comes over the network is given by tests.
    struct Given(Option<&'static [u8]>);

    impl Fetch for Given {
        fn fetch(&self, _url: &str, limit: u64) -> Result<Option<Vec<u8>>, FetchError> {
            Ok(self.0.map(|bytes| {
                let most = usize::try_from(limit).unwrap() + 1;
                bytes[..bytes.len().min(most)].to_vec()
            }))
        }
    }

    fn outcome(root: &Path, given: Option<&'static [u8]>) -> String {
        let wanted = PackageFile {
            url: "http://archive.example/pool/a.deb".to_string(),
            size: 5,
            sha256: Sha256::of(b"bytes"),
            elsewhere: Vec::new(),
        };
        let fetch = Given(given);
        let cache = DownloadCache::open(root, &fetch, &Silent).unwrap();
        match cache.files(&[wanted]) {
            Ok(paths) => String::from_utf8(fs::read(&paths[0]).unwrap()).unwrap(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_package_that_is_not_the_promised_one_is_refused() {
        let check = |given: Option<&'static [u8]>, expected: expect_test::Expect| {
            let dir = tempfile::tempdir().unwrap();
            expected.assert_eq(&outcome(dir.path(), given));
        };
        check(Some(b"bytes"), expect_test::expect!["bytes"]);
        check(
            Some(b"tytes"),
            expect_test::expect![
                "cannot use http://archive.example/pool/a.deb: its SHA-256 is 7c9af5a4888fe09733fe2add57f32f4b7f6b106d0e32eb99913a1fbb44e83789 and should be 277089d91c0bdf4f2e6862ba7e4a07605119431f5d13f726dd352b06f1b206a9"
            ],
        );
        check(
            Some(b"byte"),
            expect_test::expect![
                "cannot use http://archive.example/pool/a.deb: its size is 4 and should be 5"
            ],
        );
        check(
            Some(b"bytes and more"),
            expect_test::expect![
                "cannot use http://archive.example/pool/a.deb: its size is 6 and should be 5"
            ],
        );
        check(
            None,
            expect_test::expect![
                "http://archive.example/pool/a.deb does not exist: newer packages may have taken its place (`jettison base update` writes a lock file anew; `snapshot` under [debian] in the settings names an archive that keeps old ones)"
            ],
        );
    }

    #[test]
    fn what_is_on_disk_needs_no_network_unless_it_was_changed() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(outcome(dir.path(), Some(b"bytes")), "bytes");
        assert_eq!(outcome(dir.path(), None), "bytes");
        let name = Sha256::of(b"bytes").to_string();
        let path = dir.path().join("downloads/sha256").join(name);
        fs::write(&path, "tytes").unwrap();
        assert!(outcome(dir.path(), None).contains("a.deb does not exist"));
        assert_eq!(outcome(dir.path(), Some(b"bytes")), "bytes");
    }
}
