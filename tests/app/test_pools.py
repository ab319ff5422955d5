"""The check of an edition's pools against the catalogue: errors name file and line."""

from pathlib import Path

import pytest

from tokenharbor.app.catalogue import read_catalog
from tokenharbor.app.pools import check_pools
from tokenharbor.app.settings import load_settings
from tokenharbor.catalog.types import Catalog
from tokenharbor.editions.files import edition_names
from tokenharbor.editions.load import load_edition
from tokenharbor.kernel.errors import Misconfigured


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    home = tmp_path_factory.mktemp("home")
    return read_catalog(load_settings(home, None, {}))


@pytest.mark.parametrize("name", edition_names())
def test_th_o1_pools_of_the_shipped_editions_are_in_the_shipped_catalogue(name: str, catalog: Catalog) -> None:
    check_pools(name, load_edition(name), catalog)


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ('code = ["gpt-6.1-terra", "gpt-6.1-tera"]', "code: no model 'gpt-6.1-tera' in the catalogue; did you mean"),
        ('review = ["whisper-1"]', "review: whisper-1 is not a chat model"),
        ('name = "demo-chat"', "name: 'demo-chat' is a model in the catalogue"),
    ],
)
def test_th_o1_a_pool_names_models_for_chat_in_the_catalogue(
    tmp_path: Path, catalog: Catalog, stated: str, said: str
) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(f'extends = "token-harbor"\n[orchestra]\n{stated}\n')
    with pytest.raises(Misconfigured) as caught:
        check_pools(str(mine), load_edition(str(mine)), catalog)
    (fault,) = caught.value.faults
    assert said in fault
    assert f"{mine} line 3 [orchestra]" in fault
