//! The shards at work: one where the files are read, or several beside that, each by a thread of its own.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Scope, ScopedJoinHandle};

use super::clock::Tick;
use super::shard::{Ended, Happening, Happenings, Heard, Shard};
use crate::event::Event;
use crate::table::rows::Told;
use crate::trigger::plan::Plan;

/// Batches that are read ahead of the shards: enough that none waits for another that has more to do, and some MB.
const AHEAD: usize = 4;

/// What is done with by all shards next.
pub(super) struct Batch {
    pub ticks: Vec<Tick>,
    /// What happens, by shard.
    pub happenings: Vec<Happenings>,
}

impl Batch {
    /// Nothing happens, to so many shards.
    pub fn new(shards: usize) -> Self {
        Self {
            ticks: Vec::new(),
            happenings: (0..shards).map(|_| Vec::new()).collect(),
        }
    }

    /// Something happens in a shard, at the tick that is told next.
    pub fn happens(&mut self, shard: usize, happening: Happening) {
        let tick = u32::try_from(self.ticks.len()).unwrap_or(u32::MAX);
        self.happenings[shard].push((tick, happening));
    }

    /// A row of a table is told.
    pub fn tells_all(&mut self, told: &Told) {
        for shard in 0..self.happenings.len() {
            self.happens(shard, Happening::Row(Box::new(told.clone())));
        }
    }

    /// Something happens to everybody.
    pub fn happens_to_all(&mut self, event: Event) {
        let event = Arc::new(event);
        for shard in 0..self.happenings.len() {
            self.happens(shard, Happening::Everybody(Arc::clone(&event)));
        }
    }
}

/// A shard at work by a thread of its own.
pub(super) struct Worker<'scope> {
    batches: Sender<(Arc<[Tick]>, Happenings)>,
    heard: Receiver<Heard>,
    thread: ScopedJoinHandle<'scope, Ended>,
}

/// All shards.
pub(super) enum Crew<'scope> {
    /// One, at work where it is told.
    Alone(Box<Shard>, VecDeque<Heard>),
    /// Several, or one beside who tells it; and how many batches they have been given and not been asked about.
    Beside(Vec<Worker<'scope>>, usize),
}

impl<'scope> Crew<'scope> {
    /// Nobody is there yet. By one thread, all is done where it is told.
    pub fn begin<'env>(
        scope: &'scope Scope<'scope, 'env>,
        plan: &Arc<Plan>,
        (threads, shards): (usize, usize),
    ) -> Self {
        if threads <= 1 {
            return Self::Alone(Box::new(Shard::new(plan, true)), VecDeque::new());
        }
        let begin = |number| {
            let shard = Shard::new(plan, number == 0);
            let (batches, given) = channel();
            let (told, heard) = channel();
            Worker {
                batches,
                heard,
                thread: scope.spawn(move || work(shard, &given, &told)),
            }
        };
        Self::Beside((0..shards).map(begin).collect(), 0)
    }

    /// Is told what is next.
    ///
    /// # Errors
    /// Where a thread is gone.
    pub fn give(&mut self, batch: Batch) -> io::Result<()> {
        let Batch { ticks, happenings } = batch;
        match self {
            Self::Alone(shard, heard) => {
                for happenings in happenings {
                    heard.extend(shard.goes_through(&ticks, happenings));
                }
            }
            Self::Beside(workers, ahead) => {
                let ticks: Arc<[Tick]> = ticks.into();
                for (worker, happenings) in workers.iter().zip(happenings) {
                    let batch = (Arc::clone(&ticks), happenings);
                    worker.batches.send(batch).map_err(gone)?;
                }
                *ahead += 1;
            }
        }
        Ok(())
    }

    /// What the shards heard in the next batch; none where there may be more ahead of them, or, of all, where nothing is.
    ///
    /// # Errors
    /// Where a thread is gone.
    pub fn hear(&mut self, all: bool) -> io::Result<Option<Vec<Heard>>> {
        match self {
            Self::Alone(_, heard) => Ok(heard.pop_front().map(|heard| vec![heard])),
            Self::Beside(workers, ahead) => {
                let most = if all { 0 } else { AHEAD };
                if *ahead <= most {
                    return Ok(None);
                }
                *ahead -= 1;
                let heard = workers.iter().map(|it| it.heard.recv().map_err(gone));
                heard.collect::<io::Result<Vec<_>>>().map(Some)
            }
        }
    }

    /// Nothing comes any more, and all that was heard was asked for.
    ///
    /// # Errors
    /// Where a thread is gone.
    pub fn end(self) -> io::Result<Vec<Ended>> {
        match self {
            Self::Alone(shard, _) => Ok(vec![shard.ends()]),
            Self::Beside(workers, _) => {
                let told = workers.into_iter().map(|worker| {
                    drop(worker.batches);
                    worker.thread
                });
                let threads: Vec<_> = told.collect();
                let ended = threads.into_iter().map(ScopedJoinHandle::join);
                ended.map(|it| it.map_err(gone)).collect()
            }
        }
    }
}

/// A shard at work, until nothing comes any more.
fn work(
    mut shard: Shard,
    given: &Receiver<(Arc<[Tick]>, Happenings)>,
    told: &Sender<Heard>,
) -> Ended {
    for (ticks, happenings) in given {
        let heard = shard.goes_through(&ticks, happenings);
        if heard.and_then(|heard| told.send(heard).ok()).is_none() {
            break;
        }
    }
    shard.ends()
}

fn gone<E>(_: E) -> io::Error {
    io::Error::other("a thread of the rehearsal is gone: that is a mistake of this program")
}
