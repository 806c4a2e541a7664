//! The facts of a distroless base.

use std::path::PathBuf;

use crate::base::DistrolessImage;
use crate::report::facts::{Facts, FileOwner, FileReason, Maker, OwnerFacts, OwnerKind};
use crate::report::text::size_text;

/// Why the packages of `image`, which was assembled as `source`, are in it, and what is left out of them.
pub fn base_facts(image: &DistrolessImage, source: &str) -> Facts {
    let owner = |name: &str| FileOwner {
        kind: OwnerKind::Package,
        name: name.to_owned(),
    };
    let mut kept = Vec::new();
    let mut left_out = Vec::new();
    for package in &image.packages {
        let files = package.files.iter().map(|file| (&file.path, file.size));
        kept.push(OwnerFacts {
            owner: owner(&package.name),
            reasons: vec![format!("{} (recipe {})", package.reason, package.level)],
            files: sorted(files),
        });
        if package.left_out.files > 0 {
            let removed = package.removed.iter().map(|path| (path, 0));
            left_out.push(OwnerFacts {
                owner: owner(&package.name),
                reasons: vec![format!(
                    "slices leave out {} of it; `jettison base show` lists them, `--keep SLICE` keeps one",
                    size_text(package.left_out.bytes)
                )],
                files: sorted(removed),
            });
        }
    }
    kept.sort_by_key(|facts| std::cmp::Reverse(facts.unpacked_size()));
    Facts {
        source: source.to_owned(),
        maker: Maker::Base,
        kept,
        left_out,
    }
}

fn sorted<'f>(files: impl Iterator<Item = (&'f String, u64)>) -> Vec<FileReason> {
    let mut files: Vec<FileReason> = files
        .map(|(path, size)| FileReason {
            path: PathBuf::from(format!("/{path}")),
            size,
            link: None,
            is_touched: false,
            note: None,
        })
        .collect();
    files.sort_by(|first, second| first.path.cmp(&second.path));
    files
}
