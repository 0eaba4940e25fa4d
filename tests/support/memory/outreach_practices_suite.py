"""What a message takes from its practice: one suite for the stores in memory and on Postgres."""

from tests.support.memory.harbour import DAY, NOON, PRACTICE, Harbour, a_message


class PracticesSuite:
    """Names that messages show, and zones in which their hours are open."""

    def test_a_practice_is_as_it_was_saved_last(self, harbour: Harbour) -> None:
        harbour.save_practice("Quay", "Asia/Shanghai")
        harbour.add(a_message())
        assert harbour.situation().zone == "Asia/Shanghai"
        with harbour.adapter.api_stores.open(PRACTICE) as store:
            assert store.messages.practice_name(PRACTICE) == "Quay"

    def test_what_was_said_of_a_practice_before_does_not_replace_it(self, harbour: Harbour) -> None:
        harbour.save_practice("Quay", "Asia/Shanghai", NOON - DAY)
        harbour.add(a_message())
        assert harbour.situation().zone == "Europe/London"
        with harbour.adapter.api_stores.open(PRACTICE) as store:
            assert store.messages.practice_name(PRACTICE) == "Harbour"
