"""One service or one part of it in this process, on a real Postgres and a bus in memory."""
