"""The types of policy fields, with their ranges."""

from typing import Annotated, Literal

import msgspec

BasisPoints = Annotated[int, msgspec.Meta(ge=0, le=100_000)]
Share = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Limit = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]  # 0: unlimited
Discount = Annotated[int, msgspec.Meta(ge=0, le=9_999)]
Days = Annotated[int, msgspec.Meta(ge=0, le=36_500)]  # each field defines the meaning of 0
Months = Annotated[int, msgspec.Meta(ge=0, le=1_200)]  # likewise
Maturity = Annotated[int, msgspec.Meta(ge=45, le=36_500)]  # days; fewer would pay out before a dispute can arrive
Line = Annotated[str, msgspec.Meta(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
SupportUrl = Annotated[str, msgspec.Meta(max_length=200, pattern=r"^(https://|mailto:)[^\s<>\"']+$")]
Word = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
ModelName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$")]
PublicName = Annotated[str, msgspec.Meta(pattern=r"^([a-z0-9][a-z0-9._-]{0,63})?$")]
Effort = Literal["minimal", "low", "medium", "high", "xhigh", "max"]
Currency = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}$")]
Rate = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,6}(\.[0-9]{1,6})?$")]
"""Units of a currency per US dollar, as an exact decimal."""
Retention = Annotated[str, msgspec.Meta(pattern=r"^(none|days:[0-9]{1,5}|training|)$")]
Amount = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,9}(\.[0-9]{1,9})?$")]
"""US dollars as an exact decimal. Its section has a property with the `Usd` value: `day` for `day_usd`."""
