//! Delivers by e-mail: one message a command, to a mail server that takes it for delivery.

use std::error::Error as _;
use std::fs;
use std::io;
use std::path::Path;

use lettre::address::Envelope;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::{Error, PoolConfig};
use lettre::{Address, SmtpTransport, Transport as _};
use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address as Party;

use super::SendError;
use super::attempt::{Attempt, Carrier};
use super::command::Command;
use super::template::Message;
use crate::config::send::{Encryption, Smtp, mailbox};
use crate::runtime::clock;

/// Replies to how this sender comes in, which say nothing of the message.
const ENTRY: [&str; 9] = [
    "500", "502", "503", "504", "521", "530", "534", "535", "538",
];
/// Replies that may be to her address, to us, or to all that we send, where no enhanced code says which: many servers say so what
/// they think of a network or a sender, and 554 greets whom they talk to no more.
const VAGUE: [&str; 4] = ["550", "551", "553", "554"];
/// Enhanced codes (RFC 3463) of addresses at which nobody is: 5.1.x, but what is said of the sender's own, and 5.2.1.
const NOBODY: [&str; 6] = ["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"];
/// Enhanced codes of what somebody has to mend here: the sender's address, a server that is set up wrongly.
const OURS: [&str; 4] = ["5.1.7", "5.1.8", "5.3.2", "5.3.5"];
/// What those of policy and of logging in begin with: whether this sender may.
const POLICY: &str = "5.7.";

/// A mail server.
pub struct Mailer {
    transport: SmtpTransport,
    from: Mailbox,
    reply_to: Option<Mailbox>,
}

/// Who writes, and who is answered.
struct Mailbox {
    name: Option<String>,
    address: Address,
}

impl Mailbox {
    fn read(text: &str) -> Result<Self, SendError> {
        let (name, address) = mailbox(text).map_err(SendError::Settings)?;
        let name = name.map(str::to_owned);
        Ok(Self { name, address })
    }

    fn party(&self) -> Party<'_> {
        Party::new_address(self.name.as_deref(), self.address.to_string())
    }
}

impl Mailer {
    /// Nothing is sent yet. `parallel` connections at most.
    ///
    /// # Errors
    /// Where a file cannot be read, or is none of certificates.
    pub fn new(smtp: &Smtp, parallel: usize) -> Result<Self, SendError> {
        let (tls, port) = match smtp.encryption {
            Encryption::Starttls => (Tls::Required(tls(smtp)?), 587),
            Encryption::Tls => (Tls::Wrapper(tls(smtp)?), 465),
            Encryption::None => (Tls::None, 25),
        };
        let most = u32::try_from(parallel).unwrap_or(u32::MAX);
        let mut transport = SmtpTransport::builder_dangerous(&smtp.host)
            .tls(tls)
            .port(if smtp.port == 0 { port } else { smtp.port })
            .timeout(Some(smtp.timeout()))
            .pool_config(PoolConfig::new().max_size(most));
        if !smtp.user.is_empty() {
            let password = match smtp.password_file == Path::new("") {
                true => smtp.password.0.clone(),
                false => super::read(&smtp.password_file)?,
            };
            transport = transport.credentials(Credentials::new(smtp.user.clone(), password));
        }
        Ok(Self {
            transport: transport.build(),
            from: Mailbox::read(&smtp.from)?,
            reply_to: match smtp.reply_to.as_str() {
                "" => None,
                text => Some(Mailbox::read(text)?),
            },
        })
    }

    /// The message as it goes out. By its `Message-ID` one that comes twice is known.
    fn mail(&self, to: &Address, command: &Command, message: &Message) -> io::Result<Vec<u8>> {
        let mut mail = MessageBuilder::new()
            .from(self.from.party())
            .to(to.to_string())
            .message_id(format!("{}@{}", command.id, self.from.address.domain()))
            .date(clock().0.div_euclid(1_000))
            .subject(message.subject.clone().unwrap_or_default());
        if let Some(reply_to) = &self.reply_to {
            mail = mail.reply_to(reply_to.party());
        }
        if let Some(text) = &message.text {
            mail = mail.text_body(text);
        }
        if let Some(html) = &message.html {
            mail = mail.html_body(html);
        }
        mail.write_to_vec()
    }

    fn sent(&self, to: Address, command: &Command, message: &Message) -> Attempt {
        let address = to.to_string();
        let mail = self.mail(&to, command, message);
        let from = self.from.address.clone();
        match (mail, Envelope::new(Some(from), vec![to])) {
            (Err(error), _) => Attempt::Later(error.to_string(), None),
            (_, Err(error)) => Attempt::Later(error.to_string(), None),
            (Ok(mail), Ok(envelope)) => match self.transport.send_raw(&envelope, &mail) {
                Ok(_) => Attempt::Delivered,
                Err(error) => judged(&error, &address),
            },
        }
    }
}

impl Carrier for Mailer {
    fn deliver(&self, command: &Command, message: Option<&Message>) -> Attempt {
        let Some(address) = command.addresses.get("email") else {
            let why = "the command has no address `email`; [policy] address_required refuses such moments";
            return Attempt::Refused(why.to_owned());
        };
        let Ok(to) = address.parse() else {
            return Attempt::Bounced("her address is none".to_owned());
        };
        let Some(message) = message else {
            return Attempt::Later("there is no message".to_owned(), None);
        };
        self.sent(to, command, message)
    }

