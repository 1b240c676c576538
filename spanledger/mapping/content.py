"""Messages of a model call or an agent's turn, from whichever carrier holds them; tools offered to the model.

A span often carries the same conversation several times (attributes, events, log records, whole bodies). The first
carrier in the order below that holds a message is taken; events and log records are merged into it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Final

from spanledger.mapping import messages as shapes
from spanledger.mapping.facts import Facts, Group
from spanledger.mapping.listed_calls import listed_calls
from spanledger.mapping.messages import parse_json
from spanledger.mapping.messages.pyrepr import parse_repr
from spanledger.mapping.shape import Shape
from spanledger.mapping.turns import paired, unfolded
from spanledger.model.records import Message
from spanledger.model.span import Event, Value

_SYSTEM_MESSAGES: Final = 8
"""How many system messages are compared with instructions that stand apart: one is usual, a sender can write 10,000."""

_PIECE_KEY: Final = "mlflow.chunk.value"
"""MLflow keeps a streamed answer chunk by chunk in span events; what it puts together itself drops tool calls."""

_INSTRUCTION_KEYS: Final = ("system", "instructions", "systemInstruction", "system_instruction")


class EventMessages:
    """Messages found in span events and log records of one span, in order."""

    __slots__ = ("input", "output")

    def __init__(self) -> None:
        self.input: list[Message] = []
        self.output: list[Message] = []


def messages_of_events(events: Sequence[Event], warnings: list[str]) -> EventMessages:
    """Messages carried by events (or log records turned into events); other events give nothing."""
    found = EventMessages()
    pieces: list[Value] = []
    for event in events:
        if not event.name.startswith("gen_ai."):
            piece = event.attributes.get(_PIECE_KEY)
            if piece is not None:
                pieces.append(parse_json(piece)[1])
            continue
        body = event.attributes.get("body")
        hit = shapes.event_message(event.name, body, event.attributes, warnings=warnings)
        if hit is not None:
            (found.input if hit[0] == "input" else found.output).extend(hit[1])
    if pieces and not found.output:
        found.output = shapes.response_messages(pieces, warnings=warnings, key=_PIECE_KEY)
    return found


def model_input(span: Facts, shape: Shape, events: EventMessages, request: Value, warnings: list[str]) -> list[Message]:
    """Input messages of a model call or an agent's turn."""
    found = _first_telling(shape.of(_input_carriers), span, request, warnings)
    if shapes.lacks(found, span.raw_input):
        found = shapes.refined(found, _raw_input(span, request, warnings))
    if events.input:
        found = shapes.merge_messages(found, events.input)
    stated = span.system_instructions
    if stated is None and span.request_parameters is not None:  # Pydantic AI, on calls that failed
        parameters = parse_json(span.request_parameters)[1]
        written = parameters.get("instruction_parts") if isinstance(parameters, dict) else None
        if isinstance(written, list):
            stated = [part["content"] for part in written if isinstance(part, dict) and part.get("content")]
    if stated is not None:
        instructions = shapes.parse_instructions(stated, warnings=warnings, key="gen_ai.system_instructions")
        if instructions and not _has_instructions(found, instructions):
            found = [*instructions, *found]
    elif isinstance(request, dict):
        for key in _INSTRUCTION_KEYS:
            if request.get(key):
                instructions = shapes.parse_instructions(request[key], warnings=warnings, key=key)
                if instructions and not _has_instructions(found, instructions):
                    found = [*instructions, *found]
                break
    return paired(unfolded(found))


def model_output(
    span: Facts, shape: Shape, events: EventMessages, response: Value, warnings: list[str]
) -> list[Message]:
    """Output messages of a model call or an agent's turn."""
    found = _first_telling(shape.of(_output_carriers), span, response, warnings)
    if shapes.lacks(found, span.raw_output):
        found = shapes.refined(found, _raw_output(span, response, warnings))
    if events.output:
        found = shapes.merge_messages(found, events.output)
    if span.response_tool_calls is not None:
        listed = span.response_tool_calls
        if isinstance(listed, str):
            ok, parsed = parse_json(listed)
            listed = parsed if ok else parse_repr(listed)[1]  # OpenLIT writes Python's repr
        answer = {"role": "assistant", "content": None, "tool_calls": listed}
        calls = shapes.parse_messages([answer], default_role="assistant", warnings=warnings, key="tool_calls")
        found = _with_calls(found, calls)
    elif span.tool_name is not None and not any(_calls(message) for message in found):
        answer = {"role": "assistant", "content": None, "tool_calls": listed_calls(span)}
        calls = shapes.parse_messages([answer], default_role="assistant", warnings=warnings, key="gen_ai.tool.name")
        found = _with_calls(found, calls)
    return found


