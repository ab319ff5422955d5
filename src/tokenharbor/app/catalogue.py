"""The catalogue that the settings describe: what is shipped, and the operator's file over it."""

from tokenharbor.app.settings import Settings
from tokenharbor.catalog.load import load_catalog
from tokenharbor.catalog.types import Catalog
from tokenharbor.wire import PROVIDER_DIALECTS


def read_catalog(settings: Settings) -> Catalog:
    """Raises Misconfigured."""
    return load_catalog(settings.catalog, PROVIDER_DIALECTS, str(settings.file))
