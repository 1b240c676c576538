from __future__ import annotations

from spanledger.mapping.recent import Recent


def test_it_never_holds_more_than_its_limit() -> None:
    memory: Recent[int, str] = Recent(10)
    sizes = set()
    for number in range(100):
        memory.put(number, str(number))
        sizes.add(len(memory))

    assert max(sizes) == 10


def test_the_half_that_was_used_last_stays() -> None:
    memory: Recent[int, str] = Recent(10)
    for number in range(100):
        memory.put(number, str(number))

    assert [memory.get(number) for number in range(95, 100)] == ["95", "96", "97", "98", "99"]
    assert 50 not in memory


def test_an_entry_that_is_asked_for_stays() -> None:
    memory: Recent[str, int] = Recent(10)
    memory.put("kept", 1)
    for number in range(100):
        memory.put(str(number), number)
        assert memory.get("kept") == 1


def test_an_entry_is_replaced_and_forgotten_wherever_it_stands() -> None:
    memory: Recent[int, str] = Recent(4)
    for number in range(3):
        memory.put(number, "old")
    memory.put(0, "new")

    assert memory.get(0) == "new"
    assert memory.pop(0) == "new"
    assert memory.get(0) is None
    assert memory.pop(0) is None
