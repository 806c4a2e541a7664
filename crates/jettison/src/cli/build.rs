//! The options of `build`: those of `docker build` and `docker buildx build`, by the same names.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::check::{CallRequest, call_request};
use crate::cli::docker::DockerArgs;
use crate::cli::input::InputArgs;
use crate::cli::values::{
    Annotations, CacheExport, CacheImport, Entitlement, ExtraHosts, OutputSpec, Pair, Resource,
    Ulimit, annotations, cache_export, cache_import, entitlement, extra_hosts, output, pair,
    resource, size, ulimit,
};

#[derive(Debug, Args)]
#[command(
    args_override_self = true,
    after_help = "\
Exit status: 0 built, 1 a command of the Dockerfile failed, 2 your mistake, 3 this host cannot.

docs/build.md has every option, and what is not as in docker."
)]
pub(crate) struct BuildArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) image: ImageArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) cache: CacheArgs,
    #[command(flatten)]
    pub(crate) commands: CommandArgs,
    #[command(flatten)]
    pub(crate) docker: DockerArgs,
}

/// What is built.
#[derive(Debug, Args)]
pub(crate) struct ImageArgs {
    /// Name the image
    #[arg(short, long = "tag", value_name = "NAME[:TAG]")]
    pub(crate) tags: Vec<String>,
    /// Build this stage
    #[arg(long, value_name = "STAGE")]
    pub(crate) target: Option<String>,
    /// Build for these platforms, such as linux/arm64 [default: this host's]
    #[arg(
        long = "platform",
        env = "DOCKER_DEFAULT_PLATFORM",
        hide_env = true,
        value_name = "PLATFORM[,…]",
        value_delimiter = ','
    )]
    pub(crate) platforms: Vec<String>,
    /// Give the build more contexts: a directory, an image, an address, a stage (target:STAGE)
    #[arg(long = "build-context", value_name = "NAME=VALUE")]
    pub(crate) build_contexts: Vec<String>,
    /// Add a label to the image
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) labels: Vec<Pair>,
    /// Add an annotation to the manifest, or what is named: manifest-descriptor, index, index-descriptor
    #[arg(long = "annotation", value_name = "[LEVEL:]KEY=VALUE", value_parser = annotations)]
    pub(crate) annotations: Vec<Annotations>,
    /// Do not build: print what can be built (targets), what a build takes (outline), or what is wrong (check);
    /// `,format=json` prints JSON
    #[arg(long, alias = "print", value_name = "METHOD", value_parser = call_request)]
    pub(crate) call: Option<CallRequest>,
    /// Short for --call=check
    #[arg(long, conflicts_with = "call")]
    pub(crate) check: bool,
}

/// What becomes of it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of the command line"
)]
pub(crate) struct OutputArgs {
    /// Write the result out: DIR, `-` for a tar, or type=oci|docker|tar|local|image|registry|cacheonly,dest=PATH
    #[arg(short, long = "output", value_name = "SPEC", value_parser = output)]
    pub(crate) outputs: Vec<OutputSpec>,
    /// Load the image into a running Docker or Podman; short for -o type=docker
    #[arg(long)]
    pub(crate) load: bool,
    /// Push the image to the registries that its names say; short for -o type=registry
    #[arg(long)]
    pub(crate) push: bool,
    /// Write the image ID to a file
    #[arg(long, value_name = "FILE")]
    pub(crate) iidfile: Option<PathBuf>,
    /// Write digests, names and each step's figures to a file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) metadata_file: Option<PathBuf>,
    /// Print nothing but the image ID
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// What is taken from earlier builds.
#[derive(Debug, Args)]
#[command(next_help_heading = "Cache")]
pub(crate) struct CacheArgs {
    /// Execute the steps of these stages, whatever the cache holds
    #[arg(
        long = "no-cache-filter",
        value_name = "STAGE[,…]",
        value_delimiter = ','
    )]
    pub(crate) no_cache_filter: Vec<String>,
    /// Use results that --cache-to wrote: NAME, type=registry,ref=NAME or type=local,src=DIR, each [,mounts=true]
    #[arg(long, value_name = "SPEC", value_parser = cache_import)]
    pub(crate) cache_from: Vec<CacheImport>,
    /// Write results for other machines: NAME, type=registry,ref=NAME or type=local,dest=DIR, each [,mode=max][,mounts=true]
    #[arg(long, value_name = "SPEC", value_parser = cache_export)]
    pub(crate) cache_to: Vec<CacheExport>,
    /// Say for each step that runs what is new about it
    #[arg(long)]
    pub(crate) explain: bool,
}

