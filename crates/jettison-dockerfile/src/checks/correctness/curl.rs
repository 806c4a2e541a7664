//! What a `curl` command is told to do.

use crate::checks::packages::base_name;

/// Short flags with a value, which may stand in the same word.
const VALUED: &str = "AbcCdDeEFhHKmoPQrtTuUwxXyYz";

/// What a `curl` command is told to do, as far as rules ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// To fail when the answer is 400 or more.
    Fail,
    /// To write the answer to a file that stays.
    Save,
    /// To throw the answer away.
    Discard,
    /// To print something of its own about the answer.
    WriteOut,
    /// To read flags from a file, or to ask for nothing.
    Other,
}

/// A `curl` command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Curl {
    told: Vec<Told>,
    /// The addresses it names, as far as they are known.
    addresses: Vec<String>,
}

/// Reads the arguments of `curl`; `None` stands for a word that is not known.
pub(super) fn curl<'w>(arguments: impl Iterator<Item = Option<&'w str>>) -> Curl {
    let mut curl = Curl::default();
    // The flag whose value comes next.
    let mut flag: Option<String> = None;
    for argument in arguments {
        if let Some(flag) = flag.take() {
            let value = argument.unwrap_or("?");
            // A flag that is not known may have no value.
            if value.len() == 1 || !value.starts_with('-') {
                curl.value(&flag, value);
                continue;
            }
        }
        let Some(argument) = argument else {
            curl.addresses.push(String::new());
            continue;
        };
        if let Some(long) = argument.strip_prefix("--") {
            flag = curl.long(long);
        } else if let Some(cluster) = argument.strip_prefix('-') {
            flag = curl.cluster(cluster);
        } else {
            curl.addresses.push(argument.to_owned());
        }
    }
    curl
}

impl Curl {
    /// Says whether it is told something.
    pub(super) fn is_told(&self, what: Told) -> bool {
        self.told.contains(&what)
    }

    /// Says whether it succeeds whatever a server answers by HTTP, and nobody asks for the status.
    pub(super) fn takes_everything(&self) -> bool {
        let is_careful = [Told::Fail, Told::WriteOut, Told::Other]
            .into_iter()
            .any(|told| self.is_told(told));
        !is_careful && self.is_http()
    }

    /// Says whether all that it names may be asked for by HTTP.
    fn is_http(&self) -> bool {
        !self.addresses.is_empty()
            && self.addresses.iter().all(|address| {
                !address.contains("://") || address.starts_with("http") || address.starts_with('$')
            })
    }

    /// Takes a long flag; returns it if its value comes next.
    fn long(&mut self, flag: &str) -> Option<String> {
        match flag {
            "fail" | "fail-with-body" => self.told.push(Told::Fail),
            "remote-name" | "remote-name-all" => self.told.push(Told::Save),
            "version" | "help" | "manual" => self.told.push(Told::Other),
            _ if LONG_SWITCHES.contains(&flag) || flag.starts_with("no-") => {}
            _ => return Some(flag.to_owned()),
        }
        None
    }

    /// Takes a cluster of short flags; returns the last if its value comes next.
    fn cluster(&mut self, cluster: &str) -> Option<String> {
        for (at, letter) in cluster.char_indices() {
            if VALUED.contains(letter) {
                let flag = match letter {
                    'o' => "output",
                    'w' => "write-out",
                    'K' => "config",
                    _ => "",
                };
                let value = &cluster[at + letter.len_utf8()..];
                if value.is_empty() {
                    return Some(flag.to_owned());
                }
                self.value(flag, value);
                return None;
            }
            match letter {
                'f' => self.told.push(Told::Fail),
                'O' | 'J' => self.told.push(Told::Save),
                'V' | 'M' => self.told.push(Told::Other),
                _ => {}
            }
        }
        None
    }

    fn value(&mut self, flag: &str, value: &str) {
        match flag {
            "output" if value == "/dev/null" => self.told.push(Told::Discard),
            "output" if value != "-" => self.told.push(Told::Save),
            "write-out" => self.told.push(Told::WriteOut),
            "config" => self.told.push(Told::Other),
            "url" => self.addresses.push(value.to_owned()),
            _ => {}
        }
    }
}

/// Long flags without a value.
const LONG_SWITCHES: [&str; 30] = [
    "anyauth",
    "basic",
    "compressed",
    "create-dirs",
    "digest",
    "disable",
    "fail-early",
    "get",
    "globoff",
    "head",
    "http1.1",
    "http2",
    "include",
    "insecure",
    "ipv4",
    "ipv6",
    "location",
    "location-trusted",
    "negotiate",
    "netrc",
    "ntlm",
    "progress-bar",
    "proxy-insecure",
    "remote-header-name",
    "retry-all-errors",
    "retry-connrefused",
    "show-error",
    "silent",
    "tlsv1.2",
    "verbose",
];

/// Says whether a word is the program.
pub(super) fn is_curl(word: &str) -> bool {
    base_name(word) == "curl"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(command: &str) -> Curl {
        curl(command.split(' ').map(Some))
    }

    #[test]
    fn clusters_end_at_a_letter_with_a_value() {
        assert!(read("-sSfL https://a").is_told(Told::Fail));
        assert!(read("-Lo f https://a").is_told(Told::Save));
        let into_f = read("-of https://a");
        assert!(into_f.is_told(Told::Save) && !into_f.is_told(Told::Fail));
        assert!(!read("-H f https://a").is_told(Told::Fail));
        assert!(read("-so /dev/null https://a").is_told(Told::Discard));
        assert!(read("-s -w %{http_code} https://a").is_told(Told::WriteOut));
    }

    #[test]
    fn addresses_are_told_from_values() {
        assert_eq!(read("--retry 3 -L https://a").addresses, ["https://a"]);
        assert_eq!(
            read("--proto =https --tlsv1.2 -sSf https://a").addresses,
            ["https://a"]
        );
        assert!(read("--fail-with-body a").is_told(Told::Fail));
        assert!(!read("ftp://a").is_http());
    }
}
