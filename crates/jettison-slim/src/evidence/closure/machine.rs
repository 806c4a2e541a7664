//! How machines are called in the names of directories.

use object::elf;

/// The names of one kind of machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Machine {
    /// The directories below `/lib` and `/usr/lib` where Debian keeps its libraries.
    pub(super) multiarch: &'static [&'static str],
    /// What `$PLATFORM` stands for.
    pub(super) platform: &'static str,
    /// What musl calls it.
    pub(super) musl: &'static str,
}

/// The names of the machine `code`, or nothing but empty ones.
pub(super) fn machine(code: u16, is_64: bool) -> Machine {
    let (multiarch, platform, musl): (&'static [&'static str], _, _) =
        match (elf::Machine(code), is_64) {
            (elf::EM_X86_64, true) => (&["x86_64-linux-gnu"], "x86_64", "x86_64"),
            (elf::EM_X86_64, false) => (&["x86_64-linux-gnux32"], "x86_64", "x32"),
            (elf::EM_386, _) => (&["i386-linux-gnu"], "i686", "i386"),
            (elf::EM_AARCH64, _) => (&["aarch64-linux-gnu"], "aarch64", "aarch64"),
            (elf::EM_ARM, _) => (
                &["arm-linux-gnueabihf", "arm-linux-gnueabi"],
                "v7l",
                "armhf",
            ),
            (elf::EM_RISCV, true) => (&["riscv64-linux-gnu"], "", "riscv64"),
            (elf::EM_PPC64, _) => (
                &["powerpc64le-linux-gnu", "powerpc64-linux-gnu"],
                "",
                "powerpc64le",
            ),
            (elf::EM_S390, true) => (&["s390x-linux-gnu"], "", "s390x"),
            (elf::EM_LOONGARCH, true) => (&["loongarch64-linux-gnu"], "", "loongarch64"),
            _ => (&[], "", ""),
        };
    Machine {
        multiarch,
        platform,
        musl,
    }
}
