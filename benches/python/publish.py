"""Publishes as the AutoGPT platform does, and tells what it took:
`publish.py REDIS_URL KEY`, with tests/python on the path.

The first line on standard input is the event. Each further line is two numbers: so many
are published by each of so many tasks, one awaited after the other; the answer is a line
with the seconds and the seconds of CPU that it took.
"""

import asyncio
import json
import logging
import sys
import time

from pydantic import TypeAdapter
from redis.asyncio import Redis

from bus import AsyncRedisEventBus
from events import KINDS

BUS = "execution_event"


async def main(url: str, key: str) -> None:
    logging.disable()  # a publish that failed is missed by whoever counts
    model = KINDS[BUS].model
    bus = AsyncRedisEventBus(Redis.from_url(url, decode_responses=True), BUS, model)
    event = TypeAdapter(model).validate_json(sys.stdin.readline())

    async def publish(events: int) -> None:
        for _ in range(events):
            await bus.publish_event(event, key)

    while line := sys.stdin.readline():
        events, tasks = map(int, line.split())
        started, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(publish(events) for _ in range(tasks)))
        took = {
            "seconds": time.perf_counter() - started,
            "cpu": time.process_time() - cpu,
        }
        print(json.dumps(took), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
