"""Microsoft Agent Framework and Microsoft.Extensions.AI."""

from spanledger.mapping.dialects.base import CHAIN, SKIP, Dialect, name

DIALECT = Dialect(
    code="agent_framework",
    title="Microsoft Agent Framework and Microsoft.Extensions.AI",
    rank=64,
    keys={"workflow.name": "workflow_name"},
    scopes=(
        "agent_framework",
        "Experimental.Microsoft.Agents.AI",
        "Microsoft.Extensions.AI",
        "Experimental.Microsoft.Extensions.AI",
    ),
    names=(
        name(r"orchestrate_tools", CHAIN),
        name(r"workflow\.build|message\.send|edge_group\.process.*", SKIP),
        name(r"workflow\.run|executor\.process .*", CHAIN),
    ),
)
