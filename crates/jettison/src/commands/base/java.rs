//! `jettison base java`

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use jettison_debian::Lock;
use jettison_slim::NeededModules;

use crate::cli::{BaseChoice, BaseJavaArgs, Global, ProgressKind};
use crate::commands::base::build::assemble;
use crate::commands::base::{Chosen, Place, failure, settings};
use crate::commands::world;
use crate::failure::Failure;
use crate::family::{Family, Locked};
use crate::output::Output;
use crate::progress::{Progress, Reasons};
use crate::surroundings::Surroundings;

/// Modules that need java.desktop, and with it fonts and libraries for images.
const DESKTOP: [&str; 5] = [
    "java.desktop",
    "java.se",
    "jdk.accessibility",
    "jdk.jconsole",
    "jdk.unsupported.desktop",
];
/// Modules that no class names, and what is missing without them.
const UNNAMED: [(&str, &str); 6] = [
    (
        "jdk.localedata",
        "dates, numbers and names in languages but English",
    ),
    (
        "jdk.charsets",
        "character sets but UTF, Latin and Windows Western ones",
    ),
    ("jdk.zipfs", "archives as file systems"),
    ("jdk.naming.dns", "JNDI's lookups in DNS"),
    ("jdk.management.agent", "JMX over the network"),
    ("jdk.jdwp.agent", "debuggers"),
];

pub(super) fn run(
    global: &Global,
    args: &BaseJavaArgs,
    surroundings: &Surroundings,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let tags = args
        .tags
        .iter()
        .map(|tag| world::reference(tag))
        .collect::<Result<Vec<_>, _>>()?;
    let java = java(args.java, args.debian)?;
    let asked = modules(&args.add_modules)?;
    let minimal = if java == 25 {
        "java25-minimal"
    } else {
        "java-minimal"
    };
    let settings = settings(surroundings)?;
    let place = Place::new(global, settings, &args.making.origin, surroundings)?;
    let kind = if args.quiet {
        ProgressKind::Quiet
    } else {
        global.progress
    };
    let progress = Progress::new(kind, Reasons::Untold);
    let mut choice = choice(args, minimal, java);
    let mut chosen = Chosen::new(&choice, &place.settings, "`base java`")?;
    let family = place.family(&progress);
    let (needed, locked) = look_into(&family, &chosen, (&args.jars, &asked))?;
    let is_desktop = DESKTOP
        .iter()
        .any(|name| needed.modules.contains_key(*name));
    if is_desktop {
        choice.base = choice.base.replace(minimal, &format!("java{java}"));
        chosen = Chosen::new(&choice, &place.settings, "`base java`")?;
    }
    chosen
        .levels
        .set_modules(needed.modules.keys().cloned().collect());
    let family = place.family(&progress);
    let built = match locked.filter(|_| !is_desktop) {
        Some(lock) => family
            .assemble(&chosen.request(), &lock)
            .map_err(|error| failure(&chosen.title, &error)),
        None => assemble(&family, &chosen),
    };
    drop(progress);
    let image = built?.image;
    for tag in &tags {
        place
            .store
            .tag(tag, &image.manifest_digest(), &image)
            .map_err(|error| {
                Failure::user(format!("cannot name the base {tag}")).because(&error)
            })?;
    }
    if !args.quiet {
        explain(&needed, output);
    }
    output.line(&image.id().0.to_string());
    Ok(ExitCode::SUCCESS)
}

/// The modules that programs in `jars` need, and the packages that are to make up the base, as far as that is known
/// before the lock file is read for good: only the modules decide which recipe it belongs to.
fn look_into(
    family: &Family<'_>,
    chosen: &Chosen,
    (jars, asked): (&[PathBuf], &BTreeSet<String>),
) -> Result<(NeededModules, Option<Lock>), Failure> {
    let failed = |error| failure(&chosen.title, &error);
    let request = chosen.request();
    let (lock, is_final) = match &chosen.lock {
        None => (family.resolve(&request).map_err(failed)?, true),
        Some(path) => match Family::locked(&request, path).map_err(failed)? {
            Locked::Found(lock) => (family.with_tools(&request, lock).map_err(failed)?, true),
            Locked::Stale(_) | Locked::Missing(_) => {
                (family.resolve(&request).map_err(failed)?, false)
            }
        },
    };
    let needed = family
        .needed_modules(&request, &lock, (jars, asked))
        .map_err(failed)?;
    Ok((needed, is_final.then_some(lock)))
}

