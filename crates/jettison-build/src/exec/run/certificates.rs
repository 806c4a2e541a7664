//! Certificate authorities that commands trust and images do not know.
//!
//! A command finds the certificates on a mount of its own, [`DIRECTORY`], and variables lead the usual programs there.
//! Nothing is mounted over the image's own files: who installs certificates in the command replaces those.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use jettison_sandbox::{MemoryFile, Mount, MountKind};
use sha1::{Digest as _, Sha1};

use crate::error::BuildError;
use crate::exec::run::user::text_of;

/// Below `/dev`, which is a mount itself, so that no mount point is made in the image; and not below `/run` or `/tmp`,
/// which commands empty.
const DIRECTORY: &str = "/dev/.jettison";

/// The largest file of certificates that is read of an image.
const LIMIT: u64 = 10 << 20;

/// Where distributions keep the certificates that are trusted (BuildKit: `linuxSystemCertFiles`,
/// `executor/proxyca_linux.go`).
const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Certificates of authorities that commands trust besides those of the image. In no layer, key or history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificates {
    // Invariant: not empty, and each can be decoded.
    blocks: Vec<Block>,
}

/// One certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Block {
    /// Between the lines that begin and end it, without white space.
    base64: String,
    /// What that stands for.
    der: Vec<u8>,
}

/// Why a text holds no certificates.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificatesError {
    /// There is none.
    #[error("there is no `-----BEGIN CERTIFICATE-----` in it")]
    Empty,
    /// One has no end, or is not Base64.
    #[error("certificate {number} in it cannot be decoded")]
    Broken {
        /// Which one, counted from 1.
        number: usize,
    },
}

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

impl FromStr for Certificates {
    type Err = CertificatesError;

    fn from_str(text: &str) -> Result<Certificates, CertificatesError> {
        let mut blocks = Vec::new();
        for block in blocks_of(text) {
            let number = blocks.len() + 1;
            blocks.push(block.ok_or(CertificatesError::Broken { number })?);
        }
        if blocks.is_empty() {
            return Err(CertificatesError::Empty);
        }
        Ok(Certificates { blocks })
    }
}

/// The certificates in a text in the format of RFC 7468, in which anything else may stand between them.
fn blocks_of(text: &str) -> impl Iterator<Item = Option<Block>> {
    text.split(BEGIN).skip(1).map(|rest| {
        let (body, _after) = rest.split_once(END)?;
        let base64: String = body.split_whitespace().collect();
        let der = decode(&base64)?;
        Some(Block { base64, der })
    })
}

/// Decodes Base64 (RFC 4648, section 4).
fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    if digits.is_empty() || !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return None;
    }
    let (mut bits, mut n_bits, mut bytes) = (0_u32, 0, Vec::new());
    for digit in digits.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        n_bits += 6;
        if n_bits >= 8 {
            n_bits -= 8;
            bytes.push((bits >> n_bits & 0xff) as u8);
        }
    }
    Some(bytes)
}

fn encode_all(blocks: &[Block]) -> Vec<u8> {
    let mut text = String::new();
    for block in blocks {
        let _ok = writeln!(text, "{BEGIN}");
        let mut rest = block.base64.as_str();
        while !rest.is_empty() {
            // The digits are ASCII.
            let (line, later) = rest.split_at(rest.len().min(64));
            let _ok = writeln!(text, "{line}");
            rest = later;
        }
        let _ok = writeln!(text, "{END}");
    }
    text.into_bytes()
}

impl Certificates {
    /// The mount for a command on `lowers`, and the variables that lead to it.
    pub(super) fn lend(
        &self,
        lowers: &[PathBuf],
    ) -> Result<(Mount, Vec<(String, Variable)>), BuildError> {
        let mut own = String::new();
        for bundle in BUNDLES {
            own = text_of(lowers, Path::new(bundle), LIMIT)?;
            if !own.is_empty() {
                break;
            }
        }
        let mount = Mount {
            target: PathBuf::from(DIRECTORY),
            kind: MountKind::Files(self.files(&own)),
        };
        Ok((mount, variables()))
    }

