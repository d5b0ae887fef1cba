"""A stand-in for Hugging Face's hub on loopback: what creating a repository and uploading a folder to it ask for.

Large files go the way that the hub prefers, Xet's: their chunks are taken and not looked into, and the commit says what
their SHA-256 is. As at the hub, what a commit named stays, and a chunk that was sent before is not needed again.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Repository:
    """What a repository holds: the bytes of small files, the SHA-256 of large ones, by path."""

    private: bool
    small: dict[str, bytes] = field(default_factory=dict)
    large: dict[str, str] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """All files, in order."""
        return sorted([*self.small, *self.large])


@dataclass
class Hub:
    """The stand-in: its address, what it holds, and what it was asked."""

    endpoint: str = ""
    token: str = "hf_test"
    repositories: dict[str, Repository] = field(default_factory=dict)
    received: int = 0  # bytes of chunks
    asked: list[str] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)  # requests whose path holds one of these are refused


@contextmanager
def hub_server() -> Iterator[Hub]:
    """A hub with nothing in it, which ends with the block."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def _answer(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        self.hub.asked.append(f"{method} {path}")
        if any(part in path for part in self.hub.failing):
            return self._send(403, {"error": "the stand-in refuses"})
        if path.startswith(("/v1/", "/v2/", "/shards")):
            return self._store(method, path, body)
        if self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            return self._send(401, {"error": "Invalid username or password."})
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path == "/api/validate-yaml":
            return self._send(200, {"errors": [], "warnings": []})
        _, _, kind, owner, name, *rest = path.split("/")
        repository = self.hub.repositories.get(f"{owner}/{name}")
        if kind != "datasets" or repository is None:
            return self._send(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
        return self._repository(repository, f"{owner}/{name}", rest, body)

    def _create(self, wanted: dict[str, Any]) -> None:
        id = f"{wanted['organization']}/{wanted['name']}"
        url = {"url": f"{self.hub.endpoint}/datasets/{id}"}
        if id in self.hub.repositories:
            return self._send(409, url)
        private = wanted.get("visibility", "private" if wanted.get("private") else "public") == "private"
        self.hub.repositories[id] = Repository(private, {".gitattributes": b"*.parquet filter=lfs\n"})
        return self._send(200, url)

    def _repository(self, repository: Repository, id: str, rest: list[str], body: bytes) -> None:
        match rest:
            case [] | ["revision", _]:
                names = [{"rfilename": name} for name in repository.names]
                found = {"id": id, "private": repository.private, "sha": "0" * 40, "siblings": names}
                return self._send(200, found)
            case ["tree", *_]:
                return self._send(200, [{"type": "file", "path": n, "size": 1, "oid": "0"} for n in repository.names])
            case ["preupload", _]:
                files = [self._mode(repository, file) for file in json.loads(body)["files"]]
                return self._send(200, {"files": files})
            case ["xet-write-token", _]:
                expires = int(time.time()) + 3600
                found = {"casUrl": self.hub.endpoint, "exp": expires, "accessToken": "xet"}
                headers = {
                    "X-Xet-Cas-Url": self.hub.endpoint,
                    "X-Xet-Access-Token": "xet",
                    "X-Xet-Token-Expiration": str(expires),
                }
                return self._send(200, found, headers)
            case ["commit", _]:
                return self._commit(repository, id, [json.loads(line) for line in body.splitlines()])
        return self._send(404, {"error": f"the stand-in knows nothing of {self.path}"})

    def _mode(self, repository: Repository, file: dict[str, Any]) -> dict[str, Any]:
        path = file["path"]
        large = path.endswith(".parquet")
        oid = repository.large.get(path)
        if not large and path in repository.small:
            content = repository.small[path]
            oid = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
        return {"path": path, "uploadMode": "lfs" if large else "regular", "shouldIgnore": False, "oid": oid}

    def _commit(self, repository: Repository, id: str, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            value = line["value"]
            match line["key"]:
                case "header":
                    repository.commits.append(value["summary"])
                case "file":
                    repository.small[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    repository.large[value["path"]] = value["oid"]
                case "deletedFile":
                    repository.small.pop(value["path"], None)
                    repository.large.pop(value["path"], None)
        oid = f"{len(repository.commits):040d}"
        url = f"{self.hub.endpoint}/datasets/{id}/commit/{oid}"
        self._send(200, {"success": True, "commitOid": oid, "commitUrl": url})

    def _store(self, method: str, path: str, body: bytes) -> None:
        """Xet's store of chunks: https://huggingface.co/docs/xet/api."""
        known = method == "POST" and path.startswith(("/v1/xorbs/", "/v1/shards", "/shards"))
        if not known:  # is a chunk there? none is; newer ways in are not there either
            return self._send(404, {"error": "not found"})
        self.hub.received += len(body)
        return self._send(200, {"was_inserted": True} if "xorbs" in path else {"result": 1})

    def _send(self, code: int, value: Any, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(value).encode()
        self.send_response(code)
        for name, text in {
            "Content-Type": "application/json",
            "Content-Length": str(len(data)),
            **(headers or {}),
        }.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(data)
