package peer;

import com.fasterxml.jackson.core.*;
import java.io.IOException;

/** Reads an event by a streaming parser, and writes a command: the same for both peers. */
public final class Parse {
  private final JsonFactory f = new JsonFactory();

  public Ev parse(byte[] b) {
    Ev e = new Ev();
    try (JsonParser p = f.createParser(b)) {
      if (p.nextToken() != JsonToken.START_OBJECT) throw new IOException("no object");
      while (p.nextToken() == JsonToken.FIELD_NAME) {
        String n = p.currentName();
        JsonToken t = p.nextToken();
        switch (n) {
          case "userId":
            e.userId = p.getText();
            break;
          case "messageId":
            e.messageId = p.getText();
            break;
          case "timestamp":
            e.ts = iso(p.getTextCharacters(), p.getTextOffset(), p.getTextLength());
            break;
          case "event":
            e.kind = kind(p.getTextCharacters(), p.getTextOffset(), p.getTextLength());
            break;
          case "properties":
            if (e.kind != Ev.TICKET) {
              e.messageId = null;
              return e;
            } // nothing else needed (field order of the format is fixed: properties last)
            while (p.nextToken() == JsonToken.FIELD_NAME) {
              boolean pr = p.currentName().equals("priority");
              p.nextToken();
              if (pr) e.urgent = p.getText().equals("urgent");
              else p.skipChildren();
            }
            if (!e.urgent) e.messageId = null;
            break;
          default:
            p.skipChildren();
        }
      }
    } catch (IOException x) {
      throw new RuntimeException(x);
    }
    return e;
  }

  static byte kind(char[] c, int o, int l) {
    if (l == 14 && c[o] == 'P') return Ev.VIEW;
    if (l == 13 && c[o] == 'P') return Ev.ADD;
    if (l == 15 && c[o] == 'O') return Ev.ORDER;
    if (l == 21 && c[o] == 'S') return Ev.TICKET;
    return Ev.OTHER;
  }

  static int d(char[] c, int i, int n) {
    int v = 0;
    for (int k = 0; k < n; k++) v = v * 10 + (c[i + k] - '0');
    return v;
  }

  public static long iso(char[] c, int o, int l) { // yyyy-MM-ddTHH:mm:ss.SSSZ
    int y = d(c, o, 4), m = d(c, o + 5, 2), dd = d(c, o + 8, 2);
    int yy = m <= 2 ? y - 1 : y;
    int era = Math.floorDiv(yy, 400);
    int yoe = yy - era * 400;
    int doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + dd - 1;
    int doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    long days = era * 146097L + doe - 719468;
    return ((days * 24 + d(c, o + 11, 2)) * 60 + d(c, o + 14, 2)) * 60000L
        + d(c, o + 17, 2) * 1000L
        + d(c, o + 20, 3);
  }

  public static long freqDue(long lastDay, long n, long s, long q) {
    double thr = (double) s / n + 2 * Math.sqrt((double) (n * q - s * s) / (double) (n * (n - 1)));
    return (lastDay + (long) Math.floor(thr) + 1) * 86400000L;
  }

  public static byte[] cmd(String type, String user, long due, String id) {
    StringBuilder b = new StringBuilder(160);
    b.append("{\"commandId\":\"")
        .append(type)
        .append('-')
        .append(user)
        .append('-')
        .append(id != null ? id : Long.toString(due))
        .append("\",\"type\":\"")
        .append(type)
        .append("\",\"userId\":\"")
        .append(user)
        .append("\",\"due\":")
        .append(due);
    if (id != null) b.append(",\"messageId\":\"").append(id).append('"');
    return b.append('}').toString().getBytes(java.nio.charset.StandardCharsets.ISO_8859_1);
  }
}
