//! The addresses at which a customer can be reached, by what they are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an address is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Address {
    /// An e-mail address.
    Email,
    /// A telephone number.
    Phone,
    /// The token of a device.
    PushToken,
    /// A postal address.
    Postal,
}

impl Address {
    /// Each, in the order in which commands carry them.
    pub const ALL: [Self; 4] = [Self::Email, Self::Phone, Self::PushToken, Self::Postal];

    /// The word for it in commands, in the profile and in the policy.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::PushToken => "push_token",
            Self::Postal => "postal",
        }
    }
}
