//! Programs of every language run on the bases that are made for them: as nobody in particular, with files that cannot be
//! written, and with a private authority in the bundle.

use std::fs;
use std::path::Path;
use std::process::Command;

use expect_test::{Expect, expect};
use jettison_testkit::{Scratch, skip};

use crate::family::{assembled, with_root};
use crate::shared::{GO, SETTINGS, turn};
use crate::tls_server::TlsServer;

/// Where programs run: with a server that a base trusts only if it is told to.
pub(crate) struct Lab<'s> {
    scratch: &'s Scratch,
    server: TlsServer,
    options: &'static [&'static str],
}

impl<'s> Lab<'s> {
    pub(crate) fn new(scratch: &'s Scratch) -> Lab<'s> {
        Lab::with_options(scratch, &[])
    }

    /// One in which programs run with these options, too.
    pub(crate) fn with_options(scratch: &'s Scratch, options: &'static [&'static str]) -> Lab<'s> {
        Lab {
            scratch,
            server: TlsServer::start(scratch),
            options,
        }
    }

    /// The base `recipe` for a release of Debian with the lab's authority in the bundle, as a recipe says it.
    #[track_caller]
    pub(crate) fn trusting(&self, recipe: &str, debian: &str) -> String {
        let mut steps = String::from("\"ca-bundle\"");
        if recipe.starts_with("java") {
            steps += ", \"java-trust-store\"";
        }
        let authority = &self.server.authority;
        let text = format!(
            "from = \"{recipe}\"\nuser = \"65532\"\nworkdir = \"/home/nonroot\"\ngenerate = [{steps}]\n\
             [[files]]\npath = \"/usr/local/share/ca-certificates/lab.crt\"\ntext = \"\"\"\n{authority}\"\"\"\n"
        );
        self.scratch.write("lab.toml", text);
        let tag = format!("lab/{recipe}-{debian}");
        let arguments = [
            "base", "build", "lab.toml", "--debian", debian, "-q", "-t", &tag,
        ];
        self.scratch.jettison(&arguments).succeeded();
        tag
    }

    /// What the file `app` says as `/app` on `image`.
    #[track_caller]
    pub(crate) fn run(&self, image: &str) -> String {
        let dockerfile = format!("FROM {image}\nCOPY app /app\n");
        self.scratch
            .write("app/Dockerfile", dockerfile)
            .write("app/.dockerignore", "Dockerfile\n");
        let built = ["build", "-q", "-t", "lab/app", "app"];
        self.scratch.jettison(&built).succeeded();
        let lab = format!("LAB=lab.test:{}", self.server.port);
        let mut all = vec!["run", "--read-only", "-e", &lab];
        all.extend(["--add-host", "lab.test:127.0.0.1"]);
        all.extend(["--add-host", "hosts.test:10.9.8.7"]);
        all.extend(self.options);
        all.extend(["lab/app", "/app"]);
        self.scratch.jettison(&all).succeeded().stdout
    }

    /// Runs the program on a base that trusts the lab and on one that does not: `refused` is what it says of it there.
    #[track_caller]
    fn check(&self, recipe: &str, debian: &str, expected: &Expect, refused: &str) {
        let image = self.trusting(recipe, debian);
        let said = self.run(&image);
        expected.assert_eq(&said);
        let image = assembled(self.scratch, &format!("{recipe}-debian{debian}:nonroot"));
        let lines = said
            .lines()
            .map(|line| match line.strip_prefix("the lab says ") {
                Some(_) => format!("the lab says {refused}\n"),
                None => format!("{line}\n"),
            });
        let (plain, lines) = (self.run(&image), lines.collect::<String>());
        assert_eq!(plain, lines, "{image}");
    }
}

/// Says loudly that there is no such compiler.
fn compiler(name: &str) -> bool {
    let found = Command::new(name).arg("--version").output().is_ok();
    if !found {
        skip(&format!("{name} is not installed"));
    }
    found
}

/// Compiles the file called `name` with this text to the program that is run.
#[track_caller]
fn compile(scratch: &Scratch, compiler: &str, name: &str, text: &str, arguments: &str) {
    scratch.write(name, text).write("app/app", "");
    let mut command = scratch.tool(compiler, &["-O1", "-o", "app/app", name]);
    scratch
        .outcome(command.args(arguments.split(' ')))
        .succeeded();
}

const IN_C: &str = include_str!("base_programs/app.c");

#[test]
fn programs_in_c_and_their_tls_run_on_every_base_with_the_c_library() {
    if !compiler("gcc") || !Path::new("/usr/include/openssl/ssl.h").exists() {
        skip("gcc or libssl-dev is not installed");
        return;
    }
    with_root(|scratch| {
        let expected = expect![[r#"
            hello from 65532
            in Kiev it was 00:13 +0200
            nonroot is 65532
            hosts.test is 10.9.8.7, https is 443
            UTF-16 known, Latin-1 known
            a thread was cancelled
            the bundle is there
            /tmp is read-only
            the lab says HTTP/1.0 200 ok
        "#]];
        let lab = Lab::new(scratch);
        compile(scratch, "gcc", "app.c", IN_C, "-pthread -lssl -lcrypto");
        for debian in ["12", "13"] {
            for base in ["base", "cc"] {
                lab.check(base, debian, &expected, "not trusted");
            }
        }
        // Where there is no OpenSSL, programs bring their own.
        let link = "-pthread -Wl,-Bstatic -lssl -lcrypto -Wl,-Bdynamic";
        compile(scratch, "gcc", "app.c", IN_C, link);
        for debian in ["12", "13"] {
            lab.check("base-nossl", debian, &expected, "not trusted");
        }
    });
}

#[test]
fn programs_in_cxx_run_on_cc() {
    if !compiler("g++") {
        return;
    }
    with_root(|scratch| {
        let text = include_str!("base_programs/app.cc");
        compile(scratch, "g++", "app.cc", text, "-std=c++17 -fopenmp");
        let lab = Lab::new(scratch);
        let expected = expect![[r#"
            hello from a thread and an exception
            OpenMP adds up to 5050
            /etc/os-release leads to /usr/lib/os-release
            an expression
        "#]];
        for debian in ["12", "13"] {
            let image = assembled(scratch, &format!("cc-debian{debian}:nonroot"));
            expected.assert_eq(&lab.run(&image));
        }
    });
}

/// A static program in Go, compiled in the base that the calculator is built in; none, said aloud, if that cannot be.
fn program_in_go() -> Option<Vec<u8>> {
    let mut turn = turn()?;
    let scratch = turn.scratch();
    let dockerfile = format!(
        "{GO}COPY app.go /app.go\nRUN CGO_ENABLED=0 go build -trimpath -o /out/app /app.go\nFROM scratch\nCOPY --from=0 /out /\n"
    );
    scratch
        .write("go/jettison.toml", SETTINGS)
        .write("go/Dockerfile", dockerfile)
        .write("go/app.go", include_str!("base_programs/app.go"));
    let built = ["build", "-q", "go", "-o", "type=local,dest=built"];
    scratch.jettison(&built).succeeded();
    Some(fs::read(scratch.dir().join("built/app")).unwrap())
}

#[test]
fn static_programs_run_on_static() {
    let Some(program) = program_in_go() else {
        return;
    };
    with_root(|scratch| {
        let lab = Lab::new(scratch);
        scratch.write("app/app", program);
        let mut chmod = scratch.tool("chmod", &["755", "app/app"]);
        scratch.outcome(&mut chmod).succeeded();
        let expected = expect![[r#"
            hello from 65532
            in Kiev it was 00:13 +0200
            nonroot is 65532 in /home/nonroot
            hosts.test is [10.9.8.7] <nil>
            ldaps is 636 <nil>
            local time is Local UTC
            /tmp is read-only: true
            the lab says 200 ok
        "#]];
        for debian in ["12", "13"] {
            lab.check("static", debian, &expected, "not trusted");
        }
        if !compiler("gcc") {
            return;
        }
        // The C library may be in the program, as long as nothing is asked that takes its modules.
        compile(scratch, "gcc", "app.c", IN_C, "-static -DSTATIC");
        let expected = expect![[r#"
            hello from 65532
            in Kiev it was 00:13 +0200
            the bundle is there
            /tmp is read-only
        "#]];
        for debian in ["12", "13"] {
            let image = assembled(scratch, &format!("static-debian{debian}:nonroot"));
            expected.assert_eq(&lab.run(&image));
        }
    });
}

#[test]
fn python_has_its_standard_library() {
    with_root(|scratch| {
        let lab = Lab::new(scratch);
        scratch.write("app/app", include_str!("base_programs/app.py"));
        for (debian, program) in [("12", "python3.11"), ("13", "python3.13")] {
            let image = lab.trusting("python3", debian);
            let expected = |lab: &str| {
                format!(
                    "hello from 65532 /usr/bin/{program}\n2023-11-15T00:13:20+02:00 UTC\n65532 10.9.8.7\nTrue\n42\n\
                     b'x' b'y' b'z'\nlibssl.so.3 5 b'\\x8f\\xab\\xe4n\\x8f\\xab\\xc1'\nfa76e020 0\nread-only: True\nthe lab says {lab}\n"
                )
            };
            assert_eq!(lab.run(&image), expected("200"), "{image}");
            let image = assembled(scratch, &format!("python3-debian{debian}:nonroot"));
            let refused = expected("SSLCertVerificationError");
            assert_eq!(lab.run(&image), refused, "{image}");
        }
    });
}

#[test]
fn node_has_its_modules_and_its_characters() {
    with_root(|scratch| {
        let lab = Lab::new(scratch);
        scratch.write("app/app", include_str!("base_programs/app.js"));
        let expected = expect![[r#"
            hello from 65532 /usr/bin/node
            15.11.2023, 00:13:20
            UTC true
            x nonroot
            10.9.8.7
            ECONNREFUSED
            function 0
            /tmp: EROFS
            the lab says 200
        "#]];
        for (recipe, debian) in [("nodejs18", "12"), ("nodejs20", "13")] {
            lab.check(recipe, debian, &expected, "not trusted");
        }
    });
}
