//! apt and dpkg as oracles: what they would install, and how they order versions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use jettison_debian::{
    AptSource, Architecture, PackagesIndex, Relation, SolveError, SolveOptions, SourcesFormat,
    Variant, Version, apt_sources, base_roots, resolve,
};
use jettison_testkit::skip;

use crate::shared::archive_answers;

/// How many sets are drawn from each suite; `JETTISON_TEST_APT_SETS` overrides it.
const SETS: usize = 100;

/// Sets for which apt installs something else, and why that is.
const EXPLAINED: &str = include_str!("golden/apt-differences.txt");

/// A well-known hash (FNV-1a), so that a draw depends on the seed and on the name alone.
fn hash(seed: &str, name: &str) -> u64 {
    let bytes = seed.bytes().chain([0]).chain(name.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Sets of one to four names. A package that comes or goes changes no more than one of them.
fn draw<'n>(names: impl Iterator<Item = &'n str>, sets: usize) -> Vec<Vec<&'n str>> {
    let sizes: Vec<usize> = (0..sets).map(|set| set % 4 + 1).collect();
    let total: usize = sizes.iter().sum();
    let mut drawn: BTreeMap<usize, (u64, &str)> = BTreeMap::new();
    for name in names {
        let urn = usize::try_from(hash("urn", name) % total as u64).unwrap();
        let rank = (hash("rank", name), name);
        let place = drawn.entry(urn).or_insert(rank);
        *place = rank.min(*place);
    }
    let mut names = drawn.values().map(|(_, name)| *name);
    let take = |size: &usize| names.by_ref().take(*size).collect();
    sizes.iter().map(take).collect()
}

/// An apt of its own, which knows one suite, and a system without any package.
struct Apt {
    root: PathBuf,
    architecture: Architecture,
}

impl Apt {
    /// Sets it up below `root`, from the archives that this machine's apt uses.
    fn new(root: &Path, suite: &str, architecture: &str) -> Apt {
        for dir in [
            "state/lists/partial",
            "cache/archives/partial",
            "etc/preferences.d",
        ] {
            fs::create_dir_all(root.join(dir)).unwrap();
        }
        fs::write(root.join("status"), "").unwrap();
        fs::write(root.join("sources.list"), sources(suite)).unwrap();
        let here = root.display();
        let conf = format!(
            "Dir \"{here}\";\nDir::State \"{here}/state\";\nDir::State::status \"{here}/status\";\n\
             Dir::Cache \"{here}/cache\";\nDir::Etc::Main \"/dev/null\";\nDir::Etc::Parts \"/dev/null\";\n\
             Dir::Etc::PreferencesParts \"{here}/etc/preferences.d\";\n\
             Dir::Etc::SourceList \"{here}/sources.list\";\nDir::Etc::SourceParts \"/dev/null\";\n\
             APT::Architecture \"{architecture}\";\nAPT::Architectures \"{architecture}\";\nAPT::Sandbox::User \"\";\n\
             Acquire::Languages \"none\";\nAcquire::GzipIndexes \"false\";\n"
        );
        fs::write(root.join("apt.conf"), conf).unwrap();
        let apt = Apt {
            root: root.to_path_buf(),
            architecture: architecture.parse().unwrap(),
        };
        let updated = apt.command(&["-qq", "update"]);
        assert!(updated.is_ok(), "{updated:?}");
        apt
    }

    fn command(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new("apt-get")
            .env("APT_CONFIG", self.root.join("apt.conf"))
            .env("LC_ALL", "C")
            .args(arguments)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        if output.status.success() {
            return Ok(text);
        }
        Err(text + &String::from_utf8_lossy(&output.stderr))
    }

    /// What apt would install for `names`, each with its version.
    fn installs(&self, names: &[&str]) -> Result<BTreeSet<String>, String> {
        let options = ["-s", "-qq", "--no-install-recommends", "install", "--"];
        let text = self.command(&[&options, names].concat())?;
        let package = |line: &str| {
            let (name, rest) = line.strip_prefix("Inst ")?.split_once(" (")?;
            Some(format!("{name} {}", rest.split(' ').next()?))
        };
        Ok(text.lines().filter_map(package).collect())
    }

    /// The indexes that apt has loaded, in the order of the sources.
    fn index(&self) -> PackagesIndex {
        let lists = self.root.join("state/lists");
        let mut paths: Vec<PathBuf> = fs::read_dir(lists)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_string_lossy().ends_with("_Packages"))
            .collect();
        paths.sort_by_key(|path| {
            let path = path.to_string_lossy();
            (path.contains("-security"), path.contains("-updates"))
        });
        let indexes = paths.iter().map(|path| {
            let text = fs::read_to_string(path).unwrap();
            PackagesIndex::parse(text, "http://archive", &self.architecture).unwrap()
        });
        PackagesIndex::merge(PackagesIndex::empty(self.architecture.clone()), indexes)
    }
}

