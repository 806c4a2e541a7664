//! What belongs to packages and lies elsewhere.

use super::*;

#[test]
fn what_is_noted_of_fonts_and_the_settings_of_php_come_with_those_who_read_them() {
    for (file, package, used, tree) in [
        (
            "/var/cache/fontconfig/a.cache-8",
            "libfontconfig1",
            "/usr/lib/libfontconfig.so.1",
            "/var/cache/fontconfig",
        ),
        // Each way to start it has a list of extensions.
        (
            "/etc/php/8.2/cli/conf.d/10-pdo.ini",
            "php8.2-common",
            "/usr/lib/php/20220829/pdo.so",
            "/etc/php",
        ),
    ] {
        let world = World::new().file(file, "x");
        world.check_paths(&["/etc/passwd"]);
        let world = world.package(package, &[used]).used(used);
        let mut paths = ["/etc/passwd", tree];
        paths.sort_unstable();
        world.check_paths(&paths);
    }
}

#[test]
fn the_directories_of_fonts_stay_with_fontconfig_also_empty_ones() {
    const SETTINGS: &str = "<fontconfig>\n\t<dir>/usr/local/share/fonts</dir>\n\t<dir>/usr/share/X11/fonts</dir>\n\t<dir prefix=\"xdg\">fonts</dir>\n";
    let place = Path::new("/usr/local/share/fonts");
    let world = World::new()
        .package("fontconfig-config", &["/etc/fonts/fonts.conf"])
        .file("/etc/fonts/fonts.conf", SETTINGS);
    fs::create_dir_all(world.dir.path().join(place.strip_prefix("/").unwrap())).unwrap();
    let is_kept = |world: &World| {
        let root = RootDir::open(world.dir.path()).unwrap();
        let directories = world.keeper(&root).kept().directories.clone();
        (
            directories.contains_key(place),
            directories.contains_key(Path::new("/usr/share/X11/fonts")),
        )
    };
    assert_eq!(is_kept(&world), (false, false));
    let library = "/usr/lib/libfontconfig.so.1";
    let world = world.package("libfontconfig1", &[library]).used(library);
    assert_eq!(is_kept(&world), (true, false));
}

#[test]
fn the_rest_of_pythons_library_comes_with_its_smallest_part_and_its_byte_code() {
    let least = "/usr/lib/python3.13/os.py";
    let world = World::new()
        .package("libpython3.13-minimal", &[least])
        .package("libpython3.13-stdlib", &["/usr/lib/python3.13/json.py"])
        .package("python3.13", &["/usr/bin/pdb3"])
        .file("/usr/lib/python3.13/__pycache__/os.cpython-313.pyc", "x")
        .used(least);
    let root = RootDir::open(world.dir.path()).unwrap();
    let tag = world.keeper(&root).kept().byte_code.clone();
    assert_eq!(tag.as_deref(), Some("cpython-313"));
    world.check(expect![[r"
        libpython3.13-stdlib: it is the rest of Python 3.13
        /etc/passwd: the C library reads it
    "]]);
    world
        .package("python3.13-minimal", &["/usr/bin/python3.13"])
        .used("/usr/bin/python3.13")
        .check(expect![[r"
            libpython3.13-stdlib: it is the rest of Python 3.13
            python3.13: it is the rest of Python 3.13
            /etc/passwd: the C library reads it
        "]]);
}

#[test]
fn who_makes_environments_of_python_has_what_installs_pip_into_them() {
    let library = "/usr/lib/python3.13/os.py";
    let world = World::new()
        .package("libpython3.13-minimal", &[library])
        .package(
            "python3.13-venv",
            &["/usr/lib/python3.13/ensurepip/__init__.py"],
        )
        .file("/usr/local/lib/python3.12/os.py", "x")
        .file("/usr/local/lib/python3.12/ensurepip/__init__.py", "x")
        .file("/app/main.py", "import venv\n")
        .file("/app/other.py", "import json\n")
        .used(library)
        .used("/usr/local/lib/python3.12/os.py");
    let (installer, root) = ("ensurepip", RootDir::open(world.dir.path()).unwrap());
    let pruned = |keeper: &Keeper<'_>| {
        let stage = keeper.parts().unwrap().rootfs.unwrap();
        let left_out = stage.left_out.iter().any(|part| part.contains(installer));
        let pruned = stage.pruned.iter().any(|path| path.ends_with(installer));
        (left_out, pruned, keeper.keeps_package("python3.13-venv"))
    };
    let world = world.used("/app/other.py");
    assert_eq!(pruned(&world.keeper(&root)), (false, true, false));
    let world = world.used("/app/main.py");
    assert_eq!(pruned(&world.keeper(&root)), (false, false, true));
}
