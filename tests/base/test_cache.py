import json
import logging
import os
import threading
from pathlib import Path

import pytest

from gatewright.base.cache import Cache, cache_folder, content_key
from gatewright.base.errors import FileError, OptionError

KEY = content_key("something")


def test_content_key_depends_on_where_parts_meet():
    assert content_key("ab", "c") != content_key("a", "bc")
    assert content_key("ab") == content_key(b"ab")


def test_folder_is_the_variable_or_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("GATEWRIGHT_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
    monkeypatch.delenv("GATEWRIGHT_CACHE")
    assert "gatewright" in str(cache_folder())


def test_what_is_written_is_read_again(tmp_path):
    cache = Cache(tmp_path)
    assert cache.read("kind", KEY) is None
    assert cache.write("kind", KEY, {"a": b"one", "b": b""})
    assert Cache(tmp_path).read("kind", KEY) == {"a": b"one", "b": b""}
    assert cache.write("kind", KEY, {"a": b"two"})
    assert cache.read("kind", KEY) == {"a": b"two"}
    cache.remove("kind", KEY)
    assert cache.read("kind", KEY) is None


def test_fetch_copies_files_with_their_mode(tmp_path):
    program = tmp_path / "made"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    cache = Cache(tmp_path / "cache")
    cache.write("program", KEY, {"program": program})
    assert cache.fetch("program", KEY, tmp_path / "out")
    assert os.access(tmp_path / "out" / "program", os.X_OK)
    assert not cache.fetch("program", content_key("other"), tmp_path / "out")


def test_json_round_trip(tmp_path):
    cache = Cache(tmp_path)
    cache.write_json("j", KEY, {"lut": 3, "bram": 0.5, "name": "µ"})
    assert cache.read_json("j", KEY) == {"lut": 3, "bram": 0.5, "name": "µ"}
    cache.write("j", KEY, {"value.json": b"{ not json"})
    assert cache.read_json("j", KEY) is None


@pytest.mark.parametrize("damage", ["flip", "truncate", "missing", "manifest", "foreign"])
def test_a_damaged_entry_counts_as_absent_and_goes(tmp_path, damage, caplog):
    cache = Cache(tmp_path)
    cache.write("kind", KEY, {"data": b"0123456789"})
    entry = tmp_path / "v1" / "kind" / KEY[:2] / KEY
    if damage == "flip":
        (entry / "data").write_bytes(b"0123456780")
    elif damage == "truncate":
        (entry / "data").write_bytes(b"0123")
    elif damage == "missing":
        (entry / "data").unlink()
    elif damage == "manifest":
        (entry / "manifest.json").write_text("{")
    else:
        (entry / "manifest.json").write_text(json.dumps([1, 2]))
    with caplog.at_level(logging.WARNING, "gatewright.cache"):
        assert cache.read("kind", KEY) is None
    assert "damaged cache entry" in caplog.text
    assert not entry.exists()
    assert cache.write("kind", KEY, {"data": b"new"})
    assert cache.read("kind", KEY) == {"data": b"new"}


def test_the_least_recently_used_entries_go_first(tmp_path):
    cache = Cache(tmp_path)
    keys = [content_key(str(i)) for i in range(4)]
    for age, key in enumerate(keys):
        cache.write("kind", key, {"data": bytes(1000)})
        manifest = tmp_path / "v1" / "kind" / key[:2] / key / "manifest.json"
        os.utime(manifest, (1000 + age, 1000 + age))
    assert cache.read("kind", keys[0]) is not None  # used now: the youngest
    small = Cache(tmp_path, limit_bytes=2500)
    assert small.clean() == 2
    assert [small.read("kind", key) is not None for key in keys] == [True, False, False, True]


def test_a_write_keeps_the_size_below_the_limit(tmp_path):
    for number in range(5):
        assert Cache(tmp_path, limit_bytes=3000).write(
            "kind", content_key(str(number)), {"data": bytes(1000)}
        )
    size = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert size <= 3000


def test_writers_at_the_same_time_leave_one_sound_entry(tmp_path):
    def work(value: bytes) -> None:
        for _ in range(20):
            Cache(tmp_path).write("kind", KEY, {"data": value * 1000})

    threads = [threading.Thread(target=work, args=(bytes([65 + i]),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    data = Cache(tmp_path).read("kind", KEY)
    assert data is not None
    assert len(set(data["data"])) == 1
    assert not list((tmp_path / "v1").glob(".new-*"))


def test_a_cache_that_cannot_be_written_says_so_once(tmp_path, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    cache = Cache(blocked)
    with caplog.at_level(logging.WARNING, "gatewright.cache"):
        assert not cache.write("kind", KEY, {"a": b""})
        assert not cache.write("kind", KEY, {"a": b""})
    assert caplog.text.count("cannot be written") == 1
    assert cache.read("kind", KEY) is None


def test_entries_have_plain_names(tmp_path):
    cache = Cache(tmp_path)
    with pytest.raises(OptionError, match="plain file names"):
        cache.write("kind", KEY, {"../evil": b""})
    with pytest.raises(OptionError, match="plain kind and key"):
        cache.read("../kind", KEY)
    with pytest.raises(OptionError, match="cannot be negative"):
        Cache(tmp_path, limit_bytes=-1)


def test_another_users_folder_is_refused(monkeypatch, tmp_path):
    (tmp_path / "v1").mkdir()
    owner = Path(tmp_path / "v1").stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1 if owner else 1)
    if owner == 0:  # a folder of root is trusted, so give it to somebody else
        os.chown(tmp_path / "v1", 12345, -1)
    with pytest.raises(FileError, match="belongs to another user") as error:
        Cache(tmp_path)
    assert "GATEWRIGHT_CACHE" in str(error.value)
