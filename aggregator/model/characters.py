"""Characters that a text of ours does not hold, told once for all who take them out."""

import re

_NONCHARACTERS = "".join(chr(plane * 0x10000 + last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
_NO_TEXT = f"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef{_NONCHARACTERS}"
"""C0 and C1 controls but tab and newlines, surrogates, non-characters: none may stand in XML or in PostgreSQL text."""
_UNSEEN = "\u202a-\u202e\u2066-\u2069\u200b\u2060\ufeff\U000e0000-\U000e007f"
"""Direction overrides and isolates (UAX 9), zero-width marks, tag characters: they change what stands beside them."""

NOT_TEXT = re.compile(f"[{_NO_TEXT}]")
UNWANTED = re.compile(f"[{_NO_TEXT}{_UNSEEN}]")
BREAKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
"""What may end a line in some program or other; on one line a space stands for it."""
