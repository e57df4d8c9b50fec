import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.atomic.*;
import org.apache.flink.api.common.eventtime.*;
import org.apache.flink.api.common.functions.*;
import org.apache.flink.api.common.state.*;
import org.apache.flink.api.common.typeinfo.*;
import org.apache.flink.configuration.*;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.*;
import org.apache.flink.connector.kafka.source.*;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.streaming.api.datastream.*;
import org.apache.flink.streaming.api.environment.*;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.ProducerRecord;
import peer.*;

/**
 * The workload's three rules in Flink: a KeyedProcessFunction on the heap backend, exactly once, a
 * checkpoint each second.
 *
 * <p>Arguments: prefix of the topics that come in, topic of commands, group, folder for
 * checkpoints, checkpoint to go on from (none where it starts anew). -Dbootstrap=host:port.
 */
public class FlinkJob {
  static final long HALF_HOUR = 1_800_000, DAY = 86_400_000;
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

  public static final class De implements KafkaRecordDeserializationSchema<Ev> {
    transient Parse p;

    public void deserialize(ConsumerRecord<byte[], byte[]> r, Collector<Ev> out) {
      if (p == null) {
        p = new Parse();
        if (first.compareAndSet(false, true)) log("FIRST_RECORD");
      }
      out.collect(p.parse(r.value()));
    }

    public TypeInformation<Ev> getProducedType() {
      return TypeInformation.of(Ev.class);
    }
  }

  public static final class Cmd {
    public String user;
    public byte[] value;

    public Cmd() {}

    public Cmd(String u, byte[] v) {
      user = u;
      value = v;
    }
  }

  public static final class Profile {
    public int views;
    public long seen, cartDl, freqDue, q;
    public int lastDay, n, s;
    public long[] pend;
    public int np;

    public Profile() {}
  }

  public static final class Fn extends KeyedProcessFunction<String, Ev, Cmd> {
    transient ValueState<Profile> st;

    public void open(org.apache.flink.api.common.functions.OpenContext c) {
      st =
          getRuntimeContext()
              .getState(new ValueStateDescriptor<>("p", TypeInformation.of(Profile.class)));
    }

    public void processElement(Ev e, Context c, Collector<Cmd> out) throws Exception {
      if (e.kind == Ev.OTHER) return;
      Profile p = st.value();
      if (p == null) p = new Profile();
      if (e.ts > p.seen) p.seen = e.ts;
      switch (e.kind) {
        case Ev.VIEW:
          p.views++;
          break;
        case Ev.TICKET:
          if (e.urgent)
            out.collect(new Cmd(e.userId, Parse.cmd("urgent", e.userId, e.ts, e.messageId)));
          break;
        case Ev.ADD:
        case Ev.ORDER:
          { // sorted per-customer buffer until the watermark passes: exact event-time order across
            // topics
            long x = e.ts * 2 + (e.kind == Ev.ORDER ? 1 : 0);
            if (p.pend == null) p.pend = new long[4];
            else if (p.np == p.pend.length) p.pend = Arrays.copyOf(p.pend, p.np * 2);
            int i = p.np++;
            while (i > 0 && p.pend[i - 1] > x) {
              p.pend[i] = p.pend[i - 1];
              i--;
            }
            p.pend[i] = x;
            c.timerService().registerEventTimeTimer(e.ts);
          }
      }
      st.update(p);
    }

    public void onTimer(long ts, OnTimerContext c, Collector<Cmd> out) throws Exception {
      Profile p = st.value();
      String u = c.getCurrentKey();
      int k = 0;
      while (k < p.np && (p.pend[k] >> 1) <= ts) {
        long x = p.pend[k++], t = x >> 1;
        due(p, u, t, out);
        if ((x & 1) == 0) {
          if (p.cartDl != 0 && p.cartDl != p.freqDue && !has(p, k, p.cartDl))
            c.timerService().deleteEventTimeTimer(p.cartDl);
          p.cartDl = t + HALF_HOUR;
          c.timerService().registerEventTimeTimer(p.cartDl);
        } else {
          if (p.cartDl != 0) {
            if (!has(p, k, p.cartDl) && p.cartDl != p.freqDue)
              c.timerService().deleteEventTimeTimer(p.cartDl);
            p.cartDl = 0;
          }
          int day = (int) (t / DAY);
          if (day > p.lastDay) {
            if (p.freqDue != 0) {
              p.freqDue = 0;
            }
            if (p.lastDay != 0) {
              int g = day - p.lastDay;
              p.n++;
              p.s += g;
              p.q += (long) g * g;
              if (p.n >= 4) {
                p.freqDue = Parse.freqDue(day, p.n, p.s, p.q);
                c.timerService().registerEventTimeTimer(p.freqDue);
              }
            }
            p.lastDay = day;
          }
        }
      }
      if (k > 0) {
        p.np -= k;
        System.arraycopy(p.pend, k, p.pend, 0, p.np);
        if (p.np == 0) p.pend = null;
      }
      due(p, u, ts, out);
      st.update(p);
    }

