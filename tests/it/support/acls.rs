//! Rights at a test's broker, given and taken away by its own protocol, which is quicker than Kafka's script.

use std::ffi::{CString, c_char};
use std::ptr;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka_sys as sys;
use sys::rd_kafka_AclOperation_t as Operation;
use sys::rd_kafka_ResourcePatternType_t as Pattern;
use sys::rd_kafka_ResourceType_t as Resource;

use super::broker::KafkaBroker;

/// How long the broker may take to answer, ms.
const TIMEOUT_MS: i32 = 60_000;

/// One right: of whom, to do what, on what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    principal: String,
    /// `Read`, `Write` or `DescribeConfigs`.
    pub operation: String,
    /// `--topic`, `--group` or `--transactional-id`.
    pub kind: String,
    /// The name of it, or what it begins with.
    pub name: String,
    prefixed: bool,
}

impl Acl {
    /// The rights that a command of `kafka-acls` gives.
    pub fn of_command(line: &str) -> Vec<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let of = |flag: &str| {
            let pairs = words.windows(2).filter(|pair| pair[0] == flag);
            pairs.map(|pair| pair[1].to_owned()).collect::<Vec<_>>()
        };
        let kinds = ["--topic", "--group", "--transactional-id"];
        let kind = kinds.into_iter().find(|kind| words.contains(kind));
        let kind = kind.unwrap_or_else(|| panic!("{line}"));
        let operations = of("--operation").into_iter();
        operations
            .map(|operation| Self {
                principal: of("--allow-principal").remove(0),
                operation,
                kind: kind.to_owned(),
                name: of(kind).remove(0),
                prefixed: of("--resource-pattern-type") == ["prefixed"],
            })
            .collect()
    }

    fn operation(&self) -> Operation {
        match self.operation.as_str() {
            "Read" => Operation::RD_KAFKA_ACL_OPERATION_READ,
            "Write" => Operation::RD_KAFKA_ACL_OPERATION_WRITE,
            "DescribeConfigs" => Operation::RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS,
            other => panic!("an operation that is not known here: {other}"),
        }
    }

    fn resource(&self) -> Resource {
        match self.kind.as_str() {
            "--topic" => Resource::RD_KAFKA_RESOURCE_TOPIC,
            "--group" => Resource::RD_KAFKA_RESOURCE_GROUP,
            _ => Resource::RD_KAFKA_RESOURCE_TRANSACTIONAL_ID,
        }
    }

    fn pattern(&self) -> Pattern {
        match self.prefixed {
            true => Pattern::RD_KAFKA_RESOURCE_PATTERN_PREFIXED,
            false => Pattern::RD_KAFKA_RESOURCE_PATTERN_LITERAL,
        }
    }
}

impl KafkaBroker {
    /// Gives a right.
    pub fn give(&self, acl: &Acl) {
        self.change(acl, true);
    }

    /// Takes it away again.
    pub fn take(&self, acl: &Acl) {
        self.change(acl, false);
    }

    #[expect(
        unsafe_code,
        reason = "rdkafka does not wrap CreateAcls and DeleteAcls"
    )]
    fn change(&self, acl: &Acl, give: bool) {
        let client: BaseConsumer = self.client().create().expect("a client");
        let rk = client.client().native_ptr();
        let text = |text: &str| CString::new(text).expect("no zero in it");
        let (name, principal, host) = (text(&acl.name), text(&acl.principal), text("*"));
        let mut reason: [c_char; 256] = [0; 256];
        // SAFETY: the client and the texts outlive the calls, and everything made here is destroyed here.
        unsafe {
            let queue = sys::rd_kafka_queue_new(rk);
            let allow = sys::rd_kafka_AclPermissionType_t::RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW;
            // A filter is made of the same.
            let make = match give {
                true => sys::rd_kafka_AclBinding_new,
                false => sys::rd_kafka_AclBindingFilter_new,
            };
            let mut binding = make(
                acl.resource(),
                name.as_ptr(),
                acl.pattern(),
                principal.as_ptr(),
                host.as_ptr(),
                acl.operation(),
                allow,
                reason.as_mut_ptr(),
                reason.len(),
            );
            assert!(!binding.is_null(), "{acl:?}");
            match give {
                true => sys::rd_kafka_CreateAcls(rk, &raw mut binding, 1, ptr::null(), queue),
                false => sys::rd_kafka_DeleteAcls(rk, &raw mut binding, 1, ptr::null(), queue),
            }
            let event = sys::rd_kafka_queue_poll(queue, TIMEOUT_MS);
            assert!(!event.is_null(), "no answer: {acl:?}");
            let error = sys::rd_kafka_event_error(event);
            assert_eq!(error, sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR);
            sys::rd_kafka_event_destroy(event);
            sys::rd_kafka_AclBinding_destroy(binding);
            sys::rd_kafka_queue_destroy(queue);
        }
    }
}