def _attribute_input(span: Facts, request: Value, warnings: list[str]) -> list[Message]:
    if span.input_messages is None:
        return []
    return shapes.parse_messages(
        span.input_messages,
        default_role="user",
        nested=span.scope.name.startswith("@traceloop/"),  # Responses API: a JSON conversation as one text
        warnings=warnings,
        key="gen_ai.input.messages",
    )


def _listed_input(span: Facts, request: Value, warnings: list[str]) -> list[Message]:
    if span.event_list is None:
        return []
    return shapes.pydantic_events(span.event_list, warnings=warnings, key="events")[0]


def _vercel_input(span: Facts, request: Value, warnings: list[str]) -> list[Message]:
    for value, key in ((span.vercel_messages, "ai.prompt.messages"), (span.vercel_prompt, "ai.prompt")):
        if value is not None:
            found = shapes.vercel_prompt(value, warnings=warnings, key=key)
            if found:
                return found
    return []


def _openinference_input(span: Facts, request: Value, warnings: list[str]) -> list[Message]:
    if span.oi_input is not None:
        found = shapes.openinference_messages(
            span.oi_input, default_role="user", warnings=warnings, key="llm.input_messages"
        )
        if found:
            return shapes.completed(found, _raw_input(span, request, [])) if _hold_tools(found) else found
    return _completions(span.oi_prompts, "prompt.text", "user")


def _indexed_input(span: Facts, request: Value, warnings: list[str]) -> list[Message]:
    if span.prompt_indexed is None:
        return []
    return shapes.indexed_messages(span.prompt_indexed, default_role="user", warnings=warnings, key="gen_ai.prompt")


def _prompt_input(span: Facts, request: Value, warnings: list[str]) -> list[Message]:
    if span.prompt is None:
        return []
    return _body_messages(span.prompt, "user", shapes.request_messages, "gen_ai.prompt", warnings)


def _body_input(span: Facts, request: Value, warnings: list[str]) -> list[Message]:
    if request is None:
        return []
    return shapes.request_messages(request, warnings=warnings, key="request")


def _conversation_input(span: Facts, request: Value, warnings: list[str]) -> list[Message]:
    return _conversation(span, warnings)[0]


def _raw_input(span: Facts, request: Value, warnings: list[str]) -> list[Message]:
    if span.raw_input is None:
        return []
    return _body_messages(span.raw_input, "user", shapes.request_messages, "input", warnings)


def _attribute_output(span: Facts, response: Value, warnings: list[str]) -> list[Message]:
    if span.output_messages is None:
        return []
    return shapes.parse_messages(
        span.output_messages, default_role="assistant", warnings=warnings, key="gen_ai.output.messages"
    )


def _listed_output(span: Facts, response: Value, warnings: list[str]) -> list[Message]:
    if span.event_list is None:
        return []
    return shapes.pydantic_events(span.event_list, warnings=warnings, key="events")[1]


def _vercel_output(span: Facts, response: Value, warnings: list[str]) -> list[Message]:
    if (
        span.vercel_text is None
        and span.vercel_tool_calls is None
        and span.vercel_object is None
        and span.vercel_reasoning is None
        and span.vercel_files is None
    ):
        return []
    return shapes.vercel_response(
        span.vercel_text,
        span.vercel_reasoning,
        span.vercel_tool_calls,
        span.vercel_object,
        span.vercel_files,
        warnings=warnings,
    )


