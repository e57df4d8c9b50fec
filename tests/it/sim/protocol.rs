//! The task protocol, word by word: what happened, and what is ordered then.

use super::conversation::check;

/// A task that is running, with nothing in its topics.
const RUNNING: &str = "assign; ready; end 0; group - - -; at 0 0; at 1 0; at 2 0; step; = ";

#[test]
fn a_task_is_taken_over_in_order() {
    let table = [
        (
            "the first start",
            "assign; ready; end 0; group - - -",
            "init, end?, group?, fetch 0@-, fetch 1@-, fetch 2@-",
        ),
        (
            "from the record",
            "assign; ready; end 9; log 9 5; group 5 - -",
            "init, end?, read 0-9, group?, fetch 0@5, fetch 1@-, fetch 2@-",
        ),
        (
            "not before the end",
            "assign; ready; end 9; = log 8 5; log 9 5",
            "group?",
        ),
        (
            "the group's offsets expired",
            "assign; ready; end 9; log 9 5; = group - - -",
            r#"GroupOffsetsExpired(["cart"]), fetch 0@5, fetch 1@-, fetch 2@-"#,
        ),
        (
            "the group contradicts",
            "assign; ready; end 9; log 9 5; = group 7 - -; end 9",
            "end?, withdraw, refuse: topic cart: the group's offset is 7, but the state in the ch",
        ),
        (
            "somebody else took over meanwhile",
            "assign; ready; end 9; log 9 5; = group 7 - -; end 12; wake",
            "end?, withdraw, wake 100",
        ),
        (
            "the state is a newer program's",
            "assign; ready; end 9; = log-newer",
            "withdraw, refuse: the task record has version 99, this program knows versions ",
        ),
        (
            "a page is damaged",
            "assign; ready; end 9; = page 3 damaged; log 9 5",
            "withdraw, refuse: the changelog at offset 2, state of customer \"ana\": it is da",
        ),
        (
            "a page was damaged",
            "assign; ready; end 9; = page 3 damaged; page 4 gone; log 9 5",
            "group?",
        ),
        (
            "a damaged page is set aside",
            "assign; ready; end 9; page 3 damaged; log 9 5; revoke; assign; ready; end 9; revoke; assign; ready; = end 11; page 11 gone",
            "read 9-11, group?",
        ),
        (
            "records are gone",
            "assign; ready; end 9; log 9 5; group 5 - -; = gone 0 8",
            "withdraw, refuse: topic cart: the state goes up to offset Some(5), but the fir",
        ),
        (
            "refused until assigned again",
            "assign; ready; end 9; log-newer; revoke; = assign",
            "init",
        ),
        (
            "answers of an earlier session",
            "assign; ready; end 9; lose; = end 9; log 9 5",
            "",
        ),
    ];
    for (what, script, expected) in table {
        check(what, script, expected);
    }
}

#[test]
fn what_is_not_written_is_taken_again_first() {
    let table = [
        (
            "not every customer is written",
            "assign; ready; end 9; log-window r1; = group 5 - -",
            "TakesAgain(3, 4), journal 40-#4, fetch 0@3, fetch 1@-, fetch 2@-",
        ),
        (
            "both transactions are taken again, and then everybody is written",
            "assign; ready; end 9; log-window r1; group 5 - -; at 1 0; at 2 0; line 3; fetched 0 3 a 9; fetched 0 4 a 9; step; = line 4; step",
            "transact 5: 0 commands 0 decisions 1 states 0@5 1@0 2@0",
        ),
        (
            "by the triggers of then",
            "assign; ready; end 9; log-window r0; = group 5 - -; recall r0",
            "triggers? r0, TakesAgain(3, 4), journal 40-#4, fetch 0@3, fetch 1@-, fetch 2@-",
        ),
        (
            "which nobody has",
            "assign; ready; end 9; log-window r0; group 5 - -; = recall nothing",
            "withdraw, refuse: the process before this one did not end well, and some of th",
        ),
        (
            "a record of the window is gone",
            "assign; ready; end 9; log-window r1; group 5 - -; = gone 0 8",
            "withdraw, refuse: topic cart: the record at offset 3 was deleted before the cu",
        ),
        (
            "one in the middle of it",
            "assign; ready; end 9; log-window r1; group 5 - -; line 3; = fetched 0 4 a 9; step",
            "withdraw, refuse: topic cart: the record at offset 3 was deleted before the cu",
        ),
        (
            "a line is missing",
            "assign; ready; end 9; log-window r1; group 5 - -; = line 4",
            "withdraw, refuse: the journal at offset 44: the line of transaction 3 is missi",
        ),
        (
            "the journal is gone",
            "assign; ready; end 9; log-window r1; group 5 - -; = journal-gone",
            "withdraw, refuse: the journal at offset 40: there is nothing any more; without",
        ),
    ];
    for (what, script, expected) in table {
        check(what, script, expected);
    }
}

#[test]
fn a_transaction_is_due_by_what_it_holds() {
    let table = [
        (
            "who else is there is asked first",
            "fetched 0 0 c 1; step",
            "ends? 1",
        ),
        (
            "a command waits 20 ms",
            "fetched 0 0 c 1; step; ends 1 1 0 0; step; = wake; wait 20; step",
            "wake 20, transact 1: 1 commands 1 decisions 1 states 0@1 1@0 2@0",
        ),
        (
            "state waits 100 ms",
            "fetched 0 0 a 1; step; ends 1 1 0 0; step; = wake; wait 99; step; wait 100; step",
            "wake 100, transact 1: 0 commands 0 decisions 1 states 0@1 1@0 2@0",
        ),
        (
            "2 s while there is more",
            "fetched 0 0 a 1; step; ends 1 9 0 0; step; = wake",
            "wake 2000",
        ),
        (
            "one at a time",
            "fetched 0 0 c 1; step; ends 1 1 0 0; step; wait 20; step; fetched 0 1 c 3; step; ends 2 2 0 0; step; = wait 900; step; committed 3; wake",
            "transact 2: 1 commands 1 decisions 1 states 0@2 1@0 2@0, wake never",
        ),
        (
            "nothing comes of nothing",
            "wait 9000; step; wake",
            "wake never",
        ),
        (
            "a full topic waits",
            "full 0; step; = ends 1 2048 0 0; step",
            "resume 0",
        ),
    ];
    for (what, script, expected) in table {
        check(what, &format!("{RUNNING}{script}"), expected);
    }
}

