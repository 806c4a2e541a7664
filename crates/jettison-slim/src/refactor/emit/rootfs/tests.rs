use super::*;
use expect_test::expect;

fn paths(of: &[&str]) -> Vec<PathBuf> {
    of.iter().map(PathBuf::from).collect()
}

/// What a shell prints for `command`, line by line.
fn run(command: &str) -> Vec<PathBuf> {
    let command = command.replace("\\\n", "");
    let mut shell = std::process::Command::new("sh");
    let output = shell.args(["-c", &command]).output().unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(PathBuf::from).collect()
}

#[test]
fn files_of_one_directory_have_its_name_once_and_a_shell_prints_them_all() {
    let singles = paths(&[
        "/b/%d",
        "/b/-n",
        "/b/[",
        "/b/two words",
        "/c%s/a",
        "/c%s/b",
        "/c%s/c",
        "/c%s/d",
        "/etc/passwd",
        "/home",
        "/lib",
        "/root",
        "/srv",
    ]);
    let commands = printed(&singles).unwrap().join("; \\\n");
    expect![[r"
        printf '%s\n' /c%s/a /c%s/b /c%s/c /c%s/d /etc/passwd /home /lib /root /srv; \
        printf '/b/%s\n' %d -n '[' 'two words'"]]
    .assert_eq(&commands);
    let mut all = run(&commands);
    all.sort();
    assert_eq!(all, singles);
}

#[test]
fn a_variable_stands_for_a_directory_of_modules_that_is_named_often() {
    let temporary = tempfile::tempdir().unwrap();
    let site = temporary.path().join("lib/site-packages");
    for file in ["a/x.py", "b b/y.py", "c/z.py", "c/tests/t.py", "d/u.py"] {
        let path = site.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    let trees: Vec<PathBuf> = ["a", "b b", "c", "d"].map(|name| site.join(name)).into();
    let left_out = [site.join("c/tests/*")];
    let long = LongName::of(trees.iter().chain(&left_out)).unwrap();
    let list: Vec<&PathBuf> = trees.iter().collect();
    let command = find(&list, &left_out, Some(&long)).unwrap();
    let shown = command.replace(site.to_str().unwrap(), "SITE");
    expect![[
        r#"find $site/a 'SITE/b b' $site/c $site/d \( -path "$site/c/tests/*" \) -prune -o -print"#
    ]]
    .assert_eq(&shown.replace(" \\\n       ", ""));
    let assignment = format!("site={}", word(long.directory).unwrap());
    let found = run(&format!("{assignment} && {command}"));
    let plain = find(&list, &left_out, None).unwrap();
    assert_eq!(found, run(&plain));
    assert!(found.contains(&site.join("c/tests")), "{found:?}");
    assert!(!found.contains(&site.join("c/tests/t.py")), "{found:?}");
    assert_eq!(found.len(), 9, "{found:?}");
    assert!(LongName::of(&trees[..3]).is_none());
    assert_eq!(long.word(&site).as_deref(), Some("$site"));
}

#[test]
fn what_two_trees_leave_out_is_named_once() {
    let rootfs = RootfsStage {
        pruned: paths(&["/l/site", "/l/test", "/l/site"]),
        pruned_files: paths(&["/l/x.pyc", "/l/x.pyc"]),
        ..RootfsStage::default()
    };
    let left_out = left_out_of_trees(&rootfs);
    assert_eq!(left_out, paths(&["/l/site/*", "/l/test/*", "/l/x.pyc"]));
}
