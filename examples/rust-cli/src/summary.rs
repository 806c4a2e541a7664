//! What was counted.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};

use crate::patterns::Patterns;

/// Counts by pattern, and by what its first group matched.
pub struct Summary<'a> {
    patterns: &'a Patterns,
    counts: BTreeMap<(usize, String), u64>,
    lines: u64,
    unknown: u64,
    errors: u64,
}

impl<'a> Summary<'a> {
    /// Nothing yet.
    pub fn new(patterns: &'a Patterns) -> Summary<'a> {
        Summary { patterns, counts: BTreeMap::new(), lines: 0, unknown: 0, errors: 0 }
    }

    /// Counts the lines of one file; bytes that are no UTF-8 are replaced.
    pub fn read(&mut self, mut input: impl BufRead) -> io::Result<()> {
        let mut bytes = Vec::new();
        while input.read_until(b'\n', &mut bytes)? > 0 {
            self.count(String::from_utf8_lossy(&bytes).trim_end());
            bytes.clear();
        }
        Ok(())
    }

    fn count(&mut self, line: &str) {
        self.lines += 1;
        for (index, pattern) in self.patterns.0.iter().enumerate() {
            if let Some(captures) = pattern.regex.captures(line) {
                let key = captures.get(1).map_or(String::new(), |group| group.as_str().to_owned());
                *self.counts.entry((index, key)).or_default() += 1;
                self.errors += u64::from(pattern.is_error);
                return;
            }
        }
        self.unknown += 1;
    }

    /// Whether any line was an error.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Prints the most frequent ones.
    pub fn print(&self, top: usize, csv: bool) -> io::Result<()> {
        let mut rows: Vec<_> = self.counts.iter().collect();
        rows.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let mut output = io::stdout().lock();
        for ((index, key), count) in rows.into_iter().take(top) {
            let name = &self.patterns.0[*index].name;
            if csv {
                writeln!(output, "{name},\"{}\",{count}", key.replace('"', "\"\""))?;
            } else {
                writeln!(output, "{count:>8}  {name:<12} {key}")?;
            }
        }
        if !csv {
            writeln!(output, "{} lines, {} unknown, {} errors", self.lines, self.unknown, self.errors)?;
        }
        Ok(())
    }
}
