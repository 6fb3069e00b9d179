"""The AutoGPT platform's bus as its Python services see it, over their libraries.

It does what `AsyncRedisEventBus` does with `PUBLISH`, `SUBSCRIBE` and `PSUBSCRIBE`, the
faults included: a publish that fails and a message that does not validate are logged,
and nothing else.
"""

import logging
from collections.abc import AsyncGenerator
from typing import Any, Generic, TypeVar

import orjson
from fastapi.encoders import jsonable_encoder
from pydantic import BaseModel
from redis.asyncio import Redis

MESSAGE_LIMIT = 16 * 1024 * 1024
"""In bytes of the whole message."""

logger = logging.getLogger(__name__)

M = TypeVar("M")


class Envelope(BaseModel, Generic[M]):
    payload: M


class AsyncRedisEventBus(Generic[M]):
    def __init__(
        self, redis: Redis, name: str, model: type[M], limit: int = MESSAGE_LIMIT
    ) -> None:
        self._redis = redis
        self._name = name
        self._envelope = Envelope[model]  # type: ignore[valid-type]
        self._limit = limit

    async def publish_event(self, event: M, channel_key: str) -> None:
        try:
            await self._redis.publish(
                self._channel(channel_key), self._serialize(event)
            )
        except Exception:
            logger.exception("an event was not published")

    async def listen_events(self, channel_key: str) -> AsyncGenerator[M, None]:
        async with self._redis.pubsub() as pubsub:
            if "*" in channel_key:
                await pubsub.psubscribe(self._channel(channel_key))
            else:
                await pubsub.subscribe(self._channel(channel_key))
            async for message in pubsub.listen():
                if event := self._deserialize(message):
                    yield event

    def _channel(self, channel_key: str) -> str:
        return f"{self._name}/{channel_key}"

    def _serialize(self, event: M) -> str:
        message = dumps(self._envelope(payload=event))
        size = len(message.encode())
        if size <= self._limit:
            return message
        marker = {
            "event_type": "error_comms_update",
            "error": "Payload too large for Redis transmission",
            "original_size_bytes": size,
            "max_size_bytes": self._limit,
        }
        return dumps({"payload": marker})

    def _deserialize(self, message: dict[str, Any]) -> M | None:
        if message["type"] not in ("message", "pmessage"):
            return None
        try:
            return self._envelope.model_validate_json(message["data"]).payload
        except Exception:
            logger.exception("a message was not understood")
            return None


def dumps(value: Any) -> str:
    """Compact JSON as the platform writes it, of models, times and the like."""
    return orjson.dumps(jsonable_encoder(value)).decode()
