//! What is in stock, in a SQLite database.
//!
//!     inventory add NAME COUNT [SHELF]     inventory take NAME COUNT
//!     inventory list [WORD]                inventory import <FILE.csv

mod database;
mod import;

use std::env;
use std::process::ExitCode;

use crate::database::{Database, Problem};

const USAGE: &str = "usage: inventory add NAME COUNT [SHELF] | take NAME COUNT | list [WORD] | import | version";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Problem::Usage) => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
        Err(problem) => {
            eprintln!("inventory: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<(), Problem> {
    if words == ["version"] {
        println!("inventory {} with SQLite {}", env!("CARGO_PKG_VERSION"), rusqlite::version());
        return Ok(());
    }
    let file = env::var("INVENTORY_DB").unwrap_or_else(|_| "/var/lib/inventory/stock.db".to_owned());
    let mut database = Database::open(&file)?;
    match words {
        ["add", name, count] => database.add(name, number(count)?, "unsorted"),
        ["add", name, count, shelf] => database.add(name, number(count)?, shelf),
        ["take", name, count] => database.take(name, number(count)?),
        ["list"] => database.list(""),
        ["list", word] => database.list(word),
        ["import"] => import::run(&mut database),
        _ => Err(Problem::Usage),
    }
}

fn number(text: &str) -> Result<i64, Problem> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| Problem::Number(text.to_owned()))
}
