//! What commands get: mounts, secrets, agents, limits, names and variables. The base has nothing but a shell.

use std::error::Error;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;

use jettison_build::{RunLimits, Secrets};
use jettison_sandbox::Entered;

use crate::runner::{Test, needs_other_ids};
use crate::scene::{Done, Scene, Wishes, listing};

pub(crate) const TESTS: &[Test] = crate::tests![
    names_and_variables_are_those_of_buildkit,
    proxies_are_seen_and_not_remembered,
    binds_show_the_context_and_other_stages,
    what_is_written_to_a_bind_is_thrown_away,
    cache_directories_last,
    caches_of_different_owners_are_not_mixed,
    a_cache_is_seeded_from_a_stage,
    secrets_are_files_and_variables,
    secrets_are_never_on_disk,
    missing_secrets_are_missed_only_if_they_are_required,
    an_agent_is_lent,
    scripts_run_by_their_first_line,
    mounts_nest_whatever_their_order,
    limits_are_kept,
    certificates_are_lent_and_leave_nothing,
    a_missing_working_directory_belongs_to_the_user,
    users_have_their_groups_and_homes,
];

/// What every secret of these tests is.
const CONTENT: &str = "hunter2-4711\n";

struct Known {
    agent: Option<PathBuf>,
}

impl Secrets for Known {
    fn secret(&self, id: &str) -> Result<Option<Vec<u8>>, Box<dyn Error + Send + Sync>> {
        Ok((id == "known").then(|| CONTENT.as_bytes().to_vec()))
    }

    fn ssh_agent(&self, id: &str) -> Result<Option<PathBuf>, Box<dyn Error + Send + Sync>> {
        Ok(self.agent.clone().filter(|_agent| id == "default"))
    }
}

fn wishes() -> Wishes {
    Wishes {
        secrets: Some(Arc::new(Known { agent: None })),
        ..Wishes::default()
    }
}

#[track_caller]
fn run(scene: &Scene, entered: &Entered, dockerfile: &str) -> Done {
    scene.build_as(entered, dockerfile, &wishes())
}

/// What the commands say.
#[track_caller]
fn said(scene: &Scene, entered: &Entered, dockerfile: &str) -> String {
    let done = run(scene, entered, dockerfile);
    if let Err(error) = done.result {
        panic!("{error:?}\n{}", done.output);
    }
    done.output
}

/// `cat`, of which the base has none.
const CAT: &str = "cat() { for f; do while IFS= read -r l || [ -n \"$l\" ]; do echo \"$l\"; done <\"$f\"; done; };";

fn names_and_variables_are_those_of_buildkit(entered: &Entered) {
    let scene = Scene::new();
    fs::write(
        scene.root().join("resolv.conf"),
        "# x\nnameserver 127.0.0.53\nsearch a\n",
    )
    .unwrap();
    let mut wishes = wishes();
    wishes.limits.extra_hosts = vec![("db".to_owned(), "10.0.0.9".to_owned())];
    let dockerfile = format!(
        "FROM base\nRUN {CAT} export -p; cat /etc/hosts /etc/resolv.conf /proc/sys/kernel/hostname\n\
         RUN --network=none {CAT} cat /etc/resolv.conf\n"
    );
    let done = scene.build_as(entered, &dockerfile, &wishes);
    assert_eq!(
        done.output,
        "export HOME='/root'\nexport PATH='/bin'\nexport PWD='/'\n\
         127.0.0.1\tlocalhost buildkitsandbox\n::1\tlocalhost ip6-localhost ip6-loopback\n10.0.0.9\tdb\n\
         nameserver 127.0.0.53\nsearch a\nbuildkitsandbox\n\
         nameserver 8.8.8.8\nnameserver 8.8.4.4\nnameserver 2001:4860:4860::8888\n\
         nameserver 2001:4860:4860::8844\nsearch a\n"
    );
}

fn proxies_are_seen_and_not_remembered(entered: &Entered) {
    let scene = Scene::new();
    let dockerfile =
        "FROM base\nENV HTTP_PROXY=image\nRUN echo $HTTP_PROXY $http_proxy >/x; echo $http_proxy\n";
    let mut wishes = wishes();
    wishes.proxies = vec![("http_proxy".to_owned(), "http://secret-proxy".to_owned())];
    let done = scene.build_as(entered, dockerfile, &wishes);
    assert_eq!(done.output, "http://secret-proxy\n");
    let config = format!("{:?}", done.result.unwrap().image.config());
    assert!(!config.contains("secret-proxy"), "{config}");
    // With another proxy the result is the same.
    "other".clone_into(&mut wishes.proxies[0].1);
    let again = scene.build_as(entered, dockerfile, &wishes);
    assert_eq!(again.output, "");
}

