"""The AutoGPT platform's bus as its Python services see it, over their libraries.

It does what `AsyncRedisEventBus` does, the faults included: a publish that fails and a
message that does not validate are logged, and nothing else. Both of its lives are here:
`PUBLISH`, `SUBSCRIBE` and `PSUBSCRIBE` on one server, as before April 2026, and
`SPUBLISH` and `SSUBSCRIBE` on a Redis Cluster, as since.
"""

import logging
from collections.abc import AsyncGenerator
from typing import Any, Generic, TypeVar

import orjson
from fastapi.encoders import jsonable_encoder
from pydantic import BaseModel
from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ClusterDownError, ConnectionError, TimeoutError

MESSAGE_LIMIT = 16 * 1024 * 1024
"""In bytes of the whole message."""

# The platform's defaults: seconds, and times.
SOCKET_TIMEOUT = 30.0
CONNECT_TIMEOUT = 5.0
HEALTH_CHECK_INTERVAL = 30
RETRY_ATTEMPTS = 5

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
        if message["type"] not in ("smessage", "message", "pmessage"):
            return None
        try:
            return self._envelope.model_validate_json(message["data"]).payload
        except Exception:
            logger.exception("a message was not understood")
            return None


class ShardedRedisEventBus(AsyncRedisEventBus[M]):
    """On a cluster, where there are no patterns."""

    def __init__(
        self,
        cluster: RedisCluster,
        name: str,
        model: type[M],
        limit: int = MESSAGE_LIMIT,
    ) -> None:
        super().__init__(cluster, name, model, limit)  # type: ignore[arg-type]
        self._cluster = cluster

    async def publish_event(self, event: M, channel_key: str) -> None:
        refuse_patterns(channel_key)
        try:
            await self._cluster.execute_command(
                "SPUBLISH", self._channel(channel_key), self._serialize(event)
            )
        except Exception:
            logger.exception("an event was not published")

    async def listen_events(self, channel_key: str) -> AsyncGenerator[M, None]:
        """Over a connection of its own to the node that owns the channel's slot now.

        It subscribes behind the back of redis-py's `PubSub`, which would not listen if
        it knew of no channel: so it is told of one, of the classic kind.
        """
        refuse_patterns(channel_key)
        channel = self._channel(channel_key)
        node = self._cluster.get_node_from_key(channel)
        assert node is not None
        async with Redis(
            host=node.host,
            port=int(node.port),
            decode_responses=True,
            socket_connect_timeout=CONNECT_TIMEOUT,
            socket_keepalive=True,
            health_check_interval=HEALTH_CHECK_INTERVAL,
        ) as redis:
            async with redis.pubsub() as pubsub:
                await pubsub.execute_command("SSUBSCRIBE", channel)
                pubsub.channels[channel] = None
                async for message in pubsub.listen():
                    if event := self._deserialize(message):
                        yield event


async def connect_cluster(host: str, port: int) -> RedisCluster:
    """As the platform does by default: all nodes at the host of the first."""
    cluster = RedisCluster(
        startup_nodes=[ClusterNode(host, port)],
        decode_responses=True,
        socket_timeout=SOCKET_TIMEOUT,
        socket_connect_timeout=CONNECT_TIMEOUT,
        socket_keepalive=True,
        health_check_interval=HEALTH_CHECK_INTERVAL,
        address_remap=lambda address: (host, address[1]),
        retry=Retry(
            backoff=ExponentialBackoff(cap=10, base=0.1),
            retries=RETRY_ATTEMPTS,
            supported_errors=(ConnectionError, TimeoutError, ClusterDownError),
        ),
    )
    await cluster.ping()
    return cluster


def refuse_patterns(channel_key: str) -> None:
    if "*" in channel_key:
        raise ValueError(f"sharded pub/sub has no patterns such as {channel_key!r}")


def dumps(value: Any) -> str:
    """Compact JSON as the platform writes it, of models, times and the like."""
    return orjson.dumps(jsonable_encoder(value)).decode()
