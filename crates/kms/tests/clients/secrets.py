"""Everyday use of secrets through the package `infisicalsdk` from PyPI, unmodified.

Reads SITE_URL, PROJECT_ID, CLIENT_ID and CLIENT_SECRET. Ends with status 1 at the first thing that is not as it should be.
"""

import os
import sys

from infisical_sdk import InfisicalSDKClient

PLACE = {"project_id": os.environ["PROJECT_ID"], "environment_slug": "prod", "secret_path": "/llm"}


def check(holds, what):
    print("ok     " if holds else "not ok ", what)
    if not holds:
        sys.exit(1)


def refused(call, status):
    try:
        call()
    except Exception as error:  # the client's own class, which it does not export everywhere
        return str(status) in str(error) or getattr(error, "status_code", None) == status
    return False


def main():
    client = InfisicalSDKClient(host=os.environ["SITE_URL"], cache_ttl=None)
    answer = client.auth.universal_auth.login(os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"])
    check(answer.accessToken and answer.tokenType == "Bearer", "logs in")

    made = client.secrets.create_secret_by_name(
        secret_name="API_KEY", secret_value="correct-horse-1", secret_comment="from Python", **PLACE
    )
    check((made.secretKey, made.secretValue, made.version) == ("API_KEY", "correct-horse-1", 1), "creates")
    client.secrets.create_secret_by_name(secret_name="URL", secret_value="https://example.com/?k=${API_KEY}", **PLACE)

    read = client.secrets.get_secret_by_name(secret_name="API_KEY", **PLACE)
    check((read.secretValue, read.secretComment) == ("correct-horse-1", "from Python"), "reads one")
    listed = client.secrets.list_secrets(**PLACE)
    values = {secret.secretKey: secret.secretValue for secret in listed.secrets}
    check(
        values == {"API_KEY": "correct-horse-1", "URL": "https://example.com/?k=correct-horse-1"},
        "lists, with references expanded",
    )
    listed = client.secrets.list_secrets(expand_secret_references=False, view_secret_value=True, **PLACE)
    check(any(secret.secretValue.endswith("${API_KEY}") for secret in listed.secrets), "lists references as they are")
    listed = client.secrets.list_secrets(
        project_id=PLACE["project_id"], environment_slug="prod", secret_path="/", recursive=True
    )
    check(len(listed.secrets) == 2, "lists below a folder")

    changed = client.secrets.update_secret_by_name(
        current_secret_name="API_KEY", new_secret_name="LLM_KEY", secret_value="correct-horse-2", **PLACE
    )
    check((changed.secretKey, changed.secretValue, changed.version) == ("LLM_KEY", "correct-horse-2", 2), "updates and renames")
    older = client.secrets.get_secret_by_name(secret_name="LLM_KEY", version="1", **PLACE)
    check(older.secretValue == "correct-horse-1", "reads an older version")

    folder = client.folders.create_folder(
        name="jobs", environment_slug="prod", project_id=PLACE["project_id"], path="/llm"
    )
    check(folder.name == "jobs", "creates a folder")
    folders = client.folders.list_folders(project_id=PLACE["project_id"], environment_slug="prod", path="/llm")
    check([entry.name for entry in folders.folders] == ["jobs"], "lists folders")

    gone = client.secrets.delete_secret_by_name(secret_name="LLM_KEY", **PLACE)
    check(gone.secretKey == "LLM_KEY", "deletes")
    check(refused(lambda: client.secrets.get_secret_by_name(secret_name="LLM_KEY", **PLACE), 404), "reads no more")
    check(
        refused(lambda: client.secrets.list_secrets(project_id="00000000-0000-4000-8000-000000000000", environment_slug="prod", secret_path="/"), 403)
        or refused(lambda: client.secrets.list_secrets(project_id="00000000-0000-4000-8000-000000000000", environment_slug="prod", secret_path="/"), 404),
        "sees no other project",
    )
    print("done")


main()
