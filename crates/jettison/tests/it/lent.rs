//! What commands are lent and images do not keep: certificate authorities, proxies, SSH agents. The programs are this
//! host's own.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use jettison_testkit::{Scratch, skip};

use crate::PROGRAM;
use crate::conformance::find_busybox;
use crate::shared::{installed, namespaces_work};
use crate::tls_server::TlsServer;

/// A context `app` whose directory `root` has a shell and these programs of the host with their libraries; `None`, said
/// aloud, if something is missing.
fn world(programs: &[&str]) -> Option<Scratch> {
    if !namespaces_work() || !installed(programs) {
        return None;
    }
    let Some(shell) = find_busybox() else {
        skip("no static busybox: install the package busybox-static");
        return None;
    };
    let scratch = Scratch::new(PROGRAM);
    let root = scratch.dir().join("app/root");
    place(&root, &shell, Path::new("/bin/sh"));
    for program in programs {
        let path = Path::new("/usr/bin").join(program);
        place(&root, &path, &path);
        let mut ldd = scratch.tool("ldd", &[&path.to_string_lossy()]);
        let libraries = String::from_utf8(ldd.output().unwrap().stdout).unwrap();
        let words = libraries.split_whitespace();
        for library in words.filter(|word| word.starts_with('/')) {
            place(&root, Path::new(library), Path::new(library));
        }
    }
    scratch.write("app/root/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
    Some(scratch)
}

/// Copies a file of the host to `at` below `root`.
fn place(root: &Path, file: &Path, at: &Path) {
    let to = root.join(at.strip_prefix("/").unwrap());
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(file, to).unwrap();
}

fn dockerfile(scratch: &Scratch, instructions: &str) {
    let text = format!("FROM scratch\nCOPY root /\n{instructions}");
    scratch.write("app/Dockerfile", text);
}

/// Whether a file of the store, or an image's configuration, has `secret` in it, or in its name.
fn is_kept(scratch: &Scratch, secret: &str) -> bool {
    let mut rest = vec![scratch.root().to_path_buf()];
    while let Some(path) = rest.pop() {
        let name = path.file_name().unwrap_or_default().as_bytes();
        let metadata = path.symlink_metadata().unwrap();
        if has(name, secret) || (metadata.is_file() && has(&fs::read(&path).unwrap(), secret)) {
            return true;
        }
        if metadata.is_dir() {
            rest.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
    }
    false
}

fn has(bytes: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(bytes).contains(text)
}

/// A process that ends with the test.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        self.0.kill().unwrap_or_default();
        self.0.wait().map(drop).unwrap_or_default();
    }
}

#[test]
fn commands_trust_the_authorities_that_they_are_lent() {
    let Some(scratch) = world(&["curl", "openssl"]) else {
        return;
    };
    let server = TlsServer::start(&scratch);
    let (host, port) = ("127.0.0.1", server.port.as_str());
    dockerfile(
        &scratch,
        &format!(
            "RUN curl -sS https://{host}:{port}/ -o /answer && read -r first </answer && echo \"$first\"\n\
             RUN openssl s_client -connect {host}:{port} -verify_return_error </dev/null >/said 2>&1\n"
        ),
    );
    let build = |arguments: &[&str]| {
        let mut command =
            scratch.command(&[&["build", "app", "--progress=plain"], arguments].concat());
        // What the host trusts, as far as this test goes.
        command.env("SSL_CERT_FILE", scratch.dir().join("ca.pem"));
        scratch.outcome(&mut command)
    };
    let without = build(&[]);
    assert!(without.stderr.contains("certificate"), "{without}");
    assert!(without.to_string().starts_with("exit: 1"), "{without}");
    let ids = [["--ca", "ca.pem"], ["--ca", "host"]].map(|ca| {
        let trusting = build(&[ca.as_slice(), &["--no-cache"]].concat()).succeeded();
        assert!(trusting.stderr.contains("<HTML>"), "{trusting}");
        trusting.stdout
    });
    // They are in no key: without them the result is known.
    let cached = build(&["--quiet"]).succeeded();
    assert_eq!(cached.stdout, ids[1]);
    let pem = scratch.read("ca.pem");
    let line = pem.lines().nth(3).unwrap();
    for secret in [line, "/.jettison"] {
        assert!(!is_kept(&scratch, secret), "{secret}");
    }
    build(&["-q", "-o", "type=local,dest=out"]).succeeded();
    assert!(!scratch.exists("out/dev/.jettison"));
    // Nothing is compressed there.
    let layout = "type=oci,tar=false,dest=layout,compression=uncompressed,force-compression=true";
    build(&["-q", "-o", layout]).succeeded();
    let blobs = fs::read_dir(scratch.dir().join("layout/blobs/sha256")).unwrap();
    for blob in blobs {
        let bytes = fs::read(blob.unwrap().path()).unwrap();
        for secret in [line, "/.jettison"] {
            assert!(!has(&bytes, secret), "{secret}");
        }
    }
}

