"""The hot path of the API, `GET /v1/clients/{id}/tier`, and nothing else.

Other systems call this route most. As an ordinary route (a thread, a transaction and two
validations for each request) it answered a tenth of what a bare FastAPI endpoint answers; with the
short cuts of this package it answers more than a third (ADR 23). They are:

- requests that arrive during a read share the next read (`request_coalescer`);
- the route reads its guard and its path parameter itself (`DirectRoute` of the runtime);
- the JSON is made from plain values, without the models that document it (`tier_route`).

Each has a test that compares it with the ordinary way. No other route may use them without a
measurement that asks for it.
"""
