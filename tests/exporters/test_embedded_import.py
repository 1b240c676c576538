from __future__ import annotations

import subprocess
import sys


def test_the_engine_is_loaded_before_anything_runs_beside_it() -> None:
    # While it is loaded the current directory of the process is another one; relative paths would lead elsewhere.
    code = (
        "import sys; from spanledger.exporters.clickhouse import ClickHouseExporter, ClickHouseSettings;"
        "ClickHouseExporter(ClickHouseSettings()); assert 'chdb' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
