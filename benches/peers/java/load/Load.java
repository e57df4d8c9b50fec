import java.io.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

/**
 * Loads the workload, waits until a group has read it, and looks at what came of it; the producer
 * of the live stage.
 *
 * <p>Each command prints one line of name=value; times are milliseconds since 1970.
 * -Dbootstrap=host:port, -Dpartitions=n.
 */
public class Load {
  static final String BOOTSTRAP = System.getProperty("bootstrap");
  static final int PARTITIONS = Integer.getInteger("partitions", 4);
  static final String[] TOPICS = {"clickstream", "cart", "purchase", "support"};

  public static void main(String[] args) throws Exception {
    List<String> rest = List.of(args).subList(1, args.length);
    switch (args[0]) {
      case "create" -> create(rest);
      case "delete" -> delete(rest);
      case "load" -> load(rest.get(0), rest.get(1), Long.parseLong(rest.get(2)));
      case "wait" ->
          await(
              rest.get(0),
              rest.get(1),
              Long.parseLong(rest.get(2)),
              Long.parseLong(rest.get(3)),
              rest.get(4),
              Long.parseLong(rest.get(5)));
      case "dump" -> dump(rest.get(0), Path.of(rest.get(1)));
      case "count" -> count(rest.get(0));
      case "probe" -> probe(rest.get(0), rest.get(1), Long.parseLong(rest.get(2)));
      case "live" -> new Live(rest).run();
      default -> throw new IllegalArgumentException("no such command: " + args[0]);
    }
    // Kafka's clients have threads that nobody waits for.
    System.exit(0);
  }

  /** Topics with the partitions of the workload, kept for ever. */
  static void create(List<String> names) throws Exception {
    try (Admin admin = Admin.create(properties())) {
      List<NewTopic> topics = new ArrayList<>();
      for (String name : names)
        topics.add(new NewTopic(name, PARTITIONS, (short) 1).configs(Map.of("retention.ms", "-1")));
      admin.createTopics(topics).all().get();
    }
  }

  /** Topics whose names match one of the expressions. */
  static void delete(List<String> expressions) throws Exception {
    try (Admin admin = Admin.create(properties())) {
      admin.deleteTopics(matching(admin, expressions)).all().get();
    }
  }

  static List<String> matching(Admin admin, List<String> expressions) throws Exception {
    return admin.listTopics().names().get().stream()
        .filter(name -> expressions.stream().anyMatch(name::matches))
        .toList();
  }

  /**
   * Sends the files of a folder, each to the topic of its name behind a prefix, and then the
   * closing records.
   */
  static void load(String folder, String prefix, long tick) throws Exception {
    long start = System.currentTimeMillis(), records = 0;
    try (KafkaProducer<byte[], byte[]> producer = producer(20)) {
      for (String topic : TOPICS)
        try (BufferedReader reader =
            Files.newBufferedReader(
                Path.of(folder, topic + ".ndjson"), StandardCharsets.ISO_8859_1)) {
          for (String line; (line = reader.readLine()) != null; records++)
            producer.send(
                new ProducerRecord<>(prefix + topic, bytes(field(line, "userId")), bytes(line)));
        }
      producer.flush();
      close(producer, prefix, tick);
    }
    System.out.println("records=" + records + " took_ms=" + (System.currentTimeMillis() - start));
  }

  /**
   * One record in each partition that moves time past every deadline of the workload, and is no
   * customer's.
   */
  static void close(KafkaProducer<byte[], byte[]> producer, String prefix, long tick) {
    for (String topic : TOPICS)
      for (int p = 0; p < PARTITIONS; p++)
        producer.send(
            new ProducerRecord<>(
                prefix + topic,
                p,
                bytes("tick" + p),
                bytes(event("tick", "tick" + p, "Tick", tick, ""))));
    producer.flush();
  }

