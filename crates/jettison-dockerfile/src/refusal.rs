//! What a build refuses in words that have been expanded, in BuildKit's words.
//!
//! BuildKit finds these only when it comes to the instruction (`dispatch`, dockerfile2llb/convert.go). Here are the
//! grammars of single values; [`evaluate`](crate::evaluate) knows which words there are and what they become.

mod address;
mod digest;
mod mode;
mod mount;
mod port;
mod reference;
mod signal;

pub use crate::refusal::address::SourceAddress;
pub use crate::refusal::digest::digest_problem;
pub use crate::refusal::mode::mode_problem;
pub(crate) use crate::refusal::mount::{Field, Mount, read_mount};
pub use crate::refusal::mount::{MountKind, MountSharing, MountValues, mount_values};
pub use crate::refusal::port::exposed_ports;
pub(crate) use crate::refusal::port::port_problem;
pub use crate::refusal::reference::reference_problem;
pub use crate::refusal::signal::is_signal;

/// Says whether `user[:group]` has a name in it that somebody would have to look up (BuildKit: `chownByName`,
/// `dockerfile2llb/convert_copy.go`; `parseUID`, client/llb/fileop.go).
pub fn is_owner_by_name(owner: &str) -> bool {
    let is_name = |part: &str| !part.is_empty() && part != "root" && part.parse::<i32>().is_err();
    owner.splitn(2, ':').any(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_owners_are_told_from_numbers() {
        for number in ["0", "1:2", "root", "root:root", ":5", "-1", "1:"] {
            assert!(!is_owner_by_name(number), "{number}");
        }
        for name in ["me", "1:staff", "0:1:2", "4294967295"] {
            assert!(is_owner_by_name(name), "{name}");
        }
    }
}
