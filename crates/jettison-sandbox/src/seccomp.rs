//! Which system calls a sandboxed process may not make: what Docker's default profile denies to a container without
//! extra capabilities.
//!
//! The filter has three parts. A prefix sends 32-bit x86 calls to a table of their own, and refuses the x32 numbers,
//! which would otherwise pass by every comparison. Then come two programs of `seccompiler`: one answers `ENOSYS` to
//! `clone3`, whose flags a filter cannot see, so that C libraries fall back to `clone`; the other answers `EPERM` to
//! the rest. Everything that is not named is allowed.

use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};

use crate::id_map::{Kind, identity};
use crate::system;

/// The filters that programs run under, compiled once.
#[derive(Debug)]
pub(crate) struct Filters {
    /// For programs that may do what Docker lets a container do.
    pub(crate) confined: Filter,
    /// For programs that may do everything.
    pub(crate) unconfined: Filter,
}

impl Filters {
    /// Compiles them for the user namespace of this process.
    pub(crate) fn new() -> Result<Filters, seccompiler::Error> {
        let mut filters = Filters {
            confined: Filter::new()?,
            unconfined: Filter {
                programs: Vec::new(),
            },
        };
        let ids = identity(Kind::User).unwrap_or_default();
        let n_ids: u64 = ids.iter().map(|extent| u64::from(extent.count)).sum();
        if n_ids == 1 {
            filters.confined.ignore_other_owners()?;
            filters.unconfined.ignore_other_owners()?;
        }
        Ok(filters)
    }
}

/// A seccomp filter, ready to be loaded.
#[derive(Debug)]
pub(crate) struct Filter {
    programs: Vec<BpfProgram>,
}

impl Filter {
    /// Compiles the profile for this machine.
    pub(crate) fn new() -> Result<Filter, seccompiler::Error> {
        let not_permitted = compile(denied()?, libc::EPERM)?;
        let not_implemented = compile(
            BTreeMap::from([(libc::SYS_clone3, Vec::new())]),
            libc::ENOSYS,
        )?;
        let programs = vec![
            with_foreign_calls(not_permitted),
            with_foreign_calls(not_implemented),
        ];
        Ok(Filter { programs })
    }

    /// Adds that giving a file to another user or group than root does nothing and succeeds.
    ///
    /// Where root is the only ID the kernel answers `EINVAL`, and packages with such files cannot be installed.
    fn ignore_other_owners(&mut self) -> Result<(), seccompiler::Error> {
        let other = [(libc::SYS_fchown, 1), (libc::SYS_fchownat, 2)];
        let mut rules = Rules::new();
        for (number, first) in other.iter().chain(CHOWN_HERE) {
            // The user, then the group: root, or -1 for the one that is.
            let mut of_call = Vec::new();
            for argument in [*first, *first + 1] {
                let is_other = [0, u64::from(u32::MAX)].map(|id| (argument, SeccompCmpOp::Ne, id));
                of_call.push(rule(&is_other)?);
            }
            rules.insert(*number, of_call);
        }
        self.programs.push(compile(rules, 0)?);
        Ok(())
    }

    /// Puts this process and its descendants under the filter.
    pub(crate) fn load(&self) -> io::Result<()> {
        self.programs
            .iter()
            .try_for_each(|program| system::load_seccomp_filter(program))
    }
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn compile(rules: Rules, errno: i32) -> Result<BpfProgram, seccompiler::Error> {
    let answer = SeccompAction::Errno(errno.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, answer, ARCHITECTURE)?;
    Ok(filter.try_into()?)
}

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: TargetArch = TargetArch::x86_64;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: TargetArch = TargetArch::aarch64;

/// The calls that are denied whatever their arguments are, on every architecture.
const DENIED: &[i64] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_bpf,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_get_mempolicy,
    libc::SYS_init_module,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_kcmp,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_lookup_dcookie,
    libc::SYS_mbind,
    libc::SYS_migrate_pages,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_move_pages,
    libc::SYS_nfsservctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_madvise,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_set_mempolicy,
    libc::SYS_set_mempolicy_home_node,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
    // lsm_get_self_attr, lsm_set_self_attr and lsm_list_modules, for which `libc` has no names.
    459,
    460,
    461,
];

