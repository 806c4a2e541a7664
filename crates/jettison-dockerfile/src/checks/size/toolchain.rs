//! Which packages, images and commands are for building programs.

use crate::checks::packages::{Manager, value_or_text};
use crate::checks::size::purpose::name_and_tag;
use crate::shell::SimpleCommand;

/// Says whether a package is only needed to build something.
pub(super) fn is_build_tool(manager: Manager, package: &str) -> bool {
    let name = package
        .split(['=', ':', '~', '<', '>', '/'])
        .next()
        .unwrap_or_default();
    let is_named = COMPILERS.contains(&name);
    match manager {
        Manager::Apt => is_named || is_debian_tool(name),
        Manager::Apk => is_named || is_alpine_tool(name),
        Manager::Rpm | Manager::Zypper => is_named || is_rpm_tool(name),
        Manager::Pip | Manager::Npm | Manager::Yarn | Manager::Pnpm => false,
    }
}

/// Names that distributions share.
const COMPILERS: [&str; 34] = [
    "gcc",
    "g++",
    "clang",
    "gfortran",
    "make",
    "cmake",
    "ninja",
    "ninja-build",
    "meson",
    "autoconf",
    "automake",
    "libtool",
    "bison",
    "flex",
    "pkg-config",
    "pkgconf",
    "golang",
    "go",
    "rustc",
    "rust",
    "cargo",
    "rustup",
    "maven",
    "gradle",
    "ant",
    "sbt",
    "ghc",
    "cabal-install",
    "nasm",
    "yasm",
    "ccache",
    "ocaml",
    "opam",
    "patchelf",
];

fn is_debian_tool(name: &str) -> bool {
    let is_runtime = matches!(name, "dpkg-dev" | "manpages-dev")
        || name.ends_with("-base")
        || name.ends_with("-doc")
        || name.starts_with("golang-docker");
    let is_jdk = name.starts_with("default-jdk") || is_openjdk(name) && name.contains("-jdk");
    let is_compiler = [
        "gcc-",
        "g++-",
        "clang-",
        "gfortran-",
        "golang-1.",
        "dotnet-sdk-",
        "rustc-",
        "cargo-1",
    ]
    .iter()
    .any(|start| name.starts_with(start));
    let is_named = matches!(
        name,
        "build-essential" | "golang-go" | "haskell-stack" | "gnat" | "mono-devel" | "gdc" | "ldc"
    );
    !is_runtime && (is_named || is_jdk || is_compiler || name.ends_with("-dev"))
}

fn is_alpine_tool(name: &str) -> bool {
    let is_jdk = is_openjdk(name) && !name.contains("jre");
    matches!(name, "build-base" | "alpine-sdk" | "dotnet-sdk") || is_jdk || name.ends_with("-dev")
}

fn is_rpm_tool(name: &str) -> bool {
    let is_group = matches!(
        name.to_ascii_lowercase()
            .trim_start_matches('@')
            .replace([' ', '-', '_'], "")
            .as_str(),
        "developmenttools"
            | "cdevelopment"
            | "develbasis"
            | "patternsdevelbasedevelbasis"
            | "buildroot"
    );
    let is_named = matches!(
        name,
        "gcc-c++" | "gcc-gfortran" | "rpm-build" | "rpmdevtools" | "redhat-rpm-config"
    );
    let is_compiler = [
        "gcc-toolset-",
        "dotnet-sdk-",
        "go-toolset",
        "rust-toolset",
        "llvm-toolset",
    ]
    .iter()
    .any(|start| name.starts_with(start));
    is_group || is_named || is_compiler || name.ends_with("-devel")
}

fn is_openjdk(name: &str) -> bool {
    name.strip_prefix("openjdk").is_some_and(|rest| {
        rest.trim_start_matches('-')
            .starts_with(|c: char| c.is_ascii_digit())
    })
}

/// Says whether a package that builds is small, and of use to scripts as well.
pub(super) fn is_light(package: &str) -> bool {
    const LIGHT: [&str; 14] = [
        "make",
        "cmake",
        "ninja",
        "ninja-build",
        "meson",
        "autoconf",
        "automake",
        "libtool",
        "bison",
        "flex",
        "pkg-config",
        "pkgconf",
        "ant",
        "patchelf",
    ];
    LIGHT.contains(&package)
}

/// Says whether a package is a kit for Java, which some install only to run a program.
pub(super) fn is_jdk(package: &str) -> bool {
    package.starts_with("default-jdk") || is_openjdk(package) || package.starts_with("java-")
}

/// Says whether programs may run in an image that is made for building them: Java's.
pub(super) fn is_java_image(image: &str) -> bool {
    matches!(
        name_and_tag(image).0,
        "openjdk" | "eclipse-temurin" | "amazoncorretto" | "ibm-semeru-runtimes" | "sapmachine"
    )
}