fn binds_show_the_context_and_other_stages(entered: &Entered) {
    let scene = Scene::new();
    let dockerfile = format!(
        "FROM base AS one\nRUN echo made >/made\nFROM base\n\
         RUN --mount=target=/ctx --mount=target=/sub,source=sub --mount=target=/a,source=a.txt \
         --mount=from=one,target=/one --mount=from=one,source=/made,target=/deep/er/made \
         {CAT} echo /ctx/*; echo /sub/*; cat /a /one/made /deep/er/made; {{ echo x >/ctx/new; }} 2>/dev/null || echo no\n"
    );
    let done = run(&scene, entered, &dockerfile);
    assert_eq!(
        done.output,
        "/ctx/a.txt /ctx/b.txt /ctx/sub\n/sub/c.txt\na.txt\nmade\nmade\nno\n"
    );
    let built = done.result.unwrap();
    let files = listing(&built.steps.last().unwrap().files);
    let names: Vec<_> = files
        .lines()
        .filter_map(|line| line.split(' ').nth(3))
        .collect();
    assert_eq!(names, ["/dev/", "/proc/", "/sys/"]);
}

fn what_is_written_to_a_bind_is_thrown_away(entered: &Entered) {
    let scene = Scene::new();
    let dockerfile = format!(
        "FROM base AS one\nRUN mkdir_() {{ :; }}; echo old >/file\nFROM base\n\
         RUN --mount=target=/ctx,rw --mount=from=one,target=/one,rw \
         {CAT} echo new >/ctx/a.txt; echo new >/one/file; cat /ctx/a.txt /one/file\n\
         RUN --mount=target=/ctx,rw --mount=from=one,target=/one,rw {CAT} cat /ctx/a.txt /one/file\n"
    );
    assert_eq!(said(&scene, entered, &dockerfile), "new\nnew\na.txt\nold\n");
    assert_eq!(fs::read_to_string(scene.context("a.txt")).unwrap(), "a.txt");
}

fn cache_directories_last(entered: &Entered) {
    let scene = Scene::new();
    for (round, expected) in [("1", "x1\n"), ("2", "x1\nx2\n")] {
        let dockerfile = format!(
            "FROM base\nRUN --mount=type=cache,target=/var/cache/x,sharing=locked {CAT} \
             echo x{round} >>/var/cache/x/f; cat /var/cache/x/f\n"
        );
        assert_eq!(said(&scene, entered, &dockerfile), expected);
    }
    // By its target, which is its name; elsewhere by the name alone; and not by another.
    let dockerfile = format!(
        "FROM base\nRUN --mount=type=cache,id=/var/cache/x,target=/y,ro --mount=type=cache,target=/z \
         {CAT} cat /y/f; echo /z/*; {{ echo >/y/new; }} 2>/dev/null || echo no\n"
    );
    assert_eq!(said(&scene, entered, &dockerfile), "x1\nx2\n/z/*\nno\n");
}

fn caches_of_different_owners_are_not_mixed(entered: &Entered) {
    needs_other_ids(entered);
    let scene = Scene::new();
    let dockerfile = "FROM base\nRUN --mount=type=cache,id=a,target=/a echo x >/a/plain\n\
                      USER app\n\
                      RUN --mount=type=cache,id=a,target=/a,uid=7,gid=8,mode=0700 echo /a/*; echo y >/a/own\n\
                      RUN --mount=type=cache,id=a,target=/a,uid=7,gid=8,mode=0700 echo /a/*\n";
    assert_eq!(said(&scene, entered, dockerfile), "/a/*\n/a/own\n");
}

fn a_cache_is_seeded_from_a_stage(entered: &Entered) {
    let scene = Scene::new();
    let dockerfile = format!(
        "FROM base AS one\nWORKDIR /seed/sub\nRUN echo one >f\nFROM base\n\
         RUN --mount=type=cache,target=/c,from=one,source=/seed {CAT} cat /c/sub/f; echo two >/c/sub/f\n\
         RUN --mount=type=cache,target=/c,from=one,source=/seed {CAT} cat /c/sub/f\n\
         RUN --mount=type=cache,target=/c echo /c/*\n"
    );
    assert_eq!(said(&scene, entered, &dockerfile), "one\ntwo\n/c/*\n");
}

