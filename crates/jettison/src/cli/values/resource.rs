//! `--resource memory=2g`: what one command of a build may use at most.

use jettison_sandbox::Resources;

use crate::cli::values::size::size;

/// One limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    /// Bytes of memory.
    Memory(u64),
    /// Bytes of memory and swap space together; -1 is no limit.
    MemorySwap(i64),
    /// A weight; 1024 is usual.
    CpuShares(u64),
    /// Microseconds of a scheduling period.
    CpuPeriod(u64),
    /// Microseconds of processor time in each period.
    CpuQuota(i64),
    /// Processors, such as `0-3,5`.
    CpusetCpus(String),
    /// Memory nodes, such as `0,1`.
    CpusetMems(String),
}

impl Resource {
    /// Puts the limit into `limits`. One of 0, or an empty one, takes back what was said before (buildx:
    /// `addResourceLimits`, build/utils.go).
    pub(crate) fn limit(&self, limits: &mut Resources) {
        let list = |list: &String| Some(list.clone()).filter(|list| !list.is_empty());
        match self {
            Resource::Memory(bytes) => limits.memory = Some(*bytes).filter(|bytes| *bytes > 0),
            Resource::MemorySwap(bytes) => {
                limits.memory_swap = Some(*bytes).filter(|bytes| *bytes != 0);
            }
            Resource::CpuShares(shares) => {
                limits.cpu_shares = Some(*shares).filter(|shares| *shares > 0);
            }
            Resource::CpuPeriod(period) => {
                limits.cpu_period = Some(*period).filter(|period| *period > 0);
            }
            Resource::CpuQuota(quota) => {
                limits.cpu_quota = Some(*quota).filter(|quota| *quota > 0);
            }
            Resource::CpusetCpus(cpus) => limits.cpuset_cpus = list(cpus),
            Resource::CpusetMems(mems) => limits.cpuset_mems = list(mems),
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
        "memory-swap" if value == "-1" => Resource::MemorySwap(-1),
        "memory-swap" => Resource::MemorySwap(i64::try_from(size(value)?).unwrap_or(i64::MAX)),
        "cpu-shares" => Resource::CpuShares(number()?),
        "cpu-period" => Resource::CpuPeriod(number()?),
        "cpu-quota" => Resource::CpuQuota(i64::try_from(number()?).unwrap_or(i64::MAX)),
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
            ("memory-swap=-1", Resource::MemorySwap(-1)),
            ("memory-swap=1m", Resource::MemorySwap(1 << 20)),
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
        let mut resources = Resources::UNLIMITED;
        for text in ["memory=1g", "memory=2g", "cpu-shares=5", "cpu-shares=0"] {
            resource(text).unwrap().limit(&mut resources);
        }
        assert_eq!(resources.memory, Some(2 << 30));
        assert_eq!(resources.cpu_shares, None);
    }
}
