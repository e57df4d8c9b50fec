use super::super::command::tests::command;
use super::*;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(&format!("2026-03-0{text}Z")).unwrap()
}

fn place(offset: i64) -> Place {
    Place {
        partition: 0,
        offset,
    }
}

/// With one partition, at most two attempts at a time, and those for an hour.
fn book() -> Book {
    let mut book = Book::new(2, 3_600_000);
    book.assign(0, 0, "");
    book
}

impl Book {
    /// Reads a command whose number is its offset.
    fn reads(&mut self, offset: i64) {
        let command = command(u128::try_from(offset).unwrap());
        self.take(place(offset), Ok(Received::Treatment(Box::new(command))));
    }

    fn reads_withdrawal(&mut self, offset: i64, of: u128) {
        let received = Received::Withdrawal(Uuid::from_u128(of));
        self.take(place(offset), Ok(received));
    }

    /// What is begun at an instant, by offset.
    fn begins(&mut self, now: Timestamp) -> Vec<i64> {
        let jobs = std::iter::from_fn(|| self.next(now));
        jobs.map(|job| job.place.offset).collect()
    }

    fn ends(&mut self, offset: i64, attempt: Attempt, now: Timestamp) -> Option<Again> {
        let job = Job {
            place: place(offset),
            command: Arc::new(command(u128::try_from(offset).unwrap())),
        };
        self.came(&job, attempt, now)
    }

    /// Where the group goes on, and how what was not saved yet ended.
    fn saves(&mut self) -> (i64, Vec<&'static str>) {
        let (parts, _) = self.unsaved().expect("something to save");
        let offset = parts[0].window.offset();
        let ends = self.saved().iter().map(|ended| ended.end.word()).collect();
        (offset, ends)
    }
}

fn later() -> Attempt {
    Attempt::Later("it is down".to_owned(), None)
}

#[test]
fn so_many_are_under_way_at_a_time() {
    let mut book = book();
    (0..4).for_each(|offset| book.reads(offset));
    let now = at("2T10:00:00");
    assert!(
        book.begins(now).is_empty(),
        "what stands behind may be a withdrawal"
    );
    book.caught_up(0);
    assert_eq!(book.begins(now), [0, 1]);
    book.ends(1, Attempt::Delivered, now);
    assert_eq!(book.begins(now), [2]);
    assert_eq!(book.saves(), (0, vec!["delivered"]));
    book.ends(0, Attempt::Bounced("gone".to_owned()), now);
    assert_eq!(book.saves(), (2, vec!["bounced"]));
    assert!(book.unsaved().is_none());
}

#[test]
fn it_is_tried_again_until_it_is_given_up() {
    let mut book = book();
    book.reads(0);
    book.caught_up(0);
    let mut now = at("2T10:00:00");
    let mut attempts = 0;
    let asked = Some(Duration::from_secs(60));
    while book.begins(now) == [0] {
        attempts += 1;
        match book.ends(0, Attempt::Later("busy".to_owned(), asked), now) {
            Some(again) => {
                assert_eq!(again.attempts, attempts);
                assert!(again.after >= Duration::from_secs(60));
                now = now.plus(again.after.as_millis().try_into().unwrap());
            }
            None => break,
        }
    }
    assert!(attempts > 5, "{attempts}");
    assert_eq!(book.saves(), (1, vec!["given_up"]));
}

#[test]
fn nothing_is_delivered_before_or_after_its_time() {
    let mut book = book();
    book.reads(0);
    book.caught_up(0);
    assert!(book.begins(at("2T09:59:59")).is_empty());
    assert_eq!(book.begins(at("4T10:00:00")), [0], "then it is still good");
    assert!(book.ends(0, later(), at("4T10:00:00")).is_none());
    book.reads(1);
    assert!(book.begins(at("4T10:00:01")).is_empty());
    assert_eq!(book.saves(), (2, vec!["given_up", "expired"]));
}

