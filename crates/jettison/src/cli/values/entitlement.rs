//! `--allow`: what a Dockerfile may ask for that reaches beyond its sandbox.

/// Something that is refused without `--allow`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entitlement {
    /// `RUN --network=host`.
    NetworkHost,
    /// `RUN --security=insecure`.
    SecurityInsecure,
    /// `RUN --device`: of this name, or any.
    Device(Option<String>),
    /// `-o type=local,mode=delete`.
    LocalDelete,
}

/// Reads an entitlement (BuildKit: `Parse`, util/entitlements; buildx: `ParseEntitlements`).
pub(crate) fn entitlement(text: &str) -> Result<Entitlement, String> {
    match text.split_once('=').unwrap_or((text, "")) {
        ("network.host", "") => Ok(Entitlement::NetworkHost),
        ("security.insecure", "") => Ok(Entitlement::SecurityInsecure),
        ("buildx.local.delete", "") => Ok(Entitlement::LocalDelete),
        ("device", "") => Ok(Entitlement::Device(None)),
        ("device", name) => Ok(Entitlement::Device(Some(name.to_string()))),
        // buildx asks with these for what its bake files read; a build names its files itself.
        ("fs" | "fs.read" | "fs.write" | "ssh", _) => {
            Err("it belongs to `docker buildx bake`: a build needs no leave to use the files that it names".to_string())
        }
        _ => Err("take network.host, security.insecure, device or buildx.local.delete".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entitlements_have_buildkits_names() {
        let device = Entitlement::Device(Some("vendor.com/gpu=all".to_string()));
        let cases = [
            ("network.host", Entitlement::NetworkHost),
            ("security.insecure", Entitlement::SecurityInsecure),
            ("buildx.local.delete", Entitlement::LocalDelete),
            ("device", Entitlement::Device(None)),
            ("device=vendor.com/gpu=all", device),
        ];
        for (text, expected) in cases {
            assert_eq!(entitlement(text), Ok(expected), "{text}");
        }
        for text in ["", "network", "network.host=1", "fs.read=/", "NETWORK.HOST"] {
            assert!(entitlement(text).is_err(), "{text}");
        }
    }
}
