"""Reading and writing where somebody left links, pipes and devices in the place of files."""

import os

import pytest

from clients.atomic_files import write_atomically
from clients.regular_files import read_regular


def test_a_file_and_what_a_link_leads_to_are_read(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "file") == read_regular(tmp_path / "link") == b"abc"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (os.mkfifo, "It is no regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "It is no regular file"),
        (os.mkdir, "It is a folder"),
        (lambda path: path.symlink_to("nowhere"), "No such file"),
        (lambda path: path.symlink_to(path.name), "Too many levels"),
        (lambda path: None, "No such file"),
    ],
    ids=["pipe", "device", "folder", "link to nowhere", "link to itself", "nothing"],
)
def test_nothing_else_is_read_and_none_is_waited_for(make, words, tmp_path):
    make(tmp_path / "file")
    with pytest.raises(OSError, match=words):
        read_regular(tmp_path / "file")


@pytest.mark.parametrize(
    "make", [lambda path: path.symlink_to("other"), os.mkfifo, lambda path: path.write_text("half")]
)
def test_what_is_in_the_place_of_a_file_being_written_is_neither_followed_nor_waited_for(make, tmp_path):
    (tmp_path / "other").write_text("of somebody else")
    make(tmp_path / ".file.partial")
    write_atomically(tmp_path / "file", lambda temporary: temporary.write_text("new"))
    assert (tmp_path / "file").read_text() == "new"
    assert not (tmp_path / "file").is_symlink()
    assert (tmp_path / "other").read_text() == "of somebody else"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "other"]