  /**
   * Until a group has committed all that is there, then until so many commands are visible; what
   * the processes cost.
   */
  static void await(String group, String prefix, long pid, long broker, String out, long expected)
      throws Exception {
    long before = cpu(broker), deadline = System.currentTimeMillis() + 900_000;
    try (Admin admin = Admin.create(properties())) {
      Map<TopicPartition, OffsetSpec> latest = new HashMap<>();
      for (String topic : TOPICS)
        for (int p = 0; p < PARTITIONS; p++)
          latest.put(new TopicPartition(prefix + topic, p), OffsetSpec.latest());
      Map<TopicPartition, Long> ends = new HashMap<>();
      admin
          .listOffsets(latest)
          .all()
          .get()
          .forEach((partition, end) -> ends.put(partition, end.offset()));
      long total = ends.values().stream().mapToLong(end -> end).sum(), done = 0;
      while (done < total
          && System.currentTimeMillis() < deadline
          && Files.exists(Path.of("/proc/" + pid))) {
        Thread.sleep(100);
        done = 0;
        try {
          var committed =
              admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
          for (var end : ends.entrySet()) {
            var offset = committed.get(end.getKey());
            done += offset == null ? 0 : Math.min(offset.offset(), end.getValue());
          }
        } catch (ExecutionException e) {
          // There is no group yet.
        }
      }
      long at = System.currentTimeMillis(), cost = cpu(pid), brokerCost = cpu(broker) - before;
      String peak = status(pid, "VmHWM");
      long seen = 0;
      KafkaConsumer<byte[], byte[]> consumer = consumer(List.of(out), false);
      for (long limit = at + 30_000; seen < expected && System.currentTimeMillis() < limit; )
        seen += consumer.poll(Duration.ofMillis(100)).count();
      System.out.println(
          "ok="
              + (done >= total)
              + " t="
              + at
              + " records="
              + total
              + " cpu_ms="
              + cost
              + " broker_cpu_ms="
              + brokerCost
              + " peak_kb="
              + peak
              + " commands="
              + seen);
    }
  }

  /**
   * Every command, sorted, as `kind customer due` or, of an urgent ticket, `urgent customer
   * message`.
   */
  static void dump(String topic, Path file) throws Exception {
    List<String> lines = new ArrayList<>();
    readAll(
        List.of(topic),
        record -> {
          String[] it = command(text(record.value()));
          lines.add(it[0] + " " + it[1] + " " + (it[0].equals("urgent") ? it[3] : it[2]));
        });
    Collections.sort(lines);
    Files.write(file, lines);
    System.out.println("commands=" + lines.size());
  }

  /** Committed records, and bytes of their keys and values, of the topics that match. */
  static void count(String expression) throws Exception {
    List<String> topics;
    try (Admin admin = Admin.create(properties())) {
      topics = matching(admin, List.of(expression));
    }
    long[] sums = new long[2];
    if (!topics.isEmpty())
      readAll(
          topics,
          record -> {
            sums[0]++;
            sums[1] +=
                (record.key() == null ? 0 : record.key().length)
                    + (record.value() == null ? 0 : record.value().length);
          });
    System.out.println("records=" + sums[0] + " bytes=" + sums[1]);
  }

  interface Each {
    void take(ConsumerRecord<byte[], byte[]> record);
  }

  /** Reads from the beginning to the end as it is now. */
  static void readAll(List<String> topics, Each each) {
    KafkaConsumer<byte[], byte[]> consumer = consumer(topics, false);
    Map<TopicPartition, Long> ends = consumer.endOffsets(consumer.assignment());
    while (ends.entrySet().stream()
        .anyMatch(end -> consumer.position(end.getKey()) < end.getValue()))
      for (var record : consumer.poll(Duration.ofMillis(250))) each.take(record);
  }

  /** When a line comes in: an urgent ticket in each partition, then until each is answered. */
  static void probe(String prefix, String out, long time) throws Exception {
    KafkaConsumer<byte[], byte[]> consumer = consumer(List.of(out), true);
    KafkaProducer<byte[], byte[]> producer = producer(0);
    producer.partitionsFor(prefix + "support");
    System.out.println("ready");
    System.in.read();
    String id = "probe-" + System.nanoTime() + "-";
    Set<String> open = new HashSet<>();
    for (int p = 0; p < PARTITIONS; p++) {
      String customer = String.format("c%06d", p);
      producer.send(
          new ProducerRecord<>(
              prefix + "support", p, bytes(customer), bytes(ticket(id + p, customer, time, true))));
      open.add(id + p);
    }
    producer.flush();
    for (long limit = System.currentTimeMillis() + 120_000;
        !open.isEmpty() && System.currentTimeMillis() < limit; )
      for (var record : consumer.poll(Duration.ofMillis(20)))
        open.remove(String.valueOf(command(text(record.value()))[3]));
    System.out.println("ok=" + open.isEmpty() + " t=" + System.currentTimeMillis());
  }

  /** Events at an even pace, and how long the answers to urgent tickets take. */
  static class Live {
    final String folder, prefix, out;
    final int rate, warmUp, seconds;
    final long time, pid, broker;
    final Map<String, Long> sent = new ConcurrentHashMap<>();
    final List<Long> latencies = new ArrayList<>();
    final CountDownLatch listening = new CountDownLatch(1);
    volatile boolean stop;

