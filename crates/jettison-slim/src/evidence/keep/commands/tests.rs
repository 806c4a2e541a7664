use super::*;
use crate::evidence::keep::starters::starts_shell;

#[track_caller]
fn check(text: &str, there: &[&str], somewhere: &[&str]) {
    check_in("", text, there, somewhere);
}

#[track_caller]
fn check_in(end: &str, text: &str, there: &[&str], somewhere: &[&str]) {
    let found = quoted_commands(text, end, &BTreeSet::new());
    let of = |sureness| -> Vec<&str> {
        let named = found.iter().filter(|(_, known)| **known == sureness);
        named.map(|(name, _)| name.as_str()).collect()
    };
    assert_eq!(of(Sureness::There), there, "{text}");
    assert_eq!(of(Sureness::Somewhere), somewhere, "{text}");
}

#[test]
fn programs_stand_beside_what_starts_them() {
    check(
        "import subprocess\n\n\n\n\nx = 'date'\nsubprocess.run(['gzip', '-c'])\n",
        &["gzip"],
        &["date"],
    );
    check(
        "f = popen(\"gzip -dc x | sort\", \"r\");",
        &["gzip", "sort"],
        &[],
    );
    check(
        "cmd := exec.CommandContext(ctx,\n  \"git\", \"log\")",
        &["git", "log"],
        &[],
    );
    check(
        "Command::new(\"/usr/bin/convert\")",
        &["/usr/bin/convert"],
        &[],
    );
    check(
        "import subprocess\n#\n#\n#\n#\nCMD = ['tar', '-c']\n",
        &["tar"],
        &[],
    );
    check("x = {'date': 'sort'}", &[], &[]);
    check("subprocess.run(['make'])", &[], &[]);
    check("subprocess.run(['msgfmt'])", &[], &[]);
    check("my $x = `wc -l $f`;", &["wc"], &[]);
}

#[test]
fn a_program_that_is_named_before_is_started_by_its_variable() {
    let text = "auto cmd = \"gzip -nf \" + out;\nint x = 1;\nint y;\nif (std::system(cmd.c_str()) != 0) {\n";
    check_in("cpp", text, &["gzip"], &[]);
    let text = "let editor = std::env::var(\"EDITOR\").unwrap_or_else(|_| \"cat\".to_owned());\n\
        let kind = \"date\";\nlet status = Command::new(editor).arg(path).status();\n";
    check_in("rs", text, &["EDITOR", "cat"], &["date"]);
    let text = "editor := os.Getenv(\"EDITOR\")\nif editor == \"\" {\n\teditor = \"vi\"\n}\ncmd := exec.Command(editor, path)\n";
    check_in("go", text, &["EDITOR", "vi"], &[]);
    let text =
        "CMD = [\n  'gzip',\n  '-c',\n]\nNAME = 'date'\n\n\n\n\nsubprocess.run(CMD + [path])\n";
    check_in("py", text, &["gzip"], &["date"]);
    let text = "debug = 'false'\n\n\n\n\nsubprocess.run(['x1', debug])\n";
    check_in("py", text, &["x1"], &["false"]);
    let text = "auto sql = \"id\";\n\n\n\n\nsqlite3_exec(db, sql.c_str());\n";
    check_in("cpp", text, &[], &["id"]);
    let text = "$cmd = 'zip -q ' . $x;\n\n\n\n\nexec($cmd);\n\n\n\n\n$sql = 'id';\n\n\n\n\n$db->exec($sql);\n";
    check_in("php", text, &["zip"], &["id"]);
}

#[test]
fn backticks_are_what_the_language_takes_them_for() {
    let text = "x = `file`, \"sort\"";
    check_in("rb", text, &["file", "sort"], &[]);
    check_in("go", text, &[], &[]);
    check_in("rs", text, &[], &[]);
    let text = "child_process.exec(`zip ${x}`)\n// Reads \"date\".\n";
    check_in("js", text, &["zip"], &[]);
    let text = "/// Reads `file`.\nCommand::new(\"git\") // as `sort`\n# \"date\"";
    check_in("rs", text, &["git"], &[]);
    check_in("rs", "tokio::spawn(serve(\"file\"))", &[], &[]);
    check_in("js", "spawn('file')", &["file"], &[]);
}

#[test]
fn in_a_program_made_small_a_name_stands_near_what_starts_it() {
    let filler = "var a=1;".repeat(200);
    let far = format!("spawn(x);{filler}f(\"top\");{filler}execFile(\"zip\",y)");
    check_in("js", &far, &["zip"], &["top"]);
}

