//! What may be shown to whom: the commands of on-site channels, what became of each, and who watches a customer.
//!
//! A command may be shown once, on whichever device asks first. Which that is, the log says: the first `In-App Message Viewed` of the
//! command on the topic of outcomes, which every process reads in the same order. What must stay true: nobody is told that she may
//! show a command before that record was read back. So of all who ask, however many processes they ask and whichever of these ends, no
//! two are told so.
//!
//! No clock and no Kafka here: what is read comes in, and what is asked is answered as of the `now` that is passed in.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::send::command::Command;
use crate::time::Timestamp;

/// Bounds of a board.
pub mod limits {
    /// Commands of one customer that are known: of more, the oldest makes way.
    pub const OF_CUSTOMER: usize = 64;
    /// Streams of one customer, tabs and devices: one more is refused.
    pub const STREAMS_OF_CUSTOMER: usize = 16;
    /// Updates that wait for one stream: who takes them more slowly is cut off, and begins anew with the list.
    pub const UPDATES: usize = 64;
}

/// What of a command a page needs. Addresses and evidence are nothing to send to a browser.
const SHOWN: [&str; 11] = [
    "id",
    "customer",
    "trigger",
    "generation",
    "occurrence",
    "channel",
    "template",
    "offer",
    "data",
    "good_from",
    "valid_until",
];

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may be shown.
    Open,
    /// It was shown, by whoever calls itself so.
    Shown(String),
    /// She wants it gone.
    Dismissed,
    /// It was taken back.
    Withdrawn,
}

/// What a stream is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// `treatment`, `shown`, `dismissed` or `withdrawn`.
    pub event: &'static str,
    /// The command it is of.
    pub id: Uuid,
    /// Of a treatment the command; else its id, and by whom it was shown.
    pub data: Arc<Value>,
}

impl Update {
    /// A command may be shown.
    fn treatment(id: Uuid, page: &Arc<Value>) -> Self {
        Self {
            event: "treatment",
            id,
            data: Arc::clone(page),
        }
    }
}

/// A command that may be shown or was, as whoever reports of it needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its customer.
    pub customer: String,
    /// Its trigger.
    pub trigger: String,
    /// Its template.
    pub template: String,
    /// Not after.
    pub valid_until: Timestamp,
    /// What became of it.
    pub standing: Standing,
}

/// What is known of a command.
#[derive(Debug)]
struct Known {
    /// When it is forgotten.
    until: Timestamp,
    standing: Standing,
    /// None: what became of it was read before it was.
    command: Option<About>,
    /// Who waits to hear that it is open no more.
    waiting: Vec<oneshot::Sender<()>>,
}

#[derive(Debug)]
struct About {
    customer: String,
    trigger: String,
    template: String,
    valid_until: Timestamp,
    channel: String,
    good_from: Timestamp,
    /// As long as it may be shown.
    page: Option<Arc<Value>>,
}

/// One who watches a customer.
#[derive(Debug)]
struct Stream {
    channel: Option<String>,
    updates: mpsc::Sender<Update>,
}

/// See the module.
#[derive(Debug)]
pub struct Board {
    /// The most commands that are known.
    most: usize,
    /// For how long one is known after it may be shown, ms.
    keep_ms: i64,
    commands: HashMap<Uuid, Known>,
    /// Of each customer, in the order in which they were read.
    by_customer: HashMap<String, Vec<Uuid>>,
    /// When each that may be shown is forgotten.
    ends: BTreeSet<(Timestamp, Uuid)>,
    /// The same of those of which something became. They are bounded for themselves: many that were shown push out none that may be.
    ended: BTreeSet<(Timestamp, Uuid)>,
    /// From when on those may be shown that may not yet.
    begins: BTreeSet<(Timestamp, Uuid)>,
    /// By a number that each is given.
    streams: HashMap<u64, Stream>,
    /// Of each customer, the numbers of those who watch her.
    watched: HashMap<String, Vec<u64>>,
    last_stream: u64,
}