    /// The files in the directory, where the image itself trusts the certificates in `own`.
    fn files(&self, own: &str) -> Vec<(String, MemoryFile)> {
        let mut all: Vec<Block> = blocks_of(own).flatten().collect();
        let known: BTreeSet<Vec<u8>> = all.iter().map(|block| block.der.clone()).collect();
        let others = self.blocks.iter();
        all.extend(others.filter(|block| !known.contains(&block.der)).cloned());
        let apt = format!("Acquire::https::CaInfo \"{DIRECTORY}/ca.pem\";\n");
        let wget = format!("ca_certificate = {DIRECTORY}/ca.pem\n");
        let file = |name: &str, content| {
            let file = MemoryFile {
                content,
                mode: 0o444,
                uid: 0,
                gid: 0,
            };
            (name.to_owned(), file)
        };
        vec![
            file("apt.conf", apt.into_bytes()),
            file("ca.jks", key_store(&all)),
            file("ca.pem", encode_all(&all)),
            file("extra.pem", encode_all(&self.blocks)),
            file("wgetrc", wget.into_bytes()),
        ]
    }
}

/// How a variable is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Variable {
    /// To this, if it is not set.
    Default(String),
    /// To what it is, and this after a space.
    Appended(String),
}

/// The variables by which programs find what they trust.
///
/// `java` itself has one too, but announces on its standard error that it has read it; so only the tools that build and
/// fetch get options.
fn variables() -> Vec<(String, Variable)> {
    // OpenSSL, Go and rustls; curl; git; Python's requests and pip; Cargo; the AWS tools; Nix; apk; Deno; Bundler; Hex;
    // gRPC; Perl's LWP.
    const TO_ALL: [&str; 14] = [
        "SSL_CERT_FILE",
        "CURL_CA_BUNDLE",
        "GIT_SSL_CAINFO",
        "REQUESTS_CA_BUNDLE",
        "PIP_CERT",
        "CARGO_HTTP_CAINFO",
        "AWS_CA_BUNDLE",
        "NIX_SSL_CERT_FILE",
        "SSL_CA_CERT_FILE",
        "DENO_CERT",
        "BUNDLE_SSL_CA_CERT",
        "HEX_CACERTS_PATH",
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
        "PERL_LWP_SSL_CA_FILE",
    ];
    const JAVA_TOOLS: [&str; 3] = ["MAVEN_OPTS", "GRADLE_OPTS", "SBT_OPTS"];
    let path = |name: &str| format!("{DIRECTORY}/{name}");
    let to_all = TO_ALL.map(|name| (name, path("ca.pem")));
    let others = [
        // Node.js adds them to those that it is compiled with.
        ("NODE_EXTRA_CA_CERTS", path("extra.pem")),
        ("APT_CONFIG", path("apt.conf")),
        ("WGETRC", path("wgetrc")),
    ];
    let java = format!(
        "-Djavax.net.ssl.trustStore={} -Djavax.net.ssl.trustStoreType=JKS \
         -Djavax.net.ssl.trustStorePassword={PASSWORD}",
        path("ca.jks")
    );
    let files = to_all
        .into_iter()
        .chain(others)
        .map(|(name, value)| (name.to_owned(), Variable::Default(value)));
    let java = JAVA_TOOLS.map(|name| (name.to_owned(), Variable::Appended(java.clone())));
    files.chain(java).collect()
}

/// What Java's own store of certificates has; it protects nothing.
const PASSWORD: &str = "changeit";