#[test]
fn what_starts_programs_in_one_language_means_something_else_in_another() {
    check_in("py", "print('%x' % n, 'date')", &[], &[]);
    check_in("rb", "print(%x(uptime), 'date')", &["date", "uptime"], &[]);
    check_in("py", "exec(compile('date'))", &[], &[]);
    check_in("js", "// The file system is asked.\nf('date')", &[], &[]);
}

#[test]
fn what_looks_for_a_pattern_starts_no_program() {
    check_in("js", "if (/^a/.exec(x)) f('hostname')", &[], &[]);
    check_in(
        "js",
        "const c = require('child_process'); c.exec('hostname')",
        &["child_process", "hostname"],
        &[],
    );
}

#[test]
fn commands_of_scripts_are_found_in_every_branch() {
    let script = "#!/bin/sh\nset -e # sort\nif [ \"$1\" = x ]; then\n  exec tar -c \"$(date)\" | gzip\nfi\n\
        case $1 in name) jq -r .x;; esac\nLC_ALL=C sort | xargs -0 rm\ntrap 'kill 1' TERM\n\
        \"${EDITOR:-vi}\" x\nFILE=`expr x`ar; y=`uname` && `which ls`\n";
    let found = script_commands(script);
    for name in [
        "tar", "date", "gzip", "jq", "sort", "rm", "vi", "expr", "uname", "which",
    ] {
        assert!(found.contains(&name), "{name} in {found:?}");
    }
    for name in ["LC_ALL=C", "[", "kill", "exec", "ar"] {
        assert!(!found.contains(&name), "{name} in {found:?}");
    }
}

#[test]
fn settings_name_programs_as_their_values() {
    let text = "{\"a\": \"jq -c\", \"n\": 4}\nconverter: pdftotext -layout\nCALC=bc\n- zip -q\n# of x\nbuild: make all\n";
    let found: Vec<String> = settings_commands(text).into_iter().collect();
    assert_eq!(found, ["bc", "jq", "pdftotext", "zip"]);
}

#[test]
fn entrypoints_start_what_they_are_given() {
    for line in [
        "exec \"$@\"",
        "  exec gosu app \"$@\"",
        "[ -z \"$X\" ] && exec \"$@\"; exit 1",
        "if true; then exec $@; fi",
    ] {
        assert!(
            starts_what_it_is_given(&format!("#!/bin/bash\n{line}\n")),
            "{line}"
        );
    }
    for line in [
        "# exec \"$@\"",
        "exec java -jar app.jar \"$@\"",
        "run \"$@\"",
        "exec app",
        "",
    ] {
        assert!(
            !starts_what_it_is_given(&format!("#!/bin/bash\n{line}\n")),
            "{line}"
        );
    }
}

#[test]
fn some_calls_go_through_a_shell() {
    assert!(starts_shell("os.system(x)", "py"));
    assert!(starts_shell("subprocess.run(x, shell=True)", "py"));
    assert!(starts_shell("text = typer.edit(text)", "py"));
    assert!(starts_shell("click.edit(filename=name)", "py"));
    assert!(!starts_shell("subprocess.run([x])", "py"));
    assert!(!starts_shell("print('%x' % 7)", "py"));
    assert!(starts_shell("x = %x(date)", "rb"));
    let task = "t := Task{Shell: \"sh\"}\ncmd := exec.Command(t.Shell, \"-c\", x)\n";
    assert!(starts_shell(task, "go"));
    assert!(!starts_shell(
        "cmd := exec.Command(t.Tool, \"-c\", x)\n",
        "go"
    ));
    assert!(starts_shell(
        "x <- readCreateProcess (shell \"jq\") \"\"",
        "hs"
    ));
    assert!(!starts_shell("x <- readProcess \"jq\" [] \"\"", "hs"));
    assert!(starts_shell("CALL EXECUTE_COMMAND_LINE(cmd)", "f90"));
    assert!(starts_shell("X = os:cmd(C),", "erl"));
    assert!(starts_shell("open(P, \"$cmd |\");", "pl"));
    assert!(!starts_shell("print('%x' % 7)", "d"));
}

