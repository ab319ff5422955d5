"""Policy: what the four reference services do differently, as typed fields; an edition is a file of them."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import msgspec

from tokenharbor.kernel.errors import Misconfigured
from tokenharbor.kernel.tables import did_you_mean, parse_toml, read_table

BasisPoints = Annotated[int, msgspec.Meta(ge=0, le=100_000)]
Share = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """An edition's file. Every field is stated in it, so that nothing is policy by default; bp are basis points."""

    service_fee_bp: BasisPoints  # on top of the model fee, its own posting
    markup_bp: BasisPoints  # on the vendor's price, for models not in the table below
    markup_bp_by_model: Mapping[str, BasisPoints]
    failover: bool  # whether a failed provider is followed by another of the same model
    max_providers: Count  # tried for one request, the first included
    cap_share_bp: Share  # of the available balance, where the caller set no maximum and the whole does not fit
    cap_min_tokens: Count  # of output: below it the request is refused rather than capped
    bill_broken_streams: bool  # whether what was delivered before an upstream broke is billed


class Policy(Rules, frozen=True, kw_only=True):
    """The policy in force, under its edition's name."""

    name: str

    def markup_of(self, model: str) -> int:
        """The markup on a model, by its canonical name, in basis points."""
        return self.markup_bp_by_model.get(model, self.markup_bp)


def edition_names() -> tuple[str, ...]:
    """The editions that come with the program."""
    return tuple(sorted(entry.name[:-5] for entry in files(__package__).iterdir() if entry.name.endswith(".toml")))


def load_edition(name_or_path: str) -> Policy:
    """The policy of an edition that comes with the program, or of a file (what holds a `/` or ends in `.toml`).

    Raises Misconfigured with one line that says what and where.
    """
    if "/" in name_or_path or name_or_path.endswith(".toml"):
        return _read(Path(name_or_path))
    if name_or_path not in edition_names():
        hint = did_you_mean(name_or_path, edition_names())
        raise Misconfigured(f"edition: no edition {name_or_path[:80]!r}{hint}")
    return _read(Path(str(files(__package__) / f"{name_or_path}.toml")))


def fields(policy: Policy) -> dict[str, Any]:
    """Every field by name, the edition's name first, for people and JSON."""
    rest: dict[str, Any] = msgspec.to_builtins(policy)
    return {"name": rest.pop("name"), **rest}


def _read(path: Path) -> Policy:
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise Misconfigured(f"edition {path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Misconfigured(f"edition {path}: not UTF-8") from None
    except ValueError:
        raise Misconfigured(f"edition {path}: not a valid file name") from None
    rules = read_table(Rules, parse_toml(text, f"edition {path}"), f"edition {path}")
    return Policy(name=path.stem, **msgspec.structs.asdict(rules))
