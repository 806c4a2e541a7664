//! `jettison base list`

use std::process::ExitCode;

use jettison_slim::Recipes;

use crate::cli::BaseListArgs;
use crate::failure::Failure;
use crate::listing::{Column, Listing};
use crate::output::Output;
use crate::template::{Field, record};

const COLUMNS: [Column; 4] = [
    ("Name", "NAME"),
    ("From", "FROM"),
    ("Releases", "DEBIAN"),
    ("Description", "DESCRIPTION"),
];

pub(super) fn run(args: &BaseListArgs, output: &mut Output) -> Result<ExitCode, Failure> {
    let recipes = Recipes::family();
    let mut rows = Vec::new();
    for recipe in recipes.iter() {
        let releases = recipes
            .releases(recipe)
            .map_err(|error| Failure::user(error.to_string()))?;
        let releases: Vec<String> = releases.iter().map(u8::to_string).collect();
        rows.push(record([
            Field::always("Name", recipe.name.as_str()),
            Field::always("From", recipe.from.as_deref().unwrap_or("-")),
            Field::always("Releases", releases.join(", ").as_str()),
            Field::always("Description", recipe.description.as_str()),
        ]));
    }
    let listing = Listing {
        format: args.format.as_deref(),
        columns: &COLUMNS,
        titles: &COLUMNS,
    };
    listing.print(&rows, output)?;
    Ok(ExitCode::SUCCESS)
}
