"""A shop that sends events in Avro: a customer signs up for e-mails and puts something in her basket.

    pip install -r examples/python/requirements.txt
    python examples/python/producer.py --registry http://127.0.0.1:8080/apis/ccompat/v7 --customer ana

The schemas are those in schemas/; the serializer registers them, or finds them, in the registry.
"""

import argparse
import time
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", default="127.0.0.1:9092")
    parser.add_argument("--registry", required=True)
    parser.add_argument("--profile", default="profile", help="topic of identify calls")
    parser.add_argument("--cart", default="cart", help="topic of the basket's events")
    parser.add_argument("--customer", default="ana")
    arguments = parser.parse_args()

    registry = SchemaRegistryClient({"url": arguments.registry})
    producer = Producer({
        "bootstrap.servers": arguments.bootstrap,
        # All events of a customer must be in one partition number. Java's clients hash keys with murmur2; librdkafka, which
        # this client is made of, does so only when told.
        "partitioner": "murmur2_random",
        "enable.idempotence": True,
    })

    def send(topic, schema, event):
        text = (SCHEMAS / schema / "v1.avsc").read_text()
        serialize = AvroSerializer(registry, text)
        value = serialize(event, SerializationContext(topic, MessageField.VALUE))
        producer.produce(topic, key=event["userId"], value=value, on_delivery=delivered)

    now = int(time.time() * 1000)
    send(arguments.profile, "profile", {
        "type": "identify",
        "userId": arguments.customer,
        "messageId": f"identify-{arguments.customer}-{now}",
        "timestamp": now,
        "traits": {
            "email": f"{arguments.customer}@example.com",
            "timezone": "Europe/Madrid",
            "consent": {"email": True},
        },
    })
    send(arguments.cart, "cart", {
        "type": "track",
        "event": "Product Added",
        "userId": arguments.customer,
        "messageId": f"added-{arguments.customer}-{now}",
        "timestamp": now + 1,
        "properties": {"cart_id": "c1", "product_id": "teapot", "price": 30.0, "quantity": 1.0},
    })
    if producer.flush(30):
        raise SystemExit("not everything was delivered within 30 s")


def delivered(error, message):
    if error:
        raise SystemExit(f"not delivered: {error}")
    print(f"{message.topic()}/{message.partition()}/{message.offset()}")


if __name__ == "__main__":
    main()
