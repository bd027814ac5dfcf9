"""Runs the statements of a file through Flink's SQL gateway, one after another;
where one starts a job, the next waits until that has ended, or, with --no-wait,
the job's id is printed.

    sql.py [--no-wait] GATEWAY JOBMANAGER FILE
"""

import json
import sys
import time
import urllib.error
import urllib.request


def call(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        # A Java trace: the last cause is what went wrong.
        text = error.read().decode().replace("\\n", "\n")
        causes = [line for line in text.splitlines() if "Caused by" in line]
        sys.exit(f"{url}: {causes[-1] if causes else text}")


def job_of(gateway, session, statement):
    """The id of the job that a statement starts, or None."""
    started = call(f"{gateway}/v3/sessions/{session}/statements", {"statement": statement})
    operation = started["operationHandle"]
    while True:
        result = call(f"{gateway}/v3/sessions/{session}/operations/{operation}/result/0?rowFormat=JSON")
        if result["resultType"] != "NOT_READY":
            return result.get("jobID")
        time.sleep(0.2)


def main():
    arguments = sys.argv[1:]
    wait = arguments[0] != "--no-wait"
    gateway, manager, file = arguments[not wait :]
    with open(file, encoding="utf-8") as text:
        statements = [part.strip() for part in text.read().split(";")]
    session = call(f"{gateway}/v3/sessions", {})["sessionHandle"]
    for statement in filter(None, statements):
        job = job_of(gateway, session, statement)
        if job and not wait:
            print(job)
        while job and wait:
            state = call(f"{manager}/jobs/{job}")["state"]
            if state == "FINISHED":
                break
            if state in ("FAILED", "CANCELED"):
                root = call(f"{manager}/jobs/{job}/exceptions")
                sys.exit(f"{statement}\njob {job} {state}: {json.dumps(root)[:4000]}")
            time.sleep(0.3)


main()