impl Board {
    /// An empty one, which knows so many commands at most that may be shown and as many of which something became, and each for
    /// `keep_ms` at most.
    #[must_use]
    pub fn new(most: usize, keep_ms: i64) -> Self {
        Self {
            most,
            keep_ms,
            commands: HashMap::new(),
            by_customer: HashMap::new(),
            ends: BTreeSet::new(),
            ended: BTreeSet::new(),
            begins: BTreeSet::new(),
            streams: HashMap::new(),
            watched: HashMap::new(),
            last_stream: 0,
        }
    }

    /// Takes a command in. Whether others had to make way for it before their end.
    pub fn treatment(&mut self, command: Command, now: Timestamp) -> bool {
        let kept = command.good_from.plus(self.keep_ms);
        let until = command.valid_until.min(kept);
        let is_known = self.commands.get(&command.id);
        if until < now || is_known.is_some_and(|known| known.command.is_some()) {
            return false;
        }
        let (id, customer) = (command.id, command.customer.clone());
        let page = page(&command.whole);
        let about = About {
            customer: command.customer,
            trigger: command.trigger,
            template: command.template,
            valid_until: command.valid_until,
            channel: command.channel,
            good_from: command.good_from,
            page: Some(Arc::new(page)),
        };
        let known = self.known(id, until);
        known.command = Some(about);
        if known.standing != Standing::Open {
            known.end();
        }
        let of_customer = self.by_customer.entry(customer).or_default();
        of_customer.push(id);
        let oldest = (of_customer.len() > limits::OF_CUSTOMER).then(|| of_customer[0]);
        if let Some(oldest) = oldest {
            self.forget(oldest);
        }
        let made_way = oldest.is_some() | self.makes_way();
        if !self.commands.contains_key(&id) {
            // It was the one that made way.
        } else if command.good_from > now {
            self.begins.insert((command.good_from, id));
        } else {
            self.begin(id);
        }
        made_way
    }

    /// A command may not be carried out any more, as a record of `at` says.
    pub fn withdrawal(&mut self, id: Uuid, at: Timestamp) {
        self.becomes(id, Standing::Withdrawn, at);
    }

    /// A page has shown a command, as a record of `at` says: the first of the log counts. `by` is what it calls itself.
    pub fn shown(&mut self, id: Uuid, by: &str, at: Timestamp) {
        self.becomes(id, Standing::Shown(by.to_owned()), at);
    }

    /// She wants a command gone, as a record of `at` says.
    pub fn dismissed(&mut self, id: Uuid, at: Timestamp) {
        self.becomes(id, Standing::Dismissed, at);
    }

    fn becomes(&mut self, id: Uuid, next: Standing, at: Timestamp) {
        let until = at.plus(self.keep_ms);
        let known = self.known(id, until);
        let event = match (&known.standing, &next) {
            (Standing::Open, Standing::Shown(_)) => "shown",
            (Standing::Open | Standing::Shown(_), Standing::Dismissed) => "dismissed",
            (Standing::Open | Standing::Shown(_), Standing::Withdrawn) => "withdrawn",
            _ => return,
        };
        let data = match &next {
            Standing::Shown(by) => json!({ "id": id, "by": by }),
            _ => json!({ "id": id }),
        };
        known.standing = next;
        known.end();
        // Who has it on her page may still answer.
        let before = known.until;
        known.until = until.max(before);
        let until = known.until;
        self.ends_not((before, id));
        self.ended.insert((until, id));
        let about = self.commands.get(&id).and_then(|it| it.command.as_ref());
        if let Some(about) = about {
            let (customer, channel) = (about.customer.clone(), about.channel.clone());
            let data = Arc::new(data);
            self.tell(&customer, &channel, &Update { event, id, data });
        }
        self.makes_way();
    }

