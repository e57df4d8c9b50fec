//! One partition's fetched records, taken in batches on the thread that works on them.
//!
//! rdkafka's own partition queues hand out one message a call at 1.4 times the cost; so these few calls go to librdkafka. What
//! must stay true: a queue never outlives its consumer (it holds it), and no callback runs after the drop (librdkafka calls it
//! under the lock that disabling takes).

use std::ffi::{CStr, CString, c_void};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use rdkafka_sys as sys;

use crate::task::core::{Header, RawRecord};
use crate::time::Timestamp;

/// Wakes a thread that waits on a channel; many calls before it looks make one message.
#[derive(Debug)]
pub(super) struct Waker<T> {
    sender: Sender<T>,
    message: fn() -> T,
    pending: AtomicBool,
}

impl<T> Waker<T> {
    pub fn new(sender: Sender<T>, message: fn() -> T) -> Self {
        let pending = AtomicBool::new(false);
        Self {
            sender,
            message,
            pending,
        }
    }

    pub fn wake(&self) {
        if !self.pending.swap(true, Ordering::AcqRel) {
            // A thread that is gone needs no waking.
            let _ = self.sender.send((self.message)());
        }
    }

    /// To be said before looking at what there is.
    pub fn looked(&self) {
        self.pending.store(false, Ordering::Release);
    }
}

/// What came of one look into a queue.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub records: Vec<RawRecord>,
    /// What librdkafka had to say of the partition instead, and of which offset, where it says so.
    pub errors: Vec<(RDKafkaErrorCode, i64)>,
}

/// The queue of one partition.
pub(super) struct PartitionQueue<C: ConsumerContext + 'static> {
    consumer: Arc<BaseConsumer<C>>,
    queue: *mut sys::rd_kafka_queue_t,
    /// Kept for the callback, which borrows it.
    wake: Option<Box<Wake>>,
    messages: Vec<*mut sys::rd_kafka_message_t>,
}

type Wake = Box<dyn Fn() + Send + Sync>;

#[expect(
    unsafe_code,
    reason = "librdkafka's queues may be used from any thread, one at a time, which &mut self ensures"
)]
// SAFETY: as the reason says; the message pointers are only used within a call.
unsafe impl<C: ConsumerContext + 'static> Send for PartitionQueue<C> {}

/// Takes a partition's records out of the consumer's own queue; to be called before the partition is assigned.
#[expect(
    unsafe_code,
    reason = "rdkafka splits queues only of a consumer in an Arc, which a rebalance callback does not have"
)]
pub(super) fn split<C: ConsumerContext>(consumer: &BaseConsumer<C>, topic: &str, partition: i32) {
    let Ok(topic) = CString::new(topic) else {
        return;
    };
    // SAFETY: the client lives as long as `consumer`; the handle is destroyed here, the forwarding stays with the partition.
    unsafe {
        let queue = sys::rd_kafka_queue_get_partition(
            consumer.client().native_ptr(),
            topic.as_ptr(),
            partition,
        );
        if !queue.is_null() {
            sys::rd_kafka_queue_forward(queue, ptr::null_mut());
            sys::rd_kafka_queue_destroy(queue);
        }
    }
}

