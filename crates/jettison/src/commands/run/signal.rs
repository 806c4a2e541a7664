//! The signal by which a program is asked to end.

use jettison_oci::ImageConfig;
use jettison_sandbox::Signal;

use crate::failure::Failure;

/// The signal that the command line asks for, else the image's, else SIGTERM.
pub(super) fn stop(asked: Option<&str>, config: &ImageConfig) -> Result<Signal, Failure> {
    if let Some(name) = asked {
        return named(name).ok_or_else(|| {
            Failure::user(format!("there is no signal `{name}` that could be sent"))
                .hint("take a name or a number: SIGTERM, QUIT, 3")
        });
    }
    let own = config.config.stop_signal.as_deref();
    // An image's real-time signal cannot be sent; SIGTERM is what it would get without saying anything.
    Ok(own.and_then(named).unwrap_or(Signal::TERM))
}

fn named(text: &str) -> Option<Signal> {
    if let Ok(number) = text.parse() {
        return Signal::from_named_raw(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let pairs = [
        ("HUP", Signal::HUP),
        ("INT", Signal::INT),
        ("QUIT", Signal::QUIT),
        ("ILL", Signal::ILL),
        ("TRAP", Signal::TRAP),
        ("ABRT", Signal::ABORT),
        ("BUS", Signal::BUS),
        ("FPE", Signal::FPE),
        ("KILL", Signal::KILL),
        ("USR1", Signal::USR1),
        ("SEGV", Signal::SEGV),
        ("USR2", Signal::USR2),
        ("PIPE", Signal::PIPE),
        ("ALRM", Signal::ALARM),
        ("TERM", Signal::TERM),
        ("CHLD", Signal::CHILD),
        ("CONT", Signal::CONT),
        ("STOP", Signal::STOP),
        ("TSTP", Signal::TSTP),
        ("TTIN", Signal::TTIN),
        ("TTOU", Signal::TTOU),
        ("URG", Signal::URG),
        ("XCPU", Signal::XCPU),
        ("XFSZ", Signal::XFSZ),
        ("VTALRM", Signal::VTALARM),
        ("PROF", Signal::PROF),
        ("WINCH", Signal::WINCH),
        ("IO", Signal::IO),
        ("PWR", Signal::POWER),
        ("SYS", Signal::SYS),
    ];
    let found = pairs.iter().find(|(known, _)| *known == name);
    found.map(|(_, signal)| *signal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_numbers() {
        for text in ["SIGQUIT", "quit", "3", "SigQuit"] {
            assert_eq!(named(text), Some(Signal::QUIT), "{text}");
        }
        assert_eq!(named("SIGRTMIN+3"), None);
        let config = ImageConfig::default();
        assert_eq!(stop(None, &config).unwrap(), Signal::TERM);
        assert!(stop(Some("SIGNOPE"), &config).is_err());
    }
}
