//! The signals of `STOPSIGNAL`.

use crate::text::upper;

const NAMES: [&str; 36] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL",
    "PIPE", "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP",
    "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
];

/// Says whether Linux has a signal (moby/sys: `ParseSignal`, signal/signal.go).
pub fn is_signal(signal: &str) -> bool {
    if let Ok(number) = signal.parse::<i64>() {
        return number != 0;
    }
    let name = upper(signal);
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    // `RTMIN+1` to `RTMIN+15` and `RTMAX-14` to `RTMAX-1`.
    let is_between = |prefix: &str, last: u8| {
        let number = name.strip_prefix(prefix);
        number.is_some_and(|text| (1..=last).any(|number| number.to_string() == text))
    };
    NAMES.contains(&name) || is_between("RTMIN+", 15) || is_between("RTMAX-", 14)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_numbers_and_names() {
        for good in ["9", "-3", "TERM", "sigterm", "SIGRTMIN+15", "rtmax-14"] {
            assert!(is_signal(good), "{good}");
        }
        for bad in [
            "0",
            "",
            "FOO",
            "SIGSIGTERM",
            "RTMIN+16",
            "RTMAX-15",
            "RTMIN+01",
        ] {
            assert!(!is_signal(bad), "{bad}");
        }
    }
}
