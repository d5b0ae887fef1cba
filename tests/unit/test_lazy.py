import importlib
import sys

import pytest

from voicegen.lazy import put_off


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The name of a package that is there and not imported yet."""
    (tmp_path / "seldom_used.py").write_text("name = 'Ada'\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "seldom_used", raising=False)
    yield "seldom_used"
    sys.modules.pop("seldom_used", None)


def test_a_package_that_is_put_off_loads_when_a_name_of_it_is_asked_for(package):
    with put_off(package):
        held = importlib.import_module(package)
    assert package not in sys.modules
    assert held.name == "Ada"
    assert importlib.import_module(package).name == "Ada"
    assert not hasattr(held, "age")


def test_it_loads_at_once_where_a_name_is_asked_for_meanwhile(package):
    with put_off(package):
        held = importlib.import_module(package)
        assert held.name == "Ada"
        assert sys.modules[package] is not held
    assert sys.modules[package].name == "Ada"


def test_what_is_loaded_already_or_not_there_stays_as_it_is(package):
    loaded = importlib.import_module(package)
    with put_off(package), put_off("no_such_package"):
        assert importlib.import_module(package) is loaded
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("no_such_package")
