"""A campaign tool: carries commands out, each once, and reports what became of them.

    python examples/python/campaign.py --registry http://127.0.0.1:8080/apis/ccompat/v7 --count 1

It reads committed commands of one channel in Avro, "sends" them by printing a line, and acknowledges each with two events on
the topic of outcomes: delivered, and opened. With --count it ends after so many commands.
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

    # A real tool keeps the ids of what it sent where its messages are: after a crash it reads a command again.
    done = set()

    def report(treatment, event):
        now = int(time.time() * 1000)
        value = serialize({
            "event": event,
            "userId": treatment["customer"],
            "messageId": f"{event}-{treatment['id']}",
            "timestamp": now,
            "properties": {"treatment_id": str(treatment["id"]), "campaign_id": treatment["trigger"]},
        }, SerializationContext(arguments.outcomes, MessageField.VALUE))
        producer.produce(arguments.outcomes, key=treatment["customer"], value=value)

    consumer.subscribe([arguments.treatments])
    while not arguments.count or len(done) < arguments.count:
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error():
            print(message.error())
            continue
        context = SerializationContext(message.topic(), MessageField.VALUE)
        treatment = deserialize(message.value(), context)
        in_time = treatment["valid_until"].timestamp() > time.time()
        if treatment["id"] not in done and in_time:
            done.add(treatment["id"])
            print(f"to {treatment['addresses'].get('email')}: {treatment['template']} {treatment['data']}", flush=True)
            report(treatment, "Email Delivered")
            report(treatment, "Email Opened")
            if producer.flush(30):
                raise SystemExit("the outcome was not delivered within 30 s")
        consumer.commit(message, asynchronous=False)
    consumer.close()


if __name__ == "__main__":
    main()
