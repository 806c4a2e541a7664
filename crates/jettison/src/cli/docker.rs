//! Options of docker that mean something else here, or nothing. None of them is ignored in silence: each is explained
//! where it changes nothing, and refused by name where the result would not be what was asked for.

use clap::Args;

use crate::cli::values::{Attestation, attestation, attestation_of, switch};
use crate::failure::Failure;

/// What docker's command line has because docker has a daemon, or had another builder.
#[derive(Debug, Args)]
#[command(next_help_heading = "Known from docker")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of the command line"
)]
pub(crate) struct DockerArgs {
    /// Explained: no attestation is made
    #[arg(long = "attest", value_name = "SPEC", hide_short_help = true, value_parser = attestation)]
    pub(crate) attest: Vec<Attestation>,
    /// Explained: no provenance is attached; `false` says the same
    #[arg(long, value_name = "BOOL|SPEC", hide_short_help = true, value_parser = provenance)]
    pub(crate) provenance: Option<Attestation>,
    /// Explained: no list of packages is attached; `false` says the same
    #[arg(long, value_name = "BOOL|SPEC", hide_short_help = true, value_parser = sbom)]
    pub(crate) sbom: Option<Attestation>,
    /// Explained: there is no daemon to choose
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub(crate) builder: Option<String>,
    /// Refused: a last stage with `COPY --from` has one layer
    #[arg(long, hide_short_help = true)]
    pub(crate) squash: bool,
    /// Refused: `RUN --security=insecure` and --allow are what is left of it
    #[arg(long = "security-opt", value_name = "OPTION", hide_short_help = true)]
    pub(crate) security_opts: Vec<String>,
    /// Refused: policies are not read
    #[arg(long = "policy", value_name = "SPEC", hide_short_help = true)]
    pub(crate) policies: Vec<String>,
    /// Explained: `default` is what there is
    #[arg(long, value_name = "KIND", hide_short_help = true)]
    pub(crate) isolation: Option<String>,
    /// Explained: the context is not sent anywhere
    #[arg(long, hide_short_help = true)]
    pub(crate) compress: bool,
    /// Explained: nothing is left to be removed
    #[arg(long, value_name = "BOOL", hide_short_help = true, num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = switch)]
    pub(crate) rm: Option<bool>,
    /// Explained: nothing is left to be removed
    #[arg(long, hide_short_help = true)]
    pub(crate) force_rm: bool,
    /// Explained: there is no content trust
    #[arg(long, hide_short_help = true)]
    pub(crate) disable_content_trust: bool,
    /// Explained: --progress=plain shows all there is
    #[arg(short = 'D', long, hide_short_help = true)]
    pub(crate) debug: bool,
}

fn provenance(text: &str) -> Result<Attestation, String> {
    attestation_of("provenance", text)
}

fn sbom(text: &str) -> Result<Attestation, String> {
    attestation_of("sbom", text)
}

impl DockerArgs {
    /// What is to be said about the options that were given.
    pub(crate) fn explained(&self) -> Result<Vec<String>, Failure> {
        if let Some((message, hint)) = self.refused() {
            return Err(Failure::user(message).hint(hint));
        }
        let mut notes = self.attestations();
        let mut note = |is_given: bool, text: &str| {
            if is_given {
                notes.push(text.to_string());
            }
        };
        note(
            self.builder
                .as_deref()
                .is_some_and(|name| !["", "default"].contains(&name)),
            "--builder: there is no daemon to choose; this program builds",
        );
        note(
            self.isolation.as_deref() == Some("process"),
            "--isolation: commands always run in namespaces of their own",
        );
        note(
            self.compress,
            "--compress: the context is read where it is, and not sent anywhere",
        );
        note(
            self.rm.is_some(),
            "--rm: a build leaves no containers; `jettison prune` removes what the cache holds",
        );
        note(
            self.force_rm,
            "--force-rm: a build leaves no containers, whether it fails or not",
        );
        note(
            self.disable_content_trust,
            "--disable-content-trust: there is no content trust; a digest in FROM pins an image",
        );
        note(
            self.debug,
            "--debug: there is no log; --progress=plain shows all that happens, --explain says why",
        );
        Ok(notes)
    }

    /// The first option that cannot be met, and what to do.
    fn refused(&self) -> Option<(String, &'static str)> {
        let refused = |option: &str| format!("{option} is not supported");
        if self.squash {
            return Some((
                refused("--squash"),
                "a last stage `FROM scratch` with `COPY --from=STAGE / /` has one layer",
            ));
        }
        if let Some(option) = self.security_opts.first() {
            return Some((
                refused(&format!("--security-opt {option}")),
                "`RUN --security=insecure` in the Dockerfile and `--allow security.insecure` let a command do everything",
            ));
        }
        if !self.policies.is_empty() {
            return Some((
                refused("--policy"),
                "pin images by digest in FROM, and files by `ADD --checksum`",
            ));
        }
        match self.isolation.as_deref() {
            None | Some("" | "default" | "process") => None,
            Some(kind) => Some((
                refused(&format!("--isolation {kind}")),
                "leave it out: commands always run in namespaces of their own",
            )),
        }
    }

    /// One note for each kind of attestation that is wanted. Those that are not wanted are not made, as was asked for.
    fn attestations(&self) -> Vec<String> {
        let given = self.attest.iter().chain(&self.provenance).chain(&self.sbom);
        let mut kinds: Vec<&str> = given
            .filter(|one| one.is_wanted)
            .map(|one| one.kind.as_str())
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        let note =
            |kind: &&str| format!("{kind} attestations are not made here: the image has none");
        kinds.iter().map(note).collect()
    }
}
