"""The HTTP side of every service: one app, one shape of refusal, one way of paging."""
