//! The applets of busybox, for the links of a debug image: read from the program, which may be for another machine.
//!
//! The program holds the names in the order of their bytes, each with a NUL after it (`applet_names`, made by
//! `applet_tables.c`; the program itself searches there by halves). Nothing points at the table in a stripped file,
//! so it is found by its form: the longest such run.

use memchr::memmem;

/// A program of that name holds this.
const BANNER: &[u8] = b"BusyBox v";
/// Fewer names than in any busybox that is worth links, and more than text in a program has by chance.
const MIN_APPLETS: usize = 10;
/// The longest applet's name that is believed; the longest known is `start-stop-daemon`.
const MAX_NAME: usize = 31;

/// The names of the applets in the bytes of a program, in its own order; `None` if it is no busybox.
pub(crate) fn busybox_applets(program: &[u8]) -> Option<Vec<&str>> {
    memmem::find(program, BANNER)?;
    let mut longest: Vec<&str> = Vec::new();
    let mut run: Vec<&str> = Vec::new();
    let mut previous: &[u8] = &[];
    for text in program.split(|byte| *byte == 0) {
        let name = applet_name(text);
        let follows = name.is_some_and(|name| run.last().is_none_or(|last| *last < name));
        if !follows {
            if run.len() > longest.len() {
                longest = std::mem::take(&mut run);
            }
            run.clear();
        }
        // Where the table begins right after other data, its first name has no NUL before it. That is `[` in all that have
        // `[[`.
        if run.is_empty() && name == Some("[[") && previous.ends_with(b"[") {
            run.push("[");
        }
        run.extend(name);
        previous = text;
    }
    if run.len() > longest.len() {
        longest = run;
    }
    (longest.len() >= MIN_APPLETS).then_some(longest)
}

/// `text` if an applet could be called so: small letters, digits and a few signs, or `[` and `[[`.
fn applet_name(text: &[u8]) -> Option<&str> {
    let first = text.first()?;
    let is_applet = matches!(text, b"[" | b"[[")
        || text.len() <= MAX_NAME
            && first.is_ascii_lowercase()
            && text.iter().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(byte)
            });
    is_applet.then(|| str::from_utf8(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;
    use crate::base::generate::skip;

    #[test]
    fn the_applets_are_those_that_busybox_lists() {
        let path = "/bin/busybox";
        let Ok(program) = fs::read(path) else {
            return skip("there is no busybox: install the package busybox-static");
        };
        let output = Command::new(path).arg("--list").output().unwrap();
        let theirs = String::from_utf8(output.stdout).unwrap();
        let theirs: Vec<&str> = theirs.lines().collect();
        assert_eq!(busybox_applets(&program), Some(theirs));
    }

    #[track_caller]
    fn check(program: &str, expected: Option<&[&str]>) {
        let found = busybox_applets(program.as_bytes());
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn the_longest_sorted_run_of_names_is_the_table() {
        let names = [
            "[",
            "[[",
            "ar",
            "ash",
            "cat",
            "ls",
            "sh",
            "start-stop-daemon",
            "tr",
            "xz",
        ];
        let table = names.join("\0");
        check(
            &format!("BusyBox v1\0abc\0abd\0Zed\0zz\0{table}\0\0zzz"),
            Some(&names),
        );
        check(&format!("BusyBox v1\0\0{table}"), Some(&names));
        check(&format!("BusyBox v1\0\u{5}{table}"), Some(&names));
        // Out of order, it is no table.
        check(&format!("BusyBox v1\0{}", table.replace("cat", "lz")), None);
        check(&format!("another program\0{table}\0"), None);
        check("", None);
    }
}
