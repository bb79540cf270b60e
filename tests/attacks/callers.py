"""Requests to an API server as whoever a kubeconfig says."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from seconder.client import client_config
from seconder.client.api import Api, ApiError

JSON: Final = "application/json"
MERGE: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"
APPLY: Final = "application/apply-patch+yaml"


@dataclass(frozen=True)
class Answer:
    """What the API server said. ``code`` is HTTP's, 0 where it said nothing; ``message`` the words of a failure."""

    code: int
    document: Mapping[str, Any]
    message: str = ""

    @property
    def done(self) -> bool:
        """Whether the request went through."""
        return 200 <= self.code < 300

    @property
    def first_line(self) -> str:
        """What to show of a failure."""
        return f"{self.code} {self.message.partition(chr(10))[0][:200]}"


class Caller(Api):
    """One user of the cluster."""

    def __init__(self, kubeconfig: Path) -> None:
        """Raises what ``client_config.load`` does for a kubeconfig that cannot be used."""
        super().__init__(client_config.load(str(kubeconfig)), user_agent="attacks")

    def __call__(
        self, method: str, path: str, document: Any = None, kind: str = "", *, seconds: float = 60.0
    ) -> Answer:
        """Send one request. ``kind`` is the content type; a PATCH is a merge patch unless it says otherwise."""
        content_type = kind or (MERGE if method == "PATCH" else JSON)
        try:
            said = self._call(method, path, document, timeout=seconds, query={}, content_type=content_type)
        except ApiError as error:
            return Answer(error.status, {}, str(error))
        return Answer(200, said if isinstance(said, dict) else {})

    def as_somebody(self, group: str, method: str, path: str) -> Answer:
        """Send one request under a made-up name, as one of a group (impersonation)."""
        self._headers |= {"Impersonate-User": "somebody", "Impersonate-Group": group}
        try:
            return self(method, path)
        finally:
            del self._headers["Impersonate-User"], self._headers["Impersonate-Group"]
