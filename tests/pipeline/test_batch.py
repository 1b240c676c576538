from __future__ import annotations

from collections.abc import Sequence

from spanledger.model.records import Record, Run, Score
from spanledger.pipeline.batch import RECORDS, Batch, Pending, Share, newest_versions, token_of


def run(run_id: str, version: int = 1, project: str = "acme") -> Run:
    return Run(project_id=project, run_id=run_id, type="llm", started_at=1, version=version)


def pending(*shares: tuple[Sequence[Record], int]) -> Pending[Record]:
    made = Pending(RECORDS)
    for seq, (records, size) in enumerate(shares, 1):
        made.add(Share(seq, 0, records, size, offered_at=0.0, open=len(records)))
    return made


def ids(batch: Batch[Record]) -> list[str]:
    return [record.run_id for record in batch.records if isinstance(record, Run)]


def test_a_batch_is_cut_by_items_across_entries() -> None:
    waiting = pending(([run("a"), run("b")], 10), ([run("c"), run("d")], 10))
    batches = [waiting.cut(3, 1000), waiting.cut(3, 1000)]
    assert [ids(batch) for batch in batches] == [["a", "b", "c"], ["d"]]
    assert [[(share.through, count) for share, count in batch.shares] for batch in batches] == [
        [(1, 2), (2, 1)],
        [(2, 1)],
    ]
    assert (waiting.records, waiting.bytes) == (0, 0)


def test_a_batch_is_cut_by_bytes() -> None:
    waiting = pending(([run("a"), run("b"), run("c")], 40), ([run("d")], 100))
    assert [ids(waiting.cut(100, 100)) for _ in range(3)] == [["a", "b"], ["c"], ["d"]]


def test_a_record_larger_than_a_batch_goes_alone() -> None:
    waiting = pending(([run("a"), run("b")], 500))
    assert [ids(waiting.cut(100, 100)) for _ in range(2)] == [["a"], ["b"]]


def test_of_several_versions_in_a_batch_the_highest_is_written() -> None:
    records: list[Record] = [run("a", 2), run("b"), run("a", 3), run("a", 1), run("a", 3, project="other")]
    assert newest_versions(records) == [run("a", 3), run("b"), run("a", 3, project="other")]


def test_the_last_of_equal_versions_is_written() -> None:
    first, second = run("a"), run("a")
    second.name = "second"
    assert newest_versions([first, second]) == [second]


def test_a_token_names_what_a_batch_holds_in_any_order() -> None:
    assert token_of([run("a"), run("b")]) == token_of([run("b"), run("a")])
    assert len(token_of([run("a")])) == 64


def test_tokens_of_different_batches_differ() -> None:
    score = Score(project_id="acme", score_id="a", name="thumb")
    batches: list[list[Record]] = [
        [run("a")],
        [run("b")],
        [run("a", 2)],
        [run("a", project="other")],
        [score],
        [run("a"), run("b")],
        [],
    ]
    assert len({token_of(batch) for batch in batches}) == len(batches)
