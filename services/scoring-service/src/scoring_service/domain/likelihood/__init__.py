"""How likely a client is to come again, and what that may bring: for the order of the desk's list
(S4-10), never for a tier (ADR 60).

`histories` says what is read of a client, `visits` models when clients come and when they stop,
`spend` what they pay for each day, `simplex` fits both. `estimates` puts them together for a
practice and a client, `wording` says it in words. Unlike the kernel this counts with floats;
what leaves it is rounded to integers.
"""
