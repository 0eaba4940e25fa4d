"""Providers for tests: SMTP, WeChat and Alibaba SMS, with faults on demand."""
