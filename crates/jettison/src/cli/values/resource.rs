//! `--resource memory=2g`: what one command of a build may use at most.

use crate::cli::values::size::size;

/// One limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    /// Bytes of memory.
    Memory(u64),
    /// Memory and swap together.
    MemorySwap(MemorySwap),
    /// A weight; 1024 is usual.
    CpuShares(u64),
    /// Microseconds of a scheduling period.
    CpuPeriod(u64),
    /// Microseconds of processor time in each period.
    CpuQuota(u64),
    /// Processors, such as `0-3,5`.
    CpusetCpus(String),
    /// Memory nodes, such as `0,1`.
    CpusetMems(String),
}

/// How much memory and swap there is together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemorySwap {
    Bytes(u64),
    Unlimited,
}

/// What the commands of a build may use; a limit that is given twice counts as it was given last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resources {
    pub(crate) memory: Option<u64>,
    pub(crate) memory_swap: Option<MemorySwap>,
    pub(crate) cpu_shares: Option<u64>,
    pub(crate) cpu_period: Option<u64>,
    pub(crate) cpu_quota: Option<u64>,
    pub(crate) cpuset_cpus: Option<String>,
    pub(crate) cpuset_mems: Option<String>,
}

impl Resources {
    /// Adds limits. One of 0, or an empty one, takes back what was said before (buildx: `addResourceLimits`,
    /// build/utils.go).
    pub(crate) fn add(&mut self, resource: &Resource) {
        let number = |number: u64| Some(number).filter(|number| *number > 0);
        let list = |list: &String| Some(list.clone()).filter(|list| !list.is_empty());
        match resource {
            Resource::Memory(bytes) => self.memory = number(*bytes),
            Resource::MemorySwap(swap) => {
                self.memory_swap = Some(*swap).filter(|swap| *swap != MemorySwap::Bytes(0));
            }
            Resource::CpuShares(shares) => self.cpu_shares = number(*shares),
            Resource::CpuPeriod(period) => self.cpu_period = number(*period),
            Resource::CpuQuota(quota) => self.cpu_quota = number(*quota),
            Resource::CpusetCpus(cpus) => self.cpuset_cpus = list(cpus),
            Resource::CpusetMems(mems) => self.cpuset_mems = list(mems),
        }
    }
}

/// Reads `NAME=VALUE` (buildx: `ParseResourceLimits`, build/utils.go).
pub(crate) fn resource(text: &str) -> Result<Resource, String> {
    let (name, value) = text.split_once('=').ok_or("take NAME=VALUE")?;
    let (name, value) = (name.trim(), value.trim());
    let number = || {
        value
            .parse::<u64>()
            .map_err(|_| format!("`{value}` is not a number"))
    };
    let list = || {
        is_list(value)
            .then(|| value.to_string())
            .ok_or_else(|| format!("`{value}` is not a list such as 0-3,5"))
    };
    Ok(match name {
        "memory" => Resource::Memory(size(value)?),
        "memory-swap" if value == "-1" => Resource::MemorySwap(MemorySwap::Unlimited),
        "memory-swap" => Resource::MemorySwap(MemorySwap::Bytes(size(value)?)),
        "cpu-shares" => Resource::CpuShares(number()?),
        "cpu-period" => Resource::CpuPeriod(number()?),
        "cpu-quota" => Resource::CpuQuota(number()?),
        "cpuset-cpus" => Resource::CpusetCpus(list()?),
        "cpuset-mems" => Resource::CpusetMems(list()?),
        _ => {
            return Err(format!(
                "there is no resource called `{name}`: take memory, memory-swap, cpu-shares, cpu-period, cpu-quota, \
                 cpuset-cpus or cpuset-mems"
            ));
        }
    })
}

/// Says whether a text is a list of numbers and ranges, or empty.
fn is_list(text: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.is_empty()
        || text.split(',').all(|part| match part.split_once('-') {
            Some((first, last)) => is_number(first) && is_number(last),
            None => is_number(part),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_dockers_names() {
        let cases = [
            ("memory=2g", Resource::Memory(2 << 30)),
            (
                "memory-swap=-1",
                Resource::MemorySwap(MemorySwap::Unlimited),
            ),
            (
                "memory-swap=1m",
                Resource::MemorySwap(MemorySwap::Bytes(1 << 20)),
            ),
            ("cpu-shares=512", Resource::CpuShares(512)),
            (" cpu-period = 100000 ", Resource::CpuPeriod(100_000)),
            ("cpu-quota=50000", Resource::CpuQuota(50_000)),
            (
                "cpuset-cpus=0-3,5",
                Resource::CpusetCpus("0-3,5".to_string()),
            ),
            ("cpuset-mems=0", Resource::CpusetMems("0".to_string())),
        ];
        for (text, expected) in cases {
            assert_eq!(resource(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn other_limits_are_refused() {
        for text in [
            "",
            "memory",
            "memory=lots",
            "memory=-1",
            "cpus=2",
            "cpu-quota=1.5",
            "cpuset-cpus=0-",
            "cpuset-cpus=a",
        ] {
            assert!(resource(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_last_limit_counts_and_nothing_takes_it_back() {
        let mut resources = Resources::default();
        for text in ["memory=1g", "memory=2g", "cpu-shares=5", "cpu-shares=0"] {
            resources.add(&resource(text).unwrap());
        }
        assert_eq!(resources.memory, Some(2 << 30));
        assert_eq!(resources.cpu_shares, None);
    }
}
