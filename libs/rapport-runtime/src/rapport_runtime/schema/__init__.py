"""The tables that every service's database has: each released version of them, and today's."""
