//! The `#!` line of a script.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// How many bytes of a file Linux looks at to find its interpreter.
const HEAD: usize = 256;

/// The program that the kernel starts for a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptInterpreter {
    /// The program, as it is written.
    pub path: PathBuf,
    /// All that follows it on the line, which the kernel passes as one argument.
    pub argument: Option<String>,
}

/// The interpreter that the first line of `bytes` names, read as the kernel reads it.
pub fn script_interpreter(bytes: &[u8]) -> Option<ScriptInterpreter> {
    let head = &bytes[..bytes.len().min(HEAD)];
    let text = head.strip_prefix(b"#!")?;
    let (line, complete) = match text.iter().position(|&byte| byte == b'\n') {
        Some(end) => (&text[..end], true),
        // The last byte that the kernel has read gives way to an end mark.
        None => (&text[..text.len().min(HEAD - 3)], bytes.len() < HEAD),
    };
    let line = line.split(|&byte| byte == 0).next()?;
    let line = trim(line);
    let end = line.iter().position(|&byte| is_blank(byte));
    if line.is_empty() || (end.is_none() && !complete) {
        return None;
    }
    let (path, rest) = line.split_at(end.unwrap_or(line.len()));
    let argument = trim(rest);
    Some(ScriptInterpreter {
        path: PathBuf::from(OsStr::from_bytes(path)),
        argument: (!argument.is_empty()).then(|| String::from_utf8_lossy(argument).into_owned()),
    })
}

fn trim(bytes: &[u8]) -> &[u8] {
    let Some(start) = bytes.iter().position(|&byte| !is_blank(byte)) else {
        return &[];
    };
    let end = bytes
        .iter()
        .rposition(|&byte| !is_blank(byte))
        .map_or(start, |last| last + 1);
    &bytes[start..end]
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Option<(&str, Option<&str>)>) {
        let found = script_interpreter(text.as_bytes());
        let found = found
            .as_ref()
            .map(|found| (found.path.to_str().unwrap(), found.argument.as_deref()));
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn a_first_line_is_read_as_the_kernel_reads_it() {
        check("#!/bin/sh\necho", Some(("/bin/sh", None)));
        check("#!/bin/sh", Some(("/bin/sh", None)));
        check(
            "#! \t/usr/bin/env  -S python3 -u \t\n",
            Some(("/usr/bin/env", Some("-S python3 -u"))),
        );
        check("#!/bin/sh\r\n", Some(("/bin/sh\r", None)));
        check("#!\n/bin/sh", None);
        check("#!   ", None);
        check("# !/bin/sh", None);
        check("", None);
    }

    #[test]
    fn an_interpreter_that_is_cut_off_is_none() {
        check(&format!("#!/{}\n", "a".repeat(300)), None);
        check(
            &format!("#!/bin/a {}\n", "b".repeat(300)),
            Some(("/bin/a", Some(&"b".repeat(246)))),
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            drop(script_interpreter(&bytes));
            bytes.splice(0..0, *b"#!");
            drop(script_interpreter(&bytes));
        }
    }
}