    /// What may be shown to a customer now, by any of her ids, in the order in which it was decided; of one channel, or of all.
    pub fn open<'a>(
        &'a self,
        ids: &'a [String],
        channel: Option<&'a str>,
        now: Timestamp,
    ) -> impl Iterator<Item = (Uuid, &'a Arc<Value>)> {
        let hers = self.hers(ids, channel);
        hers.filter_map(move |(id, _, about)| {
            let is_due = (about.good_from..=about.valid_until).contains(&now);
            Some((id, about.page.as_ref().filter(|_| is_due)?))
        })
    }

    /// What is known of a customer's, by any of her ids; of one channel, or of all.
    fn hers<'a>(
        &'a self,
        ids: &'a [String],
        channel: Option<&'a str>,
    ) -> impl Iterator<Item = (Uuid, &'a Known, &'a About)> {
        let hers = ids.iter().filter_map(|id| self.by_customer.get(id));
        hers.flatten().filter_map(move |id| {
            let known = self.commands.get(id)?;
            let about = known.command.as_ref()?;
            let is_meant = channel.is_none_or(|channel| channel == about.channel);
            is_meant.then_some((*id, known, about))
        })
    }

    /// The same, behind what was taken off, which a page may have missed that lost its stream; and what changes from now on. None: as
    /// many streams as she may have are open.
    pub fn watch(
        &mut self,
        ids: &[String],
        channel: Option<&str>,
        now: Timestamp,
    ) -> Option<(Vec<Update>, mpsc::Receiver<Update>)> {
        let streams = &self.streams;
        for id in ids {
            let watching = self.watched.entry(id.clone()).or_default();
            watching
                .retain(|number| { streams.get(number) }.is_some_and(|it| !it.updates.is_closed()));
            if watching.len() >= limits::STREAMS_OF_CUSTOMER {
                return None;
            }
        }
        let open = self.open(ids, channel, now);
        let open = open.map(|(id, page)| Update::treatment(id, page));
        let begin = self.taken_off(ids, channel).chain(open).collect();
        let (updates, receiver) = mpsc::channel(limits::UPDATES);
        self.last_stream += 1;
        let stream = Stream {
            channel: channel.map(str::to_owned),
            updates,
        };
        self.streams.insert(self.last_stream, stream);
        for id in ids {
            let watching = self.watched.entry(id.clone()).or_default();
            watching.push(self.last_stream);
        }
        Some((begin, receiver))
    }

    fn taken_off<'a>(
        &'a self,
        ids: &'a [String],
        channel: Option<&'a str>,
    ) -> impl Iterator<Item = Update> {
        self.hers(ids, channel).filter_map(|(id, known, _)| {
            let event = match known.standing {
                Standing::Dismissed => "dismissed",
                Standing::Withdrawn => "withdrawn",
                Standing::Open | Standing::Shown(_) => return None,
            };
            let data = Arc::new(json!({ "id": id }));
            Some(Update { event, id, data })
        })
    }

    /// What is known of a command.
    #[must_use]
    pub fn subject(&self, id: Uuid) -> Option<Subject> {
        let known = self.commands.get(&id)?;
        let about = known.command.as_ref()?;
        Some(Subject {
            customer: about.customer.clone(),
            trigger: about.trigger.clone(),
            template: about.template.clone(),
            valid_until: about.valid_until,
            standing: known.standing.clone(),
        })
    }

    /// Becomes ready when a command is open no more, or is forgotten.
    pub fn wait(&mut self, id: Uuid) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        if let Some(known) = self.commands.get_mut(&id)
            && known.standing == Standing::Open
        {
            known.waiting.push(sender);
        }
        receiver
    }

    /// Time has come to `now`: what may be shown from now on is told, and what has ended is forgotten.
    pub fn tick(&mut self, now: Timestamp) {
        while let Some((at, id)) = self.begins.first().copied().filter(|it| it.0 <= now) {
            self.begins.remove(&(at, id));
            self.begin(id);
        }
        for of in [Self::ends, Self::ended] {
            while let Some((_, id)) = of(self).first().copied().filter(|it| it.0 < now) {
                self.forget(id);
            }
        }
        self.streams.retain(|_, it| !it.updates.is_closed());
        self.watched.retain(|_, numbers| {
            numbers.retain(|number| self.streams.contains_key(number));
            !numbers.is_empty()
        });
    }

    /// Ends every stream.
    pub fn close(&mut self) {
        self.streams.clear();
    }

    /// How many commands may be shown or were, and how many streams there are.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.commands.len(), self.streams.len())
    }

    fn known(&mut self, id: Uuid, until: Timestamp) -> &mut Known {
        self.commands.entry(id).or_insert_with(|| {
            self.ends.insert((until, id));
            Known {
                until,
                standing: Standing::Open,
                command: None,
                waiting: Vec::new(),
            }
        })
    }

    /// One that may be shown from now on.
    fn begin(&mut self, id: Uuid) {
        let about = self.commands.get(&id).and_then(|it| it.command.as_ref());
        let Some((about, page)) = about.and_then(|it| Some((it, it.page.as_ref()?))) else {
            return;
        };
        let (customer, channel) = (about.customer.clone(), about.channel.clone());
        let update = Update::treatment(id, page);
        self.tell(&customer, &channel, &update);
    }

    /// Tells those who watch; who has not taken what came before is cut off.
    fn tell(&mut self, customer: &str, channel: &str, update: &Update) {
        for number in self.watched.get(customer).into_iter().flatten() {
            let is_cut_off = self.streams.get(number).is_some_and(|stream| {
                let is_meant = stream.channel.as_deref().is_none_or(|it| it == channel);
                is_meant && stream.updates.try_send(update.clone()).is_err()
            });
            if is_cut_off {
                self.streams.remove(number);
            }
        }
    }

    /// Of more commands than may be known, those that end first are forgotten. Whether there were any.
    fn makes_way(&mut self) -> bool {
        let mut any = false;
        for of in [Self::ends, Self::ended] {
            while of(self).len() > self.most
                && let Some((_, id)) = of(self).first().copied()
            {
                self.forget(id);
                any = true;
            }
        }
        any
    }

    /// It is not to be forgotten then, whatever became of it.
    fn ends_not(&mut self, end: (Timestamp, Uuid)) {
        self.ends.remove(&end);
        self.ended.remove(&end);
    }

    fn ends(&self) -> &BTreeSet<(Timestamp, Uuid)> {
        &self.ends
    }

    fn ended(&self) -> &BTreeSet<(Timestamp, Uuid)> {
        &self.ended
    }

    fn forget(&mut self, id: Uuid) {
        let Some(known) = self.commands.remove(&id) else {
            return;
        };
        self.ends_not((known.until, id));
        let Some(about) = known.command else { return };
        self.begins.remove(&(about.good_from, id));
        if let Some(hers) = self.by_customer.get_mut(&about.customer) {
            hers.retain(|it| *it != id);
            if hers.is_empty() {
                self.by_customer.remove(&about.customer);
            }
        }
    }
}

