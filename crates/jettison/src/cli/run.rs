//! Options of `jettison run`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::values::{ExtraHosts, Resource, Ulimit, extra_hosts, resource, size, ulimit};

#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Exit status: that of the program; 125 if jettison cannot run it, 126 if the program cannot be executed, \
        127 if there is none, 128 and the number of the signal that ended it."
)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) image: ImageArgs,
    #[command(flatten)]
    pub(crate) streams: StreamArgs,
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
    #[command(flatten)]
    pub(crate) files: FileArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    #[command(flatten)]
    pub(crate) docker: DockerRunArgs,
    /// The image, by name or ID, and arguments that replace its CMD
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_names = ["IMAGE", "ARGUMENTS"])]
    pub(crate) command: Vec<String>,
}

/// Which image it is, and where it comes from.
#[derive(Clone, Debug, Args)]
pub(crate) struct ImageArgs {
    /// When to get the image from its registry: always, missing or never
    #[arg(long, value_enum, value_name = "WHEN", default_value = "missing")]
    pub(crate) pull: PullWhen,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
    /// Say nothing while the image is pulled
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Which of an image's platforms is meant.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct PlatformArgs {
    /// The platform of the image, such as linux/arm64 [default: this host's]
    #[arg(
        long,
        env = "DOCKER_DEFAULT_PLATFORM",
        hide_env = true,
        value_name = "PLATFORM"
    )]
    pub(crate) platform: Option<String>,
}

/// When an image is pulled before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PullWhen {
    /// Each time
    Always,
    /// If the store does not have it
    Missing,
    /// Not at all
    Never,
}

#[derive(Debug, Args)]
#[command(
    after_help = "The image's files are where they are, and what is written is thrown away. Tools are in \
        /.jettison/bin and /.jettison/tools, at the end of PATH; the toolbox's own files are in /.jettison/toolbox."
)]
pub(crate) struct DebugArgs {
    #[command(flatten)]
    pub(crate) image: ImageArgs,
    /// Where tools come from: an image, `debian://SUITE?include=PACKAGES`, or `host`, this
    /// machine. There must be a static busybox
    #[arg(
        long,
        value_name = "IMAGE",
        default_value = "debian://bookworm?variant=essential&include=busybox-static"
    )]
    pub(crate) toolbox: String,
    /// Where Debian's packages come from [default: settings, else the host's apt sources]
    #[arg(long, value_name = "URL")]
    pub(crate) archive: Option<String>,
    /// What is the default: a terminal, if there is one on this side
    #[arg(short, long, hide_short_help = true)]
    pub(crate) interactive: bool,
    /// What is the default: a terminal, if there is one on this side
    #[arg(short, long, hide_short_help = true)]
    pub(crate) tty: bool,
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
    #[command(flatten)]
    pub(crate) files: FileArgs,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    /// The image, by name or ID, and a command [default: a shell]
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_names = ["IMAGE", "COMMAND"])]
    pub(crate) command: Vec<String>,
}

/// What the program reads and writes.
#[derive(Clone, Debug, Args)]
pub(crate) struct StreamArgs {
    /// Let the program read the standard input
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Give the program a terminal
    #[arg(short, long)]
    pub(crate) tty: bool,
}

/// Who runs what.
#[derive(Clone, Debug, Args)]
pub(crate) struct ProcessArgs {
    /// Replace the image's ENTRYPOINT; an empty text removes it
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) entrypoint: Option<String>,
    /// Set an environment variable; a name alone takes the value that it has here
    #[arg(short, long = "env", value_name = "NAME[=VALUE]")]
    pub(crate) env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long = "env-file", value_name = "FILE")]
    pub(crate) env_files: Vec<PathBuf>,
    /// The user, by name or number, and after a colon the group
    #[arg(short, long, value_name = "USER[:GROUP]")]
    pub(crate) user: Option<String>,
    /// The directory to start in; it is made if it is missing
    #[arg(short, long, value_name = "DIR")]
    pub(crate) workdir: Option<String>,
    /// The network: host or none
    #[arg(long, alias = "net", value_parser = network, default_value = "host", value_name = "KIND")]
    pub(crate) network: NetworkKind,
    /// The name of the host, as the program sees it
    #[arg(long, value_name = "NAME")]
    pub(crate) hostname: Option<String>,
    /// Add a name to /etc/hosts
    #[arg(long = "add-host", value_name = "NAME:ADDRESS", value_parser = extra_hosts)]
    pub(crate) add_hosts: Vec<ExtraHosts>,
    /// Allow a capability that containers do not have
    #[arg(long = "cap-add", value_name = "NAME")]
    pub(crate) cap_add: Vec<String>,
    /// Take away a capability that containers have
    #[arg(long = "cap-drop", value_name = "NAME")]
    pub(crate) cap_drop: Vec<String>,
    /// Allow everything that jettison itself may do
    #[arg(long)]
    pub(crate) privileged: bool,
    /// The signal that the program gets when jettison gets SIGTERM [default: the image's]
    #[arg(long, value_name = "SIGNAL")]
    pub(crate) stop_signal: Option<String>,
}

