"""One server over HTTP and one over standard input, which the tests of all modules call."""

import json
import threading

import pytest

from tests.mcp_clients import assistant, over_http, over_stdio, serving
from tests.openai_server import completion, piece
from tests.openai_server import serving as model_serving


class Model:
    """A model behind a server, which holds its answers to what is held until it is released."""

    def __init__(self):
        self.asked = threading.Semaphore(0)
        self.release = threading.Event()

    def __call__(self, exchange):
        question = exchange.question
        if "hold" in question:
            self.asked.release()
            self.release.wait(30)
        said = [message["content"] for message in exchange.request.body["messages"] if message["role"] == "user"]
        answer = f"{len(said)}: {question}"
        if exchange.request.body.get("stream"):
            exchange.send_events(piece(content=answer), piece("stop"))
        else:
            exchange.send(200, json.dumps(completion(answer)))


@pytest.fixture(scope="package")
def model():
    return Model()


@pytest.fixture
def held(model):
    """The model, as it holds answers; afterwards it gives them."""
    model.asked = threading.Semaphore(0)  # what was held before is no concern of the test
    model.release.clear()
    yield model
    model.release.set()


@pytest.fixture(scope="package")
def server(model, tmp_path_factory):
    with model_serving(model) as script:
        words = ("preset=fake", "chat=openai", "chat.model=m", f"chat.base_url={script.base_url}", "chat.retries=0")
        root = tmp_path_factory.mktemp("http")
        with serving(*words, f"output_dir={root}", "mcp.sessions=8") as (url, service):
            yield url, service, root


@pytest.fixture(scope="package", params=["stdio", "http"])
def client(request, tmp_path_factory):
    if request.param == "stdio":
        folder = tmp_path_factory.mktemp("stdio")
        with assistant(over_stdio("preset=fake", f"output_dir={folder}")) as made:
            yield made
    else:
        url, _, _ = request.getfixturevalue("server")
        with assistant(over_http(url), mode="legacy") as made:
            yield made


@pytest.fixture
def other(server):
    with assistant(over_http(server[0])) as made:
        yield made
