//! An agent of keys that are in files.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::rand_core::OsRng;
use rsa::sha2::{Digest, Sha256, Sha512};
use rsa::signature::Signer as _;
use rsa::{BigUint, Pkcs1v15Sign, RsaPrivateKey};
use ssh_key::private::{KeypairData, RsaKeypair};
use ssh_key::{Mpint, PrivateKey, Signature};

use crate::secrets::agent::Signer;

/// The largest file of a key in bytes (BuildKit: `toDialer`, sshprovider/agentprovider.go).
const LARGEST: u64 = 100 * 1024;

const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_RESPONSE: u8 = 14;

/// Flags of a question for a signature of an RSA key.
const RSA_SHA2_256: u32 = 2;
const RSA_SHA2_512: u32 = 4;

/// Signs with keys.
pub(super) struct Keys {
    keys: Vec<Key>,
}

struct Key {
    /// The public key as it goes over the wire.
    public: Vec<u8>,
    comment: String,
    private: PrivateKey,
}

impl Keys {
    /// Reads the keys.
    pub(super) fn read(paths: &[PathBuf]) -> Result<Keys, String> {
        let keys = paths.iter().map(|path| {
            let fail = |problem: String| format!("cannot use {}: {problem}", path.display());
            let text = read_key(path).map_err(|error| fail(error.to_string()))?;
            let private = parse(&text).map_err(fail)?;
            let public = private.public_key().to_bytes();
            Ok(Key {
                public: public.map_err(|error| fail(error.to_string()))?,
                comment: private.comment().to_owned(),
                private,
            })
        });
        Ok(Keys {
            keys: keys.collect::<Result<_, String>>()?,
        })
    }

    fn identities(&self) -> Vec<u8> {
        let mut answer = vec![IDENTITIES_ANSWER];
        put_number(&mut answer, self.keys.len());
        for key in &self.keys {
            put(&mut answer, &key.public);
            put(&mut answer, key.comment.as_bytes());
        }
        answer
    }

    fn sign(&self, mut question: &[u8]) -> Option<Vec<u8>> {
        let (public, data) = (take(&mut question)?, take(&mut question)?);
        let flags = u32::from_be_bytes(question.get(..4)?.try_into().ok()?);
        let key = self.keys.iter().find(|key| key.public == public)?;
        let (algorithm, signature) = sign(&key.private, data, flags)?;
        let mut blob = Vec::new();
        put(&mut blob, algorithm.as_bytes());
        put(&mut blob, &signature);
        let mut answer = vec![SIGN_RESPONSE];
        put(&mut answer, &blob);
        Some(answer)
    }
}

