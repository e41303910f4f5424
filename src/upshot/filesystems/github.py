"""A repository on GitHub, whose files can be had."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from pydantic import ConfigDict, SecretStr, field_serializer

from upshot._bridge import Compatible, compatible
from upshot._models import Model
from upshot.exceptions import InvalidStorageKey, StorageUnavailable
from upshot.filesystems._folders import Place, copy_folder, working_folder
from upshot.filesystems._secrets import secret_texts, without


class GitHub(Model):
    """The files of a repository, through the program `git`. It is no place for results.

    Attributes:
        repository: its URL, such as `https://github.com/owner/name`.
        reference: a branch or a tag; by default the repository's own.
        access_token: a token with which it may be read; only for `https://`.
    """

    model_config = ConfigDict(
        extra="forbid", ignored_types=(Compatible,), hide_input_in_errors=True
    )

    repository: str
    reference: str | None = None
    access_token: SecretStr | None = None

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        yield from ((name, self._hiding(value)) for name, value in super().__repr_args__() if name)

    @field_serializer("repository", when_used="json")
    def _hiding(self, text: Any) -> Any:
        """A text without the password that the URL may have."""
        return without(secret_texts(self.repository), text) if isinstance(text, str) else text

    @compatible
    def get_directory(self, from_path: str | None = None, local_path: Place | None = None) -> int:
        """Copy a folder of the repository into a local one, over what is there; gives the number
        of files.

        Args:
            from_path: the folder in the repository; by default all of it.
            local_path: the local folder; by default the working directory.

        Raises:
            FileNotFoundError: if there is no such folder in it.
            InvalidStorageKey: if `from_path` is outside of the repository.
            StorageUnavailable: if `git` cannot have it.
        """
        target = working_folder(local_path)
        with tempfile.TemporaryDirectory(prefix="upshot-") as folder:
            clone = os.path.join(os.path.realpath(folder), "clone")
            self._clone(clone)
            source = os.path.realpath(os.path.join(clone, from_path or "."))
            if os.path.commonpath((clone, source)) != clone:
                repository = self._hiding(self.repository)
                raise InvalidStorageKey(str(from_path), repository, "is outside of it")
            return copy_folder(source, target)

    def _clone(self, folder: str) -> None:
        branch = [f"--branch={self.reference}"] if self.reference else []
        command = ["git", "clone", "--quiet", "--depth=1", *branch, "--", self.repository, folder]
        try:
            done = subprocess.run(command, env=self._environment(), capture_output=True, text=True)
        except OSError as error:
            raise self._refusal(f"the program git cannot be run: {error}") from error
        if done.returncode != 0:
            raise self._refusal(" ".join(done.stderr.split()))
        # its own records are none of the repository's files
        shutil.rmtree(os.path.join(folder, ".git"))

    def _environment(self) -> dict[str, str]:
        environment: dict[str, Any] = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
        if self.access_token is not None:
            # not among the arguments, which everybody on the machine can read
            user = f"x-access-token:{self.access_token.get_secret_value()}"
            basic = b64encode(user.encode()).decode()
            environment |= {
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": f"http.{self.repository}.extraHeader",
                "GIT_CONFIG_VALUE_0": f"Authorization: Basic {basic}",
            }
        return environment

    def _refusal(self, said: str) -> StorageUnavailable:
        said, name = self._hiding(said), f"GitHub({self._hiding(self.repository)!r})"
        return StorageUnavailable(name, "clone the repository", said)
