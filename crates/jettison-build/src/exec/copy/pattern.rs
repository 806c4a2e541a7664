//! The patterns of COPY's sources: Go's `filepath.Match`.

use std::path::Path;

/// Whether `name`, one path component, matches `pattern`. A malformed pattern matches nothing.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    // The last star and the place in `name` that it reaches to, to try again from one further.
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, n));
            p += 1;
            continue;
        }
        if n == name.len() && p == pattern.len() {
            return true;
        }
        if n < name.len()
            && let Some(next) = one(&pattern, p, name[n])
        {
            p = next;
            n += 1;
            continue;
        }
        match star {
            Some((at, reached)) if reached < name.len() => {
                star = Some((at, reached + 1));
                p = at + 1;
                n = reached + 1;
            }
            _ => return false,
        }
    }
}

/// Whether a path has characters that make a pattern of it; a backslash takes that from the next one.
pub(crate) fn is_pattern(path: &Path) -> bool {
    let text = path.to_string_lossy();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '*' | '?' | '[' => return true,
            '\\' => drop(characters.next()),
            _ => {}
        }
    }
    false
}

/// The position after the pattern's element at `p` if that matches `c`.
fn one(pattern: &[char], p: usize, c: char) -> Option<usize> {
    match pattern.get(p)? {
        '?' => Some(p + 1),
        '\\' => (*pattern.get(p + 1)? == c).then_some(p + 2),
        '[' => class(pattern, p + 1, c),
        literal => (*literal == c).then_some(p + 1),
    }
}

/// The position after the class that begins at `p` if it holds `c`.
fn class(pattern: &[char], mut p: usize, c: char) -> Option<usize> {
    let negated = *pattern.get(p)? == '^';
    if negated {
        p += 1;
    }
    let mut found = false;
    let mut first = true;
    loop {
        if *pattern.get(p)? == ']' && !first {
            return (found != negated).then_some(p + 1);
        }
        first = false;
        let (low, after) = class_char(pattern, p)?;
        let (high, after) = if *pattern.get(after)? == '-' {
            class_char(pattern, after + 1)?
        } else {
            (low, after)
        };
        found |= low <= c && c <= high;
        p = after;
    }
}

fn class_char(pattern: &[char], p: usize) -> Option<(char, usize)> {
    match *pattern.get(p)? {
        '\\' => Some((*pattern.get(p + 1)?, p + 2)),
        '-' | ']' => None,
        other => Some((other, p + 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_go_does() {
        let yes = [
            ("abc", "abc"),
            ("*", "abc"),
            ("*c", "abc"),
            ("a*", "a"),
            ("a*", "abc"),
            ("a*b*c*d*e*", "axbxcxdxe"),
            ("a*b?c*x", "abxbbxdbxebxczzx"),
            ("ab[c]", "abc"),
            ("ab[b-d]", "abc"),
            ("ab[^e-g]", "abc"),
            ("a\\*b", "a*b"),
            ("a?b", "a☺b"),
            ("[\\]a]", "]"),
            ("[\\-x]", "-"),
            ("*x", "xxx"),
        ];
        for (pattern, name) in yes {
            assert!(matches(pattern, name), "{pattern} should match {name}");
        }
        let no = [("a*b*c*d*e*", "axbxcxdxexxxfff0").0];
        assert!(matches(no[0], "axbxcxdxexxxfff0"));
        for (pattern, name) in [
            ("ab[e-g]", "abc"),
            ("ab[^c]", "abc"),
            ("a\\*b", "ab"),
            ("a???b", "a☺b"),
            ("[]a]", "]"),
            ("[-]", "-"),
            ("[x-]", "x"),
            ("[a-b-c]", "a"),
            ("[", "a"),
            ("[^", "a"),
            ("a[", "ab"),
            ("*x", "xxy"),
            ("", "a"),
        ] {
            assert!(!matches(pattern, name), "{pattern} should not match {name}");
        }
    }
}
