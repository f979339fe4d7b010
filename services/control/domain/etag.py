"""What stands for the pauses as somebody read them, to tell what they have not seen. Knows no store."""

import re
from dataclasses import dataclass

from control.domain.pause import PLATFORM, Pause

_FORM = re.compile(r"v([0-9]{1,18})\.([0-9]{1,18})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Etag:
    """The versions of the reader's organization and of the platform at the time of the read."""

    organization_version: int
    platform_version: int

    def __str__(self) -> str:
        return f"v{self.organization_version}.{self.platform_version}"

    @classmethod
    def parse(cls, text: str) -> "Etag | None":
        """Return the etag that `text` is, if it is one."""
        found = _FORM.fullmatch(text)
        if found is None:
            return None
        return cls(organization_version=int(found[1]), platform_version=int(found[2]))

    def precedes(self, pause: Pause) -> bool:
        """Tell whether the pause, of the reader's organization or the platform, began after the read."""
        seen = self.platform_version if pause.organization_id == PLATFORM else self.organization_version
        return pause.begun_version > seen
