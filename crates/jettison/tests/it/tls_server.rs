//! A server on the loopback interface that nobody trusts who was not told to.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use jettison_testkit::Scratch;

/// A server at 127.0.0.1, which is called `lab.test`, too. It ends with the test.
#[derive(Debug)]
pub(crate) struct TlsServer {
    process: Child,
    /// Where it listens.
    pub(crate) port: String,
    /// The certificate of the authority that vouches for it: PEM.
    pub(crate) authority: String,
}

impl TlsServer {
    /// Makes an authority `ca.pem` in `scratch`, and a server that it vouches for.
    #[track_caller]
    pub(crate) fn start(scratch: &Scratch) -> TlsServer {
        let openssl = |arguments: &str| {
            let words: Vec<&str> = arguments.split(' ').collect();
            let mut command = scratch.tool("openssl", &words);
            scratch.outcome(&mut command).succeeded();
        };
        // RSA: Java's module java.base verifies nothing else before Java 22. The extensions: Python 3.13 takes no
        // certificate without those that RFC 5280 demands.
        openssl(
            "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=Private-Test-Authority -addext keyUsage=critical,keyCertSign",
        );
        openssl("req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=server");
        let extensions = "subjectAltName=IP:127.0.0.1,DNS:lab.test\nauthorityKeyIdentifier=keyid\n";
        scratch.write("server.ext", extensions);
        openssl(
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 -extfile server.ext",
        );
        let arguments = [
            "s_server",
            "-accept",
            "127.0.0.1:0",
            "-cert",
            "server.pem",
            "-key",
            "server.key",
            "-www",
        ];
        let mut server = scratch.tool("openssl", &arguments);
        let server = server.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = server.stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| {
            let line = line.unwrap();
            let place = line.strip_prefix("ACCEPT ")?;
            Some(place.rsplit_once(':')?.1.to_owned())
        });
        // Whatever else it says has somewhere to go.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        TlsServer {
            process,
            port: port.unwrap(),
            authority: scratch.read("ca.pem"),
        }
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        self.process.kill().unwrap_or_default();
        self.process.wait().map(drop).unwrap_or_default();
    }
}
