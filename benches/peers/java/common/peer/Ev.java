package peer;

/** An event; mutable, so that Flink takes it for a POJO. Times are milliseconds since 1970. */
public final class Ev {
  public static final byte OTHER = 0, VIEW = 1, ADD = 2, ORDER = 3, TICKET = 4;
  public byte kind;
  public long ts;
  public String userId;
  public String messageId;
  public boolean urgent;

  public Ev() {}
}
