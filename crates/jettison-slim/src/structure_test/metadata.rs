//! What an image's configuration says.

use jettison_oci::ImageConfig;

use crate::structure_test::expand::Variables;
use crate::structure_test::schema::{Expected, ExpectedPair, MetadataTest};

/// What is not as `test` says.
pub(super) fn metadata_errors(test: &MetadataTest, config: &ImageConfig) -> Vec<String> {
    let config = &config.config;
    let mut errors = Vec::new();
    let env = Variables::of(&config.env);
    for pair in &test.env_vars {
        errors.extend(pair_error("variable", pair, env.get(&pair.key)));
    }
    for variable in &test.unbound_env_vars {
        if let Some(value) = env.get(&variable.key) {
            let name = &variable.key;
            errors.push(format!(
                "the variable {name} is {value:?}, and should not be set"
            ));
        }
    }
    for pair in &test.labels {
        let value = config.labels.get(&pair.key).map(String::as_str);
        errors.extend(pair_error("label", pair, value));
    }
    for (what, wanted, actual) in [
        ("CMD", &test.cmd, &config.cmd),
        ("ENTRYPOINT", &test.entrypoint, &config.entrypoint),
    ] {
        let actual = actual.as_deref().unwrap_or_default();
        if let Some(wanted) = wanted
            && wanted != actual
        {
            errors.push(format!("{what} is {actual:?}, and not {wanted:?}"));
        }
    }
    for (what, wanted, actual) in [
        ("working directory", &test.workdir, &config.working_dir),
        ("user", &test.user, &config.user),
    ] {
        if !wanted.is_empty() && wanted != actual {
            errors.push(format!("the {what} is {actual:?}, and not {wanted:?}"));
        }
    }
    let exposes = |port: &String| {
        config
            .exposed_ports
            .iter()
            .any(|known| is_port(known, port))
    };
    let holds = |path: &String| config.volumes.contains(path);
    let missing = |what: &str, name: &str| format!("the {what} {name} is missing");
    let unwanted = |what: &str, name: &str| format!("the {what} {name} is there, and should not");
    let ports = test.exposed_ports.iter().filter(|port| !exposes(port));
    errors.extend(ports.map(|port| missing("port", port)));
    let ports = test.unexposed_ports.iter().filter(|port| exposes(port));
    errors.extend(ports.map(|port| unwanted("port", port)));
    let volumes = test.volumes.iter().filter(|path| !holds(path));
    errors.extend(volumes.map(|path| missing("volume", path)));
    let volumes = test.unmounted_volumes.iter().filter(|path| holds(path));
    errors.extend(volumes.map(|path| unwanted("volume", path)));
    errors
}

fn pair_error(what: &str, pair: &ExpectedPair, actual: Option<&str>) -> Option<String> {
    let key = &pair.key;
    let Some(actual) = actual else {
        return Some(format!("the {what} {key} is not set"));
    };
    match &pair.value {
        Expected::Exactly(wanted) => (wanted != actual)
            .then(|| format!("the {what} {key} is {actual:?}, and not {wanted:?}")),
        Expected::Matching(pattern) => (!pattern.is_match(actual)).then(|| {
            format!(
                "the {what} {key} is {actual:?}, which `{}` does not match",
                pattern.as_str()
            )
        }),
    }
}

/// Says whether a port of the image is the one that a test names: with its protocol, or by its number alone.
fn is_port(known: &str, wanted: &str) -> bool {
    let number = known.split('/').next().unwrap_or(known);
    known == wanted || number == wanted
}