/// The old calls that only x86 has.
#[cfg(target_arch = "x86_64")]
const DENIED_HERE: &[i64] = &[
    libc::SYS__sysctl,
    libc::SYS_ioperm,
    libc::SYS_iopl,
    libc::SYS_sysfs,
    libc::SYS_uselib,
    libc::SYS_ustat,
];
#[cfg(target_arch = "aarch64")]
const DENIED_HERE: &[i64] = &[];

/// The old calls that change owners, and the place of the user among their arguments.
#[cfg(target_arch = "x86_64")]
const CHOWN_HERE: &[(i64, u8)] = &[(libc::SYS_chown, 1), (libc::SYS_lchown, 1)];
#[cfg(target_arch = "aarch64")]
const CHOWN_HERE: &[(i64, u8)] = &[];

/// The flags of `clone` that make namespaces.
const NAMESPACE_FLAGS: [i32; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// The execution domains that Docker lets a program choose.
const PERSONALITIES: [u64; 5] = [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

fn denied() -> Result<Rules, seccompiler::Error> {
    // The last family that the profile names.
    const AF_MCTP: u64 = 45;
    let mut rules: Rules = DENIED
        .iter()
        .chain(DENIED_HERE)
        .map(|number| (*number, Vec::new()))
        .collect();
    let mut clone = Vec::new();
    for flag in NAMESPACE_FLAGS {
        let flag = u64::from(flag.cast_unsigned());
        clone.push(rule(&[(0, SeccompCmpOp::MaskedEq(flag), flag)])?);
    }
    rules.insert(libc::SYS_clone, clone);
    let other_personality = PERSONALITIES.map(|allowed| (0, SeccompCmpOp::Ne, allowed));
    rules.insert(libc::SYS_personality, vec![rule(&other_personality)?]);
    let families = [
        (0, SeccompCmpOp::Eq, family(libc::AF_ALG)),
        (0, SeccompCmpOp::Eq, family(libc::AF_VSOCK)),
        (0, SeccompCmpOp::Gt, AF_MCTP),
    ];
    let families = families.map(|condition| rule(&[condition]));
    rules.insert(
        libc::SYS_socket,
        families.into_iter().collect::<Result<_, _>>()?,
    );
    Ok(rules)
}

fn family(number: i32) -> u64 {
    u64::from(number.cast_unsigned())
}

fn rule(conditions: &[(u8, SeccompCmpOp, u64)]) -> Result<SeccompRule, seccompiler::Error> {
    let conditions = conditions
        .iter()
        .map(|(argument, operator, value)| {
            SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, operator.clone(), *value)
        })
        .collect::<Result<_, _>>()?;
    Ok(SeccompRule::new(conditions)?)
}

pub(crate) const LOAD: u16 = 0x20;
pub(crate) const JUMP_IF_EQUAL: u16 = 0x15;
pub(crate) const JUMP_IF_AT_LEAST: u16 = 0x35;
pub(crate) const JUMP_IF_ANY_BIT: u16 = 0x45;
pub(crate) const RETURN: u16 = 0x06;

/// What the numbers of x32 programs have, and no others.
#[cfg(target_arch = "x86_64")]
pub(crate) const X32_BIT: u32 = 0x4000_0000;

pub(crate) const OFFSET_OF_NUMBER: u32 = 0;
pub(crate) const OFFSET_OF_ARCHITECTURE: u32 = 4;

pub(crate) const fn instruction(code: u16, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

/// `native`, preceded by what is to be done with calls that are not native.
#[cfg(target_arch = "x86_64")]
fn with_foreign_calls(native: BpfProgram) -> BpfProgram {
    const AUDIT_ARCH_I386: u32 = 0x4000_0003;
    let refuse = |errno: i32| {
        let answer = libc::SECCOMP_RET_ERRNO | errno.unsigned_abs();
        instruction(RETURN, answer, 0, 0)
    };
    let i386 = i386_program();
    // A conditional jump spans at most 255 instructions; the table is far shorter.
    let past_i386 = u8::try_from(i386.len()).unwrap_or(u8::MAX);
    let mut program = vec![
        instruction(LOAD, OFFSET_OF_ARCHITECTURE, 0, 0),
        instruction(JUMP_IF_EQUAL, AUDIT_ARCH_I386, 0, past_i386),
    ];
    program.extend(i386);
    program.push(instruction(LOAD, OFFSET_OF_NUMBER, 0, 0));
    program.push(instruction(JUMP_IF_AT_LEAST, X32_BIT, 0, 1));
    program.push(refuse(libc::ENOSYS));
    program.extend(native);
    program
}

#[cfg(target_arch = "aarch64")]
fn with_foreign_calls(native: BpfProgram) -> BpfProgram {
    const AUDIT_ARCH_ARM: u32 = 0x4000_0028;
    let mut program = vec![
        instruction(LOAD, OFFSET_OF_ARCHITECTURE, 0, 0),
        instruction(JUMP_IF_EQUAL, AUDIT_ARCH_ARM, 0, 1),
        instruction(
            RETURN,
            libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs(),
            0,
            0,
        ),
    ];
    program.extend(native);
    program
}

/// The numbers that [`DENIED`] and [`DENIED_HERE`] have for 32-bit programs.
///
/// See <https://github.com/torvalds/linux/blob/master/arch/x86/entry/syscalls/syscall_32.tbl>.
#[cfg(target_arch = "x86_64")]
const DENIED_ON_I386: &[u32] = &[
    21, 22, 25, 51, 52, 62, 74, 79, 86, 87, 88, 101, 103, 110, 111, 113, 115, 121, 127, 128, 129,
    130, 131, 135, 149, 166, 167, 169, 217, 253, 264, 274, 275, 276, 283, 286, 287, 288, 294, 310,
    317, 336, 338, 342, 346, 349, 350, 357, 374, 404, 425, 426, 427, 428, 429, 430, 431, 432, 433,
    438, 440, 442, 443, 450, 459, 460, 461,
];

/// Decides on a 32-bit call. Every path through it ends in an answer.
#[cfg(target_arch = "x86_64")]
fn i386_program() -> Vec<sock_filter> {
    const CLONE: u32 = 120;
    const CLONE3: u32 = 435;
    const OFFSET_OF_FIRST_ARGUMENT: u32 = 16;
    let namespaces = NAMESPACE_FLAGS
        .iter()
        .fold(0, |all, flag| all | flag.cast_unsigned());
    let refuse = |errno: i32| libc::SECCOMP_RET_ERRNO | errno.unsigned_abs();
    // The answers stand behind the comparisons, at these places.
    let n_denied = DENIED_ON_I386.len();
    let (look_at_flags, not_permitted, not_implemented) =
        (n_denied + 4, n_denied + 6, n_denied + 7);
    let jump = |from: usize, to: usize| u8::try_from(to - from - 1).unwrap_or(u8::MAX);
    let mut program = vec![
        instruction(LOAD, OFFSET_OF_NUMBER, 0, 0),
        instruction(JUMP_IF_EQUAL, CLONE3, jump(1, not_implemented), 0),
        instruction(JUMP_IF_EQUAL, CLONE, jump(2, look_at_flags), 0),
    ];
    for number in DENIED_ON_I386 {
        let here = program.len();
        program.push(instruction(
            JUMP_IF_EQUAL,
            *number,
            jump(here, not_permitted),
            0,
        ));
    }
    program.extend([
        instruction(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0),
        instruction(LOAD, OFFSET_OF_FIRST_ARGUMENT, 0, 0),
        instruction(JUMP_IF_ANY_BIT, namespaces, 0, 2),
        instruction(RETURN, refuse(libc::EPERM), 0, 0),
        instruction(RETURN, refuse(libc::ENOSYS), 0, 0),
        instruction(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0),
    ]);
    program
}
