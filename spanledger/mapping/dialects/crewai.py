"""CrewAI telemetry."""

from spanledger.mapping.dialects.base import SKIP, Dialect, name

DIALECT = Dialect(
    code="crewai",
    title="CrewAI telemetry",
    rank=68,
    scopes=("crewai.telemetry",),
    names=(name(r".*", SKIP, scope="crewai.telemetry", overrides=True),),
)