    /**
     * Folder, prefix, topic of commands or `-`, events a second, warm-up and measured seconds,
     * event time, pids.
     */
    Live(List<String> args) {
      folder = args.get(0);
      prefix = args.get(1);
      out = args.get(2);
      rate = Integer.parseInt(args.get(3));
      warmUp = Integer.parseInt(args.get(4));
      seconds = Integer.parseInt(args.get(5));
      time = Long.parseLong(args.get(6));
      pid = Long.parseLong(args.get(7));
      broker = Long.parseLong(args.get(8));
    }

    void run() throws Exception {
      List<String> customers = new ArrayList<>();
      try (BufferedReader reader = Files.newBufferedReader(Path.of(folder, "clickstream.ndjson"))) {
        for (String line; customers.size() < 300_000 && (line = reader.readLine()) != null; )
          customers.add(field(line, "userId"));
      }
      Thread receiving = new Thread(this::receive);
      if (!out.equals("-")) {
        receiving.start();
        listening.await();
      }
      KafkaProducer<byte[], byte[]> producer = producer(0);
      Random random = new Random(7);
      long start = System.nanoTime(),
          total = (long) rate * (warmUp + seconds),
          warm = (long) rate * warmUp;
      long cost = 0, brokerCost = 0, urgent = 0, latest = 0;
      for (long n = 0; n < total; n++) {
        long due = start + (long) (n * 1e9 / rate), now;
        while ((now = System.nanoTime()) < due) Thread.sleep(1);
        if (n > warm) latest = Math.max(latest, now - due);
        if (n == warm) {
          cost = cpu(pid);
          brokerCost = cpu(broker);
        }
        String customer = customers.get(random.nextInt(customers.size())), id = "l-" + n;
        double chance = random.nextDouble();
        boolean asks = chance >= .97 && random.nextDouble() < .3;
        if (asks && n >= warm) {
          sent.put(id, System.nanoTime());
          urgent++;
        }
        int topic = chance < .85 ? 0 : chance < .93 ? 1 : chance < .97 ? 2 : 3;
        producer.send(
            new ProducerRecord<>(
                prefix + TOPICS[topic],
                bytes(customer),
                bytes(line(topic, id, customer, time + (now - start) / 1_000_000, asks))));
      }
      producer.flush();
      cost = cpu(pid) - cost;
      brokerCost = cpu(broker) - brokerCost;
      for (int i = 0; i < 80 && !sent.isEmpty(); i++) Thread.sleep(100);
      stop = true;
      receiving.join();
      Collections.sort(latencies);
      System.out.printf(
          Locale.ROOT,
          "events=%d asked=%d answered=%d p50_ms=%.1f p99_ms=%.1f max_ms=%.1f cpu_ms=%d"
              + " broker_cpu_ms=%d late_ms=%.1f peak_kb=%s%n",
          total - warm,
          urgent,
          latencies.size(),
          percentile(50),
          percentile(99),
          percentile(100),
          cost,
          brokerCost,
          latest / 1e6,
          status(pid, "VmHWM"));
    }

    void receive() {
      KafkaConsumer<byte[], byte[]> consumer = consumer(List.of(out), true);
      listening.countDown();
      while (!stop)
        for (var record : consumer.poll(Duration.ofMillis(50))) {
          long now = System.nanoTime();
          String id = command(text(record.value()))[3];
          Long from = id == null ? null : sent.remove(id);
          if (from != null) latencies.add(now - from);
        }
    }

    double percentile(int percent) {
      int size = latencies.size();
      return size == 0 ? Double.NaN : latencies.get(Math.min(size - 1, size * percent / 100)) / 1e6;
    }

    static String line(int topic, String id, String customer, long time, boolean urgent) {
      return switch (topic) {
        case 0 ->
            event(
                id,
                customer,
                "Product Viewed",
                time,
                "\"product_id\":\"p1234\",\"price\":12.50,\"category\":\"cat-7\",\"url\":\"https://shop.example/p/1234\"");
        case 1 ->
            event(
                id,
                customer,
                "Product Added",
                time,
                "\"product_id\":\"p1234\",\"price\":12.50,\"quantity\":1,\"cart_id\":\"k1\",\"category\":\"cat-7\"");
        case 2 ->
            event(
                id,
                customer,
                "Order Completed",
                time,
                "\"order_id\":\"o1\",\"total\":12.50,\"currency\":\"EUR\",\"products\":[]");
        default -> ticket(id, customer, time, urgent);
      };
    }
  }