#[test]
fn one_that_is_taken_back_twice_while_under_way_holds_nothing_up() {
    let mut book = book();
    let now = at("2T10:00:00");
    book.reads(0);
    book.caught_up(0);
    assert_eq!(book.begins(now), [0]);
    book.reads_withdrawal(1, 0);
    book.reads_withdrawal(2, 0);
    assert!(book.ends(0, later(), now).is_none());
    assert_eq!(book.saves(), (3, vec!["withdrawn"]));
}

#[test]
fn what_is_taken_back_is_not_delivered() {
    let mut book = book();
    book.reads(0);
    book.reads(1);
    book.reads_withdrawal(2, 0);
    book.caught_up(0);
    let now = at("2T10:00:00");
    assert_eq!(book.begins(now), [1]);
    assert_eq!(book.saves(), (1, vec!["withdrawn"]));

    // While it is under way nobody knows; where that fails, it is over.
    book.reads_withdrawal(3, 1);
    assert_eq!(book.saves(), (1, vec![]), "the withdrawal is read again");
    assert!(book.ends(1, later(), now).is_none());
    assert_eq!(book.saves(), (4, vec!["withdrawn"]));

    // It was too late for one that was delivered.
    book.reads(4);
    assert_eq!(book.begins(now), [4]);
    book.reads_withdrawal(5, 4);
    book.ends(4, Attempt::Delivered, now);
    book.reads_withdrawal(6, 4);
    assert_eq!(book.saves(), (7, vec!["delivered"]));
}

#[test]
fn what_ended_is_not_begun_again_where_saving_failed() {
    let mut book = book();
    (0..3).for_each(|offset| book.reads(offset));
    book.caught_up(0);
    let now = at("2T10:00:00");
    assert_eq!(book.begins(now), [0, 1]);
    book.ends(1, Attempt::Delivered, now);
    // Another session, from what is saved: nothing.
    book.revoke();
    book.ends(0, Attempt::Delivered, now);
    book.assign(0, 0, "");
    (0..3).for_each(|offset| book.reads(offset));
    book.caught_up(0);
    assert_eq!(book.begins(now), [2]);
    assert_eq!(book.saves(), (2, vec!["delivered", "delivered"]));

    // One still under way is waited for, and not begun beside itself.
    book.revoke();
    book.assign(0, 2, "");
    book.reads(2);
    book.caught_up(0);
    assert!(book.begins(now).is_empty());
    assert!(book.ends(2, later(), now).is_some());
    assert_eq!(book.begins(now.plus(60_000)), [2]);
}

#[test]
fn a_restart_begins_what_was_open_alone() {
    let mut book = book();
    (0..3).for_each(|offset| book.reads(offset));
    book.caught_up(0);
    let now = at("2T10:00:00");
    book.begins(now);
    book.ends(1, Attempt::Delivered, now);
    let metadata = book.unsaved().unwrap().0[0].window.metadata();
    let mut next = Book::new(8, 3_600_000);
    next.assign(0, 0, &metadata);
    (0..3).for_each(|offset| next.reads(offset));
    next.caught_up(0);
    assert_eq!(next.begins(now), [0, 2]);
}

#[test]
fn what_is_no_command_holds_nothing_up() {
    let mut book = book();
    book.take(place(0), Received::read(b"\0avro"));
    book.reads(1);
    book.caught_up(0);
    assert_eq!(book.begins(at("2T10:00:00")), [1]);
    assert_eq!(book.saves(), (1, vec!["unreadable"]));
}

#[test]
fn one_that_is_stuck_holds_up_no_more_than_can_be_told() {
    let mut book = Book::new(usize::MAX, i64::MAX);
    book.assign(0, 0, "");
    book.reads(0);
    book.caught_up(0);
    let now = at("2T10:00:00");
    assert_eq!(book.begins(now), [0]);
    let far = super::super::window::limits::SPAN;
    book.reads(far);
    book.reads(far + 1);
    assert_eq!(book.full().collect::<Vec<_>>(), [0]);
    assert_eq!(book.begins(now), [far]);
    book.ends(0, Attempt::Delivered, now);
    assert_eq!(book.begins(now), [far + 1]);
}
