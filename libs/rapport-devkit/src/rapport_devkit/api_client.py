"""A client of the three REST APIs: one key, JSON in and out, problems as exceptions."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

_TIMEOUT_SECONDS = 30.0
_PAGE = 1000


class ApiProblem(RuntimeError):
    """The API answered with an error: its `status`, and the problem details as text (RFC 9457)."""

    def __init__(self, request: httpx.Request, status: int, text: str) -> None:
        super().__init__(f"{request.method} {request.url.path}: {status} {text}")
        self.status = status


class ApiClient:
    """One service's API with one key. Safe to share between threads.

    Raises ApiProblem for every answer of 400 or above, httpx.HTTPError when none came.
    """

    def __init__(self, base_url: str, key: str) -> None:
        self.base_url = base_url
        self.key = key
        self._http = httpx.Client(
            base_url=base_url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=_TIMEOUT_SECONDS,
        )

    def get(self, path: str, **query: Any) -> Any:
        """The body of a GET; `query` without the entries that are None."""
        params = {name: value for name, value in query.items() if value is not None}
        return self._body(self._http.get(path, params=params))

    def put(self, path: str, body: Mapping[str, Any]) -> Any:
        """The body of a PUT's answer; None when it has none."""
        return self._body(self._http.put(path, json=body))

    def post(self, path: str, body: Any) -> Any:
        """The body of a POST's answer; None when it has none."""
        return self._body(self._http.post(path, json=body))

    def items(self, path: str, **query: Any) -> Iterator[Any]:
        """Every item of a list, page after page."""
        cursor: str | None = None
        while True:
            page = self.get(path, limit=_PAGE, cursor=cursor, **query)
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _body(self, response: httpx.Response) -> Any:
        if response.is_error:
            raise ApiProblem(response.request, response.status_code, response.text[:1000])
        return response.json() if response.content else None
