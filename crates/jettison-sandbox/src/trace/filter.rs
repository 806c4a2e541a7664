//! The seccomp filter by which the kernel tells of calls.
//!
//! Every comparison is followed by its answer, so that no jump is long. The kernel finds out by itself which native calls are
//! always allowed, and does not run the filter for them.

use seccompiler::sock_filter;

use super::calls::{CALLS, CALLS_HERE, Condition, Traced};
use crate::seccomp::{
    JUMP_IF_ANY_BIT, JUMP_IF_EQUAL, LOAD, OFFSET_OF_ARCHITECTURE, OFFSET_OF_NUMBER, RETURN,
    instruction,
};

const NOTIFY: sock_filter = instruction(RETURN, libc::SECCOMP_RET_USER_NOTIF, 0, 0);
const ALLOW: sock_filter = instruction(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0);
const LOAD_NUMBER: sock_filter = instruction(LOAD, OFFSET_OF_NUMBER, 0, 0);

/// `AUDIT_ARCH_X86_64` and `AUDIT_ARCH_AARCH64`.
#[cfg(target_arch = "x86_64")]
pub(super) const NATIVE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
pub(super) const NATIVE: u32 = 0xc000_00b7;

/// The filter.
pub(crate) fn program() -> Vec<sock_filter> {
    let foreign = foreign_calls();
    // The table of foreign calls is far shorter than a conditional jump can be.
    let past_foreign = u8::try_from(foreign.len()).unwrap_or(u8::MAX);
    let mut program = vec![
        instruction(LOAD, OFFSET_OF_ARCHITECTURE, 0, 0),
        instruction(JUMP_IF_EQUAL, NATIVE, past_foreign, 0),
    ];
    program.extend(foreign);
    program.push(LOAD_NUMBER);
    program.extend(other_numbers());
    for traced in CALLS.iter().chain(CALLS_HERE) {
        program.extend(one(traced));
    }
    program.push(ALLOW);
    program
}

/// The answer to one call; goes on behind it, with the number loaded, if it is another.
fn one(traced: &Traced) -> Vec<sock_filter> {
    // Its halves; the machines that we know have the low one first.
    let argument =
        |place: u8, half: u32| instruction(LOAD, 16 + u32::from(place) * 8 + half * 4, 0, 0);
    let condition = match traced.condition {
        Condition::Always => vec![NOTIFY],
        Condition::Equals(place, value) => vec![
            argument(place, 0),
            instruction(JUMP_IF_EQUAL, value, 0, 1),
            NOTIFY,
            LOAD_NUMBER,
        ],
        Condition::AnyBit(place, bits) => vec![
            argument(place, 0),
            instruction(JUMP_IF_ANY_BIT, bits, 0, 1),
            NOTIFY,
            LOAD_NUMBER,
        ],
        Condition::Given(place) => vec![
            argument(place, 0),
            instruction(JUMP_IF_EQUAL, 0, 0, 2),
            argument(place, 1),
            instruction(JUMP_IF_EQUAL, 0, 1, 0),
            NOTIFY,
            LOAD_NUMBER,
        ],
    };
    let number = u32::try_from(traced.number).unwrap_or(u32::MAX);
    let past = u8::try_from(condition.len()).unwrap_or(u8::MAX);
    let mut program = vec![instruction(JUMP_IF_EQUAL, number, 0, past)];
    program.extend(condition);
    program
}

/// The calls of 32-bit programs: those that take paths make the trace incomplete, and one is enough to say so.
#[cfg(target_arch = "x86_64")]
fn foreign_calls() -> Vec<sock_filter> {
    let mut program = vec![LOAD_NUMBER];
    for number in super::calls::PATHS_ON_I386 {
        program.push(instruction(JUMP_IF_EQUAL, *number, 0, 1));
        program.push(NOTIFY);
    }
    program.push(ALLOW);
    program
}
#[cfg(target_arch = "aarch64")]
fn foreign_calls() -> Vec<sock_filter> {
    vec![NOTIFY]
}

/// The numbers of x32 programs, which have a bit of their own.
#[cfg(target_arch = "x86_64")]
fn other_numbers() -> Vec<sock_filter> {
    use crate::seccomp::{JUMP_IF_AT_LEAST, X32_BIT};
    vec![instruction(JUMP_IF_AT_LEAST, X32_BIT, 0, 1), NOTIFY]
}
#[cfg(target_arch = "aarch64")]
fn other_numbers() -> Vec<sock_filter> {
    Vec::new()
}
