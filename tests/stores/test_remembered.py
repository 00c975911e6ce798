"""What is kept of files, and when it is made anew."""

from __future__ import annotations

from pathlib import Path

from pipeline.stores.lake import Lake, StoredFile
from pipeline.stores.remembered import RememberedFiles


def test_a_file_is_read_once_until_it_is_replaced(tmp_path: Path) -> None:
    lake, read = Lake(str(tmp_path)), []

    def make(file: StoredFile) -> int:
        read.append(file.path)
        return int(lake.read_json(file.path))

    memory: RememberedFiles[int] = RememberedFiles(10)
    for number in (1, 2):
        lake.replace_json(f"numbers/{number}.json", number)
    assert memory.recall(lake.walk("numbers"), make) == [1, 2]
    assert memory.recall(lake.walk("numbers"), make) == [1, 2]
    assert len(read) == 2
    lake.replace_json("numbers/2.json", 40)
    assert memory.recall(lake.walk("numbers"), make) == [1, 40]
    assert read.count("numbers/1.json") == 1


def test_no_more_is_kept_than_was_said(tmp_path: Path) -> None:
    lake, read = Lake(str(tmp_path)), []

    def make(file: StoredFile) -> int:
        read.append(file.path)
        return 0

    memory: RememberedFiles[int] = RememberedFiles(2)
    for number in range(3):
        lake.replace_json(f"numbers/{number}.json", number)
    files = list(lake.walk("numbers"))
    assert memory.recall(files, make) == [0, 0, 0]
    memory.recall(files[1:], make)
    assert len(read) == 3
    memory.recall(files[:1], make)
    assert read[3:] == ["numbers/0.json"]