def _openinference_output(span: Facts, response: Value, warnings: list[str]) -> list[Message]:
    if span.oi_output is not None:
        found = shapes.openinference_messages(
            span.oi_output, default_role="assistant", warnings=warnings, key="llm.output_messages"
        )
        if found:
            choices = response.get("choices") if isinstance(response, dict) else None
            is_short = isinstance(choices, list) and len(choices) > len(found)
            return shapes.completed(found, _raw_output(span, response, [])) if is_short or _hold_tools(found) else found
    return _completions(span.oi_choices, "completion.text", "assistant")


def _indexed_output(span: Facts, response: Value, warnings: list[str]) -> list[Message]:
    if span.completion_indexed is None:
        return []
    return shapes.indexed_messages(
        span.completion_indexed, default_role="assistant", warnings=warnings, key="gen_ai.completion"
    )


def _completion_output(span: Facts, response: Value, warnings: list[str]) -> list[Message]:
    if span.completion is None:
        return []
    if isinstance(span.completion, str) and span.completion.startswith('{"rawRequest"'):
        return []  # OpenRouter's broadcast of a failed request: no answer, but what was asked
    return _body_messages(span.completion, "assistant", shapes.response_messages, "gen_ai.completion", warnings)


def _body_output(span: Facts, response: Value, warnings: list[str]) -> list[Message]:
    if span.response_body is None or response is None:
        return []
    return shapes.response_messages(response, warnings=warnings, key="response")


def _conversation_output(span: Facts, response: Value, warnings: list[str]) -> list[Message]:
    return _conversation(span, warnings)[1]


def _raw_output(span: Facts, response: Value, warnings: list[str]) -> list[Message]:
    if span.raw_output is None:
        return []
    return _body_messages(span.raw_output, "assistant", shapes.response_messages, "output", warnings)


_Carrier = Callable[[Facts, Value, list[str]], list[Message]]
_INPUT_CARRIERS: Final[tuple[tuple[_Carrier, tuple[str, ...]], ...]] = (
    (_attribute_input, ("input_messages",)),
    (_listed_input, ("event_list",)),
    (_vercel_input, ("vercel_messages", "vercel_prompt")),
    (_openinference_input, ("oi_input", "oi_prompts")),
    (_indexed_input, ("prompt_indexed",)),
    (_prompt_input, ("prompt",)),
    (_body_input, ("request_body", "raw_input", "prompt", "parameters")),
    (_conversation_input, ("conversation_events", "conversation")),
    (_raw_input, ("raw_input",)),
)
"""Each with the slots that it reads."""
_OUTPUT_CARRIERS: Final[tuple[tuple[_Carrier, tuple[str, ...]], ...]] = (
    (_attribute_output, ("output_messages",)),
    (_listed_output, ("event_list",)),
    (
        _vercel_output,
        ("vercel_text", "vercel_tool_calls", "vercel_object", "vercel_reasoning", "vercel_files"),
    ),
    (_openinference_output, ("oi_output", "oi_choices")),
    (_indexed_output, ("completion_indexed",)),
    (_completion_output, ("completion",)),
    (_body_output, ("response_body",)),
    (_conversation_output, ("conversation_events", "conversation")),
    (_raw_output, ("raw_output",)),
)


def _input_carriers(slots: tuple[str, ...]) -> list[_Carrier]:
    return [carrier for carrier, read in _INPUT_CARRIERS if not set(slots).isdisjoint(read)]


def _output_carriers(slots: tuple[str, ...]) -> list[_Carrier]:
    return [carrier for carrier, read in _OUTPUT_CARRIERS if not set(slots).isdisjoint(read)]


def _first_telling(carriers: list[_Carrier], span: Facts, body: Value, warnings: list[str]) -> list[Message]:
    """Messages of the first carrier that says anything. Where it lost the content of some messages (OpenInference for
    Bedrock drops tool results), a later carrier of at least as many messages that lost fewer is better."""
    best: list[Message] = []
    full = 0
    for carrier in carriers:
        found = carrier(span, body, warnings)
        if not found:
            continue
        told = sum([_tells(message) for message in found])
        if not best or (told > full and len(found) >= len(best)):
            best, full = found, told
        if full == len(best):
            break
    return best


