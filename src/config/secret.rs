//! What must not be shown.

/// Whether a property's value must not be shown: what is not known to be harmless by its name.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    [
        "password",
        "secret",
        "token",
        "credential",
        "pem",
        "jaas",
        "username",
        "oauthbearer.config",
    ]
    .into_iter()
    .any(|word| name.contains(word))
}
