"""Sentence pairs whose truth is known: does the second sentence follow from the first?

A situation fixes one atom for each slot of a sentence: what it is like, who it is, what it does, where. A word is true
of some atoms (its *extension*): "dog" of every breed of dog, "terrier" of one of them, "animal" of dogs and cats. A
sentence is true of a situation when each of its words is, so that a premise entails a hypothesis exactly when in every
slot the extension of the premise's word lies within that of the hypothesis's word.

No single word gives the answer away. Pairs are made two at a time, (p, h) and (p2, h2), both true; or else, with equal
chance, their hypotheses are exchanged in one slot, where neither then follows. So both labels see the same words in
every slot, and only the relation between the two sentences tells them apart.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from numpy.random import Generator

LABELS = ("false", "true")

Extension = frozenset[str]


def _lexicon(**words: str) -> dict[str, Extension]:
    """Word -> the atoms it is true of, one letter each."""
    return {word: frozenset(atoms) for word, atoms in words.items()}


LEXICON: Mapping[str, Mapping[str, Extension]] = {
    "adjective": _lexicon(
        tiny="t", small="ts", little="ts", huge="h", big="hb", large="hb",
        crimson="c", scarlet="e", red="ce", navy="n", azure="a", blue="na",
    ),
    "noun": _lexicon(
        poodle="p", terrier="t", dog="pt", hound="pt", tabby="y", cat="sy", kitty="sy", animal="ptsy", creature="ptsy",
        surgeon="u", nurse="n", medic="un", baker="b", cook="bc", person="unbc", human="unbc",
    ),
    "verb": _lexicon(
        sprints="s", runs="sj", strolls="t", walks="tm", moves="sjtm", naps="n", sleeps="nd", rests="ndl",
        hums="h", sings="ih",
    ),
    "place": _lexicon(
        kitchen="k", attic="a", house="kba", home="kba", orchard="o", park="gpo", outdoors="mgpo",
        bakery="y", shop="ry", store="ry",
    ),
}  # fmt: skip
"""The words of each slot and their extensions."""

ORDERS = (
    "a {adjective} {noun} {verb} in the {place}",
    "in the {place} a {adjective} {noun} {verb}",
    "in the {place} there is a {noun} that is {adjective} and {verb}",
)
"""What a sentence looks like; the order of the words does not matter to its truth."""

WORDS = tuple(sorted({word for order in ORDERS for word in order.split() if "{" not in word}.union(*LEXICON.values())))
"""All words of the language."""

_LARGER = {
    slot: {word: [w for w, atoms in words.items() if words[word] <= atoms] for word in words}
    for slot, words in LEXICON.items()
}
"""For each word, those that are true wherever it is."""

Sentence = dict[str, str]
"""One word for each slot."""


def entails(premise: Sentence, hypothesis: Sentence) -> bool:
    """Whether the hypothesis is true of every situation that the premise is true of."""
    return all(hypothesis[slot] in _LARGER[slot][word] for slot, word in premise.items())


def pairs(rng: Generator) -> Iterator[tuple[Sentence, Sentence, int]]:
    """(premise, hypothesis, label) without end; labels are balanced in expectation."""
    while True:
        slot = _pick(tuple(LEXICON), rng)
        (p, h), (p2, h2) = _crossable(slot, rng)
        label = int(rng.integers(2))
        if label == 0:
            h, h2 = h2, h
        for changed in ((p, h), (p2, h2)):
            words = {name: _follows(name, rng) for name in LEXICON} | {slot: changed}
            yield (
                {name: pair[0] for name, pair in words.items()},
                {name: pair[1] for name, pair in words.items()},
                label,
            )


def grammar_rows(rng: Generator, count: int) -> list[tuple[str, str, int]]:
    """`count` rows (premise, hypothesis, label), each sentence in one of the ORDERS."""
    return [(_say(p, rng), _say(h, rng), label) for p, h, label in islice(pairs(rng), count)]


def _follows(slot: str, rng: Generator) -> tuple[str, str]:
    """A premise's word and a hypothesis's word that follows from it."""
    word = _pick(tuple(LEXICON[slot]), rng)
    return word, _pick(_LARGER[slot][word], rng)


def _crossable(slot: str, rng: Generator) -> tuple[tuple[str, str], tuple[str, str]]:
    """Two pairs that follow and of which neither does once their hypotheses are exchanged."""
    while True:
        (p, h), (p2, h2) = _follows(slot, rng), _follows(slot, rng)
        if h2 not in _LARGER[slot][p] and h not in _LARGER[slot][p2]:
            return (p, h), (p2, h2)


def _say(words: Sentence, rng: Generator) -> str:
    return _pick(ORDERS, rng).format(**words)


def _pick(items: Sequence[str], rng: Generator) -> str:
    return items[int(rng.integers(len(items)))]
