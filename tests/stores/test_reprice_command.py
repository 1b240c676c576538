"""`spanledger reprice` on Postgres."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from spanledger.model.records import Usage
from tests.exporters.records import PROJECT, priced
from tests.stores.ledger import open_ledger
from tests.stores.postgres import Server, make_postgres_settings


async def test_costs_of_stored_runs_are_computed_anew(postgres: Server, tmp_path: Path) -> None:
    ledger = open_ledger("postgres", await make_postgres_settings(postgres))
    await ledger.start()
    run = priced("99", provider="openai", input="kept", usage=Usage(input_tokens=1_000_000, output_tokens=0))
    await ledger.write(run)
    configuration = tmp_path / "spanledger.yaml"
    configuration.write_text(
        "receivers: {otlp: {protocols: {http: {endpoint: '127.0.0.1:0'}}}}\n"
        f"exporters: {{postgres: {{endpoint: '{postgres.endpoint}', database: {ledger.settings.database}}}}}\n"
        "service: {pipelines: {traces: {receivers: [otlp], exporters: [postgres]}}}\n"
    )

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "spanledger.cli", "reprice", "--since", "1d", "--force", "--config", configuration),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=Path(__file__).parents[2],
    )
    said, _ = await process.communicate()

    assert process.returncode == 0, said.decode()
    found = await ledger.store.get_run(PROJECT, run.run_id)
    assert found is not None
    assert (found["cost"]["total"], found["input"]) == ("2.5", "kept")
    await ledger.close()
