"""How far a partition may be committed."""

from __future__ import annotations

from spanledger.receiver.kafka_offsets import Offsets

P = ("otlp_spans", 0)
OTHER = ("otlp_spans", 1)


def test_an_offset_waits_for_all_before_it() -> None:
    offsets = Offsets()
    offsets.begin(P, [5, 6, 7])
    offsets.done(P, 6, 11)
    assert offsets.safe(delivered=None) == {}
    offsets.done(P, 5, 12)
    assert offsets.safe(delivered=None) == {P: 7}


def test_an_offset_waits_for_the_exporters() -> None:
    offsets = Offsets()
    offsets.begin(P, [5, 6])
    offsets.done(P, 5, 11)
    offsets.done(P, 6, 12)
    assert offsets.safe(delivered=10) == {}
    assert offsets.safe(delivered=11) == {P: 6}
    assert offsets.safe(delivered=99) == {P: 7}


def test_what_left_nothing_in_the_log_waits_for_nobody() -> None:
    offsets = Offsets()
    offsets.begin(P, [5])
    offsets.done(P, 5, None)
    assert offsets.safe(delivered=0) == {P: 6}


def test_what_was_committed_is_forgotten() -> None:
    offsets = Offsets()
    offsets.begin(P, [5, 6])
    offsets.done(P, 5, 1)
    offsets.committed({P: 6})
    assert offsets.safe(delivered=None) == {}
    assert not offsets.settled({P}, None)
    offsets.done(P, 6, 2)
    assert offsets.settled({P}, None)
    assert offsets.safe(delivered=None) == {P: 7}


def test_offsets_have_gaps() -> None:
    """Compaction and transactions leave some out."""
    offsets = Offsets()
    offsets.begin(P, [5, 9])
    offsets.done(P, 5, 1)
    offsets.done(P, 9, 2)
    assert offsets.safe(delivered=None) == {P: 10}


def test_a_partition_that_went_elsewhere_is_not_committed() -> None:
    offsets = Offsets()
    offsets.begin(P, [5])
    offsets.begin(OTHER, [1])
    offsets.forget({P})
    offsets.done(P, 5, 1)
    offsets.done(OTHER, 1, 2)
    assert offsets.safe(delivered=None) == {OTHER: 2}


def test_a_partition_that_came_back_begins_anew() -> None:
    offsets = Offsets()
    offsets.begin(P, [5, 6])
    offsets.assign({P})
    offsets.begin(P, [5])
    offsets.done(P, 5, 3)
    assert offsets.safe(delivered=None) == {P: 6}
