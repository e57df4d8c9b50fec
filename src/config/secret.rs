//! What must not be shown.

/// Whether a property's value must not be shown: what is not known to be harmless by its name.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [
        "password",
        "passphrase",
        "secret",
        "token",
        "credential",
        "pem",
        "private",
        "jaas",
        "username",
        "oauthbearer.config",
        "oauthbearer_config",
    ]
    .into_iter()
    .any(|word| name.contains(word))
}

/// Whether an address holds who asks, and so most likely her password: `https://user:password@host`.
#[must_use]
pub fn holds_login(address: &str) -> bool {
    let authority = address.split_once("://").map(|(_, rest)| rest);
    let authority = authority.and_then(|rest| rest.split(['/', '?', '#']).next());
    authority.is_some_and(|authority| authority.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_librdkafka_takes_for_sensitive_is_secret() {
        for name in [
            "sasl.username",
            "sasl.password",
            "ssl.key.pem",
            "ssl.key.password",
            "ssl.keystore.password",
            "sasl.oauthbearer.config",
            "sasl.oauthbearer.client.secret",
            "sasl.oauthbearer.client.credentials.client.secret",
            "sasl.oauthbearer.assertion.private.key.file",
            "sasl.oauthbearer.assertion.private.key.passphrase",
            "sasl.oauthbearer.assertion.private.key.pem",
            "sasl.jaas.config",
            "MOMENTS__KAFKA__PROPERTIES__SASL_PASSWORD",
            "MOMENTS__KAFKA__PROPERTIES__SASL_OAUTHBEARER_CONFIG",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "compression.type",
            "security.protocol",
            "sasl.mechanism",
            "http.listen",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn a_login_is_seen_in_an_address() {
        for (address, holds) in [
            ("https://user:password@host:8081/path", true),
            ("http://user@host", true),
            ("http://host/path@version", false),
            ("http://host?who=a@b", false),
            ("host:9092", false),
        ] {
            assert_eq!(holds_login(address), holds, "{address}");
        }
    }
}
