"""The sandbox: providers, delivery log and fault switches in one process."""

import asyncio
import json
import signal
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException, Query

from rapport_devkit.sandbox.aliyun import SmsSandbox, aliyun_router
from rapport_devkit.sandbox.deliveries import DeliveryLog
from rapport_devkit.sandbox.faults import ChannelName, Fault, Faults, Pace, TooManyFaults
from rapport_devkit.sandbox.smtp_sink import Sink, serve_smtp
from rapport_devkit.sandbox.wechat import WeChatSandbox, wechat_router


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to run the sandbox; port 0 takes a free one. `per_second` 0 sets no limit."""

    host: str
    http_port: int
    smtp_port: int
    log: Path
    token_seconds: int
    per_second: int


def build_app(log: DeliveryLog, faults: Faults, options: Options) -> FastAPI:
    """Providers and controls as one HTTP application, without documentation pages."""
    app = FastAPI(title="Rapport provider sandbox", docs_url=None, redoc_url=None)
    wechat = WeChatSandbox(log, options.token_seconds)
    app.include_router(wechat_router(wechat, faults, Pace(options.per_second), time.monotonic))
    sms = SmsSandbox(log)
    app.include_router(aliyun_router(sms, faults, Pace(options.per_second), time.monotonic))

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/deliveries/count")
    async def count() -> dict[str, Any]:
        counts = log.counts()
        return {"total": sum(counts.values()), "by_channel": counts}

    @app.get("/deliveries")
    async def deliveries(
        channel: ChannelName | None = None,
        after: int = Query(0, ge=0),
        limit: int = Query(100, ge=1, le=1000),
    ) -> dict[str, Any]:
        return {"items": [asdict(each) for each in log.recent(channel, after, limit)]}

    @app.get("/faults")
    async def armed() -> list[Fault]:
        return faults.armed()

    @app.post("/faults", status_code=201)
    async def arm(fault: Fault) -> Fault:
        try:
            faults.arm(fault)
        except TooManyFaults:
            raise HTTPException(409, "too many faults are on; DELETE /faults first") from None
        return fault

    @app.delete("/faults", status_code=204)
    async def clear() -> None:
        faults.clear()

    return app


async def run(options: Options) -> None:
    """Serve until SIGINT or SIGTERM. Once both ports accept, prints one line of JSON with them."""
    log, faults = DeliveryLog(options.log), Faults()
    smtp = await serve_smtp(Sink(log, faults), options.host, options.smtp_port)
    listener = socket.create_server((options.host, options.http_port))
    config = uvicorn.Config(
        build_app(log, faults, options),
        log_level="critical",
        access_log=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    ports = {"http_port": listener.getsockname()[1], "smtp_port": smtp.sockets[0].getsockname()[1]}
    print(json.dumps(ports), flush=True)
    try:
        await uvicorn.Server(config).serve(sockets=[listener])
    finally:
        smtp.close()
        log.close()


def serve(options: Options) -> None:
    """Run the sandbox in an event loop of its own.

    uvicorn raises the signal that stopped it again when it is done, so the handlers ignore it.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    asyncio.run(run(options))
