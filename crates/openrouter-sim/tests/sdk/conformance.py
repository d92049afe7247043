"""The life of a key, seen through the official Python package `openrouter` 1.3.84.

Usage: python conformance.py BASE_URL MANAGEMENT_KEY

BASE_URL is the one from the simulator's first line (http://127.0.0.1:PORT/api/v1). The control surface beside
it moves the clock and loses a reply. Ends with status 1 and a traceback at the first thing that is not as it
should be.
"""

import hashlib
import json
import os
import sys
import urllib.request
from datetime import datetime, timedelta, timezone

os.environ["NO_PROXY"] = "*"

from openrouter import OpenRouter, errors
from openrouter.utils import BackoffStrategy, RetryConfig

NO_RETRIES = RetryConfig("none", BackoffStrategy(1, 1, 1, 1), False)


def control(base_url, method, path, body=None):
    """One call of the control surface."""
    request = urllib.request.Request(
        base_url.removesuffix("/api/v1") + "/_sim" + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request) as answer:
        return json.load(answer)


def client(base_url, key, retries=True):
    """A client of the package; its default retries are kept unless told otherwise."""
    options = {} if retries else {"retry_config": NO_RETRIES}
    return OpenRouter(api_key=key, server_url=base_url, **options)


def status_of(call, expected):
    """The status with which a call fails, which must be of the class the package has for it."""
    try:
        call()
    except expected as error:
        return error.status_code
    raise AssertionError("the call succeeded")


def check(condition, what):
    print(("ok      " if condition else "FAILED  ") + what)
    assert condition, what


def complete(router):
    return router.chat.send(
        model="openai/gpt-4o",
        messages=[{"role": "user", "content": "Hello"}],
    )


def life_of_a_key(base_url, management_key):
    """Without retries, so that every request counts."""
    manager = client(base_url, management_key, retries=False)
    before = len(manager.api_keys.list().data)

    expires_at = datetime.now(timezone.utc) + timedelta(days=400)
    created = manager.api_keys.create(name="sdk/life", limit=5, limit_reset="weekly", expires_at=expires_at)
    hash_ = created.data.hash
    check(hash_ == hashlib.sha256(created.key.encode()).hexdigest(), "create: the hash is the key's SHA-256")
    check((created.data.limit, created.data.limit_remaining, created.data.usage) == (5, 5, 0), "create: a fresh key")

    check(len(manager.api_keys.list().data) == before + 1, "list: one more")
    read = manager.api_keys.get(hash=hash_)
    check(read.data.name == "sdk/life" and read.data.updated_at is None, "get: as created")
    updated = manager.api_keys.update(hash=hash_, name="sdk/renamed", limit=7.5)
    check(updated.data.name == "sdk/renamed" and updated.data.limit == 7.5, "update: name and limit")
    check(updated.data.updated_at is not None, "update: updated_at is set")

    user = client(base_url, created.key, retries=False)
    current = user.api_keys.get_current_key_metadata().data
    check(current.label == created.data.label and not current.is_management_key, "current key: the label")
    check(current.effective_budget.scope == "key_limit", "current key: its cap is its budget")
    check(manager.api_keys.get_current_key_metadata().data.is_management_key, "current key: a management key")

    answer = complete(user)
    check(created.data.label in answer.choices[0].message.content, "completion: names the label")
    check(manager.api_keys.get(hash=hash_).data.usage == answer.usage.cost > 0, "completion: the key pays")
    chunks = list(
        user.chat.send(model="openai/gpt-4o", messages=[{"role": "user", "content": "Hello"}], stream=True)
    )
    check(len(chunks) >= 2 and chunks[-1].usage.cost > 0, "stream: chunks, the last with usage")
    check(manager.credits.get_credits().data.total_usage > 0, "credits: usage is counted")
    check(any(model.id == "openai/gpt-4o" for model in manager.models.list().result.data), "models: the catalogue")
    check(manager.workspaces.list().result.data[0].slug == "default", "workspaces: the default one")

    unauthorized = errors.UnauthorizedResponseError
    manager.api_keys.update(hash=hash_, disabled=True)
    check(status_of(user.api_keys.get_current_key_metadata, unauthorized) == 401, "disabled: 401")
    check(status_of(lambda: complete(user), unauthorized) == 401, "disabled: no completion")
    check(all(key.hash != hash_ for key in manager.api_keys.list().data), "disabled: not listed")
    listed = manager.api_keys.list(include_disabled=True).data
    check(any(key.hash == hash_ for key in listed), "disabled: listed on demand")
    manager.api_keys.update(hash=hash_, disabled=False)
    check(user.api_keys.get_current_key_metadata().data.limit == 7.5, "enabled again")

    control(base_url, "POST", "/clock", {"advance_ms": 401 * 86_400_000})
    check(status_of(user.api_keys.get_current_key_metadata, unauthorized) == 401, "expired: 401")
    check(all(key.hash != hash_ for key in manager.api_keys.list().data), "expired: not listed")
    listed = manager.api_keys.list(include_expired=True).data
    check(any(key.hash == hash_ for key in listed), "expired: listed on demand")
    check(manager.api_keys.get(hash=hash_).data.expires_at is not None, "expired: still read by hash")

    forbidden = errors.OpenRouterError
    other = manager.api_keys.create(name="sdk/other")
    stranger = client(base_url, other.key, retries=False)
    check(status_of(lambda: stranger.api_keys.create(name="x"), forbidden) == 403, "an API key creates nothing: 403")
    check(status_of(stranger.api_keys.list, forbidden) == 403, "an API key lists nothing: 403")
    check(status_of(lambda: complete(manager), unauthorized) == 401, "a management key completes nothing: 401")
    bad = errors.BadRequestResponseError
    check(status_of(lambda: manager.api_keys.create(name=""), bad) == 400, "an empty name: 400")

    for made in (created, other):
        check(manager.api_keys.delete(hash=made.data.hash).DELETED is True, "delete: deleted")
    not_found = errors.NotFoundResponseError
    check(status_of(lambda: manager.api_keys.delete(hash=hash_), not_found) == 404, "delete again: 404")
    check(status_of(lambda: manager.api_keys.get(hash=hash_), not_found) == 404, "get a deleted key: 404")
    check(status_of(stranger.api_keys.get_current_key_metadata, unauthorized) == 401, "a deleted key: 401")


