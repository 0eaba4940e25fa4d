"""One service as processes on real servers, without the other two: made to be mistreated."""
