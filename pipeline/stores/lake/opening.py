"""Which kind of storage an address means."""

from __future__ import annotations

import fsspec
from fsspec.utils import get_protocol

from pipeline.errors import DeclarationError
from pipeline.stores.lake.disk import Disk
from pipeline.stores.lake.storage import Storage


def open_storage(root: str) -> Storage:
    """The storage at a path or URL.  Nothing is connected to before it is used.

    Raises:
        DeclarationError: nothing that is installed knows such a URL.
    """
    protocol = get_protocol(root)
    try:
        if protocol in {"s3", "s3a"}:
            from pipeline.stores.lake.s3 import OPTIONS, S3  # noqa: PLC0415 - an extra, and slow to import

            return S3(*fsspec.core.url_to_fs(root, use_listings_cache=False, **OPTIONS))
        files, path = fsspec.core.url_to_fs(root, use_listings_cache=False)
    except (ImportError, ValueError) as error:
        raise DeclarationError(
            f"the lake is in a kind of storage that cannot be opened: {protocol}://",
            expected="NIGHTJAR_LAKE as a path, or a URL that an installed package of fsspec's knows",
            found=str(error),
            next_step="install the package (for s3:// the extra `production`), or correct NIGHTJAR_LAKE",
        ) from error
    return Disk(files, path) if protocol in {"file", "local"} else Storage(files, path)
