//! Transactions of several tasks, committed as one: a commit costs the same however much is in it.
//!
//! Whatever goes with it, a task's transaction happens whole or not at all; so those that wait may be put together as they come. What
//! must stay true: those that go together were assigned together, as one answer of the group lets all of them through or none; and
//! what fails by itself does not take others with it again and again: of those that failed together each goes alone next.

use std::collections::{BTreeSet, VecDeque};

/// The transactions that wait for a producer, at most one a task.
#[derive(Debug)]
pub struct Batches<T> {
    waiting: VecDeque<Waiting<T>>,
    /// Tasks whose last transaction failed.
    suspects: BTreeSet<i32>,
}

#[derive(Debug)]
struct Waiting<T> {
    task: i32,
    assignment: u64,
    transaction: T,
}

impl<T> Default for Batches<T> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            suspects: BTreeSet::new(),
        }
    }
}

impl<T> Batches<T> {
    /// A task, by its partition, has a transaction; `assignment` is the number of the assignment that it was given in.
    pub fn push(&mut self, task: i32, assignment: u64, transaction: T) {
        self.waiting.push_back(Waiting {
            task,
            assignment,
            transaction,
        });
    }

    /// A task starts over: what waits of it is void.
    pub fn withdraw(&mut self, task: i32) {
        self.waiting.retain(|waiting| waiting.task != task);
    }

    /// What goes next, in the order it came: what waits longest, and all that may go with it. Empty where nothing waits.
    pub fn take(&mut self) -> Vec<(i32, T)> {
        let Some(first) = self.waiting.pop_front() else {
            return Vec::new();
        };
        let (task, assignment) = (first.task, first.assignment);
        let mut batch = vec![(task, first.transaction)];
        if self.suspects.contains(&task) {
            return batch;
        }
        for waiting in std::mem::take(&mut self.waiting) {
            if waiting.assignment == assignment && !self.suspects.contains(&waiting.task) {
                batch.push((waiting.task, waiting.transaction));
            } else {
                self.waiting.push_back(waiting);
            }
        }
        batch
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How a task's transaction ended; not to be said where it was fenced, which is no fault of what is in it.
    pub fn ended(&mut self, task: i32, committed: bool) {
        if committed {
            self.suspects.remove(&task);
        } else {
            self.suspects.insert(task);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Carries a script out: `1@7` is a transaction of task 1 of assignment 7, `ok 1`, `failed 1` and `withdraw 1` are said of it,
    /// `take` is answered by the tasks that go together.
    fn run(script: &str) -> String {
        let mut batches = Batches::default();
        let mut taken = Vec::new();
        let number = |text: &str| text.parse::<i32>().expect("a number");
        for line in script.split(';') {
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["take"] => {
                    let tasks = batches
                        .take()
                        .into_iter()
                        .map(|(task, ())| task.to_string());
                    taken.push(tasks.collect::<Vec<_>>().join("+"));
                }
                ["ok", task] => batches.ended(number(task), true),
                ["failed", task] => batches.ended(number(task), false),
                ["withdraw", task] => batches.withdraw(number(task)),
                [pushed] => {
                    let (task, assignment) = pushed.split_once('@').expect("task@assignment");
                    batches.push(number(task), assignment.parse().expect("a number"), ());
                }
                ref other => panic!("{other:?}"),
            }
        }
        taken.join(" ")
    }

    #[test]
    fn what_may_go_together_does() {
        for (what, script, expected) in [
            ("nothing", "take", ""),
            ("all that wait", "1@1; 3@1; 2@1; take; take", "1+3+2 "),
            (
                "who started over does not",
                "1@1; 2@1; withdraw 1; take",
                "2",
            ),
            (
                "only of one assignment",
                "1@1; 2@2; 3@1; 4@2; take; take",
                "1+3 2+4",
            ),
            (
                "those that failed together alone",
                "1@1; 2@1; 3@1; take; failed 1; failed 2; failed 3; 1@1; 2@1; 3@1; 4@1; take; take; take; take",
                "1+2+3 1 2 3 4",
            ),
            (
                "one that goes on failing never with others",
                "failed 1; failed 2; 1@1; 2@1; 3@1; take; failed 1; take; ok 2; take; 2@1; 1@1; 3@1; take; take",
                "1 2 3 2+3 1",
            ),
            (
                "together again once it is mended",
                "failed 1; 1@1; take; ok 1; 1@1; 2@1; take",
                "1 1+2",
            ),
        ] {
            assert_eq!(run(script), expected, "{what}");
        }
    }
}
