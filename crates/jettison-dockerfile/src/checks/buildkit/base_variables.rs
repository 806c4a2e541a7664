//! What official images are known to have in their environment.
//!
//! BuildKit asks the image. Here its environment is often not known, and to report `$JAVA_HOME` on top of a Java image
//! would be wrong more often than right.

/// Images that set nothing but `PATH`.
const PLAIN: [&str; 5] = ["alpine", "busybox", "debian", "hello-world", "ubuntu"];

/// Images, and what they set.
const KNOWN: [(&[&str], &[&str]); 24] = [
    (
        &["python", "pypy"],
        &[
            "PYTHON_VERSION",
            "PYTHON_SHA256",
            "PYTHON_PIP_VERSION",
            "PYTHON_SETUPTOOLS_VERSION",
            "GPG_KEY",
            "LANG",
            "PYPY_VERSION",
        ],
    ),
    (&["node"], &["NODE_VERSION", "YARN_VERSION"]),
    (&["golang"], &["GOPATH", "GOLANG_VERSION", "GOTOOLCHAIN"]),
    (&["rust"], &["RUSTUP_HOME", "CARGO_HOME", "RUST_VERSION"]),
    (
        &[
            "openjdk",
            "eclipse-temurin",
            "amazoncorretto",
            "ibm-semeru-runtimes",
            "sapmachine",
        ],
        &["JAVA_HOME", "JAVA_VERSION", "LANG", "LANGUAGE", "LC_ALL"],
    ),
    (
        &["maven"],
        &[
            "JAVA_HOME",
            "JAVA_VERSION",
            "LANG",
            "MAVEN_HOME",
            "MAVEN_CONFIG",
        ],
    ),
    (
        &["gradle"],
        &[
            "JAVA_HOME",
            "JAVA_VERSION",
            "LANG",
            "GRADLE_HOME",
            "GRADLE_VERSION",
        ],
    ),
    (
        &["clojure", "groovy", "jruby"],
        &[
            "JAVA_HOME",
            "JAVA_VERSION",
            "LANG",
            "CLOJURE_VERSION",
            "GROOVY_HOME",
            "GROOVY_VERSION",
            "JRUBY_VERSION",
        ],
    ),
    (
        &["ruby"],
        &[
            "RUBY_VERSION",
            "RUBY_DOWNLOAD_URL",
            "GEM_HOME",
            "BUNDLE_SILENCE_ROOT_WARNING",
            "BUNDLE_APP_CONFIG",
            "LANG",
        ],
    ),
    (
        &["php", "wordpress", "drupal", "nextcloud", "composer"],
        &[
            "PHP_INI_DIR",
            "PHP_VERSION",
            "PHP_CFLAGS",
            "PHP_CPPFLAGS",
            "PHP_LDFLAGS",
            "PHPIZE_DEPS",
            "APACHE_CONFDIR",
            "APACHE_ENVVARS",
            "GPG_KEYS",
            "COMPOSER_HOME",
        ],
    ),
    (
        &["postgres", "postgis"],
        &["PGDATA", "PG_MAJOR", "PG_VERSION", "GOSU_VERSION", "LANG"],
    ),
    (
        &["mysql", "mariadb", "percona"],
        &[
            "MYSQL_VERSION",
            "MYSQL_MAJOR",
            "MARIADB_VERSION",
            "GOSU_VERSION",
        ],
    ),
    (
        &["mongo"],
        &[
            "MONGO_VERSION",
            "MONGO_MAJOR",
            "MONGO_PACKAGE",
            "GOSU_VERSION",
        ],
    ),
    (
        &["redis", "valkey"],
        &["REDIS_VERSION", "VALKEY_VERSION", "GOSU_VERSION"],
    ),
    (
        &["nginx"],
        &[
            "NGINX_VERSION",
            "NJS_VERSION",
            "PKG_RELEASE",
            "DYNPKG_RELEASE",
        ],
    ),
    (&["httpd"], &["HTTPD_PREFIX", "HTTPD_VERSION"]),
    (
        &["tomcat", "tomee"],
        &[
            "CATALINA_HOME",
            "TOMCAT_VERSION",
            "TOMCAT_MAJOR",
            "JAVA_HOME",
            "JAVA_VERSION",
            "LANG",
        ],
    ),
    (&["gcc"], &["GCC_VERSION", "GCC_MIRRORS", "GPG_KEYS"]),
    (
        &["erlang", "elixir"],
        &[
            "OTP_VERSION",
            "REBAR_VERSION",
            "REBAR3_VERSION",
            "ELIXIR_VERSION",
            "LANG",
        ],
    ),
    (&["julia"], &["JULIA_PATH", "JULIA_VERSION", "JULIA_GPG"]),
    (
        &["perl", "rakudo-star"],
        &["PERL_VERSION", "DEBIAN_FRONTEND"],
    ),
    (
        &["haskell"],
        &["LANG", "STACK_VERSION", "CABAL_VERSION", "GHC_VERSION"],
    ),
    (
        &["swift", "dart"],
        &[
            "SWIFT_VERSION",
            "SWIFT_PLATFORM",
            "SWIFT_BRANCH",
            "DART_SDK",
        ],
    ),
    (
        &["sdk", "aspnet", "runtime", "runtime-deps"],
        &[
            "APP_UID",
            "ASPNET_VERSION",
            "ASPNETCORE_HTTP_PORTS",
            "ASPNETCORE_URLS",
            "DOTNET_VERSION",
            "DOTNET_SDK_VERSION",
            "DOTNET_RUNNING_IN_CONTAINER",
        ],
    ),
];

/// Says whether an image may have a variable in its environment: it is known to, or it is not known at all and others
/// are.
pub(super) fn may_set(image: &str, variable: &str) -> bool {
    let name = short_name(image);
    if PLAIN.contains(&name) {
        return false;
    }
    let mut known = KNOWN
        .iter()
        .filter(|(images, _)| images.contains(&name))
        .peekable();
    if known.peek().is_some() {
        return known.any(|(_, variables)| variables.contains(&variable));
    }
    KNOWN
        .iter()
        .any(|(_, variables)| variables.contains(&variable))
}

/// Says whether an image is known to have nothing but a search path.
pub(super) fn sets_only_path(image: &str) -> bool {
    PLAIN.contains(&short_name(image))
}

/// The name of an image without host, folders, tag and digest.
fn short_name(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or_default();
    let last = image.rsplit('/').next().unwrap_or_default();
    last.split(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_known_by_the_last_part_of_their_name() {
        assert!(may_set(
            "docker.io/library/python:3.13-slim",
            "PYTHON_VERSION"
        ));
        assert!(may_set("eclipse-temurin@sha256:00", "JAVA_HOME"));
        assert!(may_set("example.org/our/base", "JAVA_HOME"));
        assert!(!may_set("python", "JAVA_HOME"));
        assert!(!may_set("debian:13", "LANG"));
        assert!(!may_set("example.org/our/base", "FOO"));
        assert!(sets_only_path("localhost:5000/debian:13"));
    }
}
