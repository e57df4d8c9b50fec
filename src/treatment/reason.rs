//! Why a moment is not treated.

/// Why a moment is not treated, in the order in which it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The trigger is off.
    Off,
    /// Before the trigger's `from`, or not before its `until`.
    OutOfDates,
    /// The switch that stops all sending is on.
    SendingStopped,
    /// Decided later than `good_for` after the moment.
    Expired,
    /// The customer is not in the audience.
    Audience,
    /// The trigger has no treatments: it counts its moments.
    Counted,
    /// She is inside the journey, or may not enter it again.
    NotAgain,
    /// It begins a journey, of which the steps are decided each by itself.
    Entered,
    /// None of the treatments' conditions holds.
    NoTreatmentFits,
    /// No consent for the channel.
    NoConsent,
    /// No message reaches her by the channel.
    Unreachable,
    /// She is on a suppression list.
    Suppressed,
    /// It is in the digest of another moment.
    Digested,
    /// It is within the quiet hours of the channel.
    QuietHours,
    /// A cap is used up.
    Capped,
    /// Another moment of the same instant was more important.
    Outranked,
    /// Over everybody as many commands are sent by the channel as may be.
    SendRate,
    /// The customer is in the control group, which is sent nothing.
    ControlGroup,
    /// The customer is held out of this trigger.
    HeldOut,
    /// The trigger runs in shadow: everything was right, but nothing is sent.
    Shadow,
    /// What came true was undone while it was held.
    Withdrawn,
}

impl Reason {
    /// All reasons, in order.
    pub const ALL: [Self; 21] = [
        Self::Off,
        Self::OutOfDates,
        Self::SendingStopped,
        Self::Expired,
        Self::Audience,
        Self::Counted,
        Self::NotAgain,
        Self::Entered,
        Self::NoTreatmentFits,
        Self::NoConsent,
        Self::Unreachable,
        Self::Suppressed,
        Self::Digested,
        Self::QuietHours,
        Self::Capped,
        Self::Outranked,
        Self::SendRate,
        Self::ControlGroup,
        Self::HeldOut,
        Self::Shadow,
        Self::Withdrawn,
    ];

    /// Whether everything was right, and it is withheld all the same: the decision says what would have been sent.
    #[must_use]
    pub const fn withholds(self) -> bool {
        match self {
            Self::ControlGroup | Self::HeldOut | Self::Shadow => true,
            Self::Off
            | Self::OutOfDates
            | Self::SendingStopped
            | Self::Expired
            | Self::Audience
            | Self::Counted
            | Self::NotAgain
            | Self::Entered
            | Self::NoTreatmentFits
            | Self::NoConsent
            | Self::Unreachable
            | Self::Suppressed
            | Self::Digested
            | Self::QuietHours
            | Self::Capped
            | Self::Outranked
            | Self::SendRate
            | Self::Withdrawn => false,
        }
    }

    /// The word for it in decisions, metrics and scenarios.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::OutOfDates => "out_of_dates",
            Self::SendingStopped => "sending_stopped",
            Self::Expired => "expired",
            Self::Audience => "audience",
            Self::Counted => "counted",
            Self::NotAgain => "not_again",
            Self::Entered => "entered",
            Self::NoTreatmentFits => "no_treatment_fits",
            Self::NoConsent => "no_consent",
            Self::Unreachable => "unreachable",
            Self::Suppressed => "suppressed",
            Self::Digested => "digested",
            Self::QuietHours => "quiet_hours",
            Self::Capped => "capped",
            Self::Outranked => "outranked",
            Self::SendRate => "send_rate",
            Self::ControlGroup => "control_group",
            Self::HeldOut => "held_out",
            Self::Shadow => "shadow",
            Self::Withdrawn => "withdrawn",
        }
    }
}