    fn needs_message(&self) -> bool {
        true
    }
}

/// What an error means for the command. Her address is not told.
fn judged(error: &Error, address: &str) -> Attempt {
    let detail = error.source().map_or(String::new(), ToString::to_string);
    let said = match error.to_string() {
        said if said.contains(&detail) => said,
        said => format!("{said}: {detail}"),
    };
    let why = without(&said, address);
    match error.status() {
        Some(code) if error.is_permanent() => refused(&code.to_string(), why),
        _ => Attempt::Later(why, None),
    }
}

/// A text in which an address is not told, in whatever case it stands there.
fn without(said: &str, address: &str) -> String {
    // Of the same length, byte for byte.
    let (lower, address) = (said.to_ascii_lowercase(), address.to_ascii_lowercase());
    let (mut told, mut from) = (String::new(), 0);
    for (at, found) in lower.match_indices(&address) {
        told.push_str(&said[from..at]);
        told.push_str("her address");
        from = at + found.len();
    }
    told.push_str(&said[from..]);
    told
}

/// What a reply of the 500s means. What may be our own fault is tried again: it would be that of every message.
fn refused(code: &str, why: String) -> Attempt {
    let words = why.split(|c: char| !c.is_ascii_digit() && c != '.');
    let mut words = words.map(|word| word.trim_end_matches('.'));
    let enhanced = words.find(|word| word.starts_with("5.") && word.matches('.').count() == 2);
    let is_ours = match enhanced {
        Some(enhanced) => OURS.contains(&enhanced) || enhanced.starts_with(POLICY),
        None => VAGUE.contains(&code),
    };
    if is_ours || ENTRY.contains(&code) {
        return Attempt::Later(why, None);
    }
    match enhanced.is_some_and(|enhanced| NOBODY.contains(&enhanced)) {
        true => Attempt::Bounced(why),
        false => Attempt::Refused(why),
    }
}

fn tls(smtp: &Smtp) -> Result<TlsParameters, SendError> {
    let wrong = |error: Error| SendError::Settings(format!("ca_file: {error}"));
    let mut builder = TlsParameters::builder(smtp.host.clone());
    if smtp.ca_file != Path::new("") {
        let pem = fs::read(&smtp.ca_file).map_err(|error| SendError::file(&smtp.ca_file, error))?;
        let certificate = Certificate::from_pem(&pem).map_err(wrong)?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build().map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::super::command::tests::command;
    use super::*;

    /// A reply, and what becomes of the command.
    #[test]
    fn only_what_is_said_of_the_address_is_a_bounce() {
        for (code, said, expected) in [
            ("550", "5.1.1 no such user", "bounced"),
            ("550", "5.1.1. No such user.", "bounced"),
            ("553", "5.1.3 bad address", "bounced"),
            ("550", "5.2.1 mailbox disabled", "bounced"),
            ("550", "no such user", "later"),
            ("551", "user not local", "later"),
            ("553", "not one of your addresses", "later"),
            ("550", "203.0.113.7 is listed", "later"),
            ("554", "no SMTP service here", "later"),
            ("521", "no mail here", "later"),
            ("554", "5.7.1 relay access denied", "later"),
            ("550", "5.7.54 unable to relay", "later"),
            (
                "553",
                "5.1.8 your sender's domain does not resolve",
                "later",
            ),
            ("535", "5.7.8 authentication failed", "later"),
            ("530", "5.7.0 must issue STARTTLS first", "later"),
            ("552", "5.3.4 message too big", "refused"),
            ("552", "too big", "refused"),
            ("554", "5.6.0 not a message", "refused"),
        ] {
            let word = match refused(code, format!("permanent error ({code}): {said}")) {
                Attempt::Bounced(_) => "bounced",
                Attempt::Refused(_) => "refused",
                Attempt::Later(..) => "later",
                Attempt::Delivered => "delivered",
            };
            assert_eq!(word, expected, "{said}");
        }
    }

    #[test]
    fn her_address_is_not_told_in_any_case() {
        for (said, expected) in [
            ("no ana@example.com", "no her address"),
            (
                "<Ana@Example.COM>: é, ANA@EXAMPLE.com!",
                "<her address>: é, her address!",
            ),
            ("no such user", "no such user"),
        ] {
            assert_eq!(without(said, "ana@Example.com"), expected);
        }
    }

    #[test]
    fn a_message_is_known_by_its_command() {
        let smtp = Smtp {
            host: "localhost".to_owned(),
            encryption: Encryption::None,
            from: "Shop <shop@example.com>".to_owned(),
            reply_to: "help@example.com".to_owned(),
            ..Smtp::default()
        };
        let mailer = Mailer::new(&smtp, 1).unwrap();
        let message = Message {
            subject: Some("Tee für Ana".to_owned()),
            text: Some("Hello".to_owned()),
            html: Some("<p>Hello</p>".to_owned()),
        };
        let to = "ana@example.com".parse().unwrap();
        let mail = mailer.mail(&to, &command(7), &message).unwrap();
        let text = String::from_utf8(mail).unwrap();
        for line in [
            "Message-ID: <00000000-0000-0000-0000-000000000007@example.com>",
            "From: \"Shop\" <shop@example.com>",
            "To: <ana@example.com>",
            "Reply-To: <help@example.com>",
            "Content-Type: multipart/alternative;",
            "Subject: =?utf-8?",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }
}
