"""A real object store for tests: moto's server, in a process of its own.

moto looks whether an object is there and puts it in two steps, so it is given one request at a time: then a conditional
write is one step, as the S3 API promises.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import httpx

ROOT = Path(__file__).resolve().parents[1]
BUCKET = "lake"
SECRET = "the-secret-of-the-object-store"
PAGE = 20
"""Objects that one answer lists; S3 lists 1,000."""


class ObjectStore:
    """A server on a free port of loopback that is empty when it starts."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.object_store"]
        environment = {**os.environ, "MOTO_S3_DEFAULT_MAX_KEYS": str(PAGE)}
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.process.stdout
        port = self.process.stdout.readline().strip()
        assert port, "the object store ended at once"
        self.port = int(port)
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def variables(self) -> dict[str, str]:
        """What AWS's library reads of the environment, and nothing of who runs the tests."""
        nowhere = os.devnull
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "AKIAOFTHETESTS",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": nowhere,
            "AWS_SHARED_CREDENTIALS_FILE": nowhere,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str = "s3", **keys: str) -> Any:
        """AWS's own client, to look at the store from outside."""
        given = {
            "aws_access_key_id": self.variables["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": self.variables["AWS_SECRET_ACCESS_KEY"],
            **keys,
        }
        return boto3.client(service, endpoint_url=self.url, region_name="us-east-1", **given)

    def reset(self) -> None:
        """Forget everything, but for one empty bucket, and let everybody do anything."""
        self._tell("reset-auth", b"inf")
        self._tell("reset")
        self.client().create_bucket(Bucket=BUCKET)

    def ask_for_rights(self, policy: str) -> Mapping[str, str]:
        """From now on only a user with this policy may do anything; returns the variables of that user."""
        people = self.client("iam")
        people.create_user(UserName="nightjar")
        people.put_user_policy(UserName="nightjar", PolicyName="lake", PolicyDocument=policy)
        keys = people.create_access_key(UserName="nightjar")["AccessKey"]
        self._tell("reset-auth", b"0")
        return {"AWS_ACCESS_KEY_ID": keys["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"]}

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()

    def _tell(self, what: str, content: bytes = b"") -> None:
        httpx.post(f"{self.url}/moto-api/{what}", content=content, timeout=60).raise_for_status()


def serve() -> None:
    """Say on which port, and answer one request after the other."""
    from moto.moto_server.werkzeug_app import (  # noqa: PLC0415 - the tests themselves need none of it
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import make_server  # noqa: PLC0415

    application = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, application, threaded=False, request_handler=MotoRequestHandler)
    print(server.port, flush=True)  # noqa: T201
    server.serve_forever()


if __name__ == "__main__":
    serve()
