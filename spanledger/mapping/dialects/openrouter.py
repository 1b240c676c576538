"""OpenRouter broadcast and other gateways."""

from spanledger.mapping.dialects.base import SKIP, Dialect, name

DIALECT = Dialect(
    code="openrouter",
    title="OpenRouter broadcast and other gateways",
    rank=72,
    keys={
        "trace.metadata.openrouter.provider_name": "hosting",
        "trace.metadata.openrouter.first_token_ms": "ttft_ms",
        "trace.metadata.openrouter.creator_user_id": "user_id",
    },
    groups={"trace.metadata.": "meta", "span.metadata.": "meta"},
    scopes=("openrouter",),
    names=(name(r"generation|provider attempt .*", SKIP, scope="openrouter", overrides=True),),
)
