"""Folders and files for one user alone: made so, or refused."""

import os
import socket
from pathlib import Path

import pytest

from headway import BadSetup
from headway.stores.private_folder import open_private, private_folder


def mode_of(path: Path) -> str:
    return oct(path.stat().st_mode & 0o777)


@pytest.fixture(params=[0o000, 0o022, 0o777])
def umask(request: pytest.FixtureRequest) -> object:
    before = os.umask(request.param)
    yield
    os.umask(before)


class TestFolder:
    @pytest.mark.usefixtures("umask")
    def test_it_is_made_for_its_owner_alone(self, tmp_path: Path) -> None:
        assert private_folder(tmp_path / "cache") == tmp_path / "cache"
        assert mode_of(tmp_path / "cache") == "0o700"

    def test_with_those_above_it(self, tmp_path: Path) -> None:
        assert mode_of(private_folder(tmp_path / "a" / "b" / "cache")) == "0o700"

    def test_one_that_is_there_is_taken(self, tmp_path: Path) -> None:
        assert private_folder(private_folder(tmp_path / "cache")) == tmp_path / "cache"

    def test_its_path_is_absolute(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert private_folder("cache") == tmp_path / "cache"

    @pytest.mark.parametrize("mode", [0o755, 0o770, 0o701, 0o710])
    def test_one_open_to_others_is_refused(self, tmp_path: Path, mode: int) -> None:
        (tmp_path / "cache").mkdir()
        (tmp_path / "cache").chmod(mode)
        with pytest.raises(BadSetup, match=f"{tmp_path}/cache .*mode {mode:o}.*chmod 700"):
            private_folder(tmp_path / "cache")
        assert mode_of(tmp_path / "cache") == oct(mode)

    def test_a_link_is_refused(self, tmp_path: Path) -> None:
        private_folder(tmp_path / "real")
        (tmp_path / "cache").symlink_to(tmp_path / "real")
        with pytest.raises(BadSetup, match=r"it is a link.*another place"):
            private_folder(tmp_path / "cache")

    def test_a_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "cache").write_text("mine")
        with pytest.raises(BadSetup, match="not a folder"):
            private_folder(tmp_path / "cache")
        with pytest.raises(BadSetup, match="cannot hold"):
            private_folder(tmp_path / "cache" / "below")
        assert (tmp_path / "cache").read_text() == "mine"

    def test_another_users_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder, owner = private_folder(tmp_path / "cache"), os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
        with pytest.raises(BadSetup, match=f"belongs to user {owner}"):
            private_folder(folder)

    @pytest.mark.parametrize("name", ["x" * 300, "zero\0byte"])
    def test_one_that_cannot_be_made_is_named(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(BadSetup, match="cannot hold what is private"):
            private_folder(tmp_path / name)


class TestFile:
    @pytest.mark.usefixtures("umask")
    def test_it_is_made_for_its_owner_alone(self, tmp_path: Path) -> None:
        fd = open_private(tmp_path / "file")
        os.write(fd, b"x")
        os.close(fd)
        assert mode_of(tmp_path / "file") == "0o600"

    def test_one_that_is_there_keeps_its_content(self, tmp_path: Path) -> None:
        for _ in range(2):
            fd = open_private(tmp_path / "file")
            os.lseek(fd, 0, os.SEEK_END)
            os.write(fd, b"x")
            os.close(fd)
        assert (tmp_path / "file").read_bytes() == b"xx"

    @pytest.mark.parametrize("mode", [0o644, 0o660, 0o602])
    def test_one_open_to_others_is_refused(self, tmp_path: Path, mode: int) -> None:
        (tmp_path / "file").touch()
        (tmp_path / "file").chmod(mode)
        with pytest.raises(BadSetup, match=f"mode {mode:o}.*chmod 600"):
            open_private(tmp_path / "file")

    @pytest.mark.parametrize("target", ["real", "not there"])
    def test_a_link_is_refused_and_not_followed(self, tmp_path: Path, target: str) -> None:
        os.close(open_private(tmp_path / "real"))
        (tmp_path / "file").symlink_to(tmp_path / target)
        with pytest.raises(BadSetup, match="it is a link"):
            open_private(tmp_path / "file")
        assert not (tmp_path / "not there").exists()

    def test_what_is_no_file_is_refused_without_waiting(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe", 0o600)
        (tmp_path / "folder").mkdir(0o700)
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(f"{tmp_path}/s")
            for name in ("pipe", "folder", "s"):
                with pytest.raises(BadSetup, match="cannot hold"):
                    open_private(tmp_path / name)

    def test_one_in_no_folder_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(BadSetup, match="No such file"):
            open_private(tmp_path / "nowhere" / "file")

    def test_refusals_leave_nothing_open(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch(0o644)
        (tmp_path / "file").chmod(0o644)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            with pytest.raises(BadSetup):
                open_private(tmp_path / "file")
        assert len(os.listdir("/proc/self/fd")) == before
