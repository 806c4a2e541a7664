//! What commands may see and images must not: files and variables of the host, and agents of SSH.
//!
//! Nothing of a secret is kept, shown or written. Files are read when they are asked for.

mod agent;
mod forward;
mod keys;
mod spec;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jettison_build::{RemoteError, Secrets};

use crate::failure::Failure;
use crate::remote::TemporaryDir;
use crate::secrets::agent::{Signer, serve};
use crate::secrets::forward::Forward;
use crate::secrets::keys::Keys;
use crate::secrets::spec::SecretSource;

/// The largest secret in bytes (BuildKit: `MaxSecretSize`).
const LARGEST: u64 = 500 * 1024;

/// The secrets that the command line names.
pub(crate) struct HostSecrets {
    sources: BTreeMap<String, SecretSource>,
    variables: BTreeMap<String, String>,
    agents: BTreeMap<String, Arc<dyn Signer>>,
    /// The directory for everything.
    root: PathBuf,
    sockets: Mutex<Sockets>,
}

/// The sockets that have been made.
#[derive(Default)]
struct Sockets {
    paths: BTreeMap<String, PathBuf>,
    /// Where they are; it is ours alone.
    dir: Option<TemporaryDir>,
}

impl fmt::Debug for HostSecrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HostSecrets")
            .field("sources", &self.sources)
            .finish_non_exhaustive()
    }
}

impl HostSecrets {
    /// Reads the values of `--secret` and `--ssh`, and looks whether what they name is there. Sockets will be made
    /// below `root`.
    pub(crate) fn of(
        secrets: &[String],
        agents: &[String],
        variables: &BTreeMap<String, String>,
        root: &Path,
    ) -> Result<HostSecrets, Failure> {
        let mut sources = BTreeMap::new();
        for text in secrets.iter().filter(|text| !text.is_empty()) {
            let fail = |problem: String| {
                Failure::user(format!("cannot use the secret `{text}`: {problem}"))
            };
            let (id, source) = spec::secret(text, variables).map_err(fail)?;
            check(&id, &source).map_err(fail)?;
            sources.insert(id, source);
        }
        let mut signers = BTreeMap::new();
        for text in agents.iter().filter(|text| !text.is_empty()) {
            let (id, paths) = spec::ssh(text);
            let fail = |problem: String| {
                Failure::user(format!("cannot use the SSH agent `{text}`: {problem}"))
            };
            if signers.contains_key(&id) {
                return Err(fail(format!("duplicate agent ID {id:?}")));
            }
            signers.insert(id, signer(&paths, variables).map_err(fail)?);
        }
        Ok(HostSecrets {
            sources,
            variables: variables.clone(),
            agents: signers,
            root: root.to_path_buf(),
            sockets: Mutex::default(),
        })
    }

    /// Makes the socket of an agent.
    fn open(&self, sockets: &mut Sockets, signer: &Arc<dyn Signer>) -> io::Result<PathBuf> {
        let dir = match sockets.dir.take() {
            Some(dir) => dir,
            None => TemporaryDir::create(&self.root)?,
        };
        let dir = sockets.dir.insert(dir);
        let name = format!("agent.{}", sockets.paths.len());
        // The path of a socket may have 107 bytes, and ours can have more.
        let opened = File::open(dir.path())?;
        let short = format!("/proc/self/fd/{}/{name}", opened.as_raw_fd());
        serve(UnixListener::bind(short)?, Arc::clone(signer));
        Ok(dir.path().join(name))
    }
}

impl Secrets for HostSecrets {
    fn secret(&self, id: &str) -> Result<Option<Vec<u8>>, RemoteError> {
        let bytes = match self.sources.get(id) {
            None => return Ok(None),
            Some(SecretSource::Variable(name)) => {
                let value = self.variables.get(name).map(String::as_str);
                value.unwrap_or_default().as_bytes().to_vec()
            }
            Some(SecretSource::File(path)) => {
                let mut bytes = Vec::new();
                File::open(path)
                    .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
                    .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
                bytes
            }
        };
        if bytes.len() as u64 > LARGEST {
            return Err(too_large(id).into());
        }
        Ok(Some(bytes))
    }

