//! What users are told when a registry does not give or take an image.

use jettison_oci::RegistryError;

use crate::failure::Failure;

/// The failure that an error is, with what to do about it.
pub(crate) fn registry_failure(message: impl Into<String>, error: &RegistryError) -> Failure {
    let failure = Failure::user(message).because(error);
    match hint(error) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// What to do about an error.
pub(crate) fn hint(error: &RegistryError) -> Option<String> {
    match error {
        RegistryError::Denied {
            registry,
            was_logged_in: false,
            ..
        } => Some(format!(
            "it may not exist, or need a login: `jettison login {registry}`"
        )),
        RegistryError::Denied { registry, .. } => Some(format!(
            "the credentials for {registry} are not good for this: `jettison login {registry}` changes them"
        )),
        RegistryError::Connection { source, host, .. } => {
            let text = describe(&**source);
            if text.contains("proxy") {
                Some("HTTPS_PROXY=http://NAME:PASSWORD@HOST:PORT (HTTP_PROXY for registries without encryption) tells a proxy who asks; NO_PROXY names hosts that are reached without one".to_owned())
            } else if text.contains("certificate") || text.contains("UnknownIssuer") {
                Some(format!(
                    "name the authority that vouches for it: `ca = \"FILE\"` under [registries.\"{host}\"] in the user's settings"
                ))
            } else if text.contains("InvalidContentType") || text.contains("corrupt message") {
                Some(format!(
                    "if it has no encryption, say `insecure = true` under [registries.\"{host}\"] in the user's settings"
                ))
            } else {
                None
            }
        }
        RegistryError::Busy { .. } => {
            Some("try again later; a login often raises the limit".to_owned())
        }
        RegistryError::Platform { .. } => Some("choose one with --platform".to_owned()),
        RegistryError::Status { .. }
        | RegistryError::NotFound { .. }
        | RegistryError::Answer { .. }
        | RegistryError::Wrong { .. }
        | RegistryError::Unsupported { .. }
        | RegistryError::Read { .. }
        | RegistryError::Keys { .. }
        | RegistryError::Store { .. }
        | RegistryError::Layer { .. }
        | RegistryError::Image { .. }
        | RegistryError::Export(_)
        | RegistryError::Stopped => None,
    }
}

fn describe(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", describe(source)),
        None => error.to_string(),
    }
}
