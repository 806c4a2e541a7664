//! Facts as a text, so that an image's can be kept beside it and read again.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::report::facts::{Facts, FileOwner, FileReason, Maker, OwnerFacts, OwnerKind};

/// The version of the format; others are not read.
const SCHEMA: u32 = 1;

#[derive(Serialize, Deserialize)]
struct WireFacts {
    schema: u32,
    source: String,
    /// None for a base.
    rung: Option<String>,
    kept: Vec<WireOwner>,
    left_out: Vec<WireOwner>,
}

#[derive(Serialize, Deserialize)]
struct WireOwner {
    kind: String,
    name: String,
    reasons: Vec<String>,
    files: Vec<WireFile>,
}

#[derive(Serialize, Deserialize)]
struct WireFile {
    path: String,
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    touched: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// Facts as JSON, for [`read_facts`].
pub fn facts_json(facts: &Facts) -> String {
    let Facts {
        source,
        maker,
        kept,
        left_out,
    } = facts;
    let wire = WireFacts {
        schema: SCHEMA,
        source: source.clone(),
        rung: match maker {
            Maker::Optimizer(rung) => Some(rung.word().to_owned()),
            Maker::Base => None,
        },
        kept: kept.iter().map(wire_owner).collect(),
        left_out: left_out.iter().map(wire_owner).collect(),
    };
    written(&wire)
}

fn written(wire: &WireFacts) -> String {
    serde_json::to_string(wire).expect("facts are texts, numbers and lists of them")
}

/// The facts that [`facts_json`] has written; `None` for anything else, and for other versions.
pub fn read_facts(json: &str) -> Option<Facts> {
    let wire: WireFacts = serde_json::from_str(json).ok()?;
    if wire.schema != SCHEMA {
        return None;
    }
    let maker = match wire.rung {
        Some(rung) => Maker::Optimizer(rung.parse().ok()?),
        None => Maker::Base,
    };
    let owners = |wire: Vec<WireOwner>| wire.into_iter().map(owner).collect::<Option<Vec<_>>>();
    Some(Facts {
        source: wire.source,
        maker,
        kept: owners(wire.kept)?,
        left_out: owners(wire.left_out)?,
    })
}

fn wire_owner(facts: &OwnerFacts) -> WireOwner {
    let OwnerFacts {
        owner: FileOwner { kind, name },
        reasons,
        files,
    } = facts;
    WireOwner {
        kind: kind.word().to_owned(),
        name: name.clone(),
        reasons: reasons.clone(),
        files: files.iter().map(wire_file).collect(),
    }
}

fn wire_file(file: &FileReason) -> WireFile {
    let FileReason {
        path,
        size,
        link,
        is_touched,
        note,
    } = file;
    WireFile {
        path: text(path),
        size: *size,
        link: link.as_deref().map(text),
        touched: *is_touched,
        note: note.clone(),
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn owner(wire: WireOwner) -> Option<OwnerFacts> {
    let kind = OwnerKind::ALL
        .into_iter()
        .find(|kind| kind.word() == wire.kind)?;
    let mut files: Vec<FileReason> = wire
        .files
        .into_iter()
        .map(|file| FileReason {
            path: PathBuf::from(file.path),
            size: file.size,
            link: file.link.map(PathBuf::from),
            is_touched: file.touched,
            note: file.note,
        })
        .collect();
    files.sort_by(|first, second| first.path.cmp(&second.path));
    Some(OwnerFacts {
        owner: FileOwner {
            kind,
            name: wire.name,
        },
        reasons: wire.reasons,
        files,
    })
}
