//! What this program answers when it is run inside of a sandbox.

/// Makes the system call `what` and prints its error number.
pub(crate) fn answer(what: &str) -> i32 {
    if what == "read-socket" {
        let mut stream = std::os::unix::net::UnixStream::connect("/run/agent").unwrap();
        std::io::copy(&mut stream, &mut std::io::stdout()).unwrap();
        return 0;
    }
    if what == "greet" {
        // Listening is all that the caller waits for.
        let listener = std::net::TcpListener::bind("127.0.0.1:8080").unwrap();
        let (stream, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut { stream }, b"hello").unwrap();
        return 0;
    }
    if what == "eat-memory" {
        let eaten = vec![1_u8; 100 << 20];
        println!("{}", std::hint::black_box(&eaten).len());
        return 0;
    }
    if let Some(code) = crate::inside_traces::answer(what) {
        return code;
    }
    let errno = match what {
        "keyctl" => call(libc::SYS_keyctl, 0, -3),
        "clone3" => call(libc::SYS_clone3, 0, 0),
        "clone-newuser" => call(libc::SYS_clone, libc::CLONE_NEWUSER.into(), 0),
        "unshare-nothing" => call(libc::SYS_unshare, 0, 0),
        "getpid" => call(libc::SYS_getpid, 0, 0),
        "alg-socket" => call(libc::SYS_socket, libc::AF_ALG.into(), 5),
        "vsock-socket" => call(libc::SYS_socket, libc::AF_VSOCK.into(), 1),
        "unix-socket" => call(libc::SYS_socket, libc::AF_UNIX.into(), 1),
        "far-socket" => call(libc::SYS_socket, 46, 1),
        "get-mempolicy" => call(libc::SYS_get_mempolicy, 0, 0),
        "personality-32bit" => call(libc::SYS_personality, 8, 0),
        "personality-odd" => call(libc::SYS_personality, 0x40_0000, 0),
        _ => -1,
    };
    println!("{errno}");
    0
}

fn call(number: i64, first: i64, second: i64) -> i32 {
    // SAFETY: none of the calls that are made here takes a pointer that the arguments could be taken for.
    #[expect(unsafe_code, reason = "the filter acts on raw system calls")]
    let result = unsafe { libc::syscall(number, first, second, 0, 0, 0) };
    if result == -1 {
        std::io::Error::last_os_error().raw_os_error().unwrap_or(-1)
    } else {
        0
    }
}
