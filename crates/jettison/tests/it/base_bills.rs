//! Bills of materials of bases, which the validators of their formats' authors accept.

use std::path::{Path, PathBuf};

use jettison_testkit::{Scratch, skip};

use crate::family::{FAMILY, assembled, lock_of, with_root};

/// Where `scripts/test` puts the validators, which are written in Python.
fn validators() -> Option<PathBuf> {
    let bin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/validators/bin");
    if !bin.join("pyspdxtools").exists() {
        skip("there are no validators of bills of materials: scripts/test installs them");
        return None;
    }
    Some(bin)
}

/// Asks for strict `CycloneDX` 1.6 in each file.
const STRICT: &str = "
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
validator = JsonStrictValidator(SchemaVersion.V1_6)
for path in sys.argv[1:]:
    error = validator.validate_str(open(path).read())
    if error is not None:
        sys.exit(f'{path}: {error}')
";

/// The file called `path` in the bill's own format, with what it says of `package`.
#[track_caller]
fn bill(scratch: &Scratch, path: &str) -> serde_json::Value {
    serde_json::from_str(&scratch.read(path)).unwrap()
}

#[test]
fn validators_accept_the_bills_of_every_base() {
    let Some(bin) = validators() else { return };
    with_root(|scratch| {
        let mut strict = scratch.tool(bin.join("python"), &["-c", STRICT]);
        for (name, _) in FAMILY {
            assembled(scratch, name);
            let lock = lock_of(name);
            let (spdx, cyclonedx) = (format!("{name}.spdx.json"), format!("{name}.cdx.json"));
            let bills = [format!("spdx={spdx}"), format!("cyclonedx={cyclonedx}")];
            let lock = lock.to_str().unwrap();
            let arguments = ["base", "build", name, "-q", "--lock", lock];
            let mut command = scratch.command(&arguments);
            command.args(["--sbom", &bills[0], "--sbom", &bills[1]]);
            scratch.outcome(&mut command).succeeded();
            // It says nothing of a bill without a mistake.
            let mut validator = scratch.tool(bin.join("pyspdxtools"), &["-i", &spdx]);
            let said = scratch.outcome(&mut validator).succeeded();
            assert_eq!(
                (said.stdout, said.stderr),
                (String::new(), String::new()),
                "{name}"
            );
            strict.arg(&cyclonedx);
            let packages = bill(scratch, &spdx)["packages"].as_array().unwrap().len();
            let components = bill(scratch, &cyclonedx)["components"]
                .as_array()
                .unwrap()
                .len();
            assert!(packages > 1 && components > 1, "{name}");
        }
        scratch.outcome(&mut strict).succeeded();
    });
}