#[test]
fn proxies_are_lent_and_not_remembered_unless_they_are_declared() {
    let Some(scratch) = world(&[]) else { return };
    let proxies = |user: &str| {
        [
            "HTTP_PROXY",
            "https_proxy",
            "ALL_PROXY",
            "no_proxy",
            "FTP_PROXY",
        ]
        .map(|name| format!("--build-arg={name}=http://{user}@proxy.invalid"))
    };
    let build = |user: &str, more: &[&str]| {
        let proxies = proxies(user);
        let mut arguments = vec!["build", "app", "--progress=plain"];
        arguments.extend(proxies.iter().map(String::as_str));
        arguments.extend(more);
        scratch.jettison(&arguments).succeeded()
    };
    dockerfile(
        &scratch,
        "RUN echo \"$HTTP_PROXY $http_proxy $HTTPS_PROXY $all_proxy $NO_PROXY $ftp_proxy\"\n",
    );
    let first = build("alice", &[]);
    let proxy = "http://alice@proxy.invalid";
    assert!(first.stderr.contains(&[proxy; 6].join(" ")), "{first}");
    assert!(!is_kept(&scratch, "alice"));
    let second = build("bob", &[]);
    assert!(second.stderr.contains("#2 CACHED"), "{second}");
    assert_eq!(second.stdout, first.stdout);
    // Who declares them wants them to count (BuildKit: `dispatchArg`, `runCommandString`).
    dockerfile(&scratch, "ARG HTTP_PROXY\nRUN echo \"$HTTP_PROXY\"\n");
    let layout = "type=oci,tar=false,dest=layout";
    let third = build("carol", &["-o", layout]);
    let fourth = build("dave", &[]);
    assert!(third.stderr.contains("http://carol@"), "{third}");
    assert!(fourth.stderr.contains("http://dave@"), "{fourth}");
    let blobs = fs::read_dir(scratch.dir().join("layout/blobs/sha256")).unwrap();
    let is_in_history = blobs.into_iter().any(|blob| {
        let bytes = fs::read(blob.unwrap().path()).unwrap();
        has(&bytes, "RUN |1 HTTP_PROXY=http://carol@proxy.invalid ")
    });
    assert!(is_in_history);
}

#[test]
fn commands_sign_with_the_agent_and_do_not_get_its_keys() {
    let Some(scratch) = world(&["ssh-add"]) else {
        return;
    };
    if !installed(&["ssh-agent", "ssh-keygen"]) {
        return;
    }
    let run = |mut command: Command| {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let keygen = [
        "-q", "-t", "ed25519", "-N", "", "-C", "test-key", "-f", "key",
    ];
    run(scratch.tool("ssh-keygen", &keygen));
    let fingerprint = run(scratch.tool("ssh-keygen", &["-l", "-f", "key.pub"]));
    let fingerprint = fingerprint.split(' ').nth(1).unwrap().to_owned();
    let socket = scratch.dir().join("agent.sock");
    let arguments = ["-D", "-a", &socket.to_string_lossy()];
    let mut agent = scratch.tool("ssh-agent", &arguments);
    let agent = agent.stdin(Stdio::null()).stdout(Stdio::null());
    let _agent = Service(agent.spawn().unwrap());
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while UnixStream::connect(&socket).is_err() && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let mut add = scratch.tool("ssh-add", &["-q", "key"]);
    add.env("SSH_AUTH_SOCK", &socket).stdin(Stdio::null());
    run(add);
    scratch.write("app/root/key.pub", scratch.read("key.pub"));
    // `-T` has the agent sign something, and checks that.
    dockerfile(
        &scratch,
        "RUN --mount=type=ssh,required=true ssh-add -l && ssh-add -T /key.pub && echo signed\n\
         RUN ssh-add -l 2>&1; [ -z \"$SSH_AUTH_SOCK\" ] && echo no agent here\n",
    );
    let missing = scratch.jettison(&["build", "app"]);
    assert!(
        missing.stderr.contains("no SSH key \"\" forwarded"),
        "{missing}"
    );
    let by_variable = {
        let mut command = scratch.command(&["build", "app", "--no-cache", "--ssh", "default"]);
        command.env("SSH_AUTH_SOCK", &socket);
        scratch.outcome(&mut command)
    };
    let socket = format!("default={}", socket.display());
    let outcomes = [
        by_variable,
        scratch.jettison(&["build", "app", "--no-cache", "--ssh", &socket]),
        scratch.jettison(&["build", "app", "--no-cache", "--ssh", "default=key"]),
    ];
    for outcome in outcomes {
        let outcome = outcome.succeeded();
        for said in [fingerprint.as_str(), "signed", "no agent here"] {
            assert!(outcome.stderr.contains(said), "{said}: {outcome}");
        }
    }
    let key = scratch.read("key");
    assert!(!is_kept(&scratch, key.lines().nth(2).unwrap()));
}
