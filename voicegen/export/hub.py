"""Uploads an export to a dataset on Hugging Face's hub, by `huggingface_hub` and with the token that it finds.

`upload_folder` goes on where it was interrupted: files that are there are not sent again, nor are pieces of files.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from voicegen.errors import ConfigError, OutputError
from voicegen.export.destination import MARK

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_CARD: Final = "README.md"
_DATA: Final = "data/"


@dataclass(frozen=True, slots=True)
class Place:
    """A dataset on the hub: `id` is OWNER/NAME; the branch is the main one where `revision` is None."""

    id: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"hf://datasets/{self.id}" + (f"@{self.revision}" if self.revision else "")


def hub_place(uri: str) -> Place:
    """What `hf://datasets/OWNER/NAME`, with `@BRANCH` or without, names.

    Raises:
        ConfigError: it names no dataset.
    """
    from huggingface_hub import parse_hf_uri
    from huggingface_hub.errors import HfUriError

    expected = "write hf://datasets/OWNER/NAME"
    try:
        found = parse_hf_uri(uri)
    except HfUriError as error:
        raise ConfigError(f"--to {uri}: {' '.join(str(error).split())} {expected}") from None
    if found.type != "dataset":
        raise ConfigError(f"--to {uri} names a {found.type}: {expected}")
    if found.path_in_repo:
        raise ConfigError(f"--to {uri} names a file: {expected}")
    return Place(found.id, found.revision)


def prepare(api: HfApi, place: Place, *, public: bool) -> bool:
    """Makes the dataset where there is none, private unless `public`, and refuses one that is no place for an export.

    Returns:
        Whether it has a card.

    Raises:
        OutputError: it is public and was to be private, it holds data that was not pushed so, or the hub refuses.
    """
    with _telling(place):
        api.create_repo(place.id, repo_type="dataset", private=not public, exist_ok=True)
        found = api.repo_info(place.id, repo_type="dataset", revision=place.revision)
    if not found.private and not public:
        raise OutputError(f"{place} is public: give --public to push there, or another name for a private one")
    names = [sibling.rfilename for sibling in found.siblings or ()]
    if MARK not in names and any(name.startswith(_DATA) for name in names):
        raise OutputError(f"{place} holds data that voicegen did not push: give another name")
    return _CARD in names


def upload(api: HfApi, folder: Path, place: Place, *, keep_card: bool) -> str:
    """Uploads an export in the place of the one before, but for the card where that is to be kept.

    Returns:
        The address of the commit.

    Raises:
        OutputError: the hub cannot be reached or refuses; the same upload then goes on.
    """
    with _telling(place):
        commit = api.upload_folder(
            repo_id=place.id,
            repo_type="dataset",
            revision=place.revision,
            folder_path=folder,
            ignore_patterns=[_CARD] if keep_card else None,
            delete_patterns=[f"{_DATA}*"],
            commit_message="Upload a dataset made by voicegen",
        )
    return str(commit.commit_url)


@contextmanager
def _telling(place: Place) -> Iterator[None]:
    """Makes what the hub and the network say in the block one line with what to do."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        yield
    except OfflineModeIsEnabled:
        raise OutputError(f"{place} cannot be reached: HF_HUB_OFFLINE is set: unset it") from None
    except HfHubHTTPError as error:
        status = error.response.status_code
        remedy = _REMEDIES.get(status, "run the same command again, which goes on where it stopped")
        said = error.server_message or f"HTTP {status}"
        raise OutputError(f"{place}: the hub says: {said}; {remedy}") from None
    except (OSError, RuntimeError, httpx2.HTTPError) as error:  # of the network; Xet's are RuntimeErrors
        said = " ".join(str(error).split()) or type(error).__name__
        raise OutputError(
            f"{place} cannot be reached: {said}; run the same command again, which goes on where it stopped"
        ) from None


_REMEDIES: Final = {
    401: "log in with `hf auth login`, or set HF_TOKEN to a token that may write",
    403: "give a token that may write there (`hf auth login`, HF_TOKEN), or another name",
    404: "check the owner's name, and that your token may write there (`hf auth login`, HF_TOKEN)",
}
