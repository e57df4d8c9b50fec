import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.atomic.*;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.processor.*;
import org.apache.kafka.streams.processor.api.*;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.*;
import peer.*;

/**
 * The workload's three rules in Kafka Streams: exactly once, a commit each 100 ms, stores in
 * memory.
 *
 * <p>Arguments: prefix of the topics that come in, topic of commands, application id, folder for
 * state. -Dbootstrap=host:port.
 */
public class StreamsJob {
  static final long GRACE = 60_000, HALF_HOUR = 1_800_000, DAY = 86_400_000;
  static final AtomicBoolean first = new AtomicBoolean();

  static long cpu() {
    return ((com.sun.management.OperatingSystemMXBean)
                java.lang.management.ManagementFactory.getOperatingSystemMXBean())
            .getProcessCpuTime()
        / 1_000_000;
  }

  static void log(String s) {
    System.out.println(s + " t=" + System.currentTimeMillis() + " cpu_ms=" + cpu());
    System.out.flush();
  }

  static final class EvSerde implements Deserializer<Ev> {
    final Parse p = new Parse();

    public Ev deserialize(String t, byte[] b) {
      return b == null ? null : p.parse(b);
    }
  }

  public static final class Ts implements TimestampExtractor {
    public long extract(
        org.apache.kafka.clients.consumer.ConsumerRecord<Object, Object> r, long pt) {
      return ((Ev) r.value()).ts;
    }
  }

  // profile layout (84 bytes, fixed offsets)
  static final int VIEWS = 0,
      SEEN = 4,
      CART_DL = 12,
      LAST_ADD = 20,
      CART_ENTRY = 28,
      LAST_ORDER = 36,
      LAST_DAY = 44,
      N = 48,
      S = 52,
      Q = 56,
      FREQ_DUE = 64,
      FREQ_ENTRY = 72,
      SIZE = 80;

  static final class Proc implements Processor<byte[], Ev, byte[], byte[]> {
    ProcessorContext<byte[], byte[]> ctx;
    KeyValueStore<byte[], byte[]> prof;
    KeyValueStore<byte[], byte[]> dl;
    long scanFrom = 0;

    public void init(ProcessorContext<byte[], byte[]> c) {
      ctx = c;
      prof = c.getStateStore("profiles");
      dl = c.getStateStore("deadlines");
      c.schedule(Duration.ofSeconds(60), PunctuationType.STREAM_TIME, this::fire);
    }

    static byte[] key(long due, char type, byte[] u) {
      ByteBuffer b = ByteBuffer.allocate(9 + u.length);
      b.putLong(due);
      b.put((byte) type);
      b.put(u);
      return b.array();
    }

    static final byte[] EMPTY = new byte[] {1};

    void entry(long due, char type, byte[] u) {
      dl.put(key(due, type, u), EMPTY);
      if (due < scanFrom) scanFrom = due;
    }

    void emit(String type, byte[] u, String us, long due, String id, long ts) {
      ctx.forward(
          new Record<>(
              u,
              Parse.cmd(
                  type, us != null ? us : new String(u, StandardCharsets.ISO_8859_1), due, id),
              ts));
    }

    public void process(Record<byte[], Ev> r) {
      if (!first.get() && first.compareAndSet(false, true)) log("FIRST_RECORD");
      Ev e = r.value();
      byte[] u = r.key();
      if (e.kind == Ev.OTHER) return; // tick: only advances stream time
      byte[] v = prof.get(u);
      if (v == null) v = new byte[SIZE];
      else v = v.clone(); // the in-memory store / cache hands out its own array
      ByteBuffer b = ByteBuffer.wrap(v);
      long t = e.ts;
      if (t > b.getLong(SEEN)) b.putLong(SEEN, t);
      switch (e.kind) {
        case Ev.VIEW:
          b.putInt(VIEWS, b.getInt(VIEWS) + 1);
          break;
        case Ev.ADD:
          {
            if (b.getLong(LAST_ORDER) >= t) break; // out of order: already bought
            long d = b.getLong(CART_DL);
            if (d != 0 && t >= d) {
              emit("cart", u, e.userId, d, null, t);
            }
            long nd = Math.max(t + HALF_HOUR, d != 0 && t < d ? d : 0);
            b.putLong(CART_DL, nd);
            b.putLong(LAST_ADD, Math.max(t, b.getLong(LAST_ADD)));
            if (b.getLong(CART_ENTRY) == 0) {
              entry(nd, 'c', u);
              b.putLong(CART_ENTRY, nd);
            } // lazy renewal: one entry per customer
            break;
          }
        case Ev.ORDER:
          {
            long d = b.getLong(CART_DL);
            if (d != 0 && t >= b.getLong(LAST_ADD) && t < d) b.putLong(CART_DL, 0);
            b.putLong(LAST_ORDER, Math.max(t, b.getLong(LAST_ORDER)));
            int day = (int) (t / DAY), last = b.getInt(LAST_DAY);
            if (day > last) {
              long due = b.getLong(FREQ_DUE);
              if (due != 0 && t >= due) emit("freq", u, e.userId, due, null, t);
              b.putLong(FREQ_DUE, 0);
              b.putInt(LAST_DAY, day);
              if (last != 0) {
                int g = day - last;
                int n = b.getInt(N) + 1, s = b.getInt(S) + g;
                long q = b.getLong(Q) + (long) g * g;
                b.putInt(N, n);
                b.putInt(S, s);
                b.putLong(Q, q);
                if (n >= 4) {
                  long nd = Parse.freqDue(day, n, s, q);
                  b.putLong(FREQ_DUE, nd);
                  long en = b.getLong(FREQ_ENTRY);
                  if (en == 0 || nd < en) {
                    entry(nd, 'f', u);
                    b.putLong(FREQ_ENTRY, nd);
                  }
                }
              }
            }
            break;
          }
        case Ev.TICKET:
          if (e.urgent) emit("urgent", u, e.userId, t, e.messageId, t);
          break;
      }
      prof.put(u, v);
    }