  static String event(String id, String customer, String name, long time, String properties) {
    return "{\"messageId\":\""
        + id
        + "\",\"type\":\"track\",\"userId\":\""
        + customer
        + "\",\"event\":\""
        + name
        + "\",\"timestamp\":\""
        + iso(time)
        + "\",\"properties\":{"
        + properties
        + "}}";
  }

  static String ticket(String id, String customer, long time, boolean urgent) {
    return event(
        id,
        customer,
        "Support Ticket Opened",
        time,
        "\"ticket_id\":\"" + id + "\",\"priority\":\""
            + (urgent ? "urgent" : "low")
            + "\",\"channel\":\"chat\",\"subject\":\"x\"");
  }

  /**
   * Kind, customer, when due and, of an urgent ticket, its message: in the peers' own format and in
   * that of moments.
   */
  static String[] command(String line) {
    if (!line.startsWith("{\"type\":\"treatment\""))
      return new String[] {
        field(line, "type"), field(line, "userId"), field(line, "due"), field(line, "messageId")
      };
    String trigger = field(line, "trigger"),
        due = Long.toString(Instant.parse(field(line, "moment_at")).toEpochMilli());
    return new String[] {
      trigger,
      field(line, "customer"),
      due,
      trigger.equals("urgent") ? field(line, "occurrence") : null
    };
  }

  /** A text or number of a JSON object whose texts have no escapes. */
  static String field(String line, String name) {
    int from = line.indexOf("\"" + name + "\":");
    if (from < 0) return null;
    from += name.length() + 3;
    if (line.charAt(from) == '"') return line.substring(from + 1, line.indexOf('"', from + 1));
    int to = from;
    while (to < line.length() && ",}".indexOf(line.charAt(to)) < 0) to++;
    return line.substring(from, to);
  }

  static final java.time.format.DateTimeFormatter ISO =
      java.time.format.DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'")
          .withZone(ZoneOffset.UTC);

  static String iso(long time) {
    return ISO.format(Instant.ofEpochMilli(time));
  }

  static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.ISO_8859_1);
  }

  static String text(byte[] bytes) {
    return new String(bytes, StandardCharsets.ISO_8859_1);
  }

  static Properties properties() {
    Properties it = new Properties();
    it.put("bootstrap.servers", BOOTSTRAP);
    return it;
  }

  static KafkaProducer<byte[], byte[]> producer(int lingerMs) {
    Properties it = properties();
    it.put("linger.ms", lingerMs);
    it.put("batch.size", 131_072);
    it.put("buffer.memory", 64 << 20);
    it.put("acks", "all");
    return new KafkaProducer<>(it, new ByteArraySerializer(), new ByteArraySerializer());
  }

  static KafkaConsumer<byte[], byte[]> consumer(List<String> topics, boolean fromEnd) {
    Properties it = properties();
    it.put("isolation.level", "read_committed");
    it.put("enable.auto.commit", "false");
    it.put("max.poll.records", "5000");
    KafkaConsumer<byte[], byte[]> consumer =
        new KafkaConsumer<>(it, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    List<TopicPartition> partitions = new ArrayList<>();
    for (String topic : topics)
      for (var partition : consumer.partitionsFor(topic))
        partitions.add(new TopicPartition(topic, partition.partition()));
    consumer.assign(partitions);
    if (fromEnd) consumer.seekToEnd(partitions);
    else consumer.seekToBeginning(partitions);
    // Seeking is done when somebody asks.
    partitions.forEach(consumer::position);
    return consumer;
  }

  /** CPU milliseconds of a process and its children so far; 0 of none. */
  static long cpu(long pid) throws IOException {
    if (pid == 0) return 0;
    String stat = Files.readString(Path.of("/proc/" + pid + "/stat"));
    String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
    long ticks = 0;
    for (int i = 11; i <= 14; i++) ticks += Long.parseLong(fields[i]);
    return ticks * 10;
  }

  /** A number of /proc/PID/status, in kB; 0 of no process. */
  static String status(long pid, String name) throws IOException {
    if (pid == 0) return "0";
    for (String line : Files.readAllLines(Path.of("/proc/" + pid + "/status")))
      if (line.startsWith(name + ":"))
        return line.substring(name.length() + 1).trim().split(" ")[0];
    return "0";
  }
}