/// A store of certificates in the format `JKS` that every Java reads: a magic number, the version, the number of
/// entries; for each its kind, name, time in milliseconds, type and content with length; and a digest of all that, which
/// begins with the password.
fn key_store(blocks: &[Block]) -> Vec<u8> {
    let n_blocks = u32::try_from(blocks.len()).unwrap_or(u32::MAX);
    let mut store = Vec::new();
    for number in [0xfeed_feed, 2, n_blocks] {
        store.extend(u32::to_be_bytes(number));
    }
    for (index, block) in blocks.iter().enumerate() {
        store.extend(2_u32.to_be_bytes());
        text(&mut store, &format!("ca-{index}"));
        store.extend(0_u64.to_be_bytes());
        text(&mut store, "X.509");
        let length = u32::try_from(block.der.len()).unwrap_or(u32::MAX);
        store.extend(length.to_be_bytes());
        store.extend(&block.der);
    }
    let password = PASSWORD.encode_utf16().flat_map(u16::to_be_bytes);
    let mut digest = Sha1::new();
    digest.update(password.collect::<Vec<_>>());
    digest.update(b"Mighty Aphrodite");
    digest.update(&store);
    store.extend(digest.finalize());
    store
}

/// A short ASCII text with its length in front.
fn text(store: &mut Vec<u8>, text: &str) {
    store.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    store.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn pem(base64: &str) -> String {
        format!("# {base64}\n{BEGIN}\n{base64}\n{END}\n")
    }

    #[track_caller]
    fn check(text: &str, expected: Expect) {
        let said = match text.parse::<Certificates>() {
            Ok(certificates) => format!("{:?}", certificates.blocks),
            Err(error) => format!("error: {error}"),
        };
        expected.assert_eq(&said);
    }

    #[test]
    fn certificates_are_what_stands_between_the_lines() {
        let text = format!("{}text\n{}", pem("AQID"), pem("BA\n=="));
        check(
            &text,
            expect![[
                r#"[Block { base64: "AQID", der: [1, 2, 3] }, Block { base64: "BA==", der: [4] }]"#
            ]],
        );
    }

    #[test]
    fn what_is_none_is_refused() {
        check(
            "",
            expect!["error: there is no `-----BEGIN CERTIFICATE-----` in it"],
        );
        for base64 in ["A", "!QID", "", "A===", "AQ=D"] {
            check(
                &format!("{}{}", pem("AQID"), pem(base64)),
                expect!["error: certificate 2 in it cannot be decoded"],
            );
        }
        check(
            &format!("{BEGIN}\nAQID\n"),
            expect!["error: certificate 1 in it cannot be decoded"],
        );
    }

    #[test]
    fn the_images_own_certificates_come_first_and_none_comes_twice() {
        let certificates: Certificates = format!("{}{}", pem("AQID"), pem("BAUG")).parse().unwrap();
        let files = certificates.files(&format!("{}{}", pem("BwgJ"), pem("AQID")));
        let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
        let expected = ["apt.conf", "ca.jks", "ca.pem", "extra.pem", "wgetrc"];
        assert_eq!(names, expected);
        let text = String::from_utf8(files[2].1.content.clone()).unwrap();
        let order: Vec<_> = blocks_of(&text)
            .map(|block| block.unwrap().base64)
            .collect();
        assert_eq!(order, ["BwgJ", "AQID", "BAUG"]);
    }

    #[test]
    fn long_certificates_are_broken_into_lines() {
        let text = pem(&"QUJD".repeat(40));
        let certificates: Certificates = text.parse().unwrap();
        let encoded = String::from_utf8(encode_all(&certificates.blocks)).unwrap();
        let lengths: Vec<_> = encoded.lines().map(str::len).collect();
        assert_eq!(lengths, [BEGIN.len(), 64, 64, 32, END.len()]);
        assert_eq!(encoded.parse(), Ok(certificates));
    }

    #[test]
    fn a_key_store_has_the_format_of_java() {
        let certificates: Certificates = pem("AQID").parse().unwrap();
        let store = key_store(&certificates.blocks);
        let mut hex = String::new();
        for byte in store {
            let _ok = write!(hex, "{byte:02x}");
        }
        expect!["feedfeed000000020000000100000002000463612d3000000000000000000005582e35303900000003010203c87652876a2f3156b2cd65be1597bb89919b189b"].assert_eq(&hex);
    }
}
