//! Completions and manual pages of the command line.

use std::fs;
use std::process::Command;

use super::succeed;

fn moments() -> Command {
    Command::new(env!("CARGO_BIN_EXE_moments"))
}

#[test]
fn bash_completes_commands_and_options() {
    let script = succeed(moments().args(["completions", "bash"]));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("moments.bash");
    fs::write(&file, script).expect("written");
    // As bash calls it: the words so far, and which of them is being completed.
    let complete = |words: &str, last: usize| {
        let script = format!(
            "source {}; COMP_WORDS=({words}); COMP_CWORD={last}; _moments moments \"${{COMP_WORDS[{last}]}}\" \"${{COMP_WORDS[{last}-1]}}\"; echo \"${{COMPREPLY[@]}}\"",
            file.display()
        );
        succeed(Command::new("bash").args(["--norc", "-c", &script]))
    };
    assert_eq!(complete("moments rehe", 1).trim(), "rehearse");
    assert_eq!(
        complete("moments run --create", 2).trim(),
        "--create-topics"
    );
}

#[test]
fn other_shells_have_completions_too() {
    for shell in ["zsh", "fish"] {
        let script = succeed(moments().args(["completions", shell]));
        assert!(script.contains("rehearse"), "{script}");
    }
    let wrong = moments()
        .args(["completions", "cmd"])
        .output()
        .expect("moments runs");
    assert!(!wrong.status.success());
}

#[test]
fn each_command_has_a_manual_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let pages = folder.path().join("man1");
    succeed(moments().arg("man").arg(&pages));
    let page = |name: &str| {
        let text = fs::read_to_string(pages.join(name));
        text.unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let top = page("moments.1");
    assert!(
        top.contains(".SH NAME") && top.contains("moments\\-run(1)"),
        "{top}"
    );
    let run = page("moments-run.1");
    assert!(
        run.contains("create\\-topics") && run.contains("MOMENTS_CONFIG"),
        "{run}"
    );
    assert!(page("moments-topics-create.1").contains(".SH SYNOPSIS"));
}
