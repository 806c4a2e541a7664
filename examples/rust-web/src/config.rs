//! Settings: a file, and variables that go before it.

use std::env;
use std::fs;

use serde::Deserialize;

/// What can be set.
#[derive(Clone, Deserialize)]
pub struct Config {
    pub title: String,
    pub listen: String,
    pub data: String,
    pub templates: String,
    pub assets: String,
    pub longest: usize,
}

impl Config {
    /// Reads `file`, and GUESTBOOK_LISTEN, GUESTBOOK_DATA and GUESTBOOK_TITLE.
    pub fn load(file: &str) -> Result<Config, String> {
        let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        let mut config: Config = serde_json::from_str(&text).map_err(|error| format!("{file}: {error}"))?;
        for (name, value) in [
            ("GUESTBOOK_LISTEN", &mut config.listen),
            ("GUESTBOOK_DATA", &mut config.data),
            ("GUESTBOOK_TITLE", &mut config.title),
        ] {
            if let Ok(set) = env::var(name) {
                *value = set;
            }
        }
        Ok(config)
    }
}
