"""Alibaba Cloud's signature against the worked example of its documentation."""

from datetime import UTC, datetime

from outreach_service.providers.acs3 import AccessKey, RpcCall, signed_headers


def test_the_documented_example() -> None:
    """help.aliyun.com, "V3 request structure and signature": fixed parameters of RunInstances."""
    call = RpcCall(
        host="ecs.cn-shanghai.aliyuncs.com",
        action="RunInstances",
        version="2014-05-26",
        query={
            "RegionId": "cn-shanghai",
            "ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd",
        },
        nonce="3156853299f313e23d1673dc12e1703d",
        at=datetime(2023, 10, 26, 10, 22, 32, tzinfo=UTC),
    )
    headers = signed_headers(call, AccessKey("YourAccessKeyId", "YourAccessKeySecret"))

    assert headers["authorization"] == (
        "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,"
        "SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;"
        "x-acs-version,"
        "Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    )
    assert "YourAccessKeySecret" not in repr(AccessKey("YourAccessKeyId", "YourAccessKeySecret"))
