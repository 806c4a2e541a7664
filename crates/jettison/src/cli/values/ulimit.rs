//! `--ulimit nofile=1024:2048`

/// A limit of a process. `-1` is unlimited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ulimit {
    pub(crate) name: &'static str,
    pub(crate) soft: i64,
    pub(crate) hard: i64,
}

/// The names that docker knows (docker/go-units: `ulimitNameMapping`, ulimit.go).
const NAMES: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// Reads `NAME=SOFT[:HARD]` (docker/go-units: `ParseUlimit`, ulimit.go).
pub(crate) fn ulimit(text: &str) -> Result<Ulimit, String> {
    let (name, limits) = text.split_once('=').ok_or("take NAME=SOFT[:HARD]")?;
    let Some(name) = NAMES.iter().find(|known| **known == name) else {
        return Err(format!(
            "there is no limit called `{name}`: take {}",
            NAMES.join(", ")
        ));
    };
    let number = |text: &str| -> Result<i64, String> {
        text.parse()
            .ok()
            .filter(|number| *number >= -1)
            .ok_or_else(|| format!("`{text}` is not a limit: take a number, or -1 for none"))
    };
    let (soft, hard) = match limits.split_once(':') {
        Some((soft, hard)) => (number(soft)?, number(hard)?),
        None => (number(limits)?, number(limits)?),
    };
    if hard != -1 && (soft == -1 || soft > hard) {
        return Err("the soft limit must not be above the hard one".to_string());
    }
    Ok(Ulimit { name, soft, hard })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_docker_reads_them() {
        let cases = [
            ("nofile=1024:2048", ("nofile", 1024, 2048)),
            ("nofile=1024", ("nofile", 1024, 1024)),
            ("core=-1", ("core", -1, -1)),
            ("stack=5:-1", ("stack", 5, -1)),
            ("nice=0:-1", ("nice", 0, -1)),
        ];
        for (text, expected) in cases {
            let read = ulimit(text).unwrap();
            assert_eq!((read.name, read.soft, read.hard), expected, "{text}");
        }
    }

    #[test]
    fn other_limits_are_refused() {
        for text in [
            "",
            "nofile",
            "nofile=",
            "nofile=x",
            "as=1",
            "NOFILE=1",
            "nofile=1:2:3",
            "nofile=3:2",
            "nofile=-1:5",
            "nofile=1k",
            "cpu=-5:7",
        ] {
            assert!(ulimit(text).is_err(), "{text}");
        }
    }
}