impl Signer for Keys {
    fn answer(&self, question: &[u8]) -> io::Result<Vec<u8>> {
        match question.split_first() {
            Some((&REQUEST_IDENTITIES, _)) => Ok(self.identities()),
            Some((_, rest)) => self.sign(rest).ok_or(io::ErrorKind::InvalidData.into()),
            None => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// The name of an algorithm and a signature.
fn sign(key: &PrivateKey, data: &[u8], flags: u32) -> Option<(String, Vec<u8>)> {
    if let KeypairData::Rsa(pair) = key.key_data() {
        let private = rsa_key(pair)?;
        // Without a flag, a signature with SHA-1 is meant, which no server takes any more.
        let (name, scheme, hashed) = if flags & RSA_SHA2_512 != 0 {
            let hashed = Sha512::digest(data).to_vec();
            ("rsa-sha2-512", Pkcs1v15Sign::new::<Sha512>(), hashed)
        } else if flags & RSA_SHA2_256 != 0 {
            let hashed = Sha256::digest(data).to_vec();
            ("rsa-sha2-256", Pkcs1v15Sign::new::<Sha256>(), hashed)
        } else {
            return None;
        };
        // Random numbers keep the time that it takes from telling about the key.
        let signature = private.sign_with_rng(&mut OsRng, scheme, &hashed).ok()?;
        return Some((name.to_owned(), signature));
    }
    let signature: Signature = key.try_sign(data).ok()?;
    let name = signature.algorithm().to_string();
    Some((name, signature.as_bytes().to_vec()))
}

/// The key of a pair. The conversion that `ssh-key` 0.6.7 has takes the first prime for the second one as well.
fn rsa_key(pair: &RsaKeypair) -> Option<RsaPrivateKey> {
    let number = |number: &Mpint| number.as_positive_bytes().map(BigUint::from_bytes_be);
    RsaPrivateKey::from_components(
        number(&pair.public.n)?,
        number(&pair.public.e)?,
        number(&pair.private.d)?,
        vec![number(&pair.private.p)?, number(&pair.private.q)?],
    )
    .ok()
}

fn read_key(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LARGEST).read_to_string(&mut text)?;
    Ok(text)
}

/// Reads a key of OpenSSH, or an RSA key of OpenSSL.
fn parse(text: &str) -> Result<PrivateKey, String> {
    if text.contains("ENCRYPTED") {
        return Err(encrypted());
    }
    let rsa = if text.contains("BEGIN RSA PRIVATE KEY") {
        Some(RsaPrivateKey::from_pkcs1_pem(text).map_err(|error| error.to_string())?)
    } else if text.contains("BEGIN PRIVATE KEY") {
        Some(RsaPrivateKey::from_pkcs8_pem(text).map_err(|error| {
            format!("{error}; keys that are not RSA must be OpenSSH's: `ssh-keygen -p -f FILE` makes them so")
        })?)
    } else {
        None
    };
    let key = match rsa {
        Some(key) => RsaKeypair::try_from(key).map(PrivateKey::from),
        None => PrivateKey::from_openssh(text),
    };
    let key = key.map_err(|error| match error {
        ssh_key::Error::AlgorithmUnknown | ssh_key::Error::AlgorithmUnsupported { .. } => {
            format!("{error}: give the socket of an agent that has the key")
        }
        error => format!("it is no private key that can be read ({error})"),
    })?;
    if key.is_encrypted() {
        return Err(encrypted());
    }
    Ok(key)
}

fn encrypted() -> String {
    "it is locked with a passphrase: add it to an agent, and give the agent's socket".to_owned()
}

/// Takes a text with its length before it.
fn take<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (text, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    *bytes = rest;
    Some(text)
}

fn put(bytes: &mut Vec<u8>, text: &[u8]) {
    put_number(bytes, text.len());
    bytes.extend(text);
}

fn put_number(bytes: &mut Vec<u8>, number: usize) {
    // Nothing here is as large as that.
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    bytes.extend(number.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;
    use std::process::Command;
    use std::sync::Arc;

    /// Makes a key with OpenSSH, if there is one.
    fn keygen(dir: &Path, name: &str, arguments: &[&str]) -> Option<PathBuf> {
        let path = dir.join(name);
        let output = Command::new("ssh-keygen")
            .args(["-q", "-C", name, "-f"])
            .arg(&path)
            .args(arguments)
            .output();
        let Ok(output) = output else {
            jettison_testkit::skip("there is no ssh-keygen");
            return None;
        };
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        Some(path)
    }

    #[test]
    fn openssh_finds_and_uses_every_kind_of_key() {
        let dir = tempfile::tempdir().unwrap();
        let kinds: [(&str, &[&str]); 6] = [
            ("ed25519", &["-t", "ed25519", "-N", ""]),
            ("rsa", &["-t", "rsa", "-b", "2048", "-N", ""]),
            ("pem", &["-t", "rsa", "-b", "2048", "-N", "", "-m", "PEM"]),
            (
                "pkcs8",
                &["-t", "rsa", "-b", "2048", "-N", "", "-m", "PKCS8"],
            ),
            ("p256", &["-t", "ecdsa", "-b", "256", "-N", ""]),
            ("p384", &["-t", "ecdsa", "-b", "384", "-N", ""]),
        ];
        let mut paths = Vec::new();
        for (name, arguments) in kinds {
            let Some(path) = keygen(dir.path(), name, arguments) else {
                return;
            };
            paths.push(path);
        }
        let socket = dir.path().join("socket");
        let keys = Keys::read(&paths).unwrap();
        super::super::agent::serve(UnixListener::bind(&socket).unwrap(), Arc::new(keys));
        let run = |program: &str, arguments: &[&str], stdin: &str| {
            let mut command = Command::new(program);
            command.args(arguments).env("SSH_AUTH_SOCK", &socket);
            command.stdin(File::open(stdin).unwrap());
            let output = command.output().unwrap();
            assert!(output.status.success(), "{arguments:?}: {output:?}");
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let list = run("ssh-add", &["-l"], "/dev/null");
        assert_eq!(list.lines().count(), paths.len(), "{list}");
        let data = dir.path().join("data").display().to_string();
        std::fs::write(&data, "data").unwrap();
        for path in paths {
            // Of what has only its public key, the agent is asked.
            std::fs::remove_file(&path).unwrap();
            let public = path.with_extension("pub").display().to_string();
            run(
                "ssh-keygen",
                &["-Y", "sign", "-n", "test", "-f", &public, &data],
                "/dev/null",
            );
            let signature = format!("{data}.sig");
            let check = ["-Y", "check-novalidate", "-n", "test", "-s", &signature];
            run("ssh-keygen", &check, &data);
            std::fs::remove_file(signature).unwrap();
        }
    }

    #[test]
    fn keys_that_cannot_be_used_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let error = |path: PathBuf| Keys::read(&[path]).err().unwrap();
        let no_key = dir.path().join("no-key");
        std::fs::write(&no_key, "text").unwrap();
        assert!(error(no_key).contains("it is no private key"));
        assert!(error(dir.path().join("nowhere")).contains("No such file"));
        let kinds: [(&str, &[&str]); 2] = [
            ("locked", &["-t", "ed25519", "-N", "pass phrase"]),
            (
                "pem",
                &["-t", "rsa", "-b", "2048", "-N", "pass phrase", "-m", "PEM"],
            ),
        ];
        for (name, arguments) in kinds {
            let Some(path) = keygen(dir.path(), name, arguments) else {
                return;
            };
            assert!(error(path).contains("locked with a passphrase"));
        }
    }

    #[test]
    fn questions_that_make_no_sense_have_no_answer() {
        let keys = Keys { keys: Vec::new() };
        for question in [
            &[13][..],
            &[13, 0, 0, 0, 9],
            &[13, 0, 0, 0, 0, 0, 0, 0, 0],
            &[],
        ] {
            assert!(keys.answer(question).is_err());
        }
        assert_eq!(keys.answer(&[11]).unwrap(), [12, 0, 0, 0, 0]);
    }
}