fn secrets_are_files_and_variables(entered: &Entered) {
    let scene = Scene::new();
    let dockerfile = format!(
        "FROM base\nRUN --mount=type=secret,id=known --mount=type=secret,id=known,env=WORD \
         --mount=type=secret,id=known,target=/deep/er {CAT} cat /run/secrets/known /deep/er; echo \"<$WORD>\"; \
         {{ echo x >/deep/er; }} 2>/dev/null || echo no; echo /run/* >/seen\n\
         RUN [ ! -e /run ] && [ ! -e /deep ] && echo gone\n"
    );
    assert_eq!(
        said(&scene, entered, &dockerfile),
        format!("{CONTENT}{CONTENT}<{CONTENT}>\nno\ngone\n")
    );
}

fn secrets_are_never_on_disk(entered: &Entered) {
    let scene = Scene::new();
    let dockerfile = "FROM base\nRUN --mount=type=secret,id=known --mount=type=secret,id=known,env=WORD \
                      [ -n \"$WORD\" ] && [ -s /run/secrets/known ] && echo used >/x\n";
    assert_eq!(said(&scene, entered, dockerfile), "");
    let secret = CONTENT.trim().as_bytes();
    let mut directories = vec![scene.root().to_path_buf()];
    let mut n_files = 0;
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                directories.push(entry.path());
            } else if kind.is_file() {
                n_files += 1;
                let bytes = fs::read(entry.path()).unwrap();
                let is_in = bytes.windows(secret.len()).any(|window| window == secret);
                assert!(!is_in, "{}", entry.path().display());
            }
        }
    }
    assert!(n_files > 10, "{n_files}");
}

fn missing_secrets_are_missed_only_if_they_are_required(entered: &Entered) {
    let scene = Scene::new();
    let dockerfile = "FROM base\nRUN --mount=type=secret,id=no --mount=type=secret,id=no,env=WORD \
                      --mount=type=ssh echo \"<${WORD-unset}> $SSH_AUTH_SOCK\"; [ ! -e /run/secrets/no ]\n";
    assert_eq!(
        said(&scene, entered, dockerfile),
        "<> /run/buildkit/ssh_agent.0\n"
    );
    for (mount, expected) in [
        ("type=secret,id=no,required", "secret no: not found"),
        (
            "type=secret,id=no,env=X,required=true",
            "secret no: not found",
        ),
        (
            "type=ssh,required",
            "no SSH key \"\" forwarded from the client",
        ),
    ] {
        let dockerfile = format!("FROM base\nRUN --mount={mount} true\n");
        let error = run(&scene, entered, &dockerfile).result.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

fn an_agent_is_lent(entered: &Entered) {
    let scene = Scene::new();
    let socket = scene.root().join("agent.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let agent = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut question = [0; 4];
        stream.read_exact(&mut question).unwrap();
        stream.write_all(b"pong").unwrap();
    });
    let wishes = Wishes {
        secrets: Some(Arc::new(Known {
            agent: Some(socket.clone()),
        })),
        ..Wishes::default()
    };
    let dockerfile = "FROM base\nRUN --mount=type=ssh [ -S $SSH_AUTH_SOCK ] && echo $SSH_AUTH_SOCK\n\
                      RUN --mount=type=ssh,target=/sock,mode=0666 [ -S /sock ] && [ -w /sock ] && echo $SSH_AUTH_SOCK\n";
    let done = scene.build_as(entered, dockerfile, &wishes);
    done.result.unwrap();
    assert_eq!(done.output, "/run/buildkit/ssh_agent.0\n/sock\n");
    // The shell cannot speak to a socket; that what is said is passed on is tested where it is done.
    let mut stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
    stream.write_all(b"ping").unwrap();
    agent.join().unwrap();
}

fn scripts_run_by_their_first_line(entered: &Entered) {
    let scene = Scene::new();
    let dockerfile = "FROM base\nENV A=env\nRUN <<EOF\n#!/bin/sh -e\necho $0 $A\n\
                      { echo x >/dev/pipes/x; } 2>/dev/null || echo no\nEOF\n";
    assert_eq!(
        said(&scene, entered, dockerfile),
        "/dev/pipes/EOF env\nno\n"
    );
}

fn mounts_nest_whatever_their_order(entered: &Entered) {
    let scene = Scene::new();
    let dockerfile = format!(
        "FROM base\nRUN --mount=type=secret,id=known,target=/m/a/s --mount=type=tmpfs,target=/m/a,size=1m \
         --mount=type=cache,target=/m --mount=type=tmpfs,target=/t --mount=source=sub,target=/t \
         {CAT} cat /m/a/s; echo /t/*; echo /m/*\n"
    );
    assert_eq!(
        said(&scene, entered, &dockerfile),
        format!("{CONTENT}/t/c.txt\n/m/a\n")
    );
}

fn limits_are_kept(entered: &Entered) {
    let scene = Scene::new();
    let mut wishes = wishes();
    wishes.limits = RunLimits {
        shm_size: Some(1 << 20),
        ulimits: vec![("nofile".to_owned(), 50, 60)],
        hostname: Some("other".to_owned()),
        ..RunLimits::default()
    };
    let dockerfile = format!(
        "FROM base\nRUN {CAT} ulimit -Sn; ulimit -Hn; cat /proc/sys/kernel/hostname; cat /proc/mounts >/mounts\n"
    );
    let done = scene.build_as(entered, &dockerfile, &wishes);
    assert_eq!(done.output, "50\n60\nother\n");
    let mounts = crate::scene::text_of(&done.result.unwrap(), "/mounts");
    let shm = mounts
        .lines()
        .find(|line| line.contains(" /dev/shm "))
        .unwrap();
    assert!(shm.contains("size=1024k"), "{shm}");
    "nonsense".clone_into(&mut wishes.limits.ulimits[0].0);
    let error = scene
        .build_as(entered, &dockerfile, &wishes)
        .result
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("there is no limit called `nonsense`"),
        "{error}"
    );
}

