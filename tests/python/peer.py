"""Does what a Rust test says and tells what it sees.

Called as `peer.py server|cluster HOST:PORT [MESSAGE_LIMIT]`: with one server it speaks
classic pub/sub, with the cluster of which a node is named sharded.

A command is a line of JSON on standard input:

- `{"do": "publish", "bus": …, "event": …}` publishes to every channel of the event;
  the answer is what was written, a text for each channel
- `{"do": "listen", "bus": …, "key": …, "listener": N}` listens;
  whatever the reader is given is told as `N`'s, and the error with which it ends
- `{"do": "same", "left": …, "right": …}` answers whether two JSON texts have one value

An answer, or what a listener was given, is a line of JSON on standard output. No number
changes on the way between the two programs, since a float is spelled by its bits there:
`{"bits": "3ff8000000000000"}`. Only messages stand there as they are, as text.
"""

import asyncio
import json
import logging
import struct
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from pydantic import TypeAdapter
from redis.asyncio import Redis

from bus import (
    MESSAGE_LIMIT,
    AsyncRedisEventBus,
    ShardedRedisEventBus,
    connect_cluster,
)
from events import KINDS


class Writer(AsyncRedisEventBus[Any]):
    """Keeps what it writes: publishing itself never tells that something failed."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.written: list[str] = []

    def _serialize(self, event: Any) -> str:
        message = super()._serialize(event)
        self.written.append(message)
        return message


class Reader(AsyncRedisEventBus[Any]):
    """Tells what it is given, and the event in it, or `None` if it is dropped."""

    def __init__(self, *args: Any, listener: int) -> None:
        super().__init__(*args)
        self._listener = listener

    def _deserialize(self, message: dict[str, Any]) -> Any | None:
        event = super()._deserialize(message)
        say(
            listener=self._listener,
            type=message["type"],
            channel=message["channel"],
            raw=message["data"],
            event=event and spelled(event.model_dump(mode="json")),
        )
        return event


class ShardedWriter(Writer, ShardedRedisEventBus[Any]):
    pass


class ShardedReader(Reader, ShardedRedisEventBus[Any]):
    pass


class Peer:
    def __init__(
        self,
        writer: Callable[..., Writer],
        reader: Callable[..., Reader],
        limit: int,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._limit = limit
        self._tasks = tasks

    async def obey(self, command: dict[str, Any]) -> None:
        match command.pop("do"):
            case "publish":
                await self._publish(**command)
            case "listen":
                self._tasks.create_task(self._listen(**command))
            case "same":
                say(answer=exact(command["left"]) == exact(command["right"]))
            case other:
                raise ValueError(f"there is no command {other!r}")

    async def _publish(self, bus: str, event: Any) -> None:
        kind = KINDS[bus]
        model = TypeAdapter(kind.model).validate_python(event)
        writer = self._writer(bus, kind.model, self._limit)
        for key in kind.keys(model):
            await writer.publish_event(model, key)
        say(answer=writer.written)

    async def _listen(self, bus: str, key: str, listener: int) -> None:
        reader = self._reader(bus, KINDS[bus].model, listener=listener)
        try:
            async for _ in reader.listen_events(key):
                pass  # told already
        except Exception as error:
            say(listener=listener, ended=type(error).__name__)
        else:
            raise RuntimeError("the reader has ended")


def say(**line: Any) -> None:
    sys.stdout.buffer.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
    sys.stdout.buffer.flush()


def exact(text: str) -> str:
    """One text for one JSON value: `1` is neither `1.0` nor `true`, `0.0` not `-0.0`."""
    return json.dumps(spelled(json.loads(text)), sort_keys=True)


def spelled(value: Any) -> Any:
    """The value with each float spelled by its bits."""
    match value:
        case float():
            return {"bits": struct.pack(">d", value).hex()}
        case dict():
            return {key: spelled(inner) for key, inner in value.items()}
        case list():
            return [spelled(inner) for inner in value]
        case _:
            return value


def read(value: dict[str, Any]) -> Any:
    """The float that is spelled so, or the object itself."""
    if value.keys() != {"bits"}:
        return value
    return struct.unpack(">d", bytes.fromhex(value["bits"]))[0]


async def main(kind: str, address: str, limit: int = MESSAGE_LIMIT) -> None:
    logging.disable()  # what is lost or dropped is told
    host, port = address.rsplit(":", 1)
    if kind == "cluster":
        cluster = await connect_cluster(host, int(port))
        buses = partial(ShardedWriter, cluster), partial(ShardedReader, cluster)
    else:
        redis = Redis(host=host, port=int(port), decode_responses=True)
        buses = partial(Writer, redis), partial(Reader, redis)
    async with asyncio.TaskGroup() as tasks:
        peer = Peer(*buses, limit, tasks)
        while line := await asyncio.to_thread(sys.stdin.buffer.readline):
            await peer.obey(json.loads(line, object_hook=read))
        raise SystemExit  # nobody commands any more, and listeners never end


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3], *map(int, sys.argv[3:])))
