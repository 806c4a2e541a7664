//! The recipes that come along, and names of images of the family.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use crate::base::recipe::{Recipe, RecipeError, RecipeLink, RecipePart, parse};

/// The recipes that come along.
const RECIPES: [(&str, &str); 14] = [
    ("static", include_str!("../../recipes/static.toml")),
    ("base-nossl", include_str!("../../recipes/base-nossl.toml")),
    ("base", include_str!("../../recipes/base.toml")),
    ("cc", include_str!("../../recipes/cc.toml")),
    ("java-base", include_str!("../../recipes/java-base.toml")),
    ("java11", include_str!("../../recipes/java11.toml")),
    ("java17", include_str!("../../recipes/java17.toml")),
    ("java21", include_str!("../../recipes/java21.toml")),
    ("java25", include_str!("../../recipes/java25.toml")),
    (
        "java-minimal",
        include_str!("../../recipes/java-minimal.toml"),
    ),
    (
        "java25-minimal",
        include_str!("../../recipes/java25-minimal.toml"),
    ),
    ("python3", include_str!("../../recipes/python3.toml")),
    ("nodejs18", include_str!("../../recipes/nodejs18.toml")),
    ("nodejs20", include_str!("../../recipes/nodejs20.toml")),
];
/// Recipes that change others.
const VARIANTS: [(&str, &str); 2] = [
    ("nonroot", include_str!("../../recipes/nonroot.toml")),
    ("debug", include_str!("../../recipes/debug.toml")),
];
/// Names that mean the latest of several.
const ALIASES: [(&str, &str); 3] = [
    ("java", "java21"),
    ("nodejs", "nodejs20"),
    ("python", "python3"),
];

/// The codenames of Debian's releases.
const CODENAMES: [(u8, &str); 4] = [
    (11, "bullseye"),
    (12, "bookworm"),
    (13, "trixie"),
    (14, "forky"),
];

/// The scheme of the notation.
const SCHEME: &str = "distroless://";

/// Recipes by name.
#[derive(Debug, Clone)]
pub struct Recipes {
    recipes: BTreeMap<String, Recipe>,
    variants: BTreeMap<String, Recipe>,
}

/// A recipe with those that it is from, for one release of Debian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Levels {
    /// The release of Debian.
    pub release: u8,
    /// What each recipe adds, from the lowest on, with the recipe's name. A variant is part of the last.
    pub levels: Vec<(String, RecipePart)>,
}

/// A base of the family: `distroless://RECIPE[-debianN][+PACKAGE…][:VARIANT]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistrolessBase {
    /// The recipe's name.
    pub recipe: String,
    /// The release of Debian, if it is said.
    pub release: Option<u8>,
    /// Packages beyond the recipe's.
    pub packages: Vec<String>,
    /// Which variant.
    pub variant: DistrolessVariant,
}

/// A variant of an image of the family: for whom it is, and whether there is a shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DistrolessVariant {
    /// Whether its user has no privileges.
    pub nonroot: bool,
    /// Whether there are a shell and tools.
    pub debug: bool,
}

/// Why a text is no name of a base of the family.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot understand base `{text}`: {problem}")]
pub struct DistrolessNameError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Recipes {
    /// Those that come along.
    ///
    /// # Panics
    ///
    /// Never: a test reads them all.
    pub fn family() -> Recipes {
        let read = |list: &[(&str, &str)]| {
            list.iter()
                .map(|(name, text)| {
                    let recipe = parse(name, &format!("{name}.toml"), text);
                    ((*name).to_string(), recipe.expect("a test reads them all"))
                })
                .collect()
        };
        Recipes {
            recipes: read(&RECIPES),
            variants: read(&VARIANTS),
        }
    }

    /// The same, with the recipe in `text`, the text of `file`; `name` is what others call it.
    pub fn with(mut self, name: &str, file: &str, text: &str) -> Result<Recipes, RecipeError> {
        self.recipes
            .insert(name.to_string(), parse(name, file, text)?);
        Ok(self)
    }

