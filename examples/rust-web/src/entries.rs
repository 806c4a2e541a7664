//! What guests have written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

/// What one guest has written.
#[derive(Clone, Serialize, Deserialize)]
pub struct Entry {
    pub name: String,
    pub text: String,
}

/// All entries, in memory and in a file.
pub struct Entries {
    inner: Mutex<(Vec<Entry>, File)>,
}

impl Entries {
    /// Reads the entries of `directory`, which is made if it is missing.
    pub fn open(directory: &str) -> io::Result<Entries> {
        fs::create_dir_all(directory)?;
        let path = Path::new(directory).join("entries.jsonl");
        let entries = match fs::read_to_string(&path) {
            Ok(text) => text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Entries { inner: Mutex::new((entries, file)) })
    }

    /// Keeps an entry; its number is returned.
    pub fn add(&self, entry: Entry) -> io::Result<usize> {
        let mut inner = self.inner.lock().unwrap();
        let line = serde_json::to_string(&entry)?;
        writeln!(inner.1, "{line}")?;
        inner.0.push(entry);
        Ok(inner.0.len())
    }

    /// All of them, in the order in which they were written.
    pub fn all(&self) -> Vec<Entry> {
        self.inner.lock().unwrap().0.clone()
    }
}