impl<C: ConsumerContext + 'static> PartitionQueue<C> {
    /// The queue of a partition that was [`split`]; `wake` is called when something comes into an empty one.
    pub fn new(
        consumer: Arc<BaseConsumer<C>>,
        topic: &str,
        partition: i32,
        wake: Option<Wake>,
    ) -> Option<Self> {
        let topic = CString::new(topic).ok()?;
        #[expect(unsafe_code, reason = "rdkafka's partition queue has no batches")]
        // SAFETY: the consumer is alive, and is kept so by the queue.
        let queue = unsafe {
            let queue = sys::rd_kafka_queue_get_partition(
                consumer.client().native_ptr(),
                topic.as_ptr(),
                partition,
            );
            if queue.is_null() {
                return None;
            }
            sys::rd_kafka_queue_forward(queue, ptr::null_mut());
            queue
        };
        let mut this = Self {
            consumer,
            queue,
            wake: wake.map(Box::new),
            messages: Vec::new(),
        };
        this.enable();
        Some(this)
    }

    /// The consumer that fills it.
    pub fn consumer(&self) -> &BaseConsumer<C> {
        &self.consumer
    }

    /// The next offset to be read, past markers and records that no reader sees; not known before the first record.
    pub fn position(&self, topic: &str, partition: i32) -> Option<i64> {
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition(topic, partition);
        #[expect(
            unsafe_code,
            reason = "rdkafka asks for the positions of a whole assignment only"
        )]
        // SAFETY: client and list are alive; librdkafka fills the offset in.
        unsafe {
            sys::rd_kafka_position(self.consumer.client().native_ptr(), list.ptr());
        }
        match list.elements().first()?.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        }
    }

    /// Where the partition ended when a fetch last came back, uncommitted records included; not known before the first. Nobody is
    /// asked: librdkafka keeps it.
    pub fn end(&self, topic: &str, partition: i32) -> Option<i64> {
        let topic = CString::new(topic).ok()?;
        let (mut low, mut high) = (-1, -1);
        #[expect(unsafe_code, reason = "rdkafka has no cached watermarks")]
        // SAFETY: the client and the name are alive; librdkafka fills the two offsets in.
        let error = unsafe {
            sys::rd_kafka_get_watermark_offsets(
                self.consumer.client().native_ptr(),
                topic.as_ptr(),
                partition,
                &raw mut low,
                &raw mut high,
            )
        };
        let known = error == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
        (known && high >= 0).then_some(high)
    }

    /// Takes up to `max` records, waiting for the first for up to `timeout_ms`.
    #[expect(unsafe_code, reason = "rdkafka's partition queue has no batches")]
    pub fn take(&mut self, max: usize, timeout_ms: i32) -> Batch {
        self.messages.resize(max, ptr::null_mut());
        // SAFETY: the array has room for `max` pointers.
        let count = unsafe {
            sys::rd_kafka_consume_batch_queue(
                self.queue,
                timeout_ms,
                self.messages.as_mut_ptr(),
                max,
            )
        };
        let count = usize::try_from(count).unwrap_or(0);
        let mut batch = Batch {
            records: Vec::with_capacity(count),
            errors: Vec::new(),
        };
        for message in &self.messages[..count] {
            // SAFETY: librdkafka gave `count` messages, which are ours until they are destroyed.
            unsafe {
                let error = (**message).err;
                if error == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                    batch.records.push(record(*message));
                } else {
                    batch.errors.push((error.into(), (**message).offset));
                }
                sys::rd_kafka_message_destroy(*message);
            }
        }
        batch
    }

    #[expect(unsafe_code, reason = "rdkafka's callback is on its own queues")]
    fn enable(&mut self) {
        if let Some(wake) = &self.wake {
            let opaque = ptr::from_ref::<Wake>(wake).cast_mut().cast::<c_void>();
            // SAFETY: the box does not move, and is dropped after the callback is disabled.
            unsafe { sys::rd_kafka_queue_cb_event_enable(self.queue, Some(non_empty), opaque) };
        }
    }
}

impl<C: ConsumerContext + 'static> Drop for PartitionQueue<C> {
    #[expect(unsafe_code, reason = "the handle came from librdkafka")]
    fn drop(&mut self) {
        // SAFETY: the handle is ours, and not used after this.
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(self.queue, None, ptr::null_mut());
            sys::rd_kafka_queue_destroy(self.queue);
        }
    }
}

#[expect(unsafe_code, reason = "librdkafka calls it")]
// SAFETY: librdkafka passes the opaque pointer that the callback was enabled with.
unsafe extern "C" fn non_empty(_: *mut sys::rd_kafka_t, opaque: *mut c_void) {
    // SAFETY: it points to the box of the queue, which disables the callback before it drops it.
    let wake = unsafe { &*opaque.cast::<Wake>() };
    wake();
}

/// Copies a message out of librdkafka's memory.
///
/// SAFETY: `message` must point to a message without an error.
#[expect(unsafe_code, reason = "fields of a C struct")]
unsafe fn record(message: *mut sys::rd_kafka_message_t) -> RawRecord {
    // SAFETY: the caller's promise; lengths belong to their pointers.
    unsafe {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        let appended = sys::rd_kafka_message_timestamp(message, &raw mut kind);
        RawRecord {
            offset: (*message).offset,
            appended: Timestamp(appended),
            unreadable: None,
            stamped: kind == sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME,
            key: bytes((*message).key, (*message).key_len),
            value: bytes((*message).payload, (*message).len),
            headers: headers(message),
        }
    }
}

/// SAFETY: `at` must be null or point to `length` bytes.
#[expect(unsafe_code, reason = "bytes in C's memory")]
unsafe fn bytes(at: *const c_void, length: usize) -> Option<Vec<u8>> {
    // SAFETY: the caller's promise.
    (!at.is_null()).then(|| unsafe { std::slice::from_raw_parts(at.cast::<u8>(), length) }.to_vec())
}

/// librdkafka makes a list even where a record has no headers, for it looks at the bytes they take, and their count is a byte; it
/// has no call that tells without.
///
/// SAFETY: `message` must point to a message.
#[expect(unsafe_code, reason = "headers are read by calls into librdkafka")]
unsafe fn headers(message: *const sys::rd_kafka_message_t) -> Vec<Header> {
    let mut all = ptr::null_mut();
    let mut found = Vec::new();
    // SAFETY: the list, names and values belong to the message, which outlives this call.
    unsafe {
        if sys::rd_kafka_message_headers(message, &raw mut all)
            != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
        {
            return found;
        }
        let (mut name, mut value, mut length) = (ptr::null(), ptr::null(), 0);
        while sys::rd_kafka_header_get_all(
            all,
            found.len(),
            &raw mut name,
            &raw mut value,
            &raw mut length,
        ) == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
        {
            let text = CStr::from_ptr(name).to_string_lossy().into_owned();
            found.push((text, bytes(value, length)));
        }
    }
    found
}
