"""The events of the AutoGPT platform's five buses, and the channels that each goes to.

Which fields have defaults matters: a reader drops an event that leaves out another.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class ExecutionStatus(str, Enum):
    INCOMPLETE = "INCOMPLETE"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    TERMINATED = "TERMINATED"
    FAILED = "FAILED"
    REVIEW = "REVIEW"


class ExecutionStats(BaseModel):
    model_config = ConfigDict(extra="allow")

    cost: int = 0
    duration: float = 0
    duration_cpu_only: float = 0
    node_exec_time: float = 0
    node_exec_time_cpu_only: float = 0
    node_exec_count: int = 0
    node_error_count: int = 0
    error: str | None = None
    activity_status: str | None = None
    correctness_score: float | None = None


class GraphExecution(BaseModel):
    id: str
    user_id: str
    graph_id: str
    graph_version: int
    inputs: dict[str, Any]
    credential_inputs: dict[str, Any] | None
    nodes_input_masks: dict[str, Any] | None
    preset_id: str | None
    status: ExecutionStatus
    started_at: datetime | None = None
    ended_at: datetime | None = None
    is_shared: bool = False
    share_token: str | None = None
    is_dry_run: bool = False
    stats: ExecutionStats | None
    outputs: dict[str, list[Any]]
    event_type: Literal["graph_execution_update"] = "graph_execution_update"


class NodeExecution(BaseModel):
    user_id: str
    graph_id: str
    graph_version: int
    graph_exec_id: str
    node_exec_id: str
    node_id: str
    block_id: str
    status: ExecutionStatus
    input_data: dict[str, Any]
    output_data: dict[str, list[Any]]
    add_time: datetime
    queue_time: datetime | None
    start_time: datetime | None
    end_time: datetime | None
    event_type: Literal["node_execution_update"] = "node_execution_update"


ExecutionEvent = Annotated[
    GraphExecution | NodeExecution, Field(discriminator="event_type")
]


class NotificationPayload(BaseModel):
    model_config = ConfigDict(extra="allow")

    type: str
    event: str


class Notification(BaseModel):
    user_id: str
    payload: NotificationPayload


class WebhookEvent(BaseModel):
    id: str
    provider: str
    webhook_id: str
    event_type: str
    payload: dict[str, Any]


class CredentialsChanged(BaseModel):
    user_id: str
    provider: str


class StreamDisconnect(BaseModel):
    session_id: str
    sent_at: float


def execution_keys(event: GraphExecution | NodeExecution) -> list[str]:
    run = event.id if isinstance(event, GraphExecution) else event.graph_exec_id
    graph = f"{{{event.user_id}/{event.graph_id}}}"
    return [f"{graph}/exec/{run}", f"{graph}/all"]


@dataclass(frozen=True)
class Kind:
    """What a bus carries, and the keys of the channels that an event goes to."""

    model: Any
    keys: Callable[[Any], list[str]]


KINDS = {
    "execution_event": Kind(ExecutionEvent, execution_keys),
    "notification_event": Kind(Notification, lambda event: [event.user_id]),
    "webhooks": Kind(
        WebhookEvent, lambda event: [f"{event.webhook_id}/{event.event_type}"]
    ),
    "creds_changed": Kind(CredentialsChanged, lambda event: ["all"]),
    "copilot_stream_disconnect": Kind(StreamDisconnect, lambda event: ["all"]),
}
