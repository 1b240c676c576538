"""Configurations of the Collector as people have them (collector/*.yaml): each works, or is refused with the words that
stand at its top.

    # expect: valid                         and `# warns: …` for each key that is told to have no effect, or
    # expect: <key path>: <message>         for each mistake
"""

from __future__ import annotations

from pathlib import Path

import pytest

from spanledger.config import InvalidConfiguration, Kind, load_config
from spanledger.config.pipeline import without_effect
from spanledger.config.registry import COMPONENTS

FILES = sorted((Path(__file__).parent / "collector").glob("*.yaml"))
ENVIRONMENT = {
    "AUTH_STRING": "cHVibGljOnNlY3JldA==",
    "BASIC_AUTH_PASSWORD": "open-sesame",
    "BASIC_AUTH_USERNAME": "ali-of-the-cave",
    "BEARER_TOKEN": "a-token-of-some-length",
    "CLICKHOUSE_PASSWORD": "not-for-logs",
    "DD_API_KEY": "key-of-a-vendor",
    "HMAC_KEY": "a-key-that-is-long-enough-for-sha-256",
    "MY_POD_IP": "10.0.0.7",
}


def noted(file: Path, word: str) -> list[str]:
    """What the comments at the top of a file say after a word."""
    prefix = f"# {word}: "
    return [line.removeprefix(prefix) for line in file.read_text().splitlines() if line.startswith(prefix)]


def mistakes(file: Path) -> list[str]:
    """Each as `key path: message`, without the list of types that exist."""
    try:
        load_config([file], env=ENVIRONMENT)
    except InvalidConfiguration as error:
        return [f"{'::'.join(found.path)}: {found.message.partition(' (valid values')[0]}" for found in error.problems]
    return ["valid"]


def test_there_are_enough_of_them() -> None:
    assert len(FILES) >= 25


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_is_answered_as_expected(file: Path) -> None:
    assert mistakes(file) == noted(file, "expect")


@pytest.mark.parametrize("file", [file for file in FILES if noted(file, "expect") == ["valid"]], ids=lambda f: f.stem)
def test_what_changes_nothing_is_told(file: Path) -> None:
    config = load_config([file], env=ENVIRONMENT)
    assert [*config.warnings, *without_effect(config)] == noted(file, "warns")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_secret_is_told(file: Path) -> None:
    told = ""
    try:
        load_config([file], env=ENVIRONMENT)
    except InvalidConfiguration as error:
        told = str(error)
    assert not [name for name, value in ENVIRONMENT.items() if value in told]


def test_a_type_that_we_do_not_have_is_refused_with_the_list_of_those_that_we_have() -> None:
    with pytest.raises(InvalidConfiguration) as refused:
        load_config([next(file for file in FILES if file.stem == "tail_sampling")], env=ENVIRONMENT)
    known = " ".join(sorted(COMPONENTS[Kind.PROCESSORS]))
    assert f'unknown type: "tail_sampling" for id: "tail_sampling" (valid values: [{known}])' in str(refused.value)


@pytest.mark.parametrize(
    ("configuration", "instead"),
    [
        (
            "tail_sampling",
            "use filter or probabilistic_sampler, or tail_sampling in a Collector behind an otlp exporter",
        ),
        ("load_balancing", "replicas need no routing by trace, so any balancer will do"),
        ("span_metrics", "the ledger has the numbers"),
        ("logging_exporter", "use debug"),
    ],
)
def test_what_to_use_instead_is_told(configuration: str, instead: str) -> None:
    with pytest.raises(InvalidConfiguration) as refused:
        load_config([next(file for file in FILES if file.stem == configuration)], env=ENVIRONMENT)
    assert instead in str(refused.value)
