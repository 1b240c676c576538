"""Settings of the extensions that authenticate: `projects`, `bearertokenauth`, `basicauth`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from spanledger.access.caller import Role
from spanledger.access.keys import digest_of_setting
from spanledger.settings import Duration, Secret, Settings

ProjectId = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\s\x00-\x1f]+$")]


class AuthSettings(Settings):
    """Who may come in."""

    authenticator: str = Field(min_length=1)
    """Id of the extension that asks for keys: `projects`, `bearertokenauth` or `basicauth`. It must also stand in
    `service::extensions`."""


class LimitSettings(Settings):
    """How much a project may send. 0 = no limit. The workers of a machine count together."""

    requests_per_second: float = Field(default=0, ge=0)
    """Requests."""
    items_per_second: float = Field(default=0, ge=0)
    """Spans, log records and metric data points."""
    mib_per_second: float = Field(default=0, ge=0)
    """MiB of bodies, decompressed."""
    burst: float = Field(default=10, gt=0)
    """How many seconds' worth may come at once."""
    items_per_day: int = Field(default=0, ge=0)
    """Spans, log records and metric data points from midnight to midnight UTC."""

    @property
    def limits_anything(self) -> bool:
        return bool(self.requests_per_second or self.items_per_second or self.mib_per_second or self.items_per_day)


class ProjectSettings(Settings):
    """One project."""

    id: ProjectId
    """What runs are filed under. Never changes; Lunary's project ids are UUIDs."""
    public_keys: tuple[Secret, ...] = ()
    """Keys that only send: the key, or `sha256:<hex>` as `spanledger keys new` prints it."""
    private_keys: tuple[Secret, ...] = ()
    """Keys that send and read."""
    limits: LimitSettings | None = None
    """Left out: `default_limits`."""

    @field_validator("public_keys", "private_keys")
    @classmethod
    def _readable(cls, keys: tuple[Secret, ...]) -> tuple[Secret, ...]:
        for key in keys:
            digest_of_setting(key.get_secret_value())
        return keys

    def keys(self, role: Role) -> tuple[Secret, ...]:
        return self.public_keys if role is Role.PUBLIC else self.private_keys


class ProjectsSettings(Settings):
    """Extension `projects`: keys, and the projects that they belong to."""

    projects: tuple[ProjectSettings, ...] = ()
    """Projects of this configuration."""
    file: Path | None = None
    """More projects: a YAML or JSON file that holds such a list. Read again when it changes; a file that cannot be
    used changes nothing and is told in the log."""
    store: str | None = None
    """Id of an exporter whose store holds more keys, as `spanledger keys add` puts them there. A project may have keys
    here and there. While the store cannot be read the keys stay as they are."""
    store_cache: Path | None = None
    """File that remembers what was read from the store last (digests, no keys), for a start while it is away. Without,
    senders with keys from the store are told to come back until it can be read."""
    check_interval: Annotated[Duration, Field(gt=0)] = 10.0
    """How often file and store are looked at."""
    headers: tuple[str, ...] = ("x-api-key", "lunary-project-key")
    """Request headers that may hold a key, besides `Authorization: Bearer` and `Basic`."""
    project_id_is_public_key: bool = False
    """Let the id of a project send for it, as Lunary's SDKs of old do. Ids are no secrets: whoever knows one can then
    send."""
    default_limits: LimitSettings = LimitSettings()
    """For projects that say nothing else."""

    @field_validator("headers")
    @classmethod
    def _lower(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name.lower() for name in names)

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.projects and self.file is None and self.store is None:
            raise ValueError("expected at least one of projects, file and store")
        seen: set[str] = set()
        for project in self.projects:
            if project.id in seen:
                raise ValueError(f"project {project.id} is there twice")
            seen.add(project.id)
        return self


class BearerTokenAuthSettings(Settings):
    """Extension `bearertokenauth`: one token for all senders, as the Collector's."""

    scheme: str = Field(default="Bearer", min_length=1)
    """First word of the header's value."""
    header: str = Field(default="Authorization", min_length=1)
    """Header that holds the token."""
    token: Secret | None = None
    """The token."""
    tokens: tuple[Secret, ...] = ()
    """Several tokens, each good."""
    filename: Path | None = None
    """File that holds tokens, one a line; wins over `token`, and is read again when it changes."""
    project: ProjectId = "default"
    """Project that senders belong to."""

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.token is None and not self.tokens and self.filename is None:
            raise ValueError("no bearer token provided: expected token, tokens or filename")
        if self.token is not None and self.tokens:
            raise ValueError("expected either token or tokens")
        return self


class HtpasswdSettings(Settings):
    """Users and hashed passwords as Apache's htpasswd writes them: bcrypt (`htpasswd -B`), {SHA}, {SSHA}, or plain."""

    file: Path | None = None
    """File; read again when it changes."""
    inline: Secret | None = None
    """The same as text; wins over the file."""


class ClientCredentialsSettings(Settings):
    """User and password that exporters send."""

    username: str | None = None
    """User."""
    password: Secret | None = None
    """Password."""
    username_file: Path | None = None
    """File that holds the user; wins, and is read again when it changes."""
    password_file: Path | None = None
    """The same for the password."""

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.username is None and self.username_file is None:
            raise ValueError("expected username or username_file")
        if self.password is None and self.password_file is None:
            raise ValueError("expected password or password_file")
        if self.username is not None and ":" in self.username:
            raise ValueError("username must not contain a colon")
        return self


class BasicAuthSettings(Settings):
    """Extension `basicauth`: users and passwords, as the Collector's: `htpasswd` for receivers, `client_auth` for
    exporters."""

    htpasswd: HtpasswdSettings | None = None
    """Who may send."""
    client_auth: ClientCredentialsSettings | None = None
    """What exporters send."""
    project: ProjectId = "default"
    """Project that senders belong to."""

    @model_validator(mode="after")
    def _some(self) -> Self:
        if (self.htpasswd is None) == (self.client_auth is None):
            raise ValueError("expected either htpasswd, for receivers, or client_auth, for exporters")
        if self.htpasswd is not None and self.htpasswd.file is None and self.htpasswd.inline is None:
            raise ValueError("no credential source provided: expected htpasswd::file or htpasswd::inline")
        return self