    void fire(long streamTime) {
      long bound = streamTime - GRACE;
      if (bound <= scanFrom) return;
      List<byte[]> due = null;
      try (KeyValueIterator<byte[], byte[]> it =
          dl.range(key(scanFrom, (char) 0, new byte[0]), key(bound, (char) 255, new byte[0]))) {
        while (it.hasNext()) {
          if (due == null) due = new ArrayList<>();
          due.add(it.next().key);
        }
      }
      scanFrom = bound;
      if (due == null) return;
      for (byte[] k : due) {
        dl.delete(k);
        ByteBuffer kb = ByteBuffer.wrap(k);
        long at = kb.getLong();
        boolean cart = kb.get() == 'c';
        byte[] u = Arrays.copyOfRange(k, 9, k.length);
        byte[] v = prof.get(u);
        if (v == null) continue;
        v = v.clone();
        ByteBuffer b = ByteBuffer.wrap(v);
        int DL = cart ? CART_DL : FREQ_DUE, EN = cart ? CART_ENTRY : FREQ_ENTRY;
        if (b.getLong(EN) != at) continue; // stale
        long d = b.getLong(DL);
        if (d != 0 && d <= bound) {
          emit(cart ? "cart" : "freq", u, null, d, null, streamTime);
          b.putLong(DL, 0);
          b.putLong(EN, 0);
        } else if (d != 0) {
          entry(d, cart ? 'c' : 'f', u);
          b.putLong(EN, d);
        } else b.putLong(EN, 0);
        prof.put(u, v);
      }
    }
  }

  public static void main(String[] a) throws Exception {
    log("MAIN");
    String px = a[0], out = a[1], app = a[2], dir = a[3];
    Properties p = new Properties();
    p.put(StreamsConfig.APPLICATION_ID_CONFIG, app);
    p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, System.getProperty("bootstrap"));
    p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
    p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
    p.put(StreamsConfig.STATE_DIR_CONFIG, dir);
    p.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    p.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0L);
    p.put(StreamsConfig.DEFAULT_TIMESTAMP_EXTRACTOR_CLASS_CONFIG, Ts.class);
    p.put(
        StreamsConfig.consumerPrefix(ConsumerConfig.GROUP_INSTANCE_ID_CONFIG),
        "i1"); // static membership: no 45 s wait after a crash
    p.put(StreamsConfig.mainConsumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    p.put(StreamsConfig.mainConsumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 4000);
    p.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 4000);
    p.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 65536);
    p.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 5);
    Topology t = new Topology();
    t.addSource(
        "in",
        new ByteArrayDeserializer(),
        new EvSerde(),
        px + "clickstream",
        px + "cart",
        px + "purchase",
        px + "support");
    t.addProcessor("p", Proc::new, "in");
    for (String n : new String[] {"profiles", "deadlines"}) {
      StoreBuilder<KeyValueStore<byte[], byte[]>> sb =
          Stores.keyValueStoreBuilder(
                  Stores.inMemoryKeyValueStore(n), Serdes.ByteArray(), Serdes.ByteArray())
              .withLoggingEnabled(Map.of());
      t.addStateStore(sb.withCachingDisabled(), "p");
    }
    t.addSink("out", out, new ByteArraySerializer(), new ByteArraySerializer(), "p");
    KafkaStreams ks = new KafkaStreams(t, p);
    ks.setStateListener((n, o) -> log("STATE " + n));
    ks.setUncaughtExceptionHandler(
        x -> {
          x.printStackTrace();
          return org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler
              .StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
    final AtomicLong restored = new AtomicLong(), rt0 = new AtomicLong(), ends = new AtomicLong();
    ks.setGlobalStateRestoreListener(
        new StateRestoreListener() {
          public void onRestoreStart(TopicPartition tp, String s, long st, long en) {
            rt0.compareAndSet(0, System.currentTimeMillis());
            log("RESTORE_START " + tp + " " + st + ".." + en);
          }

          public void onBatchRestored(TopicPartition tp, String s, long e, long n) {}

          public void onRestoreEnd(TopicPartition tp, String s, long total) {
            log("RESTORE_END " + tp + " records=" + total + " total=" + restored.addAndGet(total));
          }
        });
    Runtime.getRuntime().addShutdownHook(new Thread(() -> ks.close(Duration.ofSeconds(20))));
    ks.start();
  }
}
