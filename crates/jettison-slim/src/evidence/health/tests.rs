use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use expect_test::{Expect, expect};

use super::*;

/// The programs that the interpreters get.
#[track_caller]
fn check(healthcheck: &Value, expected: &Expect) {
    let shown = HttpCheck::of_curl(healthcheck).map_or_else(
        || "curl stays\n".to_owned(),
        |check| format!("{}\n{}\n{}\n", check.python(), check.node(), check.bash()),
    );
    expected.assert_eq(&shown);
}

#[track_caller]
fn check_shell(text: &str, expected: &Expect) {
    check(&json!({ "Test": ["CMD-SHELL", text] }), expected);
}

#[test]
fn a_request_of_curl_is_made_by_an_interpreter() {
    check_shell(
        "curl -f http://localhost:$PORT/healthz || exit 1",
        &expect![[r#"
            import http.client, os, sys; c = http.client.HTTPConnection('localhost:' + os.environ.get('PORT', '')); c.request('GET', '/healthz'); r = c.getresponse(); r.read(); sys.exit(r.status >= 400)
            process.exitCode = 1; require('http').request('http://localhost:' + (process.env.PORT || '') + '/healthz', r => r.on('end', () => process.exit(r.statusCode >= 400 ? 1 : 0)).resume()).end()
            exec 3<>"/dev/tcp/localhost/${PORT}" || exit 1;  printf '%s\r\n' "GET /healthz HTTP/1.1" "Host: localhost:${PORT}" 'Accept: */*' 'Connection: close' '' >&3;  read -r version status reason <&3; [[ $version == HTTP/1.* && $status -lt 400 ]] || exit 1;  while IFS=$': \r' read -r name value <&3 && [[ $name ]]; do case ${name,,} in content-length) length=${value%$'\r'};; transfer-encoding) end=$'0\r\n\r\n';; esac; done;  LC_ALL=C; while IFS= read -r -d '' part <&3; do ((size += ${#part} + 1)); done; ((size += ${#part}));  [[ $status == [23]04 || $size -ge $length && $part == *$end ]]
        "#]],
    );
    check_shell(
        "curl -fsS -m5 -o /dev/null -H 'Accept: text/plain' \"http://127.0.0.1:${PORT:-8080}/a?b=1\" >/dev/null 2>&1 || false",
        &expect![[r#"
            import http.client, os, signal, sys; signal.alarm(5); c = http.client.HTTPConnection('127.0.0.1:' + (os.environ.get('PORT') or '8080')); c.request('GET', '/a?b=1', headers={'Accept': 'text/plain'}); r = c.getresponse(); r.read(); sys.exit(r.status >= 400)
            process.exitCode = 1; setTimeout(() => process.exit(1), 5000); require('http').request('http://127.0.0.1:' + (process.env.PORT || '8080') + '/a?b=1', {headers: {'Accept': 'text/plain'}}, r => r.on('end', () => process.exit(r.statusCode >= 400 ? 1 : 0)).resume()).end()
            TMOUT=5; exec 3<>"/dev/tcp/127.0.0.1/${PORT:-8080}" || exit 1;  printf '%s\r\n' "GET /a?b=1 HTTP/1.1" "Host: 127.0.0.1:${PORT:-8080}" 'Accept: text/plain' 'Connection: close' '' >&3;  read -r version status reason <&3; [[ $version == HTTP/1.* && $status -lt 400 && $SECONDS -le 5 ]] || exit 1;  while IFS=$': \r' read -r name value <&3 && [[ $name ]]; do case ${name,,} in content-length) length=${value%$'\r'};; transfer-encoding) end=$'0\r\n\r\n';; esac; done;  LC_ALL=C; while IFS= read -r -d '' part <&3; do ((size += ${#part} + 1)); done; ((size += ${#part}));  [[ $status == [23]04 || $size -ge $length && $part == *$end && $SECONDS -le 5 ]]
        "#]],
    );
    check(
        &json!({ "Test": ["CMD", "curl", "--silent", "-X", "POST", "localhost"] }),
        &expect![[r#"
            import http.client; c = http.client.HTTPConnection('localhost'); c.request('POST', '/'); r = c.getresponse(); r.read()
            process.exitCode = 1; require('http').request('http://localhost/', {method: 'POST'}, r => r.on('end', () => process.exit(0)).resume()).end()
            exec 3<>"/dev/tcp/localhost/80" || exit 1;  printf '%s\r\n' "POST / HTTP/1.1" "Host: localhost" 'Accept: */*' 'Connection: close' '' >&3;  read -r version status reason <&3; [[ $version == HTTP/1.* ]] || exit 1;  while IFS=$': \r' read -r name value <&3 && [[ $name ]]; do case ${name,,} in content-length) length=${value%$'\r'};; transfer-encoding) end=$'0\r\n\r\n';; esac; done;  LC_ALL=C; while IFS= read -r -d '' part <&3; do ((size += ${#part} + 1)); done; ((size += ${#part}));  [[ $status == [23]04 || $size -ge $length && $part == *$end ]]
        "#]],
    );
}

#[test]
fn what_cannot_be_said_exactly_keeps_curl() {
    for text in [
        "curl -fL http://localhost/",
        "curl -f --retry 3 http://localhost/",
        "curl -f https://localhost/",
        "curl -fk http://localhost/",
        "curl -f http://localhost/ | grep ok",
        "curl -f http://localhost/ && curl -f http://localhost/b",
        "curl -f http://localhost/ || exit 0",
        "curl -f http://localhost/ http://localhost/b",
        "curl -f http://user@localhost/",
        "curl -f http://[::1]/",
        "curl -f http://localhost/{a,b}",
        "curl -f http://localhost/a/../b",
        "curl -f -X HEAD http://localhost/",
        "curl -f -o /tmp/x http://localhost/",
        "curl -f -d a=1 http://localhost/",
        "curl -f -u a:b http://localhost/",
        "curl -f http://$HOST/",
        "curl -f http://localhost:$(cat port)/",
        "curl -f --connect-timeout 3 http://localhost/",
        "curl -f",
        "wget -q http://localhost/",
        "true",
    ] {
        let found = HttpCheck::of_curl(&json!({ "Test": ["CMD-SHELL", text] }));
        assert_eq!(found, None, "{text}");
    }
}

#[test]
fn a_port_is_what_the_environment_says() {
    #[track_caller]
    fn check_port(url: &str, env: &str, expected: Option<u16>) {
        let text = format!("curl {url}");
        let check = HttpCheck::of_curl(&json!({ "Test": ["CMD-SHELL", text] })).unwrap();
        assert_eq!(check.port(&[env.to_owned()]), expected, "{url} {env}");
    }
    check_port("http://localhost/", "", Some(80));
    check_port("http://localhost:81/", "", Some(81));
    check_port("http://localhost:$P/", "P=82", Some(82));
    check_port("http://localhost:$P/", "Q=82", None);
    check_port("http://localhost:${P:-83}/", "P=", Some(83));
}

#[test]
fn an_interpreter_is_taken_that_runs_anyway() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("bin")).unwrap();
    for name in ["bin/node", "bin/python3"] {
        let path = directory.path().join(name);
        fs::write(&path, "\x7fELF").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let root = RootDir::open(directory.path()).unwrap();
    let config = RunConfig {
        healthcheck: Some(json!({
            "Test": ["CMD-SHELL", "curl -f http://localhost/ || exit 1"],
            "Interval": 5_000_000_000_u64,
        })),
        ..RunConfig::default()
    };
    let found = |config: &RunConfig, started: &str| {
        other_health(&root, config, &[started.into()]).map(|other| other.argv[0].clone())
    };
    assert_eq!(found(&config, "/bin/node").as_deref(), Some("node"));
    assert_eq!(found(&config, "/bin/python3").as_deref(), Some("python3"));
    assert_eq!(found(&config, "/bin/sh"), None);
    let other = other_health(&root, &config, &["/bin/node".into()]).unwrap();
    let healthcheck = other.config.healthcheck.unwrap();
    assert_eq!(healthcheck["Interval"], 5_000_000_000_u64);
    assert_eq!(healthcheck["Test"][0], "CMD");
    let behind_a_proxy = RunConfig {
        env: vec!["http_proxy=http://proxy:3128".to_owned()],
        ..config
    };
    assert_eq!(found(&behind_a_proxy, "/bin/node"), None);
}
