"""Many requests at once go by several clients, each of which looks at few connections."""

from collections import Counter
from contextlib import ExitStack

from voicegen.servers.endpoint import Endpoint
from voicegen.servers.openai_client import Clients


def test_each_client_has_few_requests_at_once_and_is_used_again():
    clients = Clients(Endpoint("model"))
    with ExitStack() as requests:
        taken = Counter(id(requests.enter_context(clients.one())) for _ in range(100))
    assert sum(taken.values()) == 100
    assert max(taken.values()) == 8
    with ExitStack() as requests:
        assert {id(requests.enter_context(clients.one())) for _ in range(100)} == taken.keys()
