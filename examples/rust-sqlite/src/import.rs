//! Many things at once.

use std::io;

use crate::database::{Database, Problem};

/// Reads lines of name, count and shelf from standard input; all are added, or none.
pub fn run(database: &mut Database) -> Result<(), Problem> {
    let mut added = 0;
    database.together(|database| {
        for (index, line) in io::stdin().lines().enumerate() {
            let line = line?;
            if line.trim().is_empty() {
                continue;
            }
            let mut fields = line.split(',').map(str::trim);
            let (Some(name), Some(count), Some(shelf), None) =
                (fields.next(), fields.next(), fields.next(), fields.next())
            else {
                return Err(Problem::Line(index + 1));
            };
            let count = count.parse().map_err(|_| Problem::Line(index + 1))?;
            database.add(name, count, shelf)?;
            added += 1;
        }
        Ok(())
    })?;
    println!("{added} lines");
    Ok(())
}
