"""Messages of every dialect to the normal form of docs/run-model.md: a list of `{role, parts, name?, finish_reason?}`.

All functions are pure, take any value without raising, work in time linear to its size, and return new objects.
What had to be repaired is appended to `warnings` as `<what>:<key>`, e.g. `truncated_json:gen_ai.input.messages`.

- `parse_messages` reads whatever an attribute holds; the others know more of the shape they are given.
- Roles and finish reasons are canonical; finish reasons stand on answers only (`default_role="assistant"`).
- Results of tools are messages of role `tool` of their own, with one `tool_call_response` part.
- Content that the SDK held back is `None` with `redacted: true`; binary content beyond `blob_limit` bytes is
  replaced by its size and SHA-256 (`omitted: true`); both are absent where the SDK itself had dropped the bytes.
- What nobody knows becomes a `generic` part.
"""

from spanledger import compiled

__path__ = compiled.ahead_of(__name__, __path__)

from spanledger.mapping.messages.events import Direction
from spanledger.mapping.messages.jsontext import parse_json, repair_json
from spanledger.mapping.messages.merge import completed, merge_messages, text_of
from spanledger.mapping.messages.parsing import (
    event_message,
    indexed_messages,
    indexed_tool_definitions,
    openinference_messages,
    parse_instructions,
    parse_messages,
    parse_printed,
    pydantic_events,
    request_messages,
    response_messages,
    split_definitions,
    tool_definitions,
    vercel_prompt,
    vercel_response,
)
from spanledger.mapping.messages.reader import BLOB_LIMIT, Part
from spanledger.mapping.messages.refine import lacks, refined
from spanledger.mapping.messages.roles import finish_reasons

__all__ = [
    "BLOB_LIMIT",
    "Direction",
    "Part",
    "completed",
    "event_message",
    "finish_reasons",
    "indexed_messages",
    "indexed_tool_definitions",
    "lacks",
    "merge_messages",
    "openinference_messages",
    "parse_instructions",
    "parse_json",
    "parse_messages",
    "parse_printed",
    "pydantic_events",
    "refined",
    "repair_json",
    "request_messages",
    "response_messages",
    "split_definitions",
    "text_of",
    "tool_definitions",
    "vercel_prompt",
    "vercel_response",
]