def _tells(message: Message) -> bool:
    for part in message["parts"]:  # noqa: SIM110 - a generator takes longer than what it looks at
        if part.get("content", part.get("response", part)) is not None:
            return True
    return False


def _body_messages(
    value: Value, role: str, parse: Callable[..., list[Message]], key: str, warnings: list[str]
) -> list[Message]:
    """Messages of a value that may be a provider's body, a framework's dump, or plain text."""
    ok, document = parse_json(value)
    if ok and isinstance(document, (dict, list)):
        found = parse(document, warnings=warnings, key=key)
        if found:
            return found
    return shapes.parse_messages(value, default_role=role, warnings=warnings, key=key)


def _completions(group: Group | None, suffix: str, role: str) -> list[Message]:
    """OpenInference's completions API: `llm.prompts.0.prompt.text`, `llm.choices.0.completion.text`."""
    if group is None:
        return []
    found: list[tuple[int, str]] = []
    for key, value in group.items():
        index, _, rest = key.partition(".")
        if rest == suffix and index.isdecimal() and len(index) < 6 and isinstance(value, str):
            found.append((int(index), value))
    return [{"role": role, "parts": [{"type": "text", "content": content}]} for _, content in sorted(found)]


def _conversation(span: Facts, warnings: list[str]) -> tuple[list[Message], list[Message]]:
    """Pydantic AI agents: the whole conversation in one attribute, split at this run's answer."""
    if span.conversation_events is not None:
        return shapes.pydantic_events(span.conversation_events, warnings=warnings, key="all_messages_events")
    if span.conversation is None:
        return [], []
    history = shapes.parse_messages(
        span.conversation, default_role="user", warnings=warnings, key="pydantic_ai.all_messages"
    )
    cut = len(history)
    while cut > 0 and history[cut - 1].get("role") == "assistant":
        cut -= 1
    return history[:cut], history[cut:]


def _has_instructions(found: list[Message], instructions: list[Message]) -> bool:
    wanted = shapes.text_of(instructions).strip()
    systems = (message for message in found if message.get("role") in ("system", "developer"))
    for message in islice(systems, _SYSTEM_MESSAGES):
        held = shapes.text_of([message]).strip()
        if held == wanted or (wanted and wanted in held) or (held and held in wanted):
            return True
    return False


def _with_calls(found: list[Message], calls: list[Message]) -> list[Message]:
    """Add tool calls which stand apart to the answer, unless the answer already has them."""
    if not calls:
        return found
    if not found:
        return calls
    held = {part.get("id") or part.get("name") for message in found for part in _calls(message)}
    extra = [part for message in calls for part in _calls(message) if (part.get("id") or part.get("name")) not in held]
    if extra:
        last = found[-1]
        found = [*found[:-1], {**last, "parts": [*last["parts"], *extra]}]
    return found


def _hold_tools(messages: list[Message]) -> bool:
    return any(part["type"] in ("tool_call", "tool_call_response") for message in messages for part in message["parts"])


def _calls(message: Message) -> list[dict[str, Any]]:
    return [part for part in message.get("parts", ()) if part.get("type") == "tool_call"]


def tools_of(span: Facts, request: Value, warnings: list[str]) -> list[dict[str, Value]] | None:
    """Tool definitions offered to the model."""
    if span.tool_definitions is not None:
        found = shapes.tool_definitions(span.tool_definitions, warnings=warnings, key="gen_ai.tool.definitions")
        if found:
            return found
    for group in (span.oi_tools, span.functions_indexed):
        if group is not None:
            found = shapes.indexed_tool_definitions(group)
            if found:
                return found
    offered: list[dict[str, Value]] = []
    for document, keys in (
        (parse_json(span.request_parameters)[1], ("function_tools", "output_tools")),
        (parse_json(span.parameters)[1], ("tools", "functions")),
        (request, ("tools", "functions", "toolConfig", "tool_config", "config")),
    ):
        if not isinstance(document, dict):
            continue
        for key in keys:
            value = document.get(key)
            if isinstance(value, dict):
                value = value.get("tools")
            if isinstance(value, list) and value:
                offered.extend(shapes.tool_definitions(value, warnings=warnings, key=key) or [])
        if offered:
            return offered
    return None
