"""Semantic Kernel."""

from spanledger.mapping.dialects.base import Dialect

DIALECT = Dialect(
    code="semantic_kernel",
    title="Semantic Kernel",
    rank=63,
    scopes=("semantic_kernel.", "Microsoft.SemanticKernel"),
)