#[test]
fn every_language_has_its_own_words_for_starting_programs() {
    for (end, text) in [
        ("hs", "x <- readProcess \"jq\" [f] \"\"\n"),
        ("hs", "go x' = callCommand (\"jq . \" ++ x')\n"),
        (
            "hs",
            "(code, out, _) <- readProcessWithExitCode \"jq\" [] \"\"\n",
        ),
        ("hs", "createProcess (proc \"jq\" [])\n"),
        ("lhs", "> createProcess (shell \"jq .\")\n"),
        ("nim", "let (out, code) = execCmdEx(\"jq \" & f)\n"),
        ("nim", "let p = startProcess(\"jq\", args = [f])\n"),
        ("ml", "let ic = Unix.open_process_in \"jq .\" in\n"),
        ("ml", "let f' = Sys.command (\"jq \" ^ x)\n"),
        ("ml", "Unix.create_process \"jq\" [||] a b c\n"),
        ("d", "auto r = execute([\"jq\", f]);\n"),
        ("d", "auto r = executeShell(\"jq \" ~ f);\n"),
        ("f90", "  CALL EXECUTE_COMMAND_LINE('jq .')\n"),
        ("for", "      call system('jq .')\n"),
        ("cob", "    CALL \"SYSTEM\" USING BY CONTENT \"jq .\".\n"),
        (
            "cbl",
            "    MOVE \"jq .\" TO CMD.\n\n\n\n\n    call 'system' using CMD.\n",
        ),
        ("lisp", "(uiop:run-program '(\"jq\" \".\"))\n"),
        ("lisp", "(sb-ext:run-program \"jq\" '())\n"),
        ("scm", "(system* \"jq\" \".\")\n"),
        ("erl", "X = os:cmd(\"jq . \" ++ F),\n"),
        ("erl", "open_port({spawn_executable, \"jq\"}, []),\n"),
        ("ex", "{out, 0} = System.cmd(\"jq\", [f])\n"),
        ("ex", ":os.cmd('jq .')\n"),
        ("swift", "p.executableURL = URL(fileURLWithPath: \"jq\")\n"),
        ("pas", "RunCommand('jq', [f], s);\n"),
        ("adb", "Ok := GNAT.OS_Lib.Spawn (\"jq\", X'Access);\n"),
        ("vb", "Shell(\"jq\")\n"),
        ("awk", "{ print $1 | \"jq -c .\" }\n"),
        ("awk", "BEGIN { cmd = \"jq .\"; cmd | getline x }\n"),
        ("tcl", "set x [exec jq -c . $f]\n"),
        (
            "tcl",
            "if {[catch {exec -ignorestderr jq .} e]} { puts $e }\n",
        ),
        ("tcl", "set p [open \"|jq -c .\" w]\n"),
        ("tcl", "set p [open [list |jq -c $f] r]\n"),
        ("tcl", "set cmd [list jq -c]\n\n\n\n\nexec {*}$cmd $f\n"),
        ("tcl", "set cmd jq\nexec $cmd $f\n"),
        ("pl", "my $x = qx(jq . $f);\n"),
        ("pl", "my $x = qx{\n  jq . $f\n};\n"),
        ("pl", "open(P, \"jq . |\");\n"),
        ("pl", "open(P, \"| jq .\");\n"),
        ("pl", "open(my $p, '|-', 'jq', '.');\n"),
        ("pl", "open my $p, \"|-\", \"jq .\" or die;\n"),
        ("pl", "system qw(jq .);\n"),
        ("pl", "exec 'jq', '.';\n"),
        ("rb", "x = %x{jq . #{f}}\n"),
        ("rb", "open('|jq .') { |p| p.read }\n"),
    ] {
        let found = quoted_commands(text, end, &BTreeSet::new());
        assert_eq!(found.get("jq"), Some(&Sureness::There), "{end}: {text}");
    }
}

#[test]
fn every_command_of_a_pipe_is_started() {
    check_in(
        "pl",
        "my $x = qx(zcat $f | jq . | sort);\n",
        &["jq", "sort", "zcat"],
        &[],
    );
    check_in(
        "tcl",
        "exec zcat $f | jq . |& sort\n",
        &["jq", "sort", "zcat"],
        &[],
    );
    check_in("rb", "%x[zcat f | jq .]\n", &["jq", "zcat"], &[]);
}

#[test]
fn words_of_one_language_start_nothing_in_others() {
    for (end, text) in [
        ("rb", "proc { f('jq') }\n"),
        ("c", "execute_all(\"jq\");\n"),
        ("erl", "spawn(fun() -> f(\"jq\") end),\n"),
        ("tcl", "set jq [open $name r]\n"),
        ("pl", "open(F, '<', 'jq');\n"),
        ("ml", "Printf.printf \"%x\" 7; f \"jq\"\n"),
    ] {
        assert_eq!(
            quoted_commands(text, end, &BTreeSet::new()),
            BTreeMap::new(),
            "{end}: {text}"
        );
    }
}