def paging(base_url, management_key):
    """More keys than a page holds."""
    manager = client(base_url, management_key, retries=False)
    made = {manager.api_keys.create(name=f"sdk/page {number}").data.hash for number in range(105)}
    first = manager.api_keys.list().data
    check(len(first) == 100, "paging: 100 on the first page")
    seen = {key.hash for key in first}
    offset = 100
    while True:
        page = manager.api_keys.list(offset=offset).data
        seen.update(key.hash for key in page)
        if len(page) < 100:
            break
        offset += 100
    check(made <= seen, "paging: all keys are seen")
    for hash_ in made:
        manager.api_keys.delete(hash=hash_)
    check(manager.api_keys.list().data == [], "paging: nothing is left")


def lost_create(base_url, management_key):
    """With the package's own retries, a lost reply makes two keys."""
    control(base_url, "POST", "/presets", {"name": "lost-create"})
    manager = client(base_url, management_key)
    created = manager.api_keys.create(name="sdk/lost")
    named = [key for key in manager.api_keys.list().data if key.name == "sdk/lost"]
    check(len(named) == 2, "lost create: the package's retry makes two keys")
    known = {"known_hashes": [created.data.hash], "name_prefix": "sdk/lost"}
    orphans = control(base_url, "POST", "/orphans", known)
    check(len(orphans["orphans"]) == 1, "lost create: one of them is an orphan")
    for key in named:
        manager.api_keys.delete(hash=key.hash)


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: conformance.py BASE_URL MANAGEMENT_KEY")
    base_url, management_key = sys.argv[1:]
    life_of_a_key(base_url, management_key)
    paging(base_url, management_key)
    lost_create(base_url, management_key)
    # With a trailing slash the address works as well.
    check(len(client(base_url + "/", management_key, retries=False).api_keys.list().data) == 0, "trailing slash")


main()
