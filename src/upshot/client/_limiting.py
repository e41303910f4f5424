"""Limits of tags: what clients can do about them."""

from __future__ import annotations

from uuid import UUID

from upshot import _limits
from upshot.client import _listing
from upshot.client._reading import Reading
from upshot.client.schemas.objects import ConcurrencyLimit
from upshot.exceptions import ObjectNotFound
from upshot.runstore import Limit

_TOO_MANY = 2**63  # for SQLite
_KIND = "concurrency limit of the tag"


class Limiting(Reading):
    """Makes, reads and removes limits; a part of `SyncUpshotClient`."""

    def create_concurrency_limit(self, tag: str, concurrency_limit: int) -> UUID:
        """Let only so many task runs with a tag run at a time; gives the limit's identity.

        A tag that has a limit is given this one instead.

        Args:
            tag: the tag.
            concurrency_limit: how many; with 0, each run with the tag ends `Cancelled`.

        Raises:
            ValueError: if the tag is empty, or the number negative.
        """
        if not tag or type(tag) is not str:
            raise ValueError(f"tag must be a text that is not empty; got {tag!r}")
        if type(concurrency_limit) is not int or not 0 <= concurrency_limit < _TOO_MANY:
            problem = "must be a whole number, and not negative"
            raise ValueError(f"concurrency_limit {problem}; got {concurrency_limit!r}")
        made = self._store.put_limit(tag, concurrency_limit)
        _limits.wake(self._store, tag)
        return made.id

    def read_concurrency_limit_by_tag(self, tag: str) -> ConcurrencyLimit:
        """The limit of a tag, with the runs that have a slot of it.

        Raises:
            ObjectNotFound: if it has none.
        """
        limit = self._store.limit(tag)
        if limit is None:
            raise ObjectNotFound(_KIND, repr(tag))
        return _model(limit)

    def read_concurrency_limits(
        self, limit: int | None = None, offset: int = 0
    ) -> list[ConcurrencyLimit]:
        """All limits, sorted by tag; `limit` and `offset` as for runs."""
        return [_model(one) for one in _listing.part(self._store.limits(), limit, offset)]

    def reset_concurrency_limit_by_tag(self, tag: str) -> None:
        """Take back all slots of a tag; runs that had them go on all the same.

        Raises:
            ObjectNotFound: if the tag has no limit.
        """
        if not self._store.reset_limit(tag):
            raise ObjectNotFound(_KIND, repr(tag))
        _limits.wake(self._store, tag)

    def delete_concurrency_limit_by_tag(self, tag: str) -> None:
        """Take the limit of a tag away.

        Raises:
            ObjectNotFound: if it has none.
        """
        if not self._store.remove_limit(tag):
            raise ObjectNotFound(_KIND, repr(tag))
        _limits.wake(self._store, tag)


def _model(limit: Limit) -> ConcurrencyLimit:
    return ConcurrencyLimit(
        id=limit.id,
        created=limit.created,
        tag=limit.tag,
        concurrency_limit=limit.most,
        active_slots=list(limit.runs),
    )
