//! What archives ask of those who read them: user names and passwords, kept apart from addresses, so that they get
//! into no lock file, image or message.

use std::fs;
use std::path::Path;

use jettison_oci::base64;

use crate::remote::WebAddress;

/// Credentials by the addresses that they are for. They are never shown.
#[derive(Clone, Default)]
pub(crate) struct Credentials {
    /// The first one that fits counts.
    list: Vec<Credential>,
}

#[derive(Clone)]
struct Credential {
    is_encrypted: bool,
    host: String,
    port: Option<u16>,
    /// Without a slash at its end.
    path: String,
    /// The value of `Authorization`.
    value: String,
}

impl Credentials {
    /// Those that stand in these addresses.
    pub(crate) fn of_addresses<'a>(addresses: impl Iterator<Item = &'a str>) -> Credentials {
        let list = addresses.filter_map(|address| {
            let address = WebAddress::parse(address)?;
            let value = address.authorization()?;
            Some(Credential::new(&address, value))
        });
        Credentials {
            list: list.collect(),
        }
    }

    /// Those of the host's apt (`auth.conf` and `auth.conf.d`, `apt_auth.conf(5)`). Files that cannot be read say nothing.
    pub(crate) fn of_host(root: &Path) -> Credentials {
        let apt = root.join("etc/apt");
        let entries = fs::read_dir(apt.join("auth.conf.d"));
        let mut paths: Vec<_> = entries
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|end| end == "conf"))
            .collect();
        paths.sort();
        // apt asks the parts first (`MaybeAddAuth`, methods/aptmethod.h).
        paths.push(apt.join("auth.conf"));
        let texts = paths
            .iter()
            .filter_map(|path| fs::read_to_string(path).ok());
        let list = texts.flat_map(|text| of_text(&text));
        Credentials {
            list: list.collect(),
        }
    }

    /// These, and where none fits, `other`.
    pub(crate) fn or(mut self, other: Credentials) -> Credentials {
        self.list.extend(other.list);
        self
    }

    /// The value of `Authorization` for an address.
    pub(crate) fn authorization(&self, address: &WebAddress) -> Option<&str> {
        let asked = Credential::new(address, String::new());
        let fits = |known: &&Credential| {
            let below = asked.path.strip_prefix(known.path.as_str());
            known.is_encrypted == asked.is_encrypted
                && known.host.eq_ignore_ascii_case(&asked.host)
                && known.port == asked.port
                && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.list
            .iter()
            .find(fits)
            .map(|known| known.value.as_str())
    }
}

impl Credential {
    fn new(address: &WebAddress, value: String) -> Credential {
        let rest = address.url.split_once("://").map_or("", |(_, rest)| rest);
        let path = rest.find('/').map_or("", |slash| &rest[slash..]);
        let usual = if address.is_encrypted() { 443 } else { 80 };
        Credential {
            is_encrypted: address.is_encrypted(),
            host: address.host.clone(),
            port: address.port.filter(|port| *port != usual),
            path: path.trim_end_matches('/').to_string(),
            value,
        }
    }
}

/// The entries of a file: `machine ADDRESS login NAME password WORD`, in any lines. Without a scheme an address is for
/// encrypted connections alone.
fn of_text(text: &str) -> Vec<Credential> {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let mut words = lines.flat_map(str::split_whitespace).peekable();
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        if word != "machine" {
            continue;
        }
        let machine = words.next().unwrap_or_default();
        let (mut login, mut password) = ("", "");
        while let Some(key) = words.next_if(|word| *word != "machine") {
            let value = words.next().unwrap_or_default();
            match key {
                "login" => login = value,
                "password" => password = value,
                _ => {}
            }
        }
        let address = if machine.contains("://") {
            machine.to_string()
        } else {
            format!("https://{machine}")
        };
        if let Some(address) = WebAddress::parse(&address) {
            let text = format!("{login}:{password}");
            let value = format!("Basic {}", base64(text.as_bytes()));
            found.push(Credential::new(&address, value));
        }
    }
    found
}

/// An address without the user's name and password in it.
pub(crate) fn without_credentials(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else {
        return address.to_string();
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
# the lab
machine packages.example/lab login me password secret
machine http://plain.example:8080
    login you
    password word
machine incomplete
";

    #[track_caller]
    fn check(credentials: &Credentials, address: &str, expected: Option<&str>) {
        let address = WebAddress::parse(address).unwrap();
        let expected = expected.map(|text| format!("Basic {}", base64(text.as_bytes())));
        assert_eq!(credentials.authorization(&address), expected.as_deref());
    }

    #[test]
    fn credentials_are_for_their_addresses_and_what_is_below() {
        let file = Credentials {
            list: of_text(FILE),
        };
        check(&file, "https://packages.example/lab", Some("me:secret"));
        check(
            &file,
            "https://Packages.example:443/lab/dists/x",
            Some("me:secret"),
        );
        check(&file, "https://packages.example/labor", None);
        check(&file, "https://packages.example/", None);
        check(&file, "http://packages.example/lab", None);
        check(&file, "https://packages.example:444/lab", None);
        check(&file, "https://other.packages.example/lab", None);
        check(&file, "http://plain.example:8080/x", Some("you:word"));
        let said = "http://one:two@plain.example:8080/x/";
        let said = Credentials::of_addresses([said, "http://nobody.example/"].into_iter());
        let all = said.or(file);
        check(&all, "http://plain.example:8080/x/y", Some("one:two"));
        check(&all, "http://plain.example:8080/y", Some("you:word"));
        check(&all, "http://nobody.example/", None);
    }

    #[test]
    fn files_of_apt_are_read_in_its_order() {
        let root = tempfile::tempdir().unwrap();
        let apt = root.path().join("etc/apt");
        fs::create_dir_all(apt.join("auth.conf.d")).unwrap();
        let write = |name: &str, login: &str| {
            let text = format!("machine a.example login {login} password p\n");
            fs::write(apt.join(name), text).unwrap();
        };
        write("auth.conf", "last");
        write("auth.conf.d/2.conf", "second");
        write("auth.conf.d/1.conf", "first");
        write("auth.conf.d/0.old", "none");
        let host = Credentials::of_host(root.path());
        check(&host, "https://a.example/", Some("first:p"));
        assert_eq!(host.list.len(), 3);
        assert!(Credentials::of_host(&apt).list.is_empty());
    }

    #[test]
    fn addresses_lose_their_credentials_and_nothing_else() {
        for (address, expected) in [
            ("https://me:p%40@a.example:1/b@c", "https://a.example:1/b@c"),
            ("http://a.example/debian", "http://a.example/debian"),
            ("https://token@a.example", "https://a.example"),
            ("copy:/a@b", "copy:/a@b"),
        ] {
            assert_eq!(without_credentials(address), expected);
        }
    }
}
