//! Where copies go, and with which attributes. The answers are those of BuildKit 0.34 for the same instructions.

use expect_test::expect;

use super::{World, check};

#[test]
fn modes_of_files_and_of_directories_on_the_way() {
    check(
        "COPY --on=scratch --chmod=600 d /new/place",
        expect![[r"
        0600 /new/
        0600 /new/place/
        0600 /new/place/c.txt
        0600 /new/place/in/
        0600 /new/place/in/e.txt
        0777 /new/place/l -> ../a.txt
    "]],
    );
    check(
        "COPY --on=scratch --chmod=4711 a.txt /new/place/",
        expect![[r"
            0711 /new/
            0711 /new/place/
            4711 /new/place/a.txt
        "]],
    );
    check(
        "COPY --on=scratch --chmod=u=rw,go=rX d /new/place",
        expect![[r"
            0755 /new/
            0755 /new/place/
            0644 /new/place/c.txt
            0655 /new/place/in/
            0644 /new/place/in/e.txt
            0777 /new/place/l -> ../a.txt
        "]],
    );
    check(
        "COPY --on=scratch --chmod=o+t,g+s,u-s a.txt /new/",
        expect![[r"
            0755 /new/
            2755 /new/a.txt
        "]],
    );
    check(
        "COPY --chmod=u+q a.txt /",
        expect![[r"
        error: invalid chmod parameter: 'u+q'
    "]],
    );
}

#[test]
fn owners_are_the_stages() {
    check(
        "COPY --chown=app a.txt /new/",
        expect![[r"
        0755 7:8 /new/
        4755 7:8 /new/a.txt
    "]],
    );
    check(
        "COPY --chown=app:staff a.txt /srv/new2/x",
        expect![[r"
        0755 /srv/
        0755 7:50 /srv/new2/
        4755 7:50 /srv/new2/x
    "]],
    );
    check(
        "COPY --chown=ghost:nogroup a.txt /new/",
        expect![[r"
        0755 /new/
        4755 /new/a.txt
    "]],
    );
    check(
        "COPY --chown=9 --from=stage /srv /x",
        expect![[r"
        0755 9:9 /x/
        0644 9:9 /x/keep
        0644 9:9 /x/new
        0755 9:9 /x/old/
        0644 9:9 /x/old/file
    "]],
    );
    check(
        "COPY --chown=app --link a.txt /x/",
        expect![[r"
        error: --chown=app: user and group names can't be resolved when used with --link, use numeric uid[:gid] instead
    "]],
    );
}

#[test]
fn existing_directories() {
    let world = World::new();
    world.write("2/x/in/old", "");
    world.mode("2/x", 0o700);
    world.mode("2/x/in", 0o700);
    world.check(
        "COPY d /x/",
        expect![[r"
        0700 /x/
        0644 /x/c.txt
        0755 /x/in/
        0644 /x/in/e.txt
        0777 /x/l -> ../a.txt
    "]],
    );
    world.check(
        "COPY --chown=7:8 --chmod=751 d /x/",
        expect![[r"
        0700 /x/
        0751 7:8 /x/c.txt
        0751 7:8 /x/in/
        0751 7:8 /x/in/e.txt
        0777 7:8 /x/l -> ../a.txt
    "]],
    );
    world.check(
        "COPY --parents in/e.txt /x/",
        expect![[r#"
            error: failed to compute cache key: "/in/e.txt": not found
        "#]],
    );
    world.check(
        "COPY --parents d/./in/e.txt /x/",
        expect![[r"
        0700 /x/
        0755 /x/in/
        0644 /x/in/e.txt
    "]],
    );
    world.check(
        "COPY a.txt /x",
        expect![[r"
        0700 /x/
        4755 /x/a.txt
    "]],
    );
}

#[test]
fn links_at_the_destination_are_followed() {
    check(
        "COPY a.txt /link",
        expect![[r"
        0755 /srv/
        4755 /srv/a.txt
    "]],
    );
    check(
        "COPY d /link/sub",
        expect![[r"
        0755 /srv/
        0755 /srv/sub/
        0644 /srv/sub/c.txt
        0755 /srv/sub/in/
        0644 /srv/sub/in/e.txt
        0777 /srv/sub/l -> ../a.txt
    "]],
    );
    check(
        "COPY a.txt /dangling",
        expect![[r"
        0755 /far/
        4755 /far/away
    "]],
    );
    check(
        "COPY a.txt /dangling/",
        expect![[r"
        0755 /far/
        0755 /far/away/
        4755 /far/away/a.txt
    "]],
    );
    check(
        "COPY a.txt /loop/x",
        expect![[r"
            error: cannot copy to /loop: too many links
        "]],
    );
    check(
        "COPY --link a.txt /link/",
        expect![[r"
        0755 /link/
        4755 /link/a.txt
    "]],
    );
}

#[test]
fn what_is_in_the_way_is_an_error_or_replaced() {
    let world = World::new();
    world.write("2/x/c.txt/sub", "");
    world.write("2/y/in", "");
    world.write("2/z/c.txt", "");
    std::os::unix::fs::symlink("/etc", world.path("2/z/in")).unwrap();
    world.check(
        "COPY d /x",
        expect![[r"
        error: cannot replace to directory /x/c.txt with file
    "]],
    );
    world.check(
        "COPY d /y",
        expect![[r"
        error: cannot copy to non-directory: /y/in
    "]],
    );
    world.check(
        "COPY d /z",
        expect![[r"
        error: cannot copy to non-directory: /z/in
    "]],
    );
    world.check(
        "COPY d/c.txt /z/",
        expect![[r"
        0755 /z/
        0644 /z/c.txt
    "]],
    );
    world.check(
        "COPY a.txt /etc/passwd/x",
        expect![[r"
        error: mkdir /etc/passwd: not a directory
    "]],
    );
    world.check(
        "COPY a.txt /etc/passwd/",
        expect![[r"
        error: mkdir /etc/passwd: not a directory
    "]],
    );
    world.check(
        "COPY d /etc/passwd",
        expect![[r"
        error: cannot copy to non-directory: /etc/passwd
    "]],
    );
    world.check(
        "COPY a.txt d /both",
        expect![[r"
        error: cannot copy to non-directory: /both
    "]],
    );
    world.check(
        "COPY --link a.txt /x",
        expect![[r"
        4755 /x
    "]],
    );
    world.check(
        "COPY --link --chmod=600 a.txt /x",
        expect![[r"
        0755 /x/
        0600 /x/a.txt
    "]],
    );
}

#[test]
fn the_last_of_several_sources_wins() {
    check(
        "COPY --on=scratch a.txt b.go /both",
        expect![[r"
        0644 /both
    "]],
    );
    check(
        "COPY --on=scratch d a.txt /both",
        expect![[r"
        0755 /both/
        4755 /both/a.txt
        0644 /both/c.txt
        0755 /both/in/
        0644 /both/in/e.txt
        0777 /both/l -> ../a.txt
    "]],
    );
    check(
        "COPY --on=scratch a.txt /x/../../y",
        expect![[r"
        4755 /y
    "]],
    );
    check(
        "COPY --on=scratch d /v/.",
        expect![[r"
        0755 /v/
        0644 /v/c.txt
        0755 /v/in/
        0644 /v/in/e.txt
        0777 /v/l -> ../a.txt
    "]],
    );
}