#[test]
fn silence_moves_time_only_as_far_as_was_asked() {
    // The event happens at 0 and comes at 0: its deadline at 3,000 is due at 7,000, as the lateness and the delay are 2,000 each.
    let open = "fetched 0 0 a 0; step; ends 1 1 0 0; step; wait 100; step; committed 3; = ";
    let table = [
        ("when it is due", "wake", "wake 7000"),
        ("not before it was asked", "wait 7000; step", "ends? 2"),
        (
            "when it was asked then",
            "wait 7000; step; ends 2 1 0 0; step; wait 7020; step",
            "ends? 2, transact 2: 1 commands 1 decisions 1 states 0@1 1@0 2@0",
        ),
        (
            "not while there is more",
            "wait 7000; step; ends 2 1 0 1; step",
            "ends? 2",
        ),
        (
            "not by a clock that went on while it slept",
            "wait 7000; step; ends 2 1 0 0; wait 99000; step; watermark",
            "ends? 2, watermark 3000",
        ),
    ];
    for (what, script, expected) in table {
        check(what, &format!("{RUNNING}{open}{script}"), expected);
    }
}

#[test]
fn the_lag_goes_by_the_clock_that_decides() {
    let open = "fetched 0 0 a 0; fetched 0 50 a 0; step; ends 1 51 0 0; step; wait 100; step; committed 3; wait 4000; = lag";
    for (what, mode, expected) in [
        ("the wall's", "", "lag Some(6001)"),
        ("events alone", "by events;", "lag Some(2001)"),
    ] {
        check(what, &format!("{mode}{RUNNING}{open}"), expected);
    }
}

#[test]
fn after_a_failure_the_log_says_how_it_went() {
    let open = "fetched 0 0 c 1; step; ends 1 1 0 0; step; wait 20; step; = ";
    let table = [
        ("at once the first time", "unknown", "withdraw, init"),
        (
            "it was committed",
            "unknown; = ready; end 3; log 3 1; group 1 - -",
            "end?, read 0-3, group?, fetch 0@1, fetch 1@-, fetch 2@-",
        ),
        (
            "it was not",
            "unknown; = ready; end 3; log 3 0; group 0 - -",
            "end?, read 0-3, group?, fetch 0@0, fetch 1@-, fetch 2@-",
        ),
        (
            "only the rest of the changelog is read",
            "committed 3; fetched 0 1 c 3; step; ends 2 2 0 0; step; wait 40; step; = failed; ready; end 9",
            "withdraw, init, end?, read 3-9",
        ),
        ("the answer comes too late", "unknown; = committed 3", ""),
        (
            "the second time it waits",
            "failed; = failed; wake",
            "withdraw, wake 220",
        ),
        (
            "and longer",
            "failed; failed; wait 220; step; = failed; wake",
            "withdraw, wake 620",
        ),
        ("who is fenced waits", "fenced; wake", "withdraw, wake 120"),
        (
            "and takes over again",
            "fenced; wait 120; step",
            "withdraw, init",
        ),
        (
            "who is no member waits for the group",
            "not-member; wait 99000; step; revoke",
            "withdraw, close",
        ),
    ];
    for (what, script, expected) in table {
        check(what, &format!("{RUNNING}{open}{script}"), expected);
    }
}

#[test]
fn a_revoked_task_is_committed_first() {
    let taken = "fetched 0 0 c 1; step; ends 1 1 0 0; step; = ";
    let transaction = "transact 1: 1 commands 1 decisions 1 states 0@1 1@0 2@0";
    let table = [
        (
            "what is open",
            format!("{taken}revoke; committed 3"),
            format!("{transaction}, withdraw, close"),
        ),
        (
            "what is under way, too",
            format!("{taken}wait 20; step; revoke; committed 3"),
            format!("{transaction}, withdraw, close"),
        ),
        (
            "both",
            format!(
                "{taken}wait 20; step; fetched 0 1 c 3; step; ends 2 2 0 0; step; = revoke; committed 3; committed 6"
            ),
            "transact 2: 1 commands 1 decisions 1 states 0@2 1@0 2@0, withdraw, close".to_owned(),
        ),
        (
            "unless it is lost",
            format!("{taken}lose"),
            "withdraw, close".to_owned(),
        ),
        (
            "or cannot be",
            format!("{taken}revoke; unknown"),
            format!("{transaction}, withdraw, close"),
        ),
        ("nothing", "revoke".to_owned(), "withdraw, close".to_owned()),
        (
            "and nothing more is taken",
            format!("{taken}revoke; = fetched 0 1 c 3; step"),
            String::new(),
        ),
        (
            "and goes on from there",
            format!("{taken}revoke; committed 3; = assign; ready; end 5; log 5 1"),
            "init, end?, read 3-5, group?".to_owned(),
        ),
    ];
    for (what, script, expected) in &table {
        check(what, &format!("{RUNNING}{script}"), expected);
    }
}
