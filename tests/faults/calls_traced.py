"""A program that is traced while it makes one persisted call; `python … sync|async [key]`.

It tells of the call's begin and of its completion with writes of its own.
"""

import asyncio
import os
import sys

from upshot import task


def warmed(*key):
    return b"x" * 100_000


async def awarmed(*key):
    return warmed()


def main(colour, key=None):
    function = warmed if colour == "sync" else awarmed
    first = task(function, persist_result=True)
    traced = first.with_options(result_storage_key=key)
    if colour == "sync":
        first()
        os.write(1, b"begin\n")
        traced()
        os.write(1, b"told\n")
    else:
        asyncio.run(calls(first, traced))


async def calls(first, traced):
    await first()
    os.write(1, b"begin\n")
    await traced()
    os.write(1, b"told\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
