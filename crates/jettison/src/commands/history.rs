//! `jettison history`

use std::process::ExitCode;

use jettison_oci::{HistoryEntry, Image, Layer};
use jettison_slim::size_text;

use crate::age;
use crate::cli::{Global, HistoryArgs};
use crate::commands::{lookup, world};
use crate::failure::Failure;
use crate::listing::{Column, Listing};
use crate::output::Output;
use crate::surroundings::Surroundings;
use crate::template::{Data, Field, record};

/// What a step that is no image of its own is called.
const MISSING: &str = "<missing>";
/// A longer instruction is cut, as in docker.
const LONGEST: usize = 45;

const COLUMNS: [Column; 5] = [
    ("ID", "IMAGE"),
    ("CreatedSince", "CREATED"),
    ("CreatedBy", "CREATED BY"),
    ("Size", "SIZE"),
    ("Comment", "COMMENT"),
];

const TITLES: [Column; 6] = [
    ("ID", "IMAGE"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedSince", "CREATED"),
    ("CreatedBy", "CREATED BY"),
    ("Size", "SIZE"),
    ("Comment", "COMMENT"),
];

pub(crate) fn run(
    global: &Global,
    args: &HistoryArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let store = world::store(&world::root(global, surroundings)?)?;
    let image = lookup::find(&store, &args.image)?.image;
    let own = if args.no_trunc {
        image.id().0.to_string()
    } else {
        lookup::short_id(&image.id())
    };
    let steps = steps(&image);
    let rows: Vec<Data> = steps
        .iter()
        .enumerate()
        .map(|(place, step)| {
            let id = if place == 0 { own.as_str() } else { MISSING };
            row(step, id, args, surroundings.now)
        })
        .collect();
    let columns = if args.human {
        COLUMNS
    } else {
        COLUMNS.map(|(name, title)| match name {
            "CreatedSince" => ("CreatedAt", "CREATED AT"),
            _ => (name, title),
        })
    };
    let format = match &args.format {
        None if args.quiet => Some("{{.ID}}"),
        format => format.as_deref(),
    };
    let listing = Listing {
        format,
        columns: &columns,
        titles: &TITLES,
    };
    listing.print(&rows, output)?;
    Ok(ExitCode::SUCCESS)
}

/// What is said about a step, and its layer.
type Step<'i> = (Option<&'i HistoryEntry>, Option<&'i Layer>);

/// The steps of an image, the last one first. Layers of which nothing is said come last, for they are below.
fn steps(image: &Image) -> Vec<Step<'_>> {
    let history = &image.config().history;
    let n_with_layer = history.iter().filter(|entry| !entry.empty_layer).count();
    let layers = image.layers();
    let n_untold = layers.len().saturating_sub(n_with_layer);
    let (untold, told) = layers.split_at(n_untold);
    let mut steps: Vec<Step<'_>> = untold.iter().map(|layer| (None, Some(layer))).collect();
    let mut told = told.iter();
    for entry in history {
        let layer = if entry.empty_layer { None } else { told.next() };
        steps.push((Some(entry), layer));
    }
    steps.reverse();
    steps
}

fn row((entry, layer): &Step<'_>, id: &str, args: &HistoryArgs, now: u64) -> Data {
    let created = entry.and_then(|entry| entry.created.as_deref());
    let text = |text: Option<&String>| text.cloned().unwrap_or_default();
    let instruction = text(entry.and_then(|entry| entry.created_by.as_ref())).replace('\t', " ");
    let instruction = match instruction.char_indices().nth(LONGEST) {
        Some(_) if !args.no_trunc => {
            let kept: String = instruction.chars().take(LONGEST - 1).collect();
            format!("{kept}…")
        }
        _ => instruction,
    };
    let bytes = layer.map_or(0, Layer::unpacked_size);
    let size = if args.human {
        size_text(bytes).replace(' ', "")
    } else {
        bytes.to_string()
    };
    record([
        Field::always(
            "Comment",
            text(entry.and_then(|entry| entry.comment.as_ref())),
        ),
        Field::always("CreatedAt", created.unwrap_or("N/A")),
        Field::always("CreatedBy", instruction),
        Field::always("CreatedSince", since(created, now)),
        Field::always("ID", id),
        Field::always("Size", size),
    ])
}

/// How long ago a step was. Builds that come out the same every time say 1970, which docker shows as no time here.
fn since(created: Option<&str>, now: u64) -> String {
    let seconds = created.and_then(jettison_oci::unix_seconds);
    age::since(
        created.filter(|_| seconds.is_some_and(|seconds| seconds > 0)),
        now,
    )
}

#[cfg(test)]
mod tests {
    use jettison_oci::{
        Descriptor, DiffId, Digest, HistoryEntry, ImageConfig, Measure, MediaType, RootFs,
    };

    use super::*;

    #[test]
    fn layers_belong_to_the_steps_that_made_them() {
        let layer = |name: &str| Layer {
            diff_id: DiffId(Digest::of(name.as_bytes())),
            blob: Descriptor::new(MediaType::OciLayerTar, Digest::of(name.as_bytes()), 1),
            measure: Some(Measure {
                unpacked_size: u64::try_from(name.len()).unwrap(),
                files: 1,
            }),
        };
        let layers = vec![layer("untold"), layer("one"), layer("three")];
        let entry = |text: &str, empty_layer: bool| HistoryEntry {
            created_by: Some(text.to_string()),
            empty_layer,
            ..HistoryEntry::default()
        };
        let config = ImageConfig {
            rootfs: RootFs::new(layers.iter().map(|layer| layer.diff_id).collect()),
            history: vec![
                entry("one", false),
                entry("two", true),
                entry("three", false),
            ],
            ..ImageConfig::default()
        };
        let image = Image::new(config, layers).unwrap();
        let shown: Vec<_> = steps(&image)
            .into_iter()
            .map(|(entry, layer)| {
                let text = entry.and_then(|entry| entry.created_by.as_deref());
                (text.unwrap_or("-"), layer.map_or(0, Layer::unpacked_size))
            })
            .collect();
        assert_eq!(shown, [("three", 5), ("two", 0), ("one", 3), ("-", 6)]);
    }
}
