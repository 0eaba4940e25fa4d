"""What an app refuses by its routes is what its OpenAPI document shows."""

from fastapi import FastAPI

from rapport_runtime.http.operations import shown_operations


def assert_as_documented(app: FastAPI) -> None:
    """The words of queries, and the endpoints that take JSON alone, are those of the document."""
    operations = list(shown_operations(app, app.openapi()))
    assert operations
    for route, operation in operations:
        shown = {one["name"] for one in operation.get("parameters", ()) if one.get("in") == "query"}
        assert app.state.query_words[route.endpoint] == shown
        is_json = list(operation.get("requestBody", {}).get("content", ())) == ["application/json"]
        assert (route.endpoint in app.state.takes_json_only) == is_json
