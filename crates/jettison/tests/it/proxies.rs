//! Registries behind a proxy, Debian's `tinyproxy`, and registries that stand in for others.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use jettison_testkit::{DockerRegistry, Outcome, RegistryDemands, Scratch, skip};

use crate::PROGRAM;
use crate::registries::{HTPASSWD, build, certificates, registry};
use crate::shared::installed;

/// An address of this machine that does not look like one: what does is reached without a proxy.
const HOST: &str = "0.0.0.0";

/// A proxy that wants the password `secret` of `me`, and gives tunnels to a single port.
struct TinyProxy {
    process: Child,
    port: u16,
    scratch: Scratch,
}

impl TinyProxy {
    fn start(tunnel: u16) -> Option<TinyProxy> {
        if !installed(&["tinyproxy"]) {
            return None;
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let scratch = Scratch::new(PROGRAM);
        let log = scratch.dir().join("log");
        scratch.write(
            "config",
            format!(
                "Port {port}\nListen 127.0.0.1\nLogFile \"{}\"\nLogLevel Connect\nMaxClients 50\nBasicAuth me secret\nConnectPort {tunnel}\n",
                log.display()
            ),
        );
        let process = scratch
            .tool("tinyproxy", &["-d", "-c", "config"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            thread::sleep(Duration::from_millis(50));
        }
        Some(TinyProxy {
            process,
            port,
            scratch,
        })
    }

    fn url(&self, credentials: &str) -> String {
        format!("http://{credentials}127.0.0.1:{}", self.port)
    }

    /// What it was asked since this was called last, each as `METHOD TARGET`.
    fn asked(&self) -> Vec<String> {
        let path = self.scratch.dir().join("log");
        let log = fs::read_to_string(&path).unwrap();
        fs::write(&path, "").unwrap();
        let request = |line: &str| {
            let (_, request) = line.split_once("): ")?;
            Some(request.strip_suffix(" HTTP/1.1")?.to_owned())
        };
        log.lines().filter_map(request).collect()
    }
}

impl Drop for TinyProxy {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn port(registry: &DockerRegistry) -> u16 {
    let authority = registry.authority();
    authority.rsplit_once(':').unwrap().1.parse().unwrap()
}

fn with_variables(scratch: &Scratch, arguments: &[&str], variables: &[(&str, &str)]) -> Outcome {
    let mut command = scratch.command(arguments);
    scratch.outcome(command.envs(variables.iter().copied()))
}

fn settings(scratch: &Scratch, registry: &str, text: &str) {
    let text = format!("[registries.\"{registry}\"]\n{text}\n");
    scratch.write("home/.config/jettison/config.toml", text);
}

#[test]
fn requests_without_encryption_are_forwarded_by_a_proxy() {
    let Some(registry) = registry(&RegistryDemands::default()) else {
        return;
    };
    // Like many, it gives no tunnels but to encrypted servers.
    let Some(proxy) = TinyProxy::start(443) else {
        return;
    };
    let host = format!("{HOST}:{}", port(&registry));
    let name = format!("{host}/team/app:1");
    let scratch = Scratch::new(PROGRAM);
    let id = build(&scratch, &name);
    settings(&scratch, &host, "insecure = true");
    let url = proxy.url("me:s%65cret@");
    let known = [("http_proxy", url.as_str())];
    with_variables(&scratch, &["push", &name], &known).succeeded();
    let asked = proxy.asked();
    assert!(
        asked
            .iter()
            .any(|request| *request == format!("GET http://{host}/v2/")),
        "{asked:?}"
    );
    assert!(
        asked
            .iter()
            .any(|request| request.starts_with("PATCH http://"))
    );
    assert!(
        asked
            .iter()
            .all(|request| !request.starts_with("CONNECT http:"))
    );
    let other = Scratch::new(PROGRAM);
    settings(&other, &host, "insecure = true");
    with_variables(&other, &["pull", &name], &known).succeeded();
    let pulled = other.jettison(&["inspect", "-f", "{{.Id}}", &name]);
    assert_eq!(pulled.succeeded().stdout.trim(), id);
    assert!(!proxy.asked().is_empty());
    // What needs no proxy does not get one.
    for exceptions in [HOST, "other,0.0.0.0", &host, "*"] {
        let variables = [known[0], ("NO_PROXY", exceptions)];
        with_variables(&other, &["pull", &name], &variables).succeeded();
        assert_eq!(proxy.asked(), [""; 0], "{exceptions}");
    }
    let here = format!("{}/team/app:1", registry.authority());
    with_variables(&other, &["pull", &here], &known).succeeded();
    assert_eq!(proxy.asked(), [""; 0]);
}

#[test]
fn a_proxy_tunnels_encrypted_connections() {
    let scratch = Scratch::new(PROGRAM);
    let Some([authority, certificate, key]) = certificates(scratch.dir()) else {
        skip("openssl is not installed");
        return;
    };
    let demands = RegistryDemands {
        htpasswd: Some(HTPASSWD.to_owned()),
        certificate: Some((certificate, key)),
        ..RegistryDemands::default()
    };
    let Some(registry) = registry(&demands) else {
        return;
    };
    let Some(proxy) = TinyProxy::start(port(&registry)) else {
        return;
    };
    let host = format!("{HOST}:{}", port(&registry));
    let name = format!("{host}/app:1");
    build(&scratch, &name);
    settings(
        &scratch,
        &host,
        &format!("ca = \"{}\"", authority.display()),
    );
    let url = proxy.url("me:secret@");
    for variable in ["HTTPS_PROXY", "ALL_PROXY"] {
        let known = [(variable, url.as_str())];
        let login = ["login", "-u", "tester", "-p", "open-sesame", &host];
        with_variables(&scratch, &login, &known).succeeded();
        with_variables(&scratch, &["push", "-q", &name], &known).succeeded();
        let asked = proxy.asked();
        let tunnel = format!("CONNECT {host}");
        assert!(
            !asked.is_empty() && asked.iter().all(|request| *request == tunnel),
            "{asked:?}"
        );
    }
    // That of the other kind is not taken.
    let unused = [("HTTP_PROXY", url.as_str())];
    with_variables(&scratch, &["pull", "-q", &name], &unused).succeeded();
    assert_eq!(proxy.asked(), [""; 0]);
    // A proxy that does not let us through is named at once.
    let (refused, closed) = (proxy.url(""), "http://me:secret@127.0.0.1:1");
    for (variable, text) in [(refused.as_str(), "407"), (closed, "refused")] {
        let variables = [("HTTPS_PROXY", variable)];
        let failed = with_variables(&scratch, &["pull", "-q", &name], &variables);
        assert_eq!(failed.code, 2);
        assert!(failed.stderr.contains(text), "{failed}");
        assert!(!failed.stderr.contains("secret"), "{failed}");
    }
    let variables = [("HTTPS_PROXY", refused.as_str())];
    let failed = with_variables(&scratch, &["pull", "-q", &name], &variables);
    assert!(
        failed
            .stderr
            .contains("hint: HTTPS_PROXY=http://NAME:PASSWORD@"),
        "{failed}"
    );
}

#[test]
fn a_registry_that_caches_another_is_asked_first() {
    let Some(origin) = registry(&RegistryDemands::default()) else {
        return;
    };
    let demands = RegistryDemands {
        cache_of: Some(format!("http://{}", origin.authority())),
        ..RegistryDemands::default()
    };
    let Some(cache) = registry(&demands) else {
        return;
    };
    let name = format!("{}/team/app:1", origin.authority());
    let maker = Scratch::new(PROGRAM);
    let id = build(&maker, &name);
    maker.jettison(&["push", "-q", &name]).succeeded();
    let pulls = |name: &str| {
        let scratch = Scratch::new(PROGRAM);
        let mirrors = format!("mirrors = [\"{}\"]", cache.authority());
        settings(&scratch, &origin.authority(), &mirrors);
        let pulled = scratch.jettison(&["pull", "-q", name]);
        if pulled.code == 0 {
            let found = scratch.jettison(&["inspect", "-f", "{{.Id}}", name]);
            assert_eq!(found.succeeded().stdout.trim(), id);
        }
        pulled
    };
    pulls(&name).succeeded();
    // It has everything now.
    origin.stop();
    pulls(&name).succeeded();
    // What it has not, neither has.
    let other = name.replace("app:1", "app:2");
    assert_eq!(pulls(&other).code, 2);
    // Without it, there is still the registry itself.
    origin.restart();
    cache.stop();
    pulls(&name).succeeded();
}

#[test]
fn a_mirror_that_has_not_the_image_or_gives_it_to_others_alone_is_passed_over() {
    let (Some(origin), Some(empty)) = (
        registry(&RegistryDemands::default()),
        registry(&RegistryDemands::default()),
    ) else {
        return;
    };
    let demands = RegistryDemands {
        htpasswd: Some(HTPASSWD.to_owned()),
        ..RegistryDemands::default()
    };
    let Some(guarded) = registry(&demands) else {
        return;
    };
    let name = format!("{}/team/app:1", origin.authority());
    let scratch = Scratch::new(PROGRAM);
    build(&scratch, &name);
    scratch.jettison(&["push", "-q", &name]).succeeded();
    for mirrors in [
        format!("\"{}\"", empty.authority()),
        format!("\"{}\"", guarded.authority()),
        format!("\"127.0.0.1:1\", \"{}/prefix\"", empty.authority()),
    ] {
        let scratch = Scratch::new(PROGRAM);
        settings(
            &scratch,
            &origin.authority(),
            &format!("mirrors = [{mirrors}]"),
        );
        scratch.jettison(&["pull", "-q", &name]).succeeded();
    }
    // A mirror below a prefix, of the registry whose name nobody writes.
    let copied = format!("{}/hub/team/app:1", empty.authority());
    scratch.jettison(&["tag", &name, &copied]).succeeded();
    scratch.jettison(&["push", "-q", &copied]).succeeded();
    let other = Scratch::new(PROGRAM);
    let mirror = format!("mirrors = [\"http://{}/hub\"]", empty.authority());
    settings(&other, "docker.io", &mirror);
    other.jettison(&["pull", "-q", "team/app:1"]).succeeded();
    let listed = other.jettison(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    assert_eq!(listed.stdout, "team/app:1\n");
    // Its own credentials are for it alone.
    let login = [
        "login",
        "-u",
        "tester",
        "-p",
        "open-sesame",
        &guarded.authority(),
    ];
    other.jettison(&login).succeeded();
    let copied = format!("{}/team/app:1", guarded.authority());
    scratch.jettison(&login).succeeded();
    scratch.jettison(&["tag", &name, &copied]).succeeded();
    scratch.jettison(&["push", "-q", &copied]).succeeded();
    origin.stop();
    settings(
        &other,
        &origin.authority(),
        &format!("mirrors = [\"{}\"]", guarded.authority()),
    );
    other.jettison(&["pull", "-q", &name]).succeeded();
}
