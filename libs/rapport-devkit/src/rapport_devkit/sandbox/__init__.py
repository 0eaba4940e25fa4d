"""The providers as they would answer: SMTP, WeChat and Alibaba SMS, with faults on demand."""