fn certificates_are_lent_and_leave_nothing(entered: &Entered) {
    let scene = Scene::new();
    let pem =
        |text: &str| format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
    let mut wishes = wishes();
    wishes.certificates = Some(pem("AQID").parse().unwrap());
    let own = pem("BAUG").replace('\n', "\\n");
    let dockerfile = format!(
        "FROM base\nENV MAVEN_OPTS=-Xmx1g PIP_CERT=/mine\nWORKDIR /etc/ssl/certs\n\
         RUN printf -- '{own}' >ca-certificates.crt\n\
         RUN {CAT} cat $SSL_CERT_FILE; echo $PIP_CERT; echo $MAVEN_OPTS; [ -s ${{SSL_CERT_FILE%pem}}jks ] && echo both; \
         echo >ca-certificates.crt\n"
    );
    let done = scene.build_as(entered, &dockerfile, &wishes);
    let java = "-Djavax.net.ssl.trustStore=/dev/.jettison/ca.jks -Djavax.net.ssl.trustStoreType=JKS \
                -Djavax.net.ssl.trustStorePassword=changeit";
    assert_eq!(
        done.output,
        format!("{}{}/mine\n-Xmx1g {java}\nboth\n", pem("BAUG"), pem("AQID"))
    );
    let built = done.result.unwrap();
    let config = format!("{:?}", built.image.config());
    assert!(!config.contains("jettison"), "{config}");
    for step in &built.steps {
        assert!(!listing(&step.files).contains("jettison"));
    }
    // They are in no key.
    let again = run(&scene, entered, &dockerfile);
    assert_eq!(again.output, "");
}

fn a_missing_working_directory_belongs_to_the_user(entered: &Entered) {
    needs_other_ids(entered);
    let scene = Scene::new();
    // The base's working directory does not exist.
    let dockerfile = "FROM plain\nUSER app\nRUN [\"/bin/sh\", \"-c\", \"echo $PWD >here\"]\n";
    let done = run(&scene, entered, dockerfile);
    let built = done.result.unwrap();
    let files = listing(&built.steps[0].files);
    assert!(files.contains("755 7:8 "), "{files}");
    assert!(files.contains(" /gone/here"), "{files}");
}

fn users_have_their_groups_and_homes(entered: &Entered) {
    needs_other_ids(entered);
    let scene = Scene::new();
    let line = format!(
        "RUN {CAT} while read -r k v; do [ $k = Groups: ] && echo $HOME $v; done </proc/self/status; true\n"
    );
    let dockerfile = format!(
        "FROM base\nRUN echo app:x:8: >/etc/group; echo more:x:90:app,root >>/etc/group\n{line}\
         USER app\n{line}USER app:more\n{line}USER 7:8\n{line}USER 4711\n{line}\
         ENV HOME=/mine\n{line}ENV HOME=\n{line}"
    );
    assert_eq!(
        said(&scene, entered, &dockerfile),
        "/root 0 90\n/home 8 90\n/home 90\n/home 8\n/ 0\n/mine 0\n/ 0\n"
    );
}
