//! Lists, as `--format` asks for them: `table`, `json`, a template, or `table` and a template.

use std::collections::BTreeMap;

use crate::failure::Failure;
use crate::output::Output;
use crate::printable::{one_line, printable_json};
use crate::template::{Data, Template, TemplateError};

/// What is printed of each thing: the name of a field, and its title in a table.
pub(crate) type Column = (&'static str, &'static str);

/// How a list is printed.
#[derive(Debug)]
pub(crate) struct Listing<'a> {
    /// What `--format` says.
    pub(crate) format: Option<&'a str>,
    /// The columns of a table, if no template says which.
    pub(crate) columns: &'a [Column],
    /// The titles of all fields that a template may name.
    pub(crate) titles: &'a [Column],
}

impl Listing<'_> {
    /// Prints `rows`, each of which is a record.
    pub(crate) fn print(&self, rows: &[Data], output: &mut Output) -> Result<(), Failure> {
        match self.format.map(str::trim) {
            None | Some("" | "table") => {
                let titles = self.columns.iter().map(|(_, title)| (*title).to_string());
                let mut table = vec![titles.collect()];
                let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
                table.extend(rows.iter().map(|row| cells(row, &names)));
                for line in aligned(&table) {
                    output.line(&line);
                }
            }
            Some("json") => {
                for row in rows {
                    output.line(&json(row)?);
                }
            }
            Some(format) => self.print_template(format, rows, output)?,
        }
        Ok(())
    }

    fn print_template(
        &self,
        format: &str,
        rows: &[Data],
        output: &mut Output,
    ) -> Result<(), Failure> {
        let of_table = format.strip_prefix("table ");
        // As docker does it (docker/cli: `preFormat`, command/formatter/formatter.go).
        let text = of_table.unwrap_or(format).trim();
        let text = text.replace(r"\t", "\t").replace(r"\n", "\n");
        let failed = |error: TemplateError| unusable(format, &error);
        let template = Template::parse(&text).map_err(failed)?;
        let mut lines = Vec::new();
        for row in rows {
            lines.push(template.render(row).map_err(failed)?);
        }
        if of_table.is_none() {
            for line in &lines {
                output.line(line);
            }
            return Ok(());
        }
        let titles = self.titles.iter();
        let titles = titles.map(|(name, title)| ((*name).to_string(), Data::from(*title)));
        let titles = Data::Map(titles.collect::<BTreeMap<_, _>>());
        lines.insert(0, template.render(&titles).map_err(failed)?);
        let table: Vec<Vec<String>> = lines
            .iter()
            .map(|line| line.split('\t').map(str::to_string).collect())
            .collect();
        for line in aligned(&table) {
            output.line(&line);
        }
        Ok(())
    }
}

/// A template of the user's cannot be read or filled in.
pub(crate) fn unusable(format: &str, error: &TemplateError) -> Failure {
    Failure::user(format!("cannot use the format `{format}`"))
        .because(error)
        .hint("`--format json` prints all that there is")
}

/// A record in one line of JSON.
pub(crate) fn json(data: &Data) -> Result<String, Failure> {
    let json = serde_json::to_string(data)
        .map_err(|error| Failure::user("cannot write JSON").because(&error))?;
    Ok(printable_json(&json))
}

/// The fields of a record that are called so, as texts.
fn cells(row: &Data, names: &[&str]) -> Vec<String> {
    let Data::Record(fields) = row else {
        return Vec::new();
    };
    let text = |name: &&str| {
        let field = fields.iter().find(|field| field.name == *name);
        match field.map(|field| &field.value) {
            Some(Data::Text(text)) => one_line(text),
            Some(Data::Number(number)) => number.to_string(),
            _ => String::new(),
        }
    };
    names.iter().map(text).collect()
}

/// The lines of a table, three spaces between columns.
fn aligned(table: &[Vec<String>]) -> Vec<String> {
    let length = |cell: &String| cell.chars().count();
    let columns = table.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = table.iter().filter_map(|row| row.get(column));
        cells.map(length).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        cells.join("   ").trim_end().to_string()
    };
    table.iter().map(line).collect()
}
