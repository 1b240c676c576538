"""The one place where logging is set up: lines for people or JSON, from `service::telemetry::logs`.

Modules log with `logging.getLogger(__name__)`, a constant text, and the facts as `extra={"exporter": name, …}`: the
facts become `name=value` on the console and fields in JSON. No fact may be a secret or content of a span.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TextIO

from spanledger.telemetry.settings import LogsSettings, SamplingSettings

_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
_NAMES: Final = {logging.WARNING: "warn", logging.CRITICAL: "fatal"}
_MESSAGES_AT_MOST: Final = 10_000
"""Different messages that are counted."""
_STANDARD: Final = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName"}


def facts(record: logging.LogRecord) -> dict[str, Any]:
    """What a line was given as `extra`."""
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _time(record: logging.LogRecord) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z"


class _Formatter(logging.Formatter):
    def __init__(self, settings: LogsSettings) -> None:
        super().__init__()
        self.fields: Mapping[str, str | int | float | bool] = settings.initial_fields
        self.caller = not settings.disable_caller
        self.stacktrace = not settings.disable_stacktrace

    def failure(self, record: logging.LogRecord) -> str | None:
        if not record.exc_info or record.exc_info[1] is None:
            return None
        return self.formatException(record.exc_info) if self.stacktrace else repr(record.exc_info[1])


class ConsoleFormatter(_Formatter):
    """`2026-03-01T10:00:00.123Z  info   pipeline.writer  batch written  exporter=clickhouse records=512`."""

    def format(self, record: logging.LogRecord) -> str:
        level = _NAMES.get(record.levelno, record.levelname.lower())
        columns = [_time(record), f"{level:<5}"]
        if self.caller:
            columns.append(record.name.removeprefix("spanledger."))
        columns.append(record.getMessage())
        shown = {**self.fields, **facts(record)}
        if shown:
            columns.append(" ".join(f"{name}={_word(value)}" for name, value in shown.items()))
        line = "  ".join(columns)
        failure = self.failure(record)
        return f"{line}\n{failure}" if failure else line


class JsonFormatter(_Formatter):
    """One object a line, with the Collector's field names `ts`, `level`, `logger`, `msg`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "ts": _time(record),
            "level": _NAMES.get(record.levelno, record.levelname.lower()),
            "msg": record.getMessage(),
            **self.fields,
            **facts(record),
        }
        if self.caller:
            line["logger"] = record.name
        if failure := self.failure(record):
            line["error"] = failure
        return json.dumps(line, ensure_ascii=False, default=str)


def _word(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if not text or any(c in text for c in ' "=\n\t') else text


class Sampler(logging.Filter):
    """Leaves lines out when the same message comes again and again: the first few of each tick are written, then every
    so manieth, as the Collector's logger does (go.uber.org/zap/zapcore, NewSamplerWithOptions)."""

    def __init__(self, settings: SamplingSettings, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._settings = settings
        self._clock = clock
        self._counts: dict[tuple[str, int, str], int] = {}
        self._until = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line is written."""
        now = self._clock()
        if now >= self._until or len(self._counts) > _MESSAGES_AT_MOST:
            self._counts.clear()
            self._until = now + self._settings.tick
        # The text before its values are put in: what differs in those alone is the same message.
        key = (record.name, record.levelno, str(record.msg))
        count = self._counts[key] = self._counts.get(key, 0) + 1
        beyond = count - self._settings.initial
        every = self._settings.thereafter
        return beyond <= 0 or (every > 0 and beyond % every == 0)


def set_up(settings: LogsSettings) -> None:
    """Send everything that is logged in this process to the configured outputs. May be called again."""
    formatter = JsonFormatter(settings) if settings.encoding == "json" else ConsoleFormatter(settings)
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    sampling = settings.sampling
    for path in settings.output_paths:
        handler = _handler(path)
        if sampling is not None and sampling.enabled:
            handler.addFilter(Sampler(sampling))
        handler.setFormatter(formatter)
        root.addHandler(handler)
    # Libraries speak up only when something is wrong; spanledger's own loggers say what was asked for.
    root.setLevel(max(_LEVELS[settings.level], logging.WARNING))
    logging.getLogger("spanledger").setLevel(_LEVELS[settings.level])
    logging.captureWarnings(True)


def _handler(path: str) -> logging.Handler:
    streams: dict[str, TextIO] = {"stderr": sys.stderr, "stdout": sys.stdout}
    if path in streams:
        return logging.StreamHandler(streams[path])
    return logging.FileHandler(path, encoding="utf-8")