/// Files that the program sees besides the image's.
#[derive(Clone, Debug, Args)]
pub(crate) struct FileArgs {
    /// Show a file or directory of the host; `ro` is read-only
    #[arg(short, long = "volume", value_name = "[SOURCE:]TARGET[:OPTIONS]")]
    pub(crate) volumes: Vec<String>,
    /// Mount something: type=bind,source=…,target=…[,readonly], type=tmpfs,target=…[,tmpfs-size=…,tmpfs-mode=…]
    #[arg(long = "mount", value_name = "SPEC")]
    pub(crate) mounts: Vec<String>,
    /// Mount an empty filesystem in memory; options are size and mode
    #[arg(long = "tmpfs", value_name = "TARGET[:OPTIONS]")]
    pub(crate) tmpfs: Vec<String>,
    /// Do not let the program write into the image's files
    #[arg(long)]
    pub(crate) read_only: bool,
    /// The size of /dev/shm, such as 64m
    #[arg(long, value_name = "BYTES", value_parser = size)]
    pub(crate) shm_size: Option<u64>,
}

/// How much the program may use.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct LimitArgs {
    /// Limit what each process may use
    #[arg(long = "ulimit", value_name = "NAME=SOFT[:HARD]", value_parser = ulimit)]
    pub(crate) ulimits: Vec<Ulimit>,
    /// Limit the memory of all processes together, such as 512m
    #[arg(short, long, value_name = "BYTES", value_parser = |text: &str| limit("memory", text))]
    pub(crate) memory: Option<Resource>,
    /// Limit memory and swap space together
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true, value_parser = |text: &str| limit("memory-swap", text))]
    pub(crate) memory_swap: Option<Resource>,
    /// Limit the processors, such as 1.5
    #[arg(long, value_name = "NUMBER", value_parser = cpus)]
    pub(crate) cpus: Option<Resource>,
    /// The weight against other programs; 1024 is usual
    #[arg(short, long, value_name = "NUMBER", value_parser = |text: &str| limit("cpu-shares", text))]
    pub(crate) cpu_shares: Option<Resource>,
    /// The processors that may be used, such as 0-2,7
    #[arg(long, value_name = "LIST", value_parser = |text: &str| limit("cpuset-cpus", text))]
    pub(crate) cpuset_cpus: Option<Resource>,
}

/// What docker has because it keeps containers and networks.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Known from docker")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of the command line"
)]
pub(crate) struct DockerRunArgs {
    /// What always happens: nothing is kept
    #[arg(long, hide_short_help = true)]
    pub(crate) rm: bool,
    /// Explained: the program is the first process itself
    #[arg(long, hide_short_help = true)]
    pub(crate) init: bool,
    /// Explained: nothing is kept that could have a name
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub(crate) name: Option<String>,
    /// Explained: nothing is kept that could have labels
    #[arg(short, long = "label", value_name = "LABEL", hide_short_help = true)]
    pub(crate) labels: Vec<String>,
    /// Explained: the program uses the host's network; refused if the ports differ
    #[arg(short, long = "publish", value_name = "PORTS", hide_short_help = true)]
    pub(crate) publish: Vec<String>,
    /// Explained: the program uses the host's network
    #[arg(short = 'P', long, hide_short_help = true)]
    pub(crate) publish_all: bool,
    /// Explained: the program uses the host's network
    #[arg(long = "expose", value_name = "PORT", hide_short_help = true)]
    pub(crate) expose: Vec<String>,
    /// Refused: there is no daemon that keeps programs running
    #[arg(short, long, hide_short_help = true)]
    pub(crate) detach: bool,
    /// Refused: there is no daemon that starts programs again; `no` says the same
    #[arg(long, value_name = "POLICY", hide_short_help = true)]
    pub(crate) restart: Option<String>,
    /// Refused, but for `seccomp=unconfined` with --privileged
    #[arg(long = "security-opt", value_name = "OPTION", hide_short_help = true)]
    pub(crate) security_opts: Vec<String>,
    /// Refused: only --privileged gives devices
    #[arg(long = "device", value_name = "DEVICE", hide_short_help = true)]
    pub(crate) devices: Vec<String>,
}

/// Which network a program gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NetworkKind {
    /// The host's
    Host,
    /// Only a loopback interface
    None,
}

pub(super) fn network(text: &str) -> Result<NetworkKind, String> {
    match text {
        "host" => Ok(NetworkKind::Host),
        "none" => Ok(NetworkKind::None),
        _ => Err(format!(
            "there is no network called `{text}`: take host, the network of this machine, or none; networks of docker's \
             need a daemon"
        )),
    }
}

fn limit(name: &str, value: &str) -> Result<Resource, String> {
    resource(&format!("{name}={value}"))
}

/// Docker's `--cpus`, as a part of each tenth of a second.
fn cpus(text: &str) -> Result<Resource, String> {
    let wrong = || format!("`{text}` is not a number of processors such as 1.5");
    let number: f64 = text.parse().map_err(|_| wrong())?;
    if !(0.01..=10_000.0).contains(&number) {
        return Err(wrong());
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let thousandths: String = format!("{fraction:0<5}").chars().take(5).collect();
    limit("cpu-quota", &format!("{whole}{thousandths}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_a_part_of_a_tenth_of_a_second() {
        for (text, quota) in [
            ("1", 100_000),
            ("1.5", 150_000),
            ("0.25", 25_000),
            ("2.000001", 200_000),
        ] {
            assert_eq!(cpus(text), Ok(Resource::CpuQuota(quota)), "{text}");
        }
        for text in ["", "0", "-1", "many", "1e3x"] {
            assert!(cpus(text).is_err(), "{text}");
        }
    }

    #[test]
    fn networks_are_the_hosts_or_none() {
        assert_eq!(network("none"), Ok(NetworkKind::None));
        assert!(network("bridge").is_err());
    }
}