    static boolean has(Profile p, int k, long t) {
      for (int j = k; j < p.np; j++) if ((p.pend[j] >> 1) == t) return true;
      return false;
    }

    static void due(Profile p, String u, long t, Collector<Cmd> out) {
      if (p.cartDl != 0 && t >= p.cartDl) {
        out.collect(new Cmd(u, Parse.cmd("cart", u, p.cartDl, null)));
        p.cartDl = 0;
      }
      if (p.freqDue != 0 && t >= p.freqDue) {
        out.collect(new Cmd(u, Parse.cmd("freq", u, p.freqDue, null)));
        p.freqDue = 0;
      }
    }
  }

  public static final class Ser implements KafkaRecordSerializationSchema<Cmd> {
    final String t;

    Ser(String t) {
      this.t = t;
    }

    public ProducerRecord<byte[], byte[]> serialize(Cmd c, KafkaSinkContext k, Long ts) {
      return new ProducerRecord<>(t, c.user.getBytes(StandardCharsets.ISO_8859_1), c.value);
    }
  }

  public static void main(String[] a) throws Exception {
    log("MAIN");
    String px = a[0], out = a[1], group = a[2];
    Configuration cf = new Configuration();
    cf.set(StateBackendOptions.STATE_BACKEND, "hashmap");
    cf.set(CheckpointingOptions.CHECKPOINT_STORAGE, "filesystem");
    cf.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, "file://" + a[3]);
    cf.set(CheckpointingOptions.CHECKPOINTING_INTERVAL, Duration.ofMillis(1000));
    cf.set(
        CheckpointingOptions.EXTERNALIZED_CHECKPOINT_RETENTION,
        ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION);
    cf.set(CheckpointingOptions.MAX_RETAINED_CHECKPOINTS, 1);
    cf.set(TaskManagerOptions.NUM_TASK_SLOTS, 2);
    if (a.length > 4) cf.set(StateRecoveryOptions.SAVEPOINT_PATH, a[4]);
    StreamExecutionEnvironment env = StreamExecutionEnvironment.createLocalEnvironment(2, cf);
    env.getConfig().enableObjectReuse();
    env.getConfig().setAutoWatermarkInterval(100);
    KafkaSource<Ev> src =
        KafkaSource.<Ev>builder()
            .setBootstrapServers(System.getProperty("bootstrap"))
            .setTopics(px + "clickstream", px + "cart", px + "purchase", px + "support")
            .setGroupId(group)
            .setStartingOffsets(OffsetsInitializer.earliest())
            .setDeserializer(new De())
            .setProperty("max.poll.records", "4000")
            .setProperty("partition.discovery.interval.ms", "-1")
            .build();
    DataStream<Ev> in =
        env.fromSource(
                src,
                WatermarkStrategy.<Ev>forBoundedOutOfOrderness(Duration.ofSeconds(60))
                    .withTimestampAssigner((e, t) -> e.ts),
                "src")
            .uid("src");
    KeyedStream<Ev, String> keyed = in.keyBy(e -> e.userId);
    DataStream<Cmd> res = keyed.process(new Fn()).uid("fn");
    Properties pp = new Properties();
    pp.put("transaction.timeout.ms", "600000");
    pp.put("batch.size", "65536");
    pp.put("linger.ms", "5");
    res.sinkTo(
            KafkaSink.<Cmd>builder()
                .setBootstrapServers(System.getProperty("bootstrap"))
                .setKafkaProducerConfig(pp)
                .setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE)
                .setTransactionalIdPrefix(group + "-")
                .setRecordSerializer(new Ser(out))
                .build())
        .uid("sink");
    org.apache.flink.core.execution.JobClient jc = env.executeAsync("peer");
    String last = "";
    while (true) {
      String s;
      try {
        s = jc.getJobStatus().get().toString();
      } catch (Exception x) {
        s = "?" + x;
      }
      if (!s.equals(last)) {
        log("STATE " + s);
        last = s;
      }
      if (s.equals("FAILED") || s.equals("FINISHED")) {
        try {
          jc.getJobExecutionResult().get();
        } catch (Exception x) {
          x.printStackTrace();
        }
        System.exit(1);
      }
      Thread.sleep(50);
    }
  }
}
