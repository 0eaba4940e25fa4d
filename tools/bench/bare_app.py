"""The least that FastAPI can do: one endpoint that answers with a constant."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/")
async def hello() -> dict[str, str]:
    return {"hello": "world"}
