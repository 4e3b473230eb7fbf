"""Words of others become one line of visible characters that nothing takes for a command."""

import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from strategies.exchange.foreign_text import LONGEST_TEXT, safe_text, shown_names, shown_value

TEXTS = st.text(st.characters() | st.sampled_from("\x85\u2028\u2029\u202e\x1b\x00\ud800[]/"), max_size=200)


@given(TEXTS)
def test_a_text_is_one_line_for_every_program_and_has_no_invisible_characters(text):
    safe = safe_text(text)
    assert len(safe.splitlines()) <= 1
    assert not any(unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp") for letter in safe)
    safe.encode()


@given(TEXTS)
def test_a_text_that_is_safe_stays_as_it_is(text):
    safe = safe_text(text)
    assert safe_text(safe) == safe


@given(TEXTS.map(lambda text: f"[bold]{text}[/red]"))
def test_a_terminal_shows_the_words_and_obeys_none_of_them(text):
    console = Console(file=io.StringIO(), width=10_000, force_terminal=True)
    console.print(safe_text(text), end="", highlight=False)
    assert "\x1b" not in console.file.getvalue()


@pytest.mark.parametrize("text", ["arrays missing ['4x7/A'], not expected []", "loss 1.5 [of 3]", "äöü 漢字 ε = 1"])
def test_plain_words_are_kept(text):
    assert safe_text(text).replace("(", "[").replace(")", "]") == text


def test_of_a_long_text_the_beginning_is_kept_and_the_rest_counted():
    assert safe_text("x" * (LONGEST_TEXT + 7)) == "x" * LONGEST_TEXT + " ... (7 more characters)"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.binary(), st.lists))
def test_any_value_can_be_shown_in_a_few_words(value):
    assert len(shown_value(value)) < 200


@pytest.mark.parametrize("value", [10**10_000, [[[]]] * 10**5, "y" * 10**6, {"a": 1}, object()], ids=lambda _: "huge")
def test_what_is_huge_is_shown_in_a_few_words_too(value):
    assert len(shown_value(value)) < 200


def test_of_many_names_the_first_are_shown():
    assert shown_names(list("abcdefg")) == "'a', 'b', 'c', 'd', 'e' and 2 more"
