//! What this program does inside of a sandbox to be traced doing it.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;

/// Does it; `None` if `what` is nothing that is done here.
pub(crate) fn answer(what: &str) -> Option<i32> {
    match what {
        "lookup-in-threads" => lookup_in_threads(),
        "lookup-with-signals" => lookup_with_signals(),
        "change-root" => change_root(),
        "listen" => {
            let _tcp = TcpListener::bind("127.0.0.1:4711").unwrap();
            let _unix = UnixListener::bind("/tmp/socket").unwrap();
        }
        "foreign-call" => foreign_call(),
        "rings" => {
            call(libc::SYS_io_uring_setup, [1, 0, 0]);
        }
        "deny-by-filter" => load_filter(libc::SECCOMP_RET_ERRNO, 0),
        "trace-by-filter" => load_filter(libc::SECCOMP_RET_TRACE, 0),
        "listen-by-filter" => load_filter(
            libc::SECCOMP_RET_ALLOW,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
        ),
        "deep" => {
            // The path of the last ones is longer than the kernel takes.
            let name = "d".repeat(250);
            for _ in 0..20 {
                std::fs::create_dir(&name).unwrap();
                std::env::set_current_dir(&name).unwrap();
            }
            std::fs::write("file", "x").unwrap();
        }
        _ => return None,
    }
    Some(0)
}

fn lookup_in_threads() {
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            std::thread::spawn(move || {
                for number in 0..200 {
                    assert!(std::fs::metadata(format!("/tmp/{thread}/{number}")).is_err());
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

extern "C" fn ignore(_signal: libc::c_int) {}

fn lookup_with_signals() {
    let handler = ignore as extern "C" fn(libc::c_int);
    // SAFETY: the handler does nothing.
    #[expect(unsafe_code, reason = "std has no signal handlers")]
    unsafe {
        libc::signal(libc::SIGALRM, handler as usize)
    };
    let often = libc::timeval {
        tv_sec: 0,
        tv_usec: 300,
    };
    let timer = libc::itimerval {
        it_interval: often,
        it_value: often,
    };
    call(
        libc::SYS_setitimer,
        [libc::ITIMER_REAL.into(), address_of(&raw const timer), 0],
    );
    for number in 0..500 {
        let missing = std::fs::metadata(format!("/tmp/{number}")).unwrap_err();
        assert_eq!(missing.raw_os_error(), Some(libc::ENOENT));
    }
}

fn change_root() {
    std::os::unix::fs::chroot("/jail").unwrap();
    std::env::set_current_dir("/").unwrap();
    assert_eq!(std::fs::read_to_string("/../link").unwrap(), "text");
    assert!(std::fs::metadata("old/sub").is_err());
}

/// `access` as a 32-bit program calls it.
fn foreign_call() {
    #[cfg(target_arch = "x86_64")]
    {
        const ACCESS: i32 = 33;
        let mut result: i32 = ACCESS;
        // SAFETY: the call takes an address, which is null, and so it fails.
        #[expect(unsafe_code, reason = "there is no other way to make such a call")]
        unsafe {
            core::arch::asm!(
                "push rbx", "xor ebx, ebx", "xor ecx, ecx", "int 0x80", "pop rbx",
                inout("eax") result,
                out("rcx") _,
            );
        }
        assert!(result < 0);
    }
}

fn load_filter(action: u32, flags: libc::c_ulong) {
    const RETURN: u16 = 0x06;
    const LOAD: u16 = 0x20;
    const JUMP_IF_EQUAL: u16 = 0x15;
    let number = u32::try_from(libc::SYS_getpgid).unwrap();
    let step = |code, jf, k| libc::sock_filter { code, jt: 0, jf, k };
    let mut program = [
        step(LOAD, 0, 0),
        step(JUMP_IF_EQUAL, 1, number),
        step(RETURN, 0, action),
        step(RETURN, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: 4,
        filter: program.as_mut_ptr(),
    };
    call(libc::SYS_prctl, [libc::PR_SET_NO_NEW_PRIVS.into(), 1, 0]);
    call(
        libc::SYS_seccomp,
        [
            libc::SECCOMP_SET_MODE_FILTER.into(),
            i64::try_from(flags).unwrap(),
            address_of(&raw const program),
        ],
    );
}

fn address_of<T>(value: *const T) -> i64 {
    value.addr().cast_signed().try_into().unwrap()
}

fn call(number: i64, arguments: [i64; 3]) -> i64 {
    // SAFETY: the callers pass addresses of live values of the types that the calls take.
    #[expect(unsafe_code, reason = "these are raw system calls")]
    unsafe {
        libc::syscall(number, arguments[0], arguments[1], arguments[2], 0, 0, 0)
    }
}
