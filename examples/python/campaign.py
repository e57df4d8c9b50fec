"""A campaign tool: carries commands out, each once, and reports what became of them.

    python examples/python/campaign.py --registry http://127.0.0.1:8080/apis/ccompat/v7 --count 1

It reads committed commands of one channel in Avro, "sends" them by printing a line, and acknowledges each with two events on
the topic of outcomes: delivered, and opened. With --delay it waits so many seconds before it sends; what is taken back meanwhile
it does not send. With --count it ends after so many commands, sent or taken back.
"""

import argparse
import time
from pathlib import Path

from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", default="127.0.0.1:9092")
    parser.add_argument("--registry", required=True)
    parser.add_argument("--treatments", default="treatments.email")
    parser.add_argument("--outcomes", default="outcomes")
    parser.add_argument("--group", default="campaign-tool")
    parser.add_argument("--delay", type=float, default=0)
    parser.add_argument("--count", type=int, default=0)
    arguments = parser.parse_args()

    registry = SchemaRegistryClient({"url": arguments.registry})
    deserialize = AvroDeserializer(registry)
    serialize = AvroSerializer(registry, (SCHEMAS / "outcomes" / "v1.avsc").read_text())
    consumer = Consumer({
        "bootstrap.servers": arguments.bootstrap,
        "group.id": arguments.group,
        "auto.offset.reset": "earliest",
        # Commands of aborted transactions never happened.
        "isolation.level": "read_committed",
        # The offset is stored when the command is carried out, not when it is read.
        "enable.auto.commit": False,
    })
    producer = Producer({
        "bootstrap.servers": arguments.bootstrap,
        "partitioner": "murmur2_random",
        "enable.idempotence": True,
    })

    # A real tool keeps these where its messages are, and commits the offset when they are there: after a crash it reads a command
    # again. `done`: ids of what was sent or taken back; `waiting`: what is to be sent, by id, with when.
    done, waiting = set(), {}

    def report(treatment, event):
        now = int(time.time() * 1000)
        value = serialize({
            "event": event,
            # Not `userId`: a command may be to a visitor whom nobody knows yet, and this does not make her known.
            "anonymousId": treatment["customer"],
            "messageId": f"{event}-{treatment['id']}",
            "timestamp": now,
            "properties": {"treatment_id": str(treatment["id"]), "campaign_id": treatment["trigger"]},
        }, SerializationContext(arguments.outcomes, MessageField.VALUE))
        producer.produce(arguments.outcomes, key=treatment["customer"], value=value)

    def heed(command):
        if command.get("type") == "withdrawal":
            # Where it was sent already, there is nothing to be done any more.
            if command["withdraws"] not in done:
                waiting.pop(command["withdraws"], None)
                done.add(command["withdraws"])
                print(f"not sent: {command['trigger']} to {command['customer']}, {command['reason']}", flush=True)
        elif command["id"] not in done:
            waiting.setdefault(command["id"], (time.time() + arguments.delay, command))

    def send(treatment):
        done.add(treatment["id"])
        if treatment["valid_until"].timestamp() <= time.time():
            return
        print(f"to {treatment['addresses'].get('email')}: {treatment['template']} {treatment['data']}", flush=True)
        report(treatment, "Email Delivered")
        report(treatment, "Email Opened")
        if producer.flush(30):
            raise SystemExit("the outcome was not delivered within 30 s")

    consumer.subscribe([arguments.treatments])
    while not arguments.count or len(done) < arguments.count:
        message = consumer.poll(0.2 if waiting else 1.0)
        if message is not None and message.error():
            print(message.error())
        elif message is not None:
            context = SerializationContext(message.topic(), MessageField.VALUE)
            heed(deserialize(message.value(), context))
        for at, treatment in list(waiting.values()):
            if at <= time.time():
                del waiting[treatment["id"]]
                send(treatment)
        if message is not None and not message.error() and not waiting:
            consumer.commit(message, asynchronous=False)
    consumer.close()


if __name__ == "__main__":
    main()
