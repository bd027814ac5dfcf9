"""Pathway's interval join of a feed, as one batch: for `joinscope bench --peers`.

    pathway_join.py FILE OUT UNTIL_MS

FILE: JSON lines with src ("v" or "e"), view_id, ts. OUT: CSV, one line a pair or
pad. Ends with its stdin: whoever started it may be killed.
"""

import os
import sys
import threading

import pathway as pw


class Feed(pw.Schema):
    src: str
    view_id: int
    ts: int


def end_with_parent():
    # Not sys.stdin: its lock would be held when the interpreter ends.
    while os.read(0, 1):
        pass
    os._exit(4)


def main():
    path, out, until = sys.argv[1:]
    threading.Thread(target=end_with_parent, daemon=True).start()
    feed = pw.io.jsonlines.read(path, schema=Feed, mode="static")
    views = feed.filter(pw.this.src == "v")
    engagements = feed.filter(pw.this.src == "e")
    joined = views.interval_join_left(
        engagements,
        views.ts,
        engagements.ts,
        pw.temporal.interval(0, int(until)),
        views.view_id == engagements.view_id,
    ).select(view=views.view_id, at=engagements.ts)
    pw.io.csv.write(joined, out)
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)


main()
