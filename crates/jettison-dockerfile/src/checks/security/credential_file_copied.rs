//! A file that holds credentials becomes part of the image.

use crate::checks::finding::Findings;
use crate::checks::input::{CheckInput, StageView};
use crate::checks::packages::base_name;
use crate::checks::rule::{Category, Rule, RuleId, Status};
use crate::diagnostic::Severity;
use crate::instruction::CopySource;
use crate::instruction::InstructionKind;

pub(in crate::checks) const RULE: Rule = Rule {
    id: RuleId("credential-file-copied"),
    summary: "A file that usually holds credentials is copied into the image",
    severity: Severity::Warning,
    categories: &[Category::Security],
    applicability: None,
    aliases: &[],
    status: Status::Stable,
    url: "",
    page: include_str!("../../../rules/credential-file-copied.md"),
    check: credential_file_copied,
};

fn credential_file_copied(input: &CheckInput<'_>, findings: &mut Findings) {
    for stage in input.stages().filter(StageView::ships) {
        for view in stage.instructions() {
            let (InstructionKind::Copy(copy) | InstructionKind::Add(copy)) = &view.instruction.kind
            else {
                continue;
            };
            for source in &copy.sources {
                let CopySource::Path(written) = source else {
                    continue;
                };
                let Some(path) = view.known_value(written) else {
                    continue;
                };
                let Some(what) = credential(&path, &copy.destination) else {
                    continue;
                };
                let message = format!("`{path}` becomes part of the image: {what}");
                findings
                    .add(view.place_of(written), message)
                    .hint(
                        "a step that needs it gets it with `RUN --mount=type=secret,id=…,target=…`; \
                         a container gets it when it starts",
                    )
                    .hint("deleting it in a later instruction leaves it in its layer");
            }
        }
    }
}

/// What a file holds, if its name says that it holds credentials.
fn credential(path: &str, destination: &str) -> Option<&'static str> {
    let path = path.trim_end_matches('/').to_ascii_lowercase();
    let name = base_name(&path);
    let words = [
        "test", "example", "sample", "public", "dummy", "fixture", "template", "mock",
    ];
    if path.contains("://") || words.iter().any(|word| path.contains(word)) {
        return None;
    }
    let is_below = |directory: &str| {
        path.strip_suffix(name)
            .is_some_and(|parent| parent.ends_with(directory))
    };
    match name {
        "id_rsa" | "id_ed25519" | "id_ecdsa" | "id_dsa" => Some("it is a private key"),
        ".ssh" => Some("it usually holds private keys"),
        ".netrc" | "_netrc" | ".git-credentials" | ".pgpass" | ".pypirc" | ".my.cnf" => {
            Some("it holds passwords")
        }
        ".env" | ".env.local" | ".aws" | ".kube" | ".gnupg" => Some("it usually holds credentials"),
        "kubeconfig" | "application_default_credentials.json" => Some("it holds credentials"),
        "credentials" | "config" if is_below(".aws/") || is_below(".kube/") => {
            Some("it holds credentials")
        }
        "config.json" if is_below(".docker/") => Some("it holds credentials for registries"),
        name => key_file(name, destination),
    }
}

/// The same for names of which only a part is fixed.
fn key_file(name: &str, destination: &str) -> Option<&'static str> {
    let (stem, extension) = name.rsplit_once('.')?;
    let has = |words: &[&str]| words.iter().any(|word| stem.contains(word));
    // What signs packages is public although it is called a key.
    let signs_packages = has(&[
        "gpg", "sign", "apt", "release", "archive", "repo", "keyring", "pub", "rpm", "license",
        "licence", "pgp", "package",
    ]) || ["apt", "keyrings", "rpm-gpg", ".gpg", ".asc", "apk"]
        .iter()
        .any(|part| destination.contains(part));
    match extension {
        "key" if !signs_packages && !stem.contains('*') => Some("it is a private key"),
        "pem" if has(&["private", "privkey", "-key", "_key", ".key"]) && !has(&["pub"]) => {
            Some("it is a private key")
        }
        "p12" | "pfx" if !has(&["trust", "cacert"]) => Some("it holds a private key"),
        "jks" if !has(&["trust", "cacert"]) => Some("it usually holds a private key"),
        "json" if has(&["service-account", "service_account", "serviceaccount"]) => {
            Some("it is the key of a service account")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_public_files_are_told_from_names_of_credentials() {
        for path in [
            ".env",
            "config/.env",
            "id_rsa",
            ".ssh/",
            "/root/.aws/credentials",
            ".docker/config.json",
            "tls/server.key",
            "certs/server-key.pem",
            "privkey.pem",
            "store.p12",
            "my-service-account.json",
        ] {
            assert!(credential(path, "/app/").is_some(), "{path}");
        }
        for path in [
            ".env.example",
            ".env.production",
            "id_rsa.pub",
            ".ssh/known_hosts",
            "config.json",
            "src/credentials",
            "test/server.key",
            "nginx_signing.key",
            "docker.gpg.key",
            "rds-combined-ca-bundle.pem",
            "fullchain.pem",
            "public-key.pem",
            "truststore.jks",
            "*.key",
            "monkey.json",
        ] {
            assert!(credential(path, "/app/").is_none(), "{path}");
        }
        assert!(credential("docker.key", "/etc/apt/keyrings/").is_none());
    }
}
