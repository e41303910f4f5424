"""A bucket of Google Cloud Storage as a storage."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from pydantic import SecretStr, field_validator

from upshot.filesystems._cloud import Cloud, secret


class GCS(Cloud):
    """Files in a bucket of Google Cloud Storage, through gcsfs (`pip install 'upshot[gcs]'`).

    Attributes:
        bucket_path: the bucket, and a path in it if you like.
        service_account_info: the key file of a service account, as JSON text. Without it, the
            credentials that Google's tools find by default.
        project: the project; by default that of the service account.
        settings: more arguments of gcsfs's file system.
    """

    slug: ClassVar[str] = "gcs"

    service_account_info: SecretStr | None = None
    project: str | None = None

    @field_validator("service_account_info")
    @classmethod
    def _is_an_object(cls, info: SecretStr | None) -> SecretStr | None:
        try:
            if info is None or isinstance(json.loads(info.get_secret_value()), dict):
                return info
        except ValueError:
            pass  # which would show it
        raise ValueError("service_account_info is the JSON text of a key file")

    @property
    def basepath(self) -> str:
        """The URL below which the files are."""
        return f"gcs://{self.bucket_path}"

    def _settings(self) -> dict[str, Any]:
        text = secret(self.service_account_info)
        account = None if text is None else json.loads(text)
        own = None if account is None else account.get("project_id")
        return {"token": account, "project": self.project or own}
