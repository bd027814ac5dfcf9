"""Reads a recording with Foxglove's own reader and prints every field as JSON
lines: first the summary, then each message, by log time."""

import json
import sys

from mcap.reader import make_reader
from mcap_protobuf.decoder import DecoderFactory


def text(value):
    return None if value is None else value.hex()


def optional(message, field):
    return getattr(message, field) if message.HasField(field) else None


def main(path):
    with open(path, "rb") as stream:
        reader = make_reader(stream, validate_crcs=True, decoder_factories=[DecoderFactory()])
        header, summary = reader.get_header(), reader.get_summary()
        print(json.dumps({
            "profile": header.profile,
            "messages": summary.statistics.message_count,
            "chunks": len(summary.chunk_indexes),
            "channels": sorted(c.topic for c in summary.channels.values()),
            "attachments": {a.name: a.data.decode() for a in reader.iter_attachments()},
            "metadata": {m.name: m.metadata for m in reader.iter_metadata()},
        }))
        for _, channel, message, decoded in reader.iter_decoded_messages():
            if channel.topic == "joinscope/arrivals":
                print(json.dumps({
                    "channel": channel.topic,
                    "precedes": decoded.precedes,
                    "kind": decoded.kind,
                    "partition": optional(decoded, "partition"),
                }))
                continue
            print(json.dumps({
                "channel": channel.topic,
                "log_time": message.log_time,
                "publish_time": message.publish_time,
                "sequence": message.sequence,
                "arrival": decoded.arrival,
                "offset": decoded.offset,
                "timestamp": optional(decoded, "timestamp"),
                "timestamp_type": decoded.timestamp_type,
                "leader_epoch": optional(decoded, "leader_epoch"),
                "key": text(optional(decoded, "key")),
                "value": text(optional(decoded, "value")),
                "headers": [[h.key, text(optional(h, "value"))] for h in decoded.headers],
            }))


main(sys.argv[1])
