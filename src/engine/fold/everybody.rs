//! What happened to everybody, shown to one customer.

use super::super::customer::Customer;
use super::super::waiting::Waiting;
use super::{Came, Fold};
use crate::event::Event;
use crate::moment::States;
use crate::policy::{self, Asked, Past};
use crate::profile::{Profile, Settled, TailEvent};
use crate::stored::Lazy;

impl Fold<'_> {
    /// Shows what happened to everybody to a customer, as she is known up to then. `outside`: for how many each trigger is not, in
    /// the order of the plan's.
    pub fn broadcast(&mut self, customer: &mut Customer, event: &Event, outside: &mut [u64]) {
        let Customer {
            profile: Profile { settled, tail },
            states,
            waiting,
            ..
        } = customer;
        let at = tail
            .events()
            .partition_point(|tail| tail.event.order() < event.order());
        let (before, ahead) = tail.events().split_at(at);
        let known = |settled: &Settled| settled.presence.last_seen.is_some();
        let stays = self.passes(settled) > event.time;
        if before.is_empty() && stays && self.plan.expiry(settled) >= event.time {
            if known(settled) {
                self.apply_to((settled, waiting), event, ahead, outside);
            }
            return;
        }
        let mut view = self.seen(settled, states, before);
        self.expire(&mut view, event.time);
        self.plan.pass(&mut view.settled, event.time);
        if known(&view.settled) {
            self.apply_to((&mut view.settled, waiting), event, ahead, outside);
        }
        view.settled.swap_sent(settled);
    }

    /// Decides what a broadcast makes true for a customer who is in the audience.
    fn apply_to(
        &mut self,
        (settled, waiting): (&mut Settled, &mut Lazy<Waiting>),
        event: &Event,
        ahead: &[TailEvent],
        outside: &mut [u64],
    ) {
        let plan = self.plan;
        let asks = plan.broadcast(event.name).any(|it| it.uses_previous);
        // Nothing of it enters her profile.
        let previous = asks.then(|| settled.clone());
        let mut came = Vec::new();
        for trigger in plan.broadcast(event.name) {
            let mut nothing = States::default();
            let found = plan.shows(trigger, event, settled, previous.as_ref(), &mut nothing);
            let Some(moment) = found.moment else { continue };
            let cause = Some((event, previous.as_ref()));
            let asked = Asked {
                trigger,
                moment,
                cause,
                past: Past::default(),
                step: None,
            };
            if policy::is_in_audience(plan, settled, ahead, &asked, self.now) {
                came.push(Came {
                    cause,
                    ..Came::new(trigger, asked.moment)
                });
            } else if let Some(rank) = plan.rank(trigger.key) {
                outside[rank] += 1;
            }
        }
        self.decide(came, (settled, waiting), ahead, self.now);
        self.go_on_at_once((settled, waiting), ahead, event.time);
    }
}
