"""What must come of the workload, worked out offline and by other means than any of the peers.

cart: an `add` at t sets a deadline at t + 30 minutes; another before it renews it; an order at or after the last `add` and before the
deadline clears it. freq: of the distinct UTC days with an order, with at least four gaps between them, the deadline is the start of
day last + floor(mean + 2 * sample standard deviation) + 1, unless an order comes on a day before it. urgent: a ticket of that priority.
A deadline counts if it is at least 60 s before the closing record. Times are milliseconds since 1970.
"""

import datetime
import json
import math
from collections import defaultdict

HALF_HOUR = 1_800_000
DAY = 86_400_000
LATENESS = 60_000
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def commands(folder, tick):
    """The sorted lines `kind customer due` or, of a ticket, `urgent customer message`."""
    adds, orders, lines = defaultdict(list), defaultdict(list), []
    for event in events(folder, "cart"):
        adds[event["userId"]].append(ms(event["timestamp"]))
    for event in events(folder, "purchase"):
        orders[event["userId"]].append(ms(event["timestamp"]))
    for event in events(folder, "support"):
        if event["properties"]["priority"] == "urgent":
            lines.append(f"urgent {event['userId']} {event['messageId']}")
    for customer, times in adds.items():
        due = abandoned(times, orders.get(customer, ()), tick - LATENESS)
        lines += (f"cart {customer} {at}" for at in due)
    for customer, times in orders.items():
        due = dropped(sorted({time // DAY for time in times}), tick - LATENESS)
        lines += (f"freq {customer} {at}" for at in due)
    return sorted(lines)


def abandoned(adds, orders, until):
    deadline = None
    for time, is_order in sorted([(time, 0) for time in adds] + [(time, 1) for time in orders]):
        if deadline is not None and time >= deadline:
            yield deadline
        deadline = None if is_order else time + HALF_HOUR
    if deadline is not None and deadline <= until:
        yield deadline


def dropped(days, until):
    count = total = squares = 0
    for i, day in enumerate(days):
        if i:
            gap = day - days[i - 1]
            count, total, squares = count + 1, total + gap, squares + gap * gap
        if count >= 4:
            deviation = math.sqrt((count * squares - total * total) / (count * (count - 1)))
            due = (day + math.floor(total / count + 2 * deviation) + 1) * DAY
            following = days[i + 1] * DAY if i + 1 < len(days) else None
            if due <= until and (following is None or following >= due):
                yield due


def events(folder, topic):
    with open(folder / f"{topic}.ndjson", encoding="ascii") as lines:
        yield from map(json.loads, lines)


def ms(text):
    since = datetime.datetime.fromisoformat(text[:-1] + "+00:00") - EPOCH
    return (since.days * 86400 + since.seconds) * 1000 + since.microseconds // 1000