/// What the commands of `RUN` get.
#[derive(Debug, Args)]
#[command(next_help_heading = "Commands")]
pub(crate) struct CommandArgs {
    /// Let commands see a secret: id=NAME[,src=FILE|env=VARIABLE]
    #[arg(long = "secret", value_name = "SPEC")]
    pub(crate) secrets: Vec<String>,
    /// Let commands use an SSH agent, or keys
    #[arg(long = "ssh", value_name = "default|ID[=SOCKET|KEY[,…]]")]
    pub(crate) ssh: Vec<String>,
    /// Let commands trust the certificate authorities of the host, or of a PEM file
    #[arg(long, value_name = "host|FILE")]
    pub(crate) ca: Option<String>,
    /// The network of commands
    #[arg(long, value_enum, default_value = "default")]
    pub(crate) network: BuildNetwork,
    /// Add a line to /etc/hosts
    #[arg(long = "add-host", value_name = "NAME=ADDRESS", value_parser = extra_hosts)]
    pub(crate) add_hosts: Vec<ExtraHosts>,
    /// Let the Dockerfile use network.host, security.insecure or device
    #[arg(long = "allow", value_name = "ENTITLEMENT", value_delimiter = ',', value_parser = entitlement)]
    pub(crate) allow: Vec<Entitlement>,
    /// The size of /dev/shm, such as 64m
    #[arg(long, value_name = "BYTES", value_parser = size)]
    pub(crate) shm_size: Option<u64>,
    /// Set a limit of processes, such as nofile=1024:2048
    #[arg(long = "ulimit", value_name = "NAME=SOFT[:HARD]", value_parser = ulimit)]
    pub(crate) ulimits: Vec<Ulimit>,
    /// Limit what a command uses: memory, memory-swap, cpu-shares, cpu-period, cpu-quota, cpuset-cpus, cpuset-mems
    #[arg(long = "resource", value_name = "NAME=VALUE", value_parser = resource)]
    pub(crate) resources: Vec<Resource>,
    #[command(flatten)]
    pub(crate) old_resources: OldResourceArgs,
    /// The control group that commands run in
    #[arg(long, value_name = "PATH")]
    pub(crate) cgroup_parent: Option<String>,
    /// Run at most this many steps at a time [default: as many as can run]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// Start a shell where a command failed
    #[arg(long)]
    pub(crate) shell_on_failure: bool,
}

/// The network of commands that name none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BuildNetwork {
    /// The host's
    Default,
    /// The host's
    Host,
    /// Only a loopback interface
    None,
}

/// What `--resource` was called before there was one.
#[derive(Debug, Args)]
pub(crate) struct OldResourceArgs {
    /// Short for --resource memory=BYTES
    #[arg(short, long, value_name = "BYTES", hide_short_help = true, value_parser = |text: &str| named("memory", text))]
    pub(crate) memory: Option<Resource>,
    /// Short for --resource memory-swap=BYTES
    #[arg(long, value_name = "BYTES", hide_short_help = true, allow_hyphen_values = true, value_parser = |text: &str| named("memory-swap", text))]
    pub(crate) memory_swap: Option<Resource>,
    /// Short for --resource cpu-shares=WEIGHT
    #[arg(short, long, value_name = "WEIGHT", hide_short_help = true, value_parser = |text: &str| named("cpu-shares", text))]
    pub(crate) cpu_shares: Option<Resource>,
    /// Short for --resource cpu-period=MICROSECONDS
    #[arg(long, value_name = "MICROSECONDS", hide_short_help = true, value_parser = |text: &str| named("cpu-period", text))]
    pub(crate) cpu_period: Option<Resource>,
    /// Short for --resource cpu-quota=MICROSECONDS
    #[arg(long, value_name = "MICROSECONDS", hide_short_help = true, value_parser = |text: &str| named("cpu-quota", text))]
    pub(crate) cpu_quota: Option<Resource>,
    /// Short for --resource cpuset-cpus=LIST
    #[arg(long, value_name = "LIST", hide_short_help = true, value_parser = |text: &str| named("cpuset-cpus", text))]
    pub(crate) cpuset_cpus: Option<Resource>,
    /// Short for --resource cpuset-mems=LIST
    #[arg(long, value_name = "LIST", hide_short_help = true, value_parser = |text: &str| named("cpuset-mems", text))]
    pub(crate) cpuset_mems: Option<Resource>,
}

impl OldResourceArgs {
    /// The limits that were given.
    pub(crate) fn resources(&self) -> impl Iterator<Item = &Resource> {
        let options = [
            &self.memory,
            &self.memory_swap,
            &self.cpu_shares,
            &self.cpu_period,
            &self.cpu_quota,
            &self.cpuset_cpus,
            &self.cpuset_mems,
        ];
        options.into_iter().flatten()
    }
}

fn named(name: &str, value: &str) -> Result<Resource, String> {
    resource(&format!("{name}={value}"))
}
