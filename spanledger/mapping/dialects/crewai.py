"""CrewAI telemetry."""

from spanledger.mapping.dialects.base import PASS, Dialect, name

DIALECT = Dialect(
    code="crewai",
    title="CrewAI telemetry",
    rank=68,
    scopes=("crewai.telemetry",),
    names=(name(r".*", PASS, scope="crewai.telemetry", overrides=True),),
)
