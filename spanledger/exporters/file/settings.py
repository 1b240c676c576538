"""Settings of the exporter `file`. Keys are the Collector's (exporter/fileexporter)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from spanledger.settings import Duration, Settings

_BATCH_BYTES = 4 << 20


class RotationSettings(Settings):
    """`rotation`: begin a new file when the old one is large."""

    max_megabytes: int = Field(default=100, ge=1)
    """Size at which the file is set aside under a name with the time."""
    max_backups: int = Field(default=100, ge=0)
    """Files set aside that are kept; 0 keeps all."""
    max_days: int = Field(default=0, ge=0)
    """Days that files set aside are kept; 0 keeps them whatever their age."""
    localtime: bool = False
    """Their names tell the local time, not UTC."""


class GroupBySettings(Settings):
    """`group_by`: a file for each value of an attribute."""

    enabled: bool = False
    """Whether there are several files."""
    resource_attribute: str = Field(default="fileexporter.path_segment", min_length=1)
    """Attribute of resources whose text takes the place of `*` in `path`; it cannot lead out of the folder before it.
    Telemetry of a resource without it becomes a dead letter."""
    max_open_files: int = Field(default=100, ge=1)
    """Files that are open at once."""


class CompressionParams(Settings):
    """How hard to compress."""

    level: int = Field(default=0, ge=0, le=22)
    """Of zstd from 1, fast, to 22, small; 0: its default."""


class FileSettings(Settings):
    """Exporter `file`."""

    path: str = Field(min_length=1)
    """Where to write, with one `*` where `group_by` is enabled. Folders are made."""
    content: Literal["records", "telemetry"] | None = None
    """`records` of the ledger, or `telemetry` as it came, which is what the Collector writes. Left out: records, unless
    `format: proto` or `group_by` ask for what only telemetry has."""
    append: bool = True
    """Go on at the end of a file that is there; without, it is emptied at start. With `group_by` files always go on."""
    fsync: bool = True
    """A batch counts as written when it would outlive a power cut."""
    rotation: RotationSettings | None = None
    """Left out: one file without bound."""
    format: Literal["json", "proto"] = "json"
    """`json`: a line for each record, or of telemetry for each write. `proto`: OTLP's messages, each behind its length
    in four bytes, the highest first."""
    compression: Literal["zstd", "none", ""] = ""
    """`zstd`: each write is compressed and stands behind its length in four bytes, in either format."""
    compression_params: CompressionParams = CompressionParams()
    """How hard to compress."""
    group_by: GroupBySettings = GroupBySettings()
    """A file for each value of an attribute of resources."""
    flush_interval: Duration = 1.0
    """Accepted; each batch is in the file before it counts as written."""
    create_directory: bool = True
    """Accepted; folders are always made."""
    directory_permissions: str = "0755"
    """Of folders that are made, in octal, less the umask."""

    @field_validator("directory_permissions")
    @classmethod
    def _octal(cls, text: str) -> str:
        try:
            mode = int(text, 8)
        except ValueError:
            mode = -1
        if not 0 <= mode <= 0o777:
            raise ValueError('expected permissions in octal, such as "0755"')
        return text

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.content == "records" and (self.format == "proto" or self.groups):
            key = "format: proto" if self.format == "proto" else "group_by"
            raise ValueError(f"{key} is for telemetry: records of the ledger have neither protobuf nor resources")
        if self.groups and self.path.count("*") != 1:
            raise ValueError("path must contain exactly one * when group_by is enabled")
        if self.groups and self.path.startswith("*"):
            raise ValueError("path must not start with * when group_by is enabled")
        return self

    @property
    def groups(self) -> bool:
        """Whether there are several files."""
        return self.group_by.enabled

    @property
    def passes_on(self) -> bool:
        """Whether telemetry is written in place of records."""
        return self.content == "telemetry" or (self.content is None and (self.format == "proto" or self.groups))

    @property
    def batch_bytes(self) -> int | None:
        """Of telemetry, how much is one write."""
        return _BATCH_BYTES if self.passes_on else None

    @property
    def framed(self) -> bool:
        """Whether each write stands behind its length, in place of lines."""
        return self.format == "proto" or self.compression == "zstd"

    def without_effect(self) -> Iterator[str]:
        """What was asked for and will not happen."""
        if self.groups and "append" in self.model_fields_set and not self.append:
            yield "append: false has no effect; with group_by files always go on"
        yield from super().without_effect()
