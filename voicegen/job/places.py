"""Where a model that settings name is: here, at a server, or still to be fetched."""

from __future__ import annotations

from voicegen.errors import without_credentials
from voicegen.model_files import whereabouts
from voicegen.settings import ServerSettings, Settings


def place_of(settings: Settings) -> tuple[bool, str]:
    """Whether what a model needs is here, and what it is and where; fetches nothing."""
    if isinstance(settings, ServerSettings):
        return True, f"{settings.model} at {without_credentials(settings.base_url)}"
    name = getattr(settings, "model", None)
    if name is None:
        return True, f"{getattr(settings, 'kind', '')}, no model"
    here, where = whereabouts(name)
    return here, f"{name} ({where})"
