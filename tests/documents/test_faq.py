"""docs/faq.md answers each of its 39 questions, and where the answer is no it says why."""

import re

from florg_app.config.parse import default_settings
from tests.support.documents import document

PAGE = document("docs/faq.md")
ANSWERS = dict(re.findall(r"^\*\*(\d+)\. [^*]+\*\* (.+?)(?=\n\n)", PAGE.text, re.MULTILINE | re.DOTALL))


def test_the_questions_are_numbered_without_a_gap_and_each_has_an_answer():
    assert list(ANSWERS) == [str(number) for number in range(1, 40)]
    assert all(len(answer.split()) >= 10 for answer in ANSWERS.values())


def test_a_no_has_its_because():
    refused = [answer for answer in ANSWERS.values() if re.search(r"(?:^|\. |backbones )[Nn]o,", answer)]
    assert len(refused) >= 5
    assert [answer for answer in refused if "because" not in answer] == []


def test_every_setting_that_it_names_exists():
    sections = {key.split(".")[0] for key in default_settings() if "." in key}
    named = {span.split(" = ")[0] for span in PAGE.spans if re.match(r"[a-z-]+\.[a-z-]+(\.[a-z-]+)?( = |$)", span)}
    named = {name for name in named if name.split(".")[0] in sections}
    assert len(named) >= 12
    assert sorted(named - set(default_settings())) == []