/// Which release of Java is meant.
fn java(java: Option<u8>, debian: Option<u8>) -> Result<u8, Failure> {
    match (java, debian) {
        (None, Some(11)) | (Some(11), None | Some(11)) => Ok(11),
        (None, Some(12)) | (Some(17), None | Some(12)) => Ok(17),
        (None, None | Some(13)) => Ok(21),
        (Some(java @ (21 | 25)), None | Some(13)) => Ok(java),
        (None, Some(debian)) => Err(Failure::user(format!(
            "Debian {debian} has no Java of which a runtime can be linked"
        ))
        .hint("take --debian 11, 12 or 13")),
        (Some(java), _) => {
            let place = debian.map(|debian| format!(" on Debian {debian}"));
            let text = format!("there is no Java {java}{}", place.unwrap_or_default());
            Err(Failure::user(text)
                .hint("Debian 11 has Java 11, Debian 12 has 17, Debian 13 has 21 and 25"))
        }
    }
}

fn modules(names: &[String]) -> Result<BTreeSet<String>, Failure> {
    let wrong = names
        .iter()
        .find(|name| !jettison_slim::is_module_name(name));
    if let Some(wrong) = wrong {
        let text = format!("`{wrong}` is not the name of a module of Java");
        return Err(Failure::user(text).hint("take names such as java.sql"));
    }
    Ok(names.iter().cloned().collect())
}

fn choice(args: &BaseJavaArgs, recipe: &str, java: u8) -> BaseChoice {
    let debian = match java {
        11 => 11,
        17 => 12,
        _ => 13,
    };
    let variant = if args.nonroot { ":nonroot" } else { "" };
    BaseChoice {
        base: format!("{recipe}-debian{debian}{variant}"),
        debian: None,
        making: args.making.clone(),
    }
}

/// Says which modules are in and why, and what is not there.
fn explain(needed: &NeededModules, output: &mut Output) {
    let jars = match needed.jars {
        0 => "programs need".to_string(),
        1 => "the jar needs".to_string(),
        count => format!("{count} jars need"),
    };
    output.line(&format!("modules that {jars}:"));
    for (module, reasons) in &needed.modules {
        let mut reasons = reasons.iter();
        let first = reasons.next().map(ToString::to_string).unwrap_or_default();
        let more = match reasons.count() {
            0 => String::new(),
            count => format!(", and {count} more"),
        };
        output.line(&format!("  {module:<22} {first}{more}"));
    }
    if !needed.named.is_empty() {
        output.line(
            "not there, but texts name them, perhaps to load them (--add-modules adds them):",
        );
    }
    for (module, named) in &needed.named {
        let mut named = named.iter();
        let first = named
            .next()
            .map(|one| format!("{} in {}", one.class, one.jar));
        let more = match named.count() {
            0 => String::new(),
            count => format!(", and {count} more"),
        };
        output.line(&format!(
            "  {module:<22} {}{more}",
            first.unwrap_or_default()
        ));
    }
    output.line("not there, as no class names them (--add-modules adds them):");
    for (module, what) in UNNAMED {
        if !needed.modules.contains_key(module) && !needed.named.contains_key(module) {
            output.line(&format!("  {module:<22} {what}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_of_java_and_of_debian_go_together() {
        let check = |asked: Option<u8>, debian: Option<u8>, expected: Option<u8>| {
            assert_eq!(java(asked, debian).ok(), expected, "{asked:?} {debian:?}");
        };
        check(None, None, Some(21));
        check(None, Some(12), Some(17));
        check(None, Some(13), Some(21));
        check(Some(25), None, Some(25));
        check(Some(17), Some(12), Some(17));
        check(Some(17), Some(13), None);
        check(Some(21), Some(12), None);
        check(Some(11), None, Some(11));
        check(None, Some(11), Some(11));
        check(Some(11), Some(12), None);
        check(Some(17), Some(11), None);
        check(Some(8), None, None);
        check(None, Some(10), None);
    }

    #[test]
    fn names_of_modules_cannot_become_options() {
        assert!(modules(&["java.sql".to_string()]).is_ok());
        assert!(modules(&["--output".to_string()]).is_err());
        assert!(modules(&["java.sql;x".to_string()]).is_err());
    }
}
