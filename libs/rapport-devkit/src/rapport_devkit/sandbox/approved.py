"""The message templates that the sandbox's providers have approved, with their parameters."""

import json
from importlib.resources import files

Approved = dict[str, dict[str, list[str]]]


def approved_templates() -> Approved:
    """By provider (`wechat`, `aliyun_sms`) and template code: the names of its parameters."""
    data = files("rapport_devkit") / "data" / "approved_templates.json"
    read: Approved = json.loads(data.read_text(encoding="utf-8"))
    return read
