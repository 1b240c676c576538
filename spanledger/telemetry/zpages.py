"""Extension `zpages`: pages about the running process for a browser, at the paths of the Collector's."""

from __future__ import annotations

import html
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from spanledger._version import __version__
from spanledger.settings import Endpoint, Settings, format_duration
from spanledger.telemetry.components import members, of_status, worst
from spanledger.telemetry.page_server import Answer, PageServer

_PAGES: Final = ("servicez", "pipelinez", "extensionz", "featurez")
_STYLE: Final = (
    "body{font:14px/1.5 system-ui,sans-serif;margin:2rem;color:#222}table{border-collapse:collapse;margin:1rem 0}"
    "td,th{border:1px solid #ccc;padding:.25rem .6rem;text-align:left;vertical-align:top}th{background:#f3f3f3}"
)


class ExpvarSettings(Settings):
    enabled: bool = False
    """Serve /debug/expvarz: all counts, as JSON."""


class ZpagesSettings(Settings):
    """Extension `zpages`."""

    endpoint: Endpoint = "127.0.0.1:55679"
    """Where to listen."""
    expvar: ExpvarSettings = ExpvarSettings()


@dataclass(frozen=True, slots=True)
class Layout:
    """What a configuration joins."""

    pipelines: Mapping[str, tuple[Sequence[str], Sequence[str], Sequence[str]]]
    """Pipeline → its receivers, processors and exporters."""
    extensions: Sequence[str]


class Zpages(PageServer):
    """Serves the pages. They show names, states and counts, and no settings."""

    def __init__(
        self,
        settings: ZpagesSettings,
        layout: Layout,
        not_ready: Callable[[], str | None],
        status: Callable[[], Mapping[str, Any]],
    ) -> None:
        super().__init__(settings.endpoint, f"endpoint: cannot listen on {settings.endpoint}")
        self._settings = settings
        self._layout = layout
        self._not_ready = not_ready
        self._status = status
        self._started = time.time()

    async def start(self) -> None:
        """Begin to listen. Raises `ConfigError` when the endpoint cannot be had."""
        answers: dict[str, Answer] = {
            "/debug/servicez": self._servicez,
            "/debug/pipelinez": self._pipelinez,
            "/debug/extensionz": self._extensionz,
            "/debug/featurez": self._featurez,
            "/debug/tracez": self._tracez,
        }
        if self._settings.expvar.enabled:
            answers["/debug/expvarz"] = self._expvarz
        await self.listen(answers)

    async def _servicez(self, request: web.Request) -> web.Response:
        reason = self._not_ready()
        state, trouble = worst(members(of_status(self._status())))
        started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._started))
        facts = [
            ("Command", "spanledger"),
            ("Version", __version__),
            ("Python", platform.python_version()),
            ("System", f"{platform.system()} {platform.machine()}"),
            ("Start time", started),
            ("Uptime", format_duration(round(time.time() - self._started))),
            ("Ready", "yes" if reason is None else f"no: {reason}"),
            ("Components", state if trouble is None else f"{state}: {trouble}"),
        ]
        pages = "".join(f'<li><a href="/debug/{name}">{name}</a></li>' for name in _PAGES[1:])
        return _page("Service", _table(("Property", "Value"), facts) + f"<ul>{pages}</ul>")

    async def _pipelinez(self, request: web.Request) -> web.Response:
        components = of_status(self._status())
        tables = []
        for id_, (receivers, processors, exporters) in self._layout.pipelines.items():
            groups = (("receiver", receivers), ("processor", processors), ("exporter", exporters))
            held = components.get(f"pipeline:{id_}", {})
            rows = [(kind, name, *_state(held, kind, name)) for kind, names in groups for name in names]
            table = _table(("Kind", "Component", "State", "Reason"), rows)
            tables.append(f"<h2>{html.escape(id_)}</h2>{table}")
        return _page("Pipelines", "".join(tables))

    async def _extensionz(self, request: web.Request) -> web.Response:
        held = of_status(self._status()).get("extensions", {})
        rows = [(name, *_state(held, "extension", name)) for name in self._layout.extensions]
        return _page("Extensions", _table(("Extension", "State", "Reason"), rows))

    async def _featurez(self, request: web.Request) -> web.Response:
        return _page("Feature gates", "<p>There are none.</p>")

    async def _tracez(self, request: web.Request) -> web.Response:
        return web.Response(
            status=501, text="spanledger keeps no spans about itself; service::telemetry::traces says who gets them\n"
        )

    async def _expvarz(self, request: web.Request) -> web.Response:
        return web.json_response(dict(self._status()))


def _state(held: Mapping[str, tuple[str, str | None]], kind: str, name: str) -> tuple[str, str]:
    found = held.get(f"{kind}:{name}") or held.get(f"connector:{name}") or ("", None)
    return found[0], found[1] or ""


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    def row(cells: Iterable[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    return f"<table>{row(head, 'th')}{''.join(row(cells, 'td') for cells in rows)}</table>"


def _page(title: str, body: str) -> web.Response:
    links = " · ".join(f'<a href="/debug/{name}">{name}</a>' for name in _PAGES)
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} · spanledger</title>'
        f"<style>{_STYLE}</style></head><body><nav>{links}</nav><h1>{title}</h1>{body}</body></html>"
    )
    headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'", "X-Frame-Options": "DENY"}
    return web.Response(text=text, content_type="text/html", headers=headers)
