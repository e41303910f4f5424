"""A bucket of Amazon S3, or of what speaks its language, as a storage."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import SecretStr

from upshot.filesystems._cloud import Cloud, secret


class S3(Cloud):
    """Files in an S3 bucket, through s3fs (`pip install 'upshot[s3]'`).

    What is not given here is found as all of Amazon's tools find it: `AWS_…` variables, profiles,
    roles. Another server is named by `settings={"endpoint_url": …}` or `AWS_ENDPOINT_URL`.

    Attributes:
        bucket_path: the bucket, and a path in it if you like.
        aws_access_key_id: the name of an access key.
        aws_secret_access_key: the key itself.
        settings: more arguments of s3fs's file system.
    """

    slug: ClassVar[str] = "s3"

    aws_access_key_id: SecretStr | None = None
    aws_secret_access_key: SecretStr | None = None

    @property
    def basepath(self) -> str:
        """The URL below which the files are."""
        return f"s3://{self.bucket_path}"

    def _settings(self) -> dict[str, Any]:
        return {
            "key": secret(self.aws_access_key_id),
            "secret": secret(self.aws_secret_access_key),
        }
