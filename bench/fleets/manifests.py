"""`python manifests.py tag|read REGISTRY JOBS`: the least that manifests can take.

JOBS is a file of lines `REPOSITORY REFERENCE TAG`. `tag` does for each line what `crane tag`
asks of a registry: it gets the manifest of REFERENCE and puts it under TAG. `read` gets and
hashes the manifest of REFERENCE. It prints the digests. Connections are kept; as many requests
run at the same time as buildonce has. It imports nothing that it does not need.
"""

import hashlib
import http.client
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

AT_ONCE = 16
TYPES = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json"
mine = threading.local()


def ask(method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[bytes, str]:
    """Send one request over this thread's connection."""
    if not hasattr(mine, "connection"):
        mine.connection = http.client.HTTPConnection(registry, timeout=60)
    mine.connection.request(method, path, body, headers)
    answer = mine.connection.getresponse()
    content = answer.read()
    if answer.status >= 300:
        raise SystemExit(f"{method} {path}: {answer.status}")
    return content, answer.headers.get("Content-Type", "")


def work(line: str) -> str:
    """Read a manifest and hash it; with `tag`, put it under the tag as well."""
    repository, reference, tag = line.split()
    path = f"/v2/{repository}/manifests/"
    content, media_type = ask("GET", path + reference, None, {"Accept": TYPES})
    if what == "tag":
        ask("PUT", path + tag, content, {"Content-Type": media_type})
    return hashlib.sha256(content).hexdigest()


what, registry, jobs = sys.argv[1:]
with ThreadPoolExecutor(AT_ONCE) as pool, open(jobs, encoding="utf-8") as lines:  # noqa: PTH123
    print(*pool.map(work, lines), sep="\n")
