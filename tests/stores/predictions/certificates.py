"""A certificate authority of the test's own, by openssl."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

_DAYS = "2"


def make_certificates(folder: Path, name: str = "authority") -> dict[str, Path]:
    """``ca``, and ``cert`` and ``key`` for 127.0.0.1, signed by it; good for servers and clients."""
    paths = {part: folder / f"{name}-{part}.pem" for part in ("ca", "ca-key", "cert", "key", "request")}
    subject = ("-subj", f"/CN={name}")
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    _openssl("req", "-x509", *new_key, *subject, "-days", _DAYS, "-keyout", paths["ca-key"], "-out", paths["ca"])
    _openssl("req", *new_key, "-subj", "/CN=127.0.0.1", "-keyout", paths["key"], "-out", paths["request"])
    extensions = folder / f"{name}.cnf"
    extensions.write_text("subjectAltName=IP:127.0.0.1\n")
    signer = ("-CA", paths["ca"], "-CAkey", paths["ca-key"], "-CAcreateserial")
    signed = ("-in", paths["request"], "-out", paths["cert"], "-days", _DAYS, "-extfile", extensions)
    _openssl("x509", "-req", *signer, *signed)
    return paths


def _openssl(*arguments: object) -> None:
    openssl = shutil.which("openssl")
    assert openssl
    subprocess.run([openssl, *map(str, arguments)], check=True, capture_output=True)
