"""A container of Azure Blob Storage as a storage."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import SecretStr, model_validator

from upshot.filesystems._cloud import Cloud, Name, secret


class Azure(Cloud):
    """Files in a container of Azure Blob Storage, through adlfs (`pip install 'upshot[azure]'`).

    Attributes:
        bucket_path: the container, and a path in it if you like; with `azure_storage_container`
            a path in that.
        azure_storage_connection_string: says it all in one.
        azure_storage_account_name: the storage account.
        azure_storage_account_key: its key.
        azure_storage_tenant_id: the tenant of a service principal.
        azure_storage_client_id: its id.
        azure_storage_client_secret: its secret.
        azure_storage_anon: False to look for credentials as Azure's tools do, where none are given.
        azure_storage_container: the container, in the account, of which `bucket_path` is a path.
        settings: more arguments of adlfs's file system.
    """

    slug: ClassVar[str] = "azure"

    azure_storage_connection_string: SecretStr | None = None
    azure_storage_account_name: Name | None = None
    azure_storage_account_key: SecretStr | None = None
    azure_storage_tenant_id: Name | None = None
    azure_storage_client_id: Name | None = None
    azure_storage_client_secret: SecretStr | None = None
    azure_storage_anon: bool = True
    azure_storage_container: Name | None = None

    @model_validator(mode="after")
    def _container_is_of_an_account(self) -> Azure:
        if self.azure_storage_container and not self.azure_storage_account_name:
            raise ValueError("azure_storage_container needs azure_storage_account_name")
        return self

    @property
    def basepath(self) -> str:
        """The URL below which the files are."""
        if not self.azure_storage_container:
            return f"az://{self.bucket_path}"
        account = f"{self.azure_storage_account_name}.dfs.core.windows.net"
        return f"az://{self.azure_storage_container}@{account}/{self.bucket_path}"

    def _settings(self) -> dict[str, Any]:
        return {
            "connection_string": secret(self.azure_storage_connection_string),
            "account_name": self.azure_storage_account_name,
            "account_key": secret(self.azure_storage_account_key),
            "tenant_id": self.azure_storage_tenant_id,
            "client_id": self.azure_storage_client_id,
            "client_secret": secret(self.azure_storage_client_secret),
            "anon": self.azure_storage_anon,
        }
