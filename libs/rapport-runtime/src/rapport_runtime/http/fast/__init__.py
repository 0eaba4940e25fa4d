"""The hot path of `GET /v1/clients/{id}/tier`, which other systems call most (ADR 23).

General code took nine tenths of that request's time: it answered at a tenth of a bare endpoint's
rate, and answers at more than a third of it with what is here. Each module replaces one general
way by one that does the same for less; its tests compare the two.

- `direct_route.py`: the route reads its own path parameters. FastAPI's reader resolves queries,
  headers, cookies and bodies that this route does not have.
- `remembered_keys.py`: a key verified less than 2 seconds ago is recalled from memory. Otherwise
  each request would take a thread and a round trip to the database.
- `request_line.py`: the line of a request is one format string. The processor of all other lines
  looks at each value.
- `request_meters.py`: the counter and the histogram of a route are looked up once.

What else the request is fast by stays where it is needed for more than this request:

- `rapport_runtime/batched_reads.py` asks the database from the event loop: it is a part of how the
  database is reached, and knows no HTTP.
- scoring's `api/request_coalescer.py` and its answer made of plain values know what a tier is.
- `http/auth.py` reads the header by hand: it is the guard of every route.
- `http/edge.py` waits for no body where a read announces none: to admit requests is its task.
- `logs.py` writes lines past the records of `logging`: that is so for every line of ours.

Use none of it elsewhere unless a measurement asks for it: it reaches into FastAPI's `dependant`,
and a plain route is easier to read.
"""
