"""The accounts of the sandbox. They work nowhere else, so they may be in the source."""

WECHAT_APPID = "wxsandbox0000000001"
WECHAT_SECRET = "sandbox-wechat-secret"  # noqa: S105  # nosec B105
ALIYUN_KEY_ID = "sandbox-access-key-id"
ALIYUN_KEY_SECRET = "sandbox-access-key-secret"  # noqa: S105  # nosec B105
ALIYUN_SIGN_NAME = "沙盒"
