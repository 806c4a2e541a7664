//! A real registry, Debian's `docker-registry`, on the loopback interface.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// A registry that is a process of its own. It ends when this is dropped.
#[derive(Debug)]
pub struct DockerRegistry {
    directory: TempDir,
    port: u16,
    child: Mutex<Option<Child>>,
}

/// What a registry wants of those who talk to it.
#[derive(Clone, Debug, Default)]
pub struct RegistryDemands {
    /// A line of `htpasswd` with the one user that it knows.
    pub htpasswd: Option<String>,
    /// The files of a certificate and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// The URL of another registry, of which it keeps and hands out what it is asked for.
    pub cache_of: Option<String>,
}

impl DockerRegistry {
    /// Starts a registry in which nothing is; `None` if the program is not there.
    ///
    /// # Panics
    ///
    /// If it does not begin to listen.
    pub fn start(demands: &RegistryDemands) -> Option<DockerRegistry> {
        Command::new("docker-registry")
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .ok()?;
        let directory = tempfile::tempdir().expect("there is a place for temporary files");
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr();
        let port = address.expect("a bound socket has an address").port();
        drop(listener);
        let config = configuration(directory.path(), port, demands);
        fs::write(directory.path().join("config.yml"), config).expect("the directory is writable");
        let registry = DockerRegistry {
            directory,
            port,
            child: Mutex::new(None),
        };
        registry.run();
        Some(registry)
    }

    /// Its host and port.
    pub fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Kills it without a warning, and starts it again on what it has written so far.
    pub fn restart(&self) {
        self.kill();
        self.run();
    }

    /// Ends it. It can be restarted.
    pub fn stop(&self) {
        self.kill();
    }

    /// Forgets all uploads that are under way.
    pub fn forget_uploads(&self) {
        let repositories = self
            .directory
            .path()
            .join("data/docker/registry/v2/repositories");
        for entry in fs::read_dir(repositories).into_iter().flatten().flatten() {
            // Where there are none, none are to be forgotten.
            fs::remove_dir_all(entry.path().join("_uploads")).unwrap_or_default();
        }
    }

    fn run(&self) {
        let log = fs::File::create(self.directory.path().join("log"));
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(self.directory.path().join("config.yml"))
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.expect("the directory is writable"))
            .spawn()
            .expect("it could be started a moment ago");
        *self.child.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
        for _ in 0..600 {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        let log = fs::read_to_string(self.directory.path().join("log"));
        panic!(
            "docker-registry does not listen: {}",
            log.unwrap_or_default()
        );
    }

    fn kill(&self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut child) = child.take() {
            // One that has ended by itself cannot be killed.
            child.kill().unwrap_or_default();
            child.wait().map(|_| ()).unwrap_or_default();
        }
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        self.kill();
    }
}

fn configuration(directory: &Path, port: u16, demands: &RegistryDemands) -> String {
    let data = directory.join("data");
    let mut text = format!(
        "version: 0.1\nlog: {{level: warn}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp:\n  addr: 127.0.0.1:{port}\n  secret: test\n",
        data.display()
    );
    if let Some((certificate, key)) = &demands.certificate {
        let (certificate, key) = (certificate.display(), key.display());
        let tls = format!("  tls: {{certificate: {certificate}, key: {key}}}\n");
        text.push_str(&tls);
    }
    if let Some(url) = &demands.cache_of {
        let proxy = format!("proxy: {{remoteurl: '{url}'}}\n");
        text.push_str(&proxy);
    }
    if let Some(line) = &demands.htpasswd {
        let path = directory.join("htpasswd");
        fs::write(&path, line).expect("the directory is writable");
        let path = path.display();
        let auth = format!("auth: {{htpasswd: {{realm: test, path: {path}}}}}\n");
        text.push_str(&auth);
    }
    text
}
