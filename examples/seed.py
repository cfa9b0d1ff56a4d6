#!/usr/bin/env python3
"""Sends made-up events to /events, in batches, with progress. The standard library is all it needs.

examples/seed.py [HOW_MANY]     1000 when nothing is said

API_URL says where to (default http://127.0.0.1:8501), USER_ID who does it (default: fifty people).
"""

import json
import os
import random
import sys
import time
import urllib.error
import urllib.request
import uuid

URL = os.environ.get("API_URL", "http://127.0.0.1:8501") + "/events"
BATCH = 500
TRIES = 10
PAGES = ["/", "/shirts", "/trousers", "/cart"]


def event():
    user = os.environ.get("USER_ID") or f"visitor {random.randrange(50)}"
    page = random.choice(PAGES)
    return {
        # With an id of its own, an event that is sent again is no second one.
        "id": str(uuid.uuid4()),
        "user_id": user,
        "event_type": random.choice(["page_view", "page_view", "click", "scroll"]),
        "url": f"https://example.com{page}",
        "referrer": "",
        "ts": int(time.time() * 1000) - random.randrange(3_600_000),
        "meta": {"seeded": True},
    }


def send(events):
    """Sends a batch until it is taken; how many of it were refused."""
    request = urllib.request.Request(
        URL, json.dumps(events).encode(), {"Content-Type": "application/json"}
    )
    for left in range(TRIES, 0, -1):
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                results = json.load(answer)["results"]
                return sum(result["status"] != "queued" for result in results)
        except urllib.error.HTTPError as error:
            if error.code not in (429, 503) or left == 1:
                raise
            time.sleep(float(error.headers.get("Retry-After", 1)))
        except urllib.error.URLError:
            if left == 1:
                raise
            time.sleep(1)


def main():
    many = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    sent = refused = 0
    while sent < many:
        batch = [event() for _ in range(min(BATCH, many - sent))]
        refused += send(batch)
        sent += len(batch)
        print(f"\r{sent} of {many} sent, {refused} refused", end="", flush=True)
    print()
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
