"""Sends code-changes.jsonl to a topic: Avro in Confluent's framing, keyed by
path, partitioned as Kafka's own clients do, timestamp = committed_ms."""

import argparse
import io
import json
import pathlib
import struct
import sys
import urllib.request

import fastavro
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic


def register(registry: str, subject: str, schema: str) -> int:
    request = urllib.request.Request(
        f"{registry}/subjects/{subject}/versions",
        data=json.dumps({"schemaType": "AVRO", "schema": schema}).encode(),
        headers={"Content-Type": "application/vnd.schemaregistry.v1+json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["id"]


def main() -> None:
    args = argparse.ArgumentParser()
    args.add_argument("--brokers", required=True)
    args.add_argument("--registry", required=True)
    args.add_argument("--topic", default="code-changes")
    args.add_argument("--partitions", type=int, default=8)
    args = args.parse_args()

    text = (pathlib.Path(__file__).parent / "change.avsc").read_text()
    schema = fastavro.parse_schema(json.loads(text))
    frame = struct.pack(">bI", 0, register(args.registry, f"{args.topic}-value", text))

    topic = NewTopic(
        args.topic,
        num_partitions=args.partitions,
        replication_factor=1,
        # The records' times are years ago: retention would remove them.
        config={"retention.ms": "-1", "message.timestamp.type": "CreateTime"},
    )
    admin = AdminClient({"bootstrap.servers": args.brokers})
    admin.create_topics([topic])[args.topic].result(30)

    failed = []
    producer = Producer({
        "bootstrap.servers": args.brokers,
        "compression.type": "lz4",
        "partitioner": "murmur2_random",
        "enable.idempotence": True,
        "linger.ms": 20,
    })
    sent = 0
    for line in sys.stdin:
        change = json.loads(line)
        value = io.BytesIO()
        value.write(frame)
        fastavro.schemaless_writer(value, schema, change)
        while True:
            try:
                producer.produce(
                    args.topic,
                    key=change["path"].encode(),
                    value=value.getvalue(),
                    timestamp=change["committed_ms"],
                    on_delivery=lambda error, _: failed.append(error) if error else None,
                )
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
        sent += 1
    producer.flush(60)
    if failed:
        sys.exit(f"{len(failed)} of {sent} records were not delivered: {failed[0]}")
    print(f"{sent} records sent to {args.topic}", file=sys.stderr)


if __name__ == "__main__":
    main()
