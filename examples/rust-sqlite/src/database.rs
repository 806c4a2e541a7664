//! The database of things.

use std::fmt;

use rusqlite::{Connection, OptionalExtension, params};

/// Why something cannot be done.
#[derive(Debug)]
pub enum Problem {
    Usage,
    Number(String),
    Line(usize),
    TooFew { name: String, left: i64 },
    Database(rusqlite::Error),
    Io(std::io::Error),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Usage => f.write_str("this cannot be done"),
            Problem::Number(text) => write!(f, "{text} is not a count"),
            Problem::Line(line) => write!(f, "line {line} is not `name,count,shelf`"),
            Problem::TooFew { name, left } => write!(f, "there are {left} of {name}"),
            Problem::Database(error) => write!(f, "database: {error}"),
            Problem::Io(error) => write!(f, "{error}"),
        }
    }
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Problem {
        Problem::Database(error)
    }
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Problem {
        Problem::Io(error)
    }
}

/// What is in stock.
pub struct Database(Connection);

impl Database {
    /// Opens a file; it is made if it is missing.
    pub fn open(file: &str) -> Result<Database, Problem> {
        let connection = Connection::open(file)?;
        connection.execute_batch(include_str!("schema.sql"))?;
        Ok(Database(connection))
    }

    /// All changes that `change` makes, or none of them.
    pub fn together(&mut self, change: impl FnOnce(&mut Database) -> Result<(), Problem>) -> Result<(), Problem> {
        self.0.execute_batch("BEGIN")?;
        let result = change(self);
        self.0.execute_batch(if result.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
        result
    }

    /// Adds things to a shelf.
    pub fn add(&mut self, name: &str, count: i64, shelf: &str) -> Result<(), Problem> {
        self.0.execute(
            "INSERT INTO things (name, count, shelf) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET count = count + ?2, shelf = ?3",
            params![name, count, shelf],
        )?;
        Ok(())
    }

    /// Takes things away.
    pub fn take(&mut self, name: &str, count: i64) -> Result<(), Problem> {
        let left: Option<i64> =
            self.0.query_row("SELECT count FROM things WHERE name = ?1", [name], |row| row.get(0)).optional()?;
        let left = left.unwrap_or(0);
        if left < count {
            return Err(Problem::TooFew { name: name.to_owned(), left });
        }
        self.0.execute("UPDATE things SET count = count - ?2 WHERE name = ?1", params![name, count])?;
        Ok(())
    }

    /// Prints what has a word in its name.
    pub fn list(&mut self, word: &str) -> Result<(), Problem> {
        let mut statement = self.0.prepare(
            "SELECT name, count, shelf FROM things WHERE name LIKE '%' || ?1 || '%' ORDER BY shelf, name",
        )?;
        let mut rows = statement.query([word])?;
        while let Some(row) = rows.next()? {
            println!("{:<10} {:>6}  {}", row.get::<_, String>(2)?, row.get::<_, i64>(1)?, row.get::<_, String>(0)?);
        }
        Ok(())
    }
}