    /// All but variants, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Recipe> {
        self.recipes.values()
    }

    /// The recipe of that name, or that an alias means.
    pub fn find(&self, name: &str) -> Result<&Recipe, RecipeError> {
        let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
        let name = alias.map_or(name, |(_, meant)| meant);
        self.recipes.get(name).ok_or_else(|| RecipeError::Unknown {
            name: name.to_string(),
        })
    }

    /// The releases of Debian that the recipe is for, the newest last.
    pub fn releases(&self, recipe: &Recipe) -> Result<Vec<u8>, RecipeError> {
        let mut releases = vec![12, 13];
        for recipe in self.chain(recipe)? {
            if !recipe.releases.is_empty() {
                releases.clone_from(&recipe.releases);
            }
        }
        releases.sort_unstable();
        Ok(releases)
    }

    /// The recipe and those that it is from, the lowest first.
    fn chain<'a>(&'a self, recipe: &'a Recipe) -> Result<Vec<&'a Recipe>, RecipeError> {
        let mut chain = vec![recipe];
        let mut next = recipe.from.as_deref();
        while let Some(name) = next {
            let below = self.find(name)?;
            if chain.iter().any(|above| above.name == below.name) {
                let name = recipe.name.clone();
                return Err(RecipeError::Circle { name });
            }
            chain.push(below);
            next = below.from.as_deref();
        }
        chain.reverse();
        Ok(chain)
    }

    /// What `base` is made of.
    pub fn levels(&self, base: &DistrolessBase) -> Result<Levels, RecipeError> {
        let recipe = self.find(&base.recipe)?;
        let releases = self.releases(recipe)?;
        let newest = releases.last().copied().unwrap_or(13);
        let release = base.release.unwrap_or(newest);
        if !releases.contains(&release) {
            return Err(RecipeError::Release {
                name: recipe.name.clone(),
                release,
                releases,
            });
        }
        let mut levels: Vec<(String, RecipePart)> = self
            .chain(recipe)?
            .into_iter()
            .map(|recipe| (recipe.name.clone(), recipe.for_release(release)))
            .collect();
        if !base.packages.is_empty() {
            let part = RecipePart {
                packages: base.packages.clone(),
                // New libraries are to be found, too.
                generate: [crate::base::recipe::Generator::LibraryCache].into(),
                ..RecipePart::default()
            };
            levels.push((format!("+{}", base.packages.join("+")), part));
        }
        if base.variant.debug {
            let mut part = self.variants["debug"].for_release(release);
            let entrypoint = levels
                .iter()
                .rev()
                .find_map(|(_, part)| part.entrypoint.as_ref());
            if entrypoint.is_none() {
                part.entrypoint = Some(vec!["/busybox/sh".to_string()]);
            }
            levels.push(("debug".to_string(), part));
        }
        if base.variant.nonroot
            && let Some((_, last)) = levels.last_mut()
        {
            *last = std::mem::take(last).joined(&self.variants["nonroot"].for_release(release));
        }
        Ok(Levels { release, levels })
    }
}

impl Levels {
    /// The Java runtime that is linked for it. An image with the whole JDK needs the runtime that belongs to it.
    pub fn link(&self) -> Option<&RecipeLink> {
        let parts = || self.levels.iter().rev().map(|(_, part)| part);
        let link = parts().find_map(|part| part.link.as_ref())?;
        let tools = link.tools_package();
        let is_jdk = parts().any(|part| part.packages.contains(&tools));
        (!is_jdk).then_some(link)
    }

    /// Says which modules the Java runtime has that is linked.
    pub fn set_modules(&mut self, modules: BTreeSet<String>) {
        let mut parts = self.levels.iter_mut().rev();
        if let Some(link) = parts.find_map(|(_, part)| part.link.as_mut()) {
            link.modules = modules;
        }
    }

    /// What all levels together say.
    pub fn whole(&self) -> RecipePart {
        let parts = self.levels.iter().map(|(_, part)| part);
        parts.fold(RecipePart::default(), RecipePart::joined)
    }
}

impl Recipe {
    /// What it adds for a release.
    fn for_release(&self, release: u8) -> RecipePart {
        match self.debian.get(&release) {
            Some(part) => self.part.clone().joined(part),
            None => self.part.clone(),
        }
    }
}

/// The codename of a release of Debian, such as `bookworm` for 12.
pub fn codename(release: u8) -> Option<&'static str> {
    let found = CODENAMES.iter().find(|(number, _)| *number == release);
    found.map(|(_, name)| *name)
}

impl DistrolessBase {
    /// Whether `address` is in the notation.
    pub fn is_address(address: &str) -> bool {
        address.starts_with(SCHEME)
    }
}

impl FromStr for DistrolessBase {
    type Err = DistrolessNameError;

    /// Reads a name, with `distroless://` before it or without.
    fn from_str(text: &str) -> Result<DistrolessBase, DistrolessNameError> {
        let fail = |problem: String| DistrolessNameError {
            text: text.to_string(),
            problem,
        };
        let rest = text.strip_prefix(SCHEME).unwrap_or(text);
        let (name, tag) = rest.split_once(':').unwrap_or((rest, "latest"));
        let variant = match tag {
            "latest" => (false, false),
            "nonroot" => (true, false),
            "debug" => (false, true),
            "debug-nonroot" => (true, true),
            _ => {
                return Err(fail(format!(
                    "`{tag}` is no variant: take `latest`, `nonroot`, `debug` or `debug-nonroot`"
                )));
            }
        };
        let mut parts = name.split('+');
        let name = parts.next().unwrap_or_default();
        let packages = packages_of(parts);
        let is_package = |name: &String| {
            name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                && name
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c))
        };
        if let Some(wrong) = packages.iter().find(|name| !is_package(name)) {
            return Err(fail(format!("`{wrong}` is not the name of a package")));
        }
        let (recipe, release) = match name.rsplit_once("-debian") {
            Some((recipe, number)) => {
                let number = number.parse().map_err(|_| {
                    fail(format!(
                        "`debian{number}` is no release of Debian, such as debian12"
                    ))
                })?;
                (recipe, Some(number))
            }
            None => (name, None),
        };
        let is_recipe = !recipe.is_empty()
            && recipe
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if !is_recipe {
            return Err(fail(format!("`{recipe}` is not the name of a recipe")));
        }
        Ok(DistrolessBase {
            recipe: recipe.to_string(),
            release,
            packages,
            variant: DistrolessVariant {
                nonroot: variant.0,
                debug: variant.1,
            },
        })
    }
}