    fn ssh_agent(&self, id: &str) -> Result<Option<PathBuf>, RemoteError> {
        let Some(signer) = self.agents.get(id) else {
            return Ok(None);
        };
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = sockets.paths.get(id) {
            return Ok(Some(path.clone()));
        }
        let path = self
            .open(&mut sockets, signer)
            .map_err(|error| format!("cannot serve the SSH agent {id}: {error}"))?;
        sockets.paths.insert(id.to_owned(), path.clone());
        Ok(Some(path))
    }
}

fn too_large(id: &str) -> String {
    format!("secret {id} too big. max size 500KiB")
}

/// Says early what would fail later (BuildKit: `NewStore`, session/secrets/secretsprovider).
fn check(id: &str, source: &SecretSource) -> Result<(), String> {
    match source {
        SecretSource::Variable(_) => Ok(()),
        SecretSource::File(path) => {
            let metadata = fs::metadata(path)
                .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            if metadata.len() > LARGEST {
                return Err(too_large(id));
            }
            Ok(())
        }
    }
}

/// The agent behind one socket (BuildKit: `toDialer`, sshprovider/agentprovider.go).
fn signer(
    paths: &[PathBuf],
    variables: &BTreeMap<String, String>,
) -> Result<Arc<dyn Signer>, String> {
    let named;
    let paths = if paths.is_empty() {
        let socket = variables
            .get("SSH_AUTH_SOCK")
            .filter(|path| !path.is_empty())
            .ok_or("there is no agent: SSH_AUTH_SOCK is not set")?;
        named = [PathBuf::from(socket)];
        &named
    } else {
        paths
    };
    let mut sockets = Vec::new();
    for path in paths {
        let metadata = fs::metadata(path)
            .map_err(|error| format!("cannot use {}: {error}", path.display()))?;
        if metadata.file_type().is_socket() {
            sockets.push(path);
        }
    }
    match sockets.as_slice() {
        [socket] if paths.len() == 1 => {
            let socket = std::path::absolute(socket).unwrap_or_else(|_| (*socket).clone());
            Ok(Arc::new(Forward { socket }))
        }
        [] => Ok(Arc::new(Keys::read(paths)?)),
        [_] => Err("invalid combination of keys and sockets".to_owned()),
        [_, _, ..] => Err("only single socket allowed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::secrets::agent::{read_message, write_message};
    use std::os::unix::net::UnixStream;

    fn of(
        dir: &tempfile::TempDir,
        secrets: &[String],
        agents: &[String],
    ) -> Result<HostSecrets, String> {
        let variables = [
            ("TOKEN".to_owned(), "from a variable".to_owned()),
            (
                "SSH_AUTH_SOCK".to_owned(),
                dir.path().join("host").display().to_string(),
            ),
        ]
        .into();
        HostSecrets::of(secrets, agents, &variables, &dir.path().join("root"))
            .map_err(|failure| failure.lines()[0].1.to_owned())
    }

    #[test]
    fn secrets_are_read_when_they_are_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "old").unwrap();
        let specs = [
            format!("id=a,src={}", file.display()),
            "id=TOKEN".to_owned(),
            "id=unset,env=UNSET".to_owned(),
        ];
        let secrets = of(&dir, &specs, &[]).unwrap();
        fs::write(&file, "new").unwrap();
        let secret = |id| secrets.secret(id).unwrap();
        assert_eq!(secret("a").unwrap(), b"new");
        assert_eq!(secret("TOKEN").unwrap(), b"from a variable");
        assert_eq!(secret("unset").unwrap(), b"");
        assert_eq!(secret("other"), None);
        assert!(!format!("{secrets:?}").contains("from a variable"));
    }

    #[test]
    fn a_secret_has_at_most_500_kib() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        let spec = [format!("id=a,src={}", file.display())];
        fs::write(&file, vec![0; 512_000]).unwrap();
        let secrets = of(&dir, &spec, &[]).unwrap();
        assert_eq!(secrets.secret("a").unwrap().unwrap().len(), 512_000);
        fs::write(&file, vec![0; 512_001]).unwrap();
        assert!(secrets.secret("a").is_err());
        let error = of(&dir, &spec, &[]).unwrap_err();
        assert!(
            error.ends_with("secret a too big. max size 500KiB"),
            "{error}"
        );
    }

    #[test]
    fn what_is_not_there_is_said_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let error = of(&dir, &["id=a,src=/nowhere".to_owned()], &[]).unwrap_err();
        assert!(error.contains("cannot read /nowhere"), "{error}");
        let error = of(&dir, &[], &["default=/nowhere".to_owned()]).unwrap_err();
        assert!(error.contains("cannot use /nowhere"), "{error}");
        let error = of(&dir, &[], &["default".to_owned()]).unwrap_err();
        assert!(error.contains("host: No such file"), "{error}");
    }

    /// An agent of the host that says which question it was asked.
    fn host_agent(socket: &Path) {
        let listener = UnixListener::bind(socket).unwrap();
        std::thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                while let Some(question) = read_message(&mut client).unwrap() {
                    write_message(&mut client, &[b"answer ", question.as_slice()].concat())
                        .unwrap();
                }
            }
        });
    }

    #[test]
    fn an_agent_lists_and_signs_and_does_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        host_agent(&dir.path().join("host"));
        let secrets = of(&dir, &[], &["default".to_owned()]).unwrap();
        assert_eq!(secrets.ssh_agent("other").unwrap(), None);
        let socket = secrets.ssh_agent("default").unwrap().unwrap();
        assert_eq!(secrets.ssh_agent("default").unwrap().unwrap(), socket);
        let mut client = UnixStream::connect(socket).unwrap();
        for number in 0..=30 {
            write_message(&mut client, &[number, 1, 2]).unwrap();
            let answer = read_message(&mut client).unwrap().unwrap();
            match number {
                11 | 13 => assert_eq!(answer, [b"answer ".as_slice(), &[number, 1, 2]].concat()),
                _ => assert_eq!(answer, [5], "{number}"),
            }
        }
    }

    #[test]
    fn sockets_work_below_any_root_and_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        host_agent(&dir.path().join("host"));
        let long = dir.path().join("x".repeat(120));
        fs::create_dir(&long).unwrap();
        let variables = [(
            "SSH_AUTH_SOCK".to_owned(),
            dir.path().join("host").display().to_string(),
        )]
        .into();
        let secrets = HostSecrets::of(&[], &["a".to_owned()], &variables, &long).unwrap();
        let socket = secrets.ssh_agent("a").unwrap().unwrap();
        assert!(socket.exists());
        drop(secrets);
        assert!(!socket.exists());
    }

    #[test]
    fn an_agent_has_one_socket_or_keys() {
        let dir = tempfile::tempdir().unwrap();
        host_agent(&dir.path().join("host"));
        host_agent(&dir.path().join("other"));
        fs::write(dir.path().join("key"), "x").unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        let error = |names: &[&str]| {
            let paths: Vec<_> = names.iter().map(|name| path(name)).collect();
            of(&dir, &[], &[format!("a={}", paths.join(","))]).unwrap_err()
        };
        assert!(error(&["host", "other"]).ends_with("only single socket allowed"));
        assert!(error(&["key", "host"]).ends_with("invalid combination of keys and sockets"));
        let error = of(&dir, &[], &["default".to_owned(), "=".to_owned()]).unwrap_err();
        assert!(error.ends_with("duplicate agent ID \"default\""), "{error}");
    }
}
