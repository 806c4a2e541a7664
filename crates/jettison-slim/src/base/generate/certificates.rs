//! `/etc/ssl/certs`: the bundle of certificates that programs trust, and the links by which OpenSSL finds one of them.
//!
//! Debian's `update-ca-certificates` writes `ca-certificates.crt`, a link `NAME.pem` for every file in
//! `/usr/share/ca-certificates`, and calls `openssl rehash`, which adds `HASH.N`. Who reads what: `GnuTLS`, Go, curl and
//! Python read the bundle; OpenSSL reads both, the directory only where its file has no answer.

mod date;
mod der;
mod name;
mod pem;

use sha1::{Digest as _, Sha1};

use super::Link;

/// Where certificates that programs trust lie.
const DIRECTORY: &str = "etc/ssl/certs";

/// A file with the certificate of an authority.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CertificateFile<'a> {
    /// Its path in the image, without a leading `/`.
    pub(crate) path: &'a str,
    /// Its bytes: PEM.
    pub(crate) bytes: &'a [u8],
}

/// What a certificate says, as far as stores of trust need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// The name of its link in `etc/ssl/certs`, which ends with `.pem`.
    pub(crate) name: String,
    /// The certificate in DER.
    pub(crate) der: Vec<u8>,
    /// The number by which OpenSSL finds it (`openssl x509 -hash`).
    pub(crate) subject_hash: u32,
    /// When it becomes valid, in seconds since 1970.
    pub(crate) not_before: i64,
}

/// A file that is no certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the certificate /{path}: {problem}")]
pub(crate) struct CertificateError {
    /// The file's path in the image, without a leading `/`.
    path: String,
    /// What is wrong with it.
    problem: &'static str,
}

/// Whether `update-ca-certificates` takes the file `path` for a certificate.
pub(crate) fn is_certificate(path: &str) -> bool {
    let directories = [
        "usr/share/ca-certificates/",
        "usr/local/share/ca-certificates/",
    ];
    let is_below = directories.iter().any(|prefix| path.starts_with(prefix));
    is_below && path.strip_suffix(".crt").is_some()
}

/// The bytes of `etc/ssl/certs/ca-certificates.crt`: all `files` in the order of their paths' bytes, those of the local
/// administrator last, each ending with a line's end.
pub(crate) fn bundle(files: &[CertificateFile<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for file in in_order(files) {
        bytes.extend_from_slice(file.bytes);
        // An empty file stays empty (`sed -e '$a\'` in update-ca-certificates).
        if file.bytes.last().is_some_and(|byte| *byte != b'\n') {
            bytes.push(b'\n');
        }
    }
    bytes
}

/// Reads the certificates in `files`, in the bundle's order.
pub(crate) fn certificates(
    files: &[CertificateFile<'_>],
) -> Result<Vec<Certificate>, CertificateError> {
    let ordered = in_order(files).into_iter();
    ordered
        .map(|file| {
            read(file).map_err(|problem| CertificateError {
                path: file.path.to_owned(),
                problem,
            })
        })
        .collect()
}

/// The links in `etc/ssl/certs` to `files` and from OpenSSL's numbers to them, sorted.
pub(crate) fn links(files: &[CertificateFile<'_>]) -> Result<Vec<Link>, CertificateError> {
    let mut links: Vec<Link> = Vec::new();
    // A later file of the same name takes the link (`ln -sf`).
    for file in in_order(files) {
        let path = format!("{DIRECTORY}/{}", link_name(file.path));
        links.retain(|link| link.path != path);
        let target = format!("/{}", file.path);
        links.push(Link { path, target });
    }
    let mut all = certificates(files)?;
    all.retain(|certificate| {
        let path = format!("{DIRECTORY}/{}", certificate.name);
        links.iter().any(|link| link.path == path)
    });
    // `openssl rehash` goes through the names in the order of their bytes, and gives a certificate that lies there under
    // two names one number (apps/rehash.c: `do_dir`, `add_entry`).
    all.sort_by(|left, right| left.name.cmp(&right.name));
    let mut seen: Vec<(u32, [u8; 20])> = Vec::new();
    for certificate in &all {
        let hash = certificate.subject_hash;
        let fingerprint: [u8; 20] = Sha1::digest(&certificate.der).into();
        if seen.contains(&(hash, fingerprint)) {
            continue;
        }
        let number = seen.iter().filter(|(other, _)| *other == hash).count();
        seen.push((hash, fingerprint));
        links.push(Link {
            path: format!("{DIRECTORY}/{hash:08x}.{number}"),
            target: certificate.name.clone(),
        });
    }
    links.sort();
    Ok(links)
}

fn in_order<'f, 'a>(files: &'f [CertificateFile<'a>]) -> Vec<&'f CertificateFile<'a>> {
    let mut ordered: Vec<_> = files.iter().collect();
    ordered.sort_by_key(|file| (file.path.starts_with("usr/local/"), file.path));
    ordered
}

/// The name of the link to the certificate at `path` (`add` in update-ca-certificates).
fn link_name(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let name = name.strip_suffix(".crt").unwrap_or(name);
    let clean = |character| match character {
        ' ' | ',' => '_',
        '(' | ')' => '=',
        other => other,
    };
    format!("{}.pem", name.chars().map(clean).collect::<String>())
}

fn read(file: &CertificateFile<'_>) -> Result<Certificate, &'static str> {
    let der = pem::certificate(file.bytes)?;
    let (subject_hash, not_before) =
        subject_and_date(&der).ok_or("its subject or its date is malformed")?;
    Ok(Certificate {
        name: link_name(file.path),
        subject_hash,
        not_before,
        der,
    })
}

/// Cuts the subject and the start of the validity out of a certificate (RFC 5280, 4.1).
fn subject_and_date(mut certificate: &[u8]) -> Option<(u32, i64)> {
    let mut parts = der::take_tagged(&mut certificate, der::SEQUENCE)?;
    let mut body = der::take_tagged(&mut parts, der::SEQUENCE)?;
    // The version is written only if it is not the first.
    der::take_tagged(&mut body, 0xa0);
    der::take_tagged(&mut body, der::INTEGER)?;
    let _signature_algorithm = der::take_tagged(&mut body, der::SEQUENCE)?;
    let _issuer = der::take_tagged(&mut body, der::SEQUENCE)?;
    let mut validity = der::take_tagged(&mut body, der::SEQUENCE)?;
    let not_before = date::seconds(der::take(&mut validity)?)?;
    let subject = der::take_tagged(&mut body, der::SEQUENCE)?;
    Some((name::name_hash(subject)?, not_before))
}

#[cfg(test)]
pub(in crate::base::generate) mod tests;