impl Known {
    /// It is shown no more: nobody needs to wait for that, and what it shows is not kept.
    fn end(&mut self) {
        if let Some(about) = &mut self.command {
            about.page = None;
        }
        for waiting in self.waiting.drain(..) {
            // Whoever asked may have gone.
            let _ = waiting.send(());
        }
    }
}

/// What of a command a page is sent.
fn page(whole: &Value) -> Value {
    let shown = SHOWN.iter();
    let shown = shown.filter_map(|name| Some(((*name).to_owned(), whole.get(name)?.clone())));
    Value::Object(shown.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::send::command::Received;

    const AT: Timestamp = Timestamp(1_000_000);
    const DAY_MS: i64 = 86_400_000;

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    /// A command of this number to a customer, good for a second from `from` on.
    fn command(number: u128, customer: &str, from: Timestamp) -> Command {
        let whole = json!({
            "type": "treatment", "id": id(number), "customer": customer, "trigger": "opt-in", "channel": "onsite",
            "template": "code", "offer": {}, "data": { "code": "A" }, "good_from": from.to_string(),
            "valid_until": from.plus(1_000).to_string(), "addresses": { "email": "ana@example.com" },
            "evidence": { "events": [], "facts": {} },
        });
        match Received::read(whole.to_string().as_bytes()) {
            Ok(Received::Treatment(command)) => *command,
            other => panic!("{other:?}"),
        }
    }

    fn board(commands: &[(u128, &str)]) -> Board {
        let mut board = Board::new(100, DAY_MS);
        for (number, customer) in commands {
            assert!(!board.treatment(command(*number, customer, AT), AT));
        }
        board
    }

    fn open(board: &Board, customer: &str, now: Timestamp) -> Vec<u128> {
        let ids = [customer.to_owned()];
        let open = board.open(&ids, None, now);
        open.map(|(id, _)| id.as_u128()).collect()
    }

    fn updates(receiver: &mut mpsc::Receiver<Update>) -> Vec<(&'static str, u128)> {
        let next = || receiver.try_recv().ok();
        let updates = std::iter::from_fn(next);
        updates.map(|it| (it.event, it.id.as_u128())).collect()
    }

    #[test]
    fn a_command_is_shown_while_it_is_good_and_to_her_alone() {
        let board = board(&[(1, "ana"), (2, "ben"), (3, "ana")]);
        assert_eq!(open(&board, "ana", AT), [1, 3]);
        assert_eq!(open(&board, "ana", AT.plus(1_000)), [1, 3]);
        assert_eq!(open(&board, "ana", AT.plus(1_001)), []);
        assert_eq!(open(&board, "eva", AT), []);
        let ids = ["ana".to_owned(), "ben".to_owned()];
        assert_eq!(board.open(&ids, None, AT).count(), 3);
        assert_eq!(board.open(&ids, Some("pop-up"), AT).count(), 0);
        let (_, page) = board.open(&ids, Some("onsite"), AT).next().unwrap();
        assert_eq!(page["data"]["code"], "A");
        assert!(page.get("addresses").is_none() && page.get("evidence").is_none());
    }

    #[test]
    fn the_first_of_the_log_shows_it() {
        let mut board = board(&[(1, "ana")]);
        let mut waits = board.wait(id(1));
        board.shown(id(1), "tab", AT);
        board.shown(id(1), "phone", AT);
        assert_eq!(waits.try_recv(), Ok(()));
        let subject = board.subject(id(1)).unwrap();
        assert_eq!(subject.standing, Standing::Shown("tab".to_owned()));
        assert_eq!(open(&board, "ana", AT), []);
        // Nobody waits for what is decided.
        assert!(board.wait(id(1)).try_recv().is_err());
    }

    #[test]
    fn what_became_of_a_command_may_be_read_before_it() {
        let mut board = board(&[]);
        board.shown(id(1), "tab", AT);
        board.withdrawal(id(2), AT);
        assert_eq!(board.subject(id(1)), None);
        for number in [1, 2, 3] {
            board.treatment(command(number, "ana", AT), AT);
        }
        assert_eq!(open(&board, "ana", AT), [3]);
        assert_eq!(board.subject(id(2)).unwrap().standing, Standing::Withdrawn);
    }

    #[test]
    fn who_watches_is_told_what_changes() {
        let mut board = board(&[(1, "ana"), (2, "ben")]);
        let (open, mut hers) = board.watch(&["ana".to_owned()], None, AT).unwrap();
        assert_eq!(open.len(), 1);
        let (_, mut both) =
            { board.watch(&["ana".to_owned(), "ben".to_owned()], None, AT) }.unwrap();
        let (_, mut others) = { board.watch(&["ana".to_owned()], Some("pop-up"), AT) }.unwrap();
        board.treatment(command(3, "ana", AT), AT);
        board.treatment(command(4, "ana", AT.plus(500)), AT);
        board.shown(id(1), "tab", AT);
        board.shown(id(1), "phone", AT);
        board.withdrawal(id(1), AT);
        board.dismissed(id(1), AT);
        board.dismissed(id(2), AT);
        let told = [("treatment", 3), ("shown", 1), ("withdrawn", 1)];
        assert_eq!(updates(&mut hers), told);
        assert_eq!(updates(&mut both)[3..], [("dismissed", 2)]);
        assert_eq!(updates(&mut others), []);
        // Who lost her stream hears of what she may still have on her page.
        let (begin, _) = board.watch(&["ana".to_owned()], None, AT).unwrap();
        let begin: Vec<_> = begin.iter().map(|it| (it.event, it.id.as_u128())).collect();
        assert_eq!(begin, [("withdrawn", 1), ("treatment", 3)]);
        board.tick(AT.plus(499));
        assert_eq!(updates(&mut hers), []);
        board.tick(AT.plus(500));
        assert_eq!(updates(&mut hers), [("treatment", 4)]);
        board.close();
        assert_eq!(
            hers.try_recv(),
            Err(mpsc::error::TryRecvError::Disconnected)
        );
    }

    #[test]
    fn who_takes_nothing_is_cut_off_and_who_went_is_forgotten() {
        let mut board = board(&[]);
        let ids = ["ana".to_owned(), "a-17".to_owned()];
        let (_, slow) = board.watch(&ids, None, AT).unwrap();
        for number in 0..=limits::UPDATES as u128 {
            board.treatment(command(number, "ana", AT), AT);
        }
        assert_eq!(board.size().1, 0);
        let (_, mut next) = board.watch(&ids, None, AT).unwrap();
        drop(slow);
        board.treatment(command(1_000, "a-17", AT), AT);
        assert_eq!(updates(&mut next), [("treatment", 1_000)]);
        drop(next);
        board.tick(AT);
        assert_eq!((board.size().1, board.watched.len()), (0, 0));
        let many: Vec<_> = (0..=limits::STREAMS_OF_CUSTOMER)
            .map(|_| board.watch(&ids, None, AT))
            .collect();
        assert_eq!(board.size().1, limits::STREAMS_OF_CUSTOMER);
        assert!(many[limits::STREAMS_OF_CUSTOMER].is_none());
        drop(many);
        assert!(board.watch(&ids, None, AT).is_some());
    }

    #[test]
    fn what_has_ended_is_forgotten_and_there_is_a_most() {
        let mut board = board(&[(1, "ana"), (2, "ben")]);
        board.shown(id(9), "tab", AT);
        board.tick(AT.plus(1_000));
        assert_eq!(board.size().0, 3);
        board.tick(AT.plus(1_001));
        assert_eq!((board.size().0, board.by_customer.len()), (1, 0));
        board.tick(AT.plus(DAY_MS + 1));
        assert_eq!((board.size().0, board.ends.len()), (0, 0));
        for number in 0..150 {
            let customer = format!("c{number}");
            let from = AT.plus(i64::try_from(number).unwrap());
            let made_way = board.treatment(command(number, &customer, from), AT);
            assert_eq!(made_way, number >= 100);
        }
        assert_eq!((board.size().0, board.begins.len()), (100, 100));
        assert_eq!(open(&board, "c49", AT.plus(149)), []);
        assert_eq!(open(&board, "c50", AT.plus(149)), [50]);
        let mut board = Board::new(100, DAY_MS);
        for number in 200..=200 + limits::OF_CUSTOMER as u128 {
            board.treatment(command(number, "ana", AT), AT);
        }
        assert_eq!(open(&board, "ana", AT).len(), limits::OF_CUSTOMER);
        assert_eq!(open(&board, "ana", AT)[0], 201);
        // What was shown pushes out nothing that may be.
        let mut board = Board::new(2, DAY_MS);
        board.treatment(command(1, "ana", AT), AT);
        for number in 2..=9 {
            board.shown(id(number), "tab", AT.plus(i64::try_from(number).unwrap()));
        }
        assert_eq!((open(&board, "ana", AT), board.size().0), (vec![1], 3));
        // What nobody will ask for any more is not taken in.
        board.treatment(command(500, "eva", AT), AT.plus(1_001));
        assert_eq!(board.subject(id(500)), None);
    }
}
