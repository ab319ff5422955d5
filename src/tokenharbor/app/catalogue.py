"""The catalogue in force: the shipped one with the operator's overrides."""

from tokenharbor.app.settings import Settings
from tokenharbor.catalog.load import load_catalog
from tokenharbor.catalog.types import Catalog
from tokenharbor.wire import PROVIDER_DIALECTS


def read_catalog(settings: Settings) -> Catalog:
    """Load the catalogue. Raises Misconfigured."""
    return load_catalog(settings.catalog, PROVIDER_DIALECTS, str(settings.file))
