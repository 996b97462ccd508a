"""Files whose ending does not tell what they hold."""

import pytest

from gatewright.base import FileError, UnsupportedError
from gatewright.frontends import read, read_model
from gatewright.frontends.read import Frontend
from gatewright.frontends.recognise import MOST_BYTES, Head, Recogniser


def test_keys_of_the_outermost_level_only(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"a{:": [1, {"b": 2}], "c" : "d:{", "e": {"f": 1}, "g')
    assert Head.of(path).keys == {"a{:", "c", "e"}


def test_only_the_beginning_is_read(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b'{"a": "' + b"x" * 3 * MOST_BYTES)
    head = Head.of(path)
    assert len(head.data) == MOST_BYTES
    assert head.keys == {"a"}


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"[1, 2]", b"{", b'"a": 1'])
def test_what_is_no_object_has_no_keys(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    assert Head.of(path).keys == frozenset()


def test_content_chooses_the_frontend(tmp_path, monkeypatch):
    def refuse(path):
        raise FileError(f"read as what it is: {path.name}")

    kind = Recogniser("mine (JSON)", lambda head: "mine" in head.keys)
    monkeypatch.setattr(read, "RECOGNISED", ((kind, Frontend(refuse, refuse)),))
    (tmp_path / "a.json").write_text('{"mine": 1}')
    with pytest.raises(FileError, match=r"read as what it is: a\.json"):
        read_model(tmp_path / "a.json")


def test_unknown_content_is_named(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"weights": [], "layers": 3}')
    with pytest.raises(UnsupportedError) as caught:
        read_model(path)
    text = str(caught.value)
    assert "cannot be told from its name or its content" in text
    assert ".json, JSON with the keys layers, weights" in text
    assert ".onnx" in text