/// One-line sources of `suite`, its updates and its security updates.
fn sources(suite: &str) -> String {
    let mut known: Vec<AptSource> = Vec::new();
    let mut add = |path: &Path, format| {
        let text = fs::read_to_string(path).unwrap_or_default();
        known.extend(apt_sources(&text, format).unwrap_or_default());
    };
    add(Path::new("/etc/apt/sources.list"), SourcesFormat::OneLine);
    let files = fs::read_dir("/etc/apt/sources.list.d")
        .into_iter()
        .flatten();
    for path in files.map(|entry| entry.unwrap().path()) {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("list") => add(&path, SourcesFormat::OneLine),
            Some("sources") => add(&path, SourcesFormat::Deb822),
            _ => {}
        }
    }
    let uri = |is_security: bool| {
        let of_debian = |source: &&AptSource| {
            let archive = &source.archive;
            archive.uri.contains("debian")
                && archive.components.iter().any(|one| one == "main")
                && archive.suite.ends_with("-security") == is_security
        };
        known
            .iter()
            .find(of_debian)
            .map(|one| one.archive.uri.clone())
    };
    let mut text = String::new();
    for (suite, is_security) in [
        (suite.to_owned(), false),
        (format!("{suite}-updates"), false),
        (format!("{suite}-security"), true),
    ] {
        if let Some(uri) = uri(is_security) {
            let key = "/usr/share/keyrings/debian-archive-keyring.gpg";
            writeln!(text, "deb [signed-by={key}] {uri} {suite} main").unwrap();
        }
    }
    text
}

/// What we would install for `names`, each with its version.
fn ours(index: &PackagesIndex, names: &[&str]) -> Result<BTreeSet<String>, SolveError> {
    let roots: Vec<Relation> = names
        .iter()
        .map(|name| Relation::package(name).unwrap())
        .collect();
    let options = SolveOptions {
        prefer: Vec::new(),
        forbid: BTreeSet::new(),
        ignore: BTreeSet::new(),
        recommends: false,
    };
    let resolution = resolve(index, &roots, &options)?;
    Ok(resolution.packages().iter().map(shown).collect())
}

/// How the two answers differ, in a line; nothing if they do not.
fn difference(
    apt: &Result<BTreeSet<String>, String>,
    ours: &Result<BTreeSet<String>, SolveError>,
) -> Option<String> {
    let list = |set: BTreeSet<&String>| set.into_iter().cloned().collect::<Vec<_>>().join(", ");
    match (apt, ours) {
        (Ok(apt), Ok(ours)) if apt == ours => None,
        (Err(_), Err(_)) => None,
        (Ok(apt), Ok(ours)) => Some(format!(
            "apt alone: {}; we alone: {}",
            list(apt.difference(ours).collect()),
            list(ours.difference(apt).collect())
        )),
        (Ok(_), Err(error)) => Some(format!("apt finds a way, we do not: {error}")),
        (Err(error), Ok(_)) => Some(format!("we find a way, apt does not: {error}")),
    }
}

fn compare(suite: &str, architecture: &str, sets_in_ci: usize) {
    let root = tempfile::tempdir().unwrap();
    let apt = Apt::new(root.path(), suite, architecture);
    let index = apt.index();
    check_base(&apt, &index);
    let sets = std::env::var("JETTISON_TEST_APT_SETS");
    let sets = sets.map_or(sets_in_ci, |text| text.parse().unwrap());
    let drawn = draw(index.iter().map(|package| package.name()), sets);
    let work = drawn.chunks(drawn.len().div_ceil(2));
    let differences: Vec<String> = thread::scope(|scope| {
        let threads: Vec<_> = work
            .map(|sets| scope.spawn(|| differences(&apt, &index, sets)))
            .collect();
        let joined = threads.into_iter().flat_map(|one| one.join().unwrap());
        joined.collect()
    });
    let is_explained = |line: &&String| {
        let names = line.split(": ").next().unwrap_or_default();
        EXPLAINED.lines().any(|explained| {
            explained
                .strip_prefix(suite)
                .is_some_and(|rest| rest.trim_start().split(':').next() == Some(names))
        })
    };
    let (explained, new): (Vec<&String>, Vec<&String>) = differences.iter().partition(is_explained);
    let mut report = format!(
        "{suite} {architecture}: {} sets, {} equal, {} explained\n",
        drawn.len(),
        drawn.len() - differences.len(),
        explained.len()
    );
    for line in &new {
        writeln!(report, "{line}").unwrap();
    }
    writeln!(std::io::stderr(), "{report}").unwrap_or_default();
    assert!(new.is_empty(), "apt chooses otherwise:\n{report}");
}