/// The names that were separated by `+`; two of them in a row belong to a name, such as `libstdc++6`.
fn packages_of<'t>(parts: impl Iterator<Item = &'t str>) -> Vec<String> {
    let mut packages: Vec<String> = Vec::new();
    let mut is_open = false;
    for part in parts {
        match packages.last_mut() {
            Some(last) if is_open => {
                last.push_str(part);
                is_open = false;
            }
            Some(last) if part.is_empty() => {
                last.push_str("++");
                is_open = true;
            }
            _ => packages.push(part.to_string()),
        }
    }
    packages
}

impl fmt::Display for DistrolessBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.recipe)?;
        if let Some(release) = self.release {
            write!(f, "-debian{release}")?;
        }
        for package in &self.packages {
            write!(f, "+{package}")?;
        }
        match (self.variant.debug, self.variant.nonroot) {
            (false, false) => Ok(()),
            (false, true) => f.write_str(":nonroot"),
            (true, false) => f.write_str(":debug"),
            (true, true) => f.write_str(":debug-nonroot"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(text: &str, expected: Expect) {
        expected.assert_eq(&match text.parse::<DistrolessBase>() {
            Ok(base) => {
                assert_eq!(base.to_string().parse(), Ok(base.clone()));
                match Recipes::family().levels(&base) {
                    Ok(levels) => {
                        let names: Vec<&str> = levels
                            .levels
                            .iter()
                            .map(|(name, _)| name.as_str())
                            .collect();
                        format!("{base}: Debian {}, {}", levels.release, names.join(", "))
                    }
                    Err(error) => format!("{base}: {error}"),
                }
            }
            Err(error) => format!("error: {error}"),
        });
    }

    #[test]
    fn names_say_recipe_release_packages_and_variant() {
        check("static", expect!["distroless://static: Debian 13, static"]);
        check(
            "distroless://java21-debian13:nonroot",
            expect![
                "distroless://java21-debian13:nonroot: Debian 13, static, base-nossl, java-base, java21"
            ],
        );
        check(
            "java17:debug",
            expect![
                "distroless://java17:debug: Debian 12, static, base-nossl, java-base, java17, debug"
            ],
        );
        check(
            "base-debian12+libpq5+zlib1g:debug-nonroot",
            expect![
                "distroless://base-debian12+libpq5+zlib1g:debug-nonroot: Debian 12, static, base, +libpq5+zlib1g, debug"
            ],
        );
        check(
            "base+libstdc++6+g++",
            expect!["distroless://base+libstdc++6+g++: Debian 13, static, base, +libstdc++6+g++"],
        );
        check(
            "nodejs",
            expect!["distroless://nodejs: Debian 13, static, base, cc, nodejs20"],
        );
        check(
            "java17-debian13",
            expect![
                "distroless://java17-debian13: recipe `java17` is not for Debian 13: it is for Debian 12"
            ],
        );
        check(
            "ruby",
            expect![
                "distroless://ruby: there is no recipe `ruby`: `jettison base list` shows those that there are"
            ],
        );
        check(
            "base:alpine",
            expect![
                "error: cannot understand base `base:alpine`: `alpine` is no variant: take `latest`, `nonroot`, `debug` or `debug-nonroot`"
            ],
        );
        check(
            "base-debianx",
            expect![
                "error: cannot understand base `base-debianx`: `debianx` is no release of Debian, such as debian12"
            ],
        );
        check(
            "base+--x",
            expect!["error: cannot understand base `base+--x`: `--x` is not the name of a package"],
        );
        check(
            "",
            expect!["error: cannot understand base ``: `` is not the name of a recipe"],
        );
    }

    #[test]
    fn every_recipe_can_be_had_for_each_of_its_releases() {
        let recipes = Recipes::family();
        for recipe in recipes.iter() {
            assert!(!recipe.description.is_empty(), "{}", recipe.name);
            for release in recipes.releases(recipe).unwrap() {
                let base = DistrolessBase {
                    recipe: recipe.name.clone(),
                    release: Some(release),
                    packages: Vec::new(),
                    variant: DistrolessVariant::default(),
                };
                assert!(recipes.levels(&base).is_ok(), "{base}");
                assert!(codename(release).is_some(), "{base}");
            }
        }
    }

    #[test]
    fn a_recipe_that_is_from_itself_is_an_error() {
        let recipes = Recipes::family()
            .with("a", "a.toml", "from = \"b\"")
            .and_then(|recipes| recipes.with("b", "b.toml", "from = \"a\""))
            .unwrap();
        let base = "a".parse().unwrap();
        assert_eq!(
            recipes.levels(&base).unwrap_err().to_string(),
            "recipe `a` is from itself"
        );
    }
}