/// Says whether an image is made for building programs.
pub(super) fn is_toolchain_image(image: &str) -> bool {
    const IMAGES: [&str; 13] = [
        "golang",
        "rust",
        "maven",
        "gradle",
        "gcc",
        "buildpack-deps",
        "haskell",
        "swift",
        "dart",
        "sbt",
        "clojure",
        "cargo-chef",
        "rust-musl-cross",
    ];
    let (name, tag) = name_and_tag(image);
    let is_runtime =
        name == "swift" && tag.contains("slim") || tag.contains("runtime") || tag.contains("-jre");
    let is_dotnet = image.contains("dotnet/sdk") || image.contains("dotnet/core/sdk");
    let is_cuda = name == "cuda" && tag.contains("devel");
    let is_java = is_java_image(image) && !tag.contains("jre");
    !is_runtime
        && (IMAGES.contains(&name)
            || is_dotnet
            || is_java
            || is_cuda
            || name.ends_with("-sdk") && !name.contains("cloud"))
}

/// What a command builds with, in words, if it builds something.
pub(super) fn builds_with(command: &SimpleCommand) -> Option<String> {
    let tool = command.tool()?;
    let words = command.unwrapped();
    let operand = words
        .iter()
        .skip(1)
        .map(value_or_text)
        .find(|word| !word.starts_with('-') && !word.starts_with('+'))
        .unwrap_or_default();
    let goals = |known: &[&str]| {
        let mut goals = words.iter().skip(1).map(value_or_text);
        goals
            .find(|goal| known.contains(goal))
            .map(|goal| format!("{tool} {goal}"))
    };
    let is_version = words.len() == 2
        && matches!(
            words[1].text.as_str(),
            "--version" | "-v" | "-version" | "version"
        );
    if is_version {
        return None;
    }
    match tool {
        // What is fetched by its name and version is a tool, and not what the image is for.
        "go" if words.iter().any(|word| word.text.contains('@')) => None,
        "cargo"
            if operand == "install"
                && !words.iter().any(|word| word.text.starts_with("--path")) =>
        {
            None
        }
        "go" => matches!(operand, "build" | "install").then(|| format!("go {operand}")),
        "cargo" => matches!(
            operand,
            "build" | "install" | "b" | "rustc" | "chef" | "zigbuild"
        )
        .then(|| format!("cargo {operand}")),
        "mvn" | "mvnw" => goals(&[
            "package",
            "install",
            "verify",
            "compile",
            "deploy",
            "spring-boot:repackage",
        ]),
        "gradle" | "gradlew" => goals(&[
            "build",
            "assemble",
            "bootJar",
            "shadowJar",
            "jar",
            "installDist",
            "war",
            "bootWar",
        ]),
        "dotnet" => matches!(operand, "publish" | "build").then(|| format!("dotnet {operand}")),
        "make" | "cmake" | "ninja" | "meson" | "gcc" | "g++" | "cc" | "c++" | "clang"
        | "clang++" | "rustc" | "ghc" | "javac" | "sbt" | "ant" => Some(tool.to_owned()),
        "stack" | "cabal" => {
            matches!(operand, "build" | "install").then(|| format!("{tool} {operand}"))
        }
        "swift" => (operand == "build").then(|| "swift build".to_owned()),
        "dart" => (operand == "compile").then(|| "dart compile".to_owned()),
        "lein" => goals(&["uberjar", "compile"]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_tools_are_told_from_what_runs() {
        let tools = [
            (Manager::Apt, "gcc-12"),
            (Manager::Apt, "libpq-dev=1.2"),
            (Manager::Apt, "openjdk-21-jdk-headless"),
            (Manager::Apk, "build-base"),
            (Manager::Apk, "openjdk17"),
            (Manager::Rpm, "@Development Tools"),
            (Manager::Rpm, "java-21-openjdk-devel"),
            (Manager::Zypper, "devel_basis"),
        ];
        for (manager, name) in tools {
            assert!(is_build_tool(manager, name), "{name}");
        }
        let others = [
            (Manager::Apt, "gcc-12-base"),
            (Manager::Apt, "openjdk-21-jre-headless"),
            (Manager::Apt, "git"),
            (Manager::Apt, "dpkg-dev"),
            (Manager::Apt, "libgcc-s1"),
            (Manager::Apk, "openjdk17-jre"),
            (Manager::Apk, "libstdc++"),
            (Manager::Rpm, "java-21-openjdk-headless"),
            (Manager::Rpm, "makeself"),
        ];
        for (manager, name) in others {
            assert!(!is_build_tool(manager, name), "{name}");
        }
    }

    #[test]
    fn images_for_building_are_known_by_name() {
        for image in [
            "golang:1.24",
            "docker.io/library/rust:1-slim@sha256:0",
            "mcr.microsoft.com/dotnet/sdk:9.0",
            "eclipse-temurin:21",
        ] {
            assert!(is_toolchain_image(image), "{image}");
        }
        for image in [
            "debian:13",
            "swift:6.1-slim",
            "eclipse-temurin:21-jre",
            "google/cloud-sdk:500",
            "rustdesk:1",
            "mcr.microsoft.com/dotnet/aspnet:9.0",
        ] {
            assert!(!is_toolchain_image(image), "{image}");
        }
    }
}