/// What `debian://` starts from is what apt would install for the same names, and has no Perl but the base's.
fn check_base(apt: &Apt, index: &PackagesIndex) {
    let roots = base_roots(index, Variant::Minbase);
    let mut names: Vec<&str> = roots
        .iter()
        .map(|root| root.alternatives()[0].name())
        .collect();
    let options = SolveOptions {
        prefer: vec!["usr-is-merged".to_string(), "mawk".to_string()],
        forbid: BTreeSet::new(),
        ignore: BTreeSet::new(),
        recommends: false,
    };
    let resolution = resolve(index, &roots, &options).unwrap();
    let ours: BTreeSet<String> = resolution.packages().iter().map(shown).collect();
    let has = |name: &str| ours.iter().any(|one| one.split(' ').next() == Some(name));
    assert!(!has("usrmerge") && !has("perl"), "{ours:?}");
    // apt cannot be told to prefer a package, but to install it.
    if has("usr-is-merged") {
        names.push("usr-is-merged");
    }
    assert_eq!(apt.installs(&names).unwrap(), ours);
}

fn shown(package: &jettison_debian::Package<'_>) -> String {
    format!("{} {}", package.name(), package.version())
}

fn differences(apt: &Apt, index: &PackagesIndex, sets: &[Vec<&str>]) -> Vec<String> {
    let mut lines = Vec::new();
    for names in sets {
        let difference = difference(&apt.installs(names), &ours(index, names));
        lines.extend(difference.map(|text| format!("{}: {text}", names.join(" "))));
    }
    lines
}

#[test]
fn bookworms_packages_are_chosen_as_apt_chooses_them() {
    if archive_answers() {
        compare("bookworm", "amd64", SETS);
    }
}

#[test]
fn trixies_packages_are_chosen_as_apt_chooses_them() {
    if archive_answers() {
        compare("trixie", "amd64", SETS);
    }
}

#[test]
fn packages_of_another_architecture_are_chosen_as_apt_chooses_them() {
    if archive_answers() {
        compare("trixie", "arm64", SETS / 10);
    }
}

/// Versions that stand in this machine's package lists or near them.
fn some_versions() -> Vec<String> {
    let output = Command::new("apt-cache").arg("dumpavail").output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let versions: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("Version: "))
        .collect();
    versions.into_iter().map(str::to_owned).collect()
}

/// A version like `version`, with one character changed, added or taken away.
fn mutated(version: &str, seed: u64) -> String {
    const LETTERS: &[u8] = b"0019a+~.-:zZ";
    let mut bytes = version.as_bytes().to_vec();
    let at = usize::try_from(seed >> 8).unwrap_or(0) % (bytes.len() + 1);
    let letter = LETTERS[usize::try_from(seed >> 32).unwrap_or(0) % LETTERS.len()];
    match seed % 3 {
        0 if at < bytes.len() => bytes[at] = letter,
        1 if at < bytes.len() => {
            bytes.remove(at);
        }
        _ => bytes.insert(at, letter),
    }
    String::from_utf8(bytes).unwrap()
}

/// Ten thousand pairs of versions: neighbours, strangers and mutations.
fn pairs() -> Vec<(String, String)> {
    let versions = some_versions();
    if versions.is_empty() {
        return Vec::new();
    }
    let is_version = |text: &str| {
        text.parse::<Version>().is_ok() && text.starts_with(|c: char| c.is_ascii_digit())
    };
    let mut pairs = Vec::new();
    for number in 0_u64.. {
        let random = |what: &str| hash(what, &number.to_string());
        let pick =
            |random: u64| &versions[usize::try_from(random % versions.len() as u64).unwrap()];
        let first = pick(random("first"));
        let second = match number % 3 {
            0 => pick(random("second")).clone(),
            1 => mutated(first, random("mutation")),
            _ => mutated(&mutated(first, random("one")), random("other")),
        };
        if is_version(first) && is_version(&second) {
            pairs.push((first.clone(), second));
        }
        if pairs.len() == 10_000 {
            break;
        }
    }
    pairs
}

#[test]
fn ten_thousand_pairs_of_versions_are_in_dpkgs_order() {
    let pairs = pairs();
    if pairs.is_empty() {
        skip("apt knows no package: run apt-get update");
        return;
    }
    let script = "while read -r a b; do \
                  if dpkg --compare-versions \"$a\" lt \"$b\"; then echo Less; \
                  elif dpkg --compare-versions \"$a\" eq \"$b\"; then echo Equal; \
                  else echo Greater; fi; done";
    let mut child = Command::new("sh")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // It warns of every version that a package must not have.
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let lines: Vec<String> = pairs.iter().map(|(a, b)| format!("{a} {b}\n")).collect();
    let text = lines.concat();
    let writer = thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let answers = String::from_utf8(output.stdout).unwrap();
    assert_eq!(answers.lines().count(), pairs.len());
    for ((a, b), dpkg) in pairs.iter().zip(answers.lines()) {
        let (left, right): (Version, Version) = (a.parse().unwrap(), b.parse().unwrap());
        assert_eq!(format!("{:?}", left.cmp(&right)), dpkg, "{a} {b}");
    }
}
