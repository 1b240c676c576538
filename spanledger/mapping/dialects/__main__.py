"""Write docs/dialects.md from the dialect tables: `python -m spanledger.mapping.dialects > docs/dialects.md`."""

from __future__ import annotations

import sys

from spanledger.mapping.dialects.document import render

if __name__ == "__main__":
    sys.stdout.write(render())
