"""Reading what ran, and recording runs that nothing has called yet."""

from upshot.client.orchestration import SyncUpshotClient, UpshotClient, get_client

__all__ = ["SyncUpshotClient", "UpshotClient", "get_client"]
