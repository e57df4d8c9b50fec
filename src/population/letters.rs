//! The shop's newsletter: delivered, opened, clicked, or the last she wants.

use serde::Serialize;
use serde_json::json;

use super::World;
use super::calls::Teller;
use super::days;
use super::person::{Channel, Person};
use crate::config::InputKind;
use crate::time::Timestamp;

/// Of those who get one, so many open it; of those who do not come any more, fewer.
const OPENS: f64 = 0.22;
const OPENS_GONE: f64 = 0.04;
/// Of those who open it, so many click; they come by then.
const CLICKS: f64 = 0.12;
/// Of those who get one, so many want no more.
const UNSUBSCRIBES: f64 = 0.004;
/// It cannot be delivered.
const BOUNCES: f64 = 0.005;

#[derive(Serialize)]
struct LetterOf<'a> {
    campaign_id: &'a str,
    email_id: &'a str,
    email_subject: &'static str,
}

impl Person {
    /// Gets the newsletter of `at`, in her inbox or on her phone.
    pub(super) fn letter(&mut self, at: Timestamp, world: &World, tell: &mut Teller<'_>) {
        self.next_letter = None;
        if !self.agrees(Channel::Email) {
            return;
        }
        self.next_letter = Some(world.letter_after(at, &mut self.dice));
        let campaign = compact_str::format_compact!("newsletter-{}", world.letter_number(at));
        let id = compact_str::format_compact!("{campaign}-{}", self.number);
        let of = LetterOf {
            campaign_id: &campaign,
            email_id: &id,
            email_subject: "New this week",
        };
        if self.dice.chance(BOUNCES) {
            tell.track(at, InputKind::Outcomes, "Email Bounced", &of);
            return;
        }
        tell.track(at, InputKind::Outcomes, "Email Delivered", &of);
        if self.dice.chance(UNSUBSCRIBES) {
            let at = at.plus(days(self.dice.waiting(0.2)));
            self.withdraw(at, Channel::Email, "email", tell);
            let of = json!({ "channel": "email", "email_id": id });
            tell.track(at, InputKind::Outcomes, "Unsubscribed", &of);
            return;
        }
        let here = at < self.gone && self.next_visit.is_some();
        if !self.dice.chance(if here { OPENS } else { OPENS_GONE }) {
            return;
        }
        let opened = at.plus(days(self.dice.waiting(0.25)));
        tell.track(opened, InputKind::Outcomes, "Email Opened", &of);
        if here && self.dice.chance(CLICKS) {
            let clicked = self.later(opened, 5.0, 60.0);
            tell.track(clicked, InputKind::Outcomes, "Email Link Clicked", &of);
            let comes = clicked.plus(1_000).max(self.busy_until);
            self.next_visit = self.next_visit.map(|visit| visit.min(comes));
        }
    }
}
