"""The extension `projects`: keys per project, and how much each may send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import yaml
from pydantic import TypeAdapter, ValidationError

from spanledger.access.allowance import Allowance
from spanledger.access.audit import Audit
from spanledger.access.authenticator import Authenticator
from spanledger.access.caller import Caller, Role
from spanledger.access.credentials import offered_keys
from spanledger.access.keys import KeyRing, digest, digest_of_setting
from spanledger.access.settings import LimitSettings, ProjectSettings, ProjectsSettings
from spanledger.access.stored_keys import Fetch, StoredKeys, Triple
from spanledger.access.tally import Slot, Tally
from spanledger.clients.watched_file import WatchedFile
from spanledger.errors import ConfigError, Overloaded, Throttled, Unauthenticated

_KEYS_DELAY: Final = 2.0
_PROJECTS: Final = TypeAdapter(tuple[ProjectSettings, ...])


class Projects(Authenticator):
    """Knows callers by their keys."""

    address: str | None = None
    """It listens nowhere."""

    def __init__(self, settings: ProjectsSettings, name: str = "projects") -> None:
        self._settings = settings
        self._audit = Audit(name)
        self._ring = KeyRing()
        self._limits: dict[str, LimitSettings] = {}
        self._allowances: dict[str, Allowance] = {}
        self._more: tuple[ProjectSettings, ...] = ()
        """Those of the file."""
        self._stored: Sequence[Triple] = ()
        self._tally: Tally | None = None
        self._store: StoredKeys | None = None
        self._file = (
            WatchedFile(settings.file, self._use_text, settings.check_interval) if settings.file is not None else None
        )

    def share(self, tally: Tally) -> None:
        """Count together with other processes. To be called before `start`."""
        self._tally = tally

    def _slot(self, project_id: str, limits: LimitSettings) -> Slot | None:
        # Other limits begin anew.
        return self._tally.slot(f"{project_id}\0{limits.model_dump_json()}") if self._tally is not None else None

    def read_from(self, fetch: Fetch) -> None:
        """Take keys from a store, too. To be called before `start`."""
        settings = self._settings
        self._store = StoredKeys(fetch, self._use_stored, settings.check_interval, settings.store_cache)

    async def start(self) -> None:
        """Raises `ConfigError` when two projects share a key or the file cannot be used."""
        if self._file is not None:
            await self._file.start()
        else:
            try:
                self._use((), self._stored)
            except ValueError as error:
                raise ConfigError(str(error)) from None
        if self._store is not None:
            await self._store.start()

    async def stop(self) -> None:
        if self._tally is not None:
            self._tally.close()
            self._tally, self._allowances = None, {}
        if self._store is not None:
            await self._store.stop()
        if self._file is not None:
            await self._file.stop()

    def look(self) -> bool:
        """Look at the file now; whether a change was taken over."""
        return self._file is not None and self._file.look()

    async def look_at_store(self) -> bool:
        """Read the keys of the store now; whether that was possible."""
        return self._store is not None and await self._store.look()

    @property
    def refused(self) -> int:
        """Requests refused so far, for lack of a known key or over a limit."""
        return self._audit.refused

    def authenticate(self, headers: Mapping[str, str]) -> Caller:
        offered: str | None = None
        for key in offered_keys(headers, self._settings.headers):
            if (caller := self._ring.find(key)) is not None:
                return caller
            offered = offered or key
        if offered is None:
            self._audit.refuse("no key", headers)
            raise Unauthenticated("no key: send one as Authorization: Bearer <key>, or in a header x-api-key")
        if self._store is not None and not self._store.known:
            raise Overloaded("the keys of projects are not read yet, send it again", _KEYS_DELAY)
        self._audit.refuse("unknown key", headers, offered)
        raise Unauthenticated("the key is not known")

    def admit(self, caller: Caller) -> None:
        allowance = self._allowances.get(caller.project_id)
        if allowance is None:
            return
        try:
            allowance.enter()
        except Throttled:
            self._audit.refuse(f"over the limits of project {caller.project_id}", {})
            raise

    def charge(self, caller: Caller, items: int, size: int) -> None:
        if (allowance := self._allowances.get(caller.project_id)) is not None:
            allowance.charge(items, size)

    # Where projects come from.

    def _use_text(self, text: str) -> None:
        self._use(read_projects(text), self._stored)

    def _use_stored(self, keys: Sequence[Triple]) -> None:
        self._use(self._more, keys)

    def _use(self, more: tuple[ProjectSettings, ...], stored: Sequence[Triple]) -> None:
        """Take over the projects of the configuration, those of the file and keys of the store. Raises `ValueError`
        and changes nothing."""
        projects = [*self._settings.projects, *more]
        ids = [project.id for project in projects]
        if len(set(ids)) < len(ids):
            raise ValueError(f"project {next(id_ for id_ in ids if ids.count(id_) > 1)} is there twice")
        known = set(ids)
        projects += [ProjectSettings(id=id_) for id_ in sorted({id_ for id_, _, _ in stored} - known)]
        keys = [
            (digest_of_setting(key.get_secret_value()), Caller(project.id, role, f"{role} key {number}"))
            for project in projects
            for role in Role
            for number, key in enumerate(project.keys(role), 1)
        ]
        keys += [
            (bytes.fromhex(digest_), Caller(id_, Role(role), f"{role} key {digest_[:8]}"))
            for id_, role, digest_ in stored
        ]
        if self._settings.project_id_is_public_key:
            keys += [(digest(project.id), Caller(project.id, Role.PUBLIC, "project id")) for project in projects]
        ring = KeyRing(keys)
        limits = {project.id: project.limits or self._settings.default_limits for project in projects}
        # A project whose limits stay as they were keeps its debt.
        self._allowances = {
            id_: self._allowances[id_]
            if self._limits.get(id_) == limit
            else Allowance(limit, slot=self._slot(id_, limit))
            for id_, limit in limits.items()
            if limit.limits_anything
        }
        self._ring, self._limits, self._more, self._stored = ring, limits, more, stored


def read_projects(text: str) -> tuple[ProjectSettings, ...]:
    """Projects of a YAML or JSON list. Raises `ValueError` that says where and never quotes a value."""
    try:
        found: Any = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise ValueError(f"line {line}: not valid YAML") from None
    except yaml.YAMLError:
        raise ValueError("not valid YAML") from None
    if isinstance(found, dict) and set(found) == {"projects"}:
        found = found["projects"]
    if not isinstance(found, list):
        raise ValueError("expected a list of projects")
    try:
        return _PROJECTS.validate_python(found)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = "::".join(map(str, first["loc"]))
        raise ValueError(f"{where}: {first['msg']}") from None
