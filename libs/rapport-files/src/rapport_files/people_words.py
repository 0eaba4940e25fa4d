"""The words by which a file may tell of contacts and consents, in English and in Chinese."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from rapport_files.vocabulary import Vocabulary
from rapport_files.words import COLUMNS

# fmt: off
_COLUMNS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "client_id": COLUMNS["client_id"],
        "channel": (
            "contact_type", "渠道", "联系渠道", "通知渠道", "联系方式类型", "渠道类型", "管道",
        ),
        "address": ("contact", "contact_point", "联系方式", "联络方式", "聯絡方式"),
        "phone": (
            "mobile", "mobile_phone", "mobile_number", "cell", "cell_phone", "phone_number", "tel",
            "telephone", "手机", "手机号", "手机号码", "电话", "电话号码", "联系电话", "移动电话",
            "手機", "手機號碼", "電話",
        ),
        "email": (
            "mail", "email_address", "邮箱", "电子邮箱", "电子邮件", "邮件地址", "邮箱地址",
            "電子郵件", "電子信箱",
        ),
        "openid": ("wechat_openid", "weixin_openid", "微信openid", "wechat_open_id"),
        "name": (
            "client_name", "customer_name", "full_name", "greeting_name", "姓名", "客户姓名",
            "来访者姓名", "会员姓名", "学员姓名", "称呼", "昵称", "客戶姓名", "稱呼",
        ),
        "language": ("locale", "lang", "语言", "语种", "語言"),
        "zone": ("time_zone", "tz", "时区", "所在时区", "時區"),
        "valid_from": (
            "since", "contact_since", "address_since", "启用时间", "启用日期", "啟用時間",
        ),
        "consent": (
            "consented", "granted", "opt_in", "opted_in", "subscribed", "consent_status", "同意",
            "是否同意", "同意状态", "授权", "是否授权", "授权状态", "订阅", "是否订阅",
            "是否接收消息", "同意狀態",
        ),
        "purpose": ("consent_purpose", "用途", "目的", "同意用途", "授权用途"),
        "consent_service": ("service_consent", "服务同意", "服务授权", "同意服务通知"),
        "consent_care": (
            "care_consent", "关怀同意", "关怀授权", "同意关怀", "回访同意", "同意回访", "關懷同意",
        ),
        "consent_marketing": (
            "marketing_consent", "marketing_opt_in", "营销同意", "营销授权", "同意营销", "推广同意",
            "同意推广", "行銷同意",
        ),
        "stated_at": (
            "consent_at", "consented_at", "consent_date", "consent_time", "signed_at", "signed_on",
            "同意时间", "同意日期", "签署时间", "签署日期", "授权时间", "授权日期", "声明时间",
            "同意時間", "簽署日期",
        ),
        "statement_id": (
            "consent_id", "form_id", "form_no", "声明编号", "同意编号", "同意书编号", "授权编号",
            "表单编号", "同意書編號",
        ),
        "evidence": ("proof", "凭证", "证明", "凭证位置", "憑證"),
        "text_version": ("consent_version", "form_version", "文本版本", "同意书版本", "文本版本号"),
    }
)
"""Field -> other headers that mean it."""

ADDRESSES: Mapping[str, str] = MappingProxyType(
    {"phone": "sms", "email": "email", "openid": "wechat"}
)
"""Field of an address -> its channel."""

PURPOSES_TOLD: Mapping[str, str] = MappingProxyType(
    {f"consent_{purpose}": purpose for purpose in ("service", "care", "marketing")}
)
"""Field of a consent to one purpose -> the purpose."""

CHANNELS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "sms": ("phone", "mobile", "text", "短信", "手机", "手机短信", "电话", "簡訊", "手機"),
        "email": ("mail", "邮件", "邮箱", "电子邮件", "电子邮箱", "電子郵件"),
        "wechat": ("weixin", "wx", "微信"),
    }
)
"""Channel -> other words that mean it."""

PURPOSES: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "service": ("transactional", "服务", "服务通知", "通知", "服務"),
        "care": ("关怀", "回访", "關懷"),
        "marketing": ("promotion", "promotional", "营销", "推广", "行銷"),
    }
)
"""Purpose -> other words that mean it."""

CONSENTS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "given": (
            "yes", "y", "true", "1", "granted", "consented", "agreed", "opt_in", "opted_in",
            "subscribed", "是", "同意", "已同意", "授权", "已授权", "订阅", "已订阅", "授權",
        ),
        "withdrawn": (
            "withdraw", "revoked", "refused", "opt_out", "opted_out", "unsubscribed", "撤回",
            "已撤回", "撤销", "已撤销", "退订", "已退订", "拒绝", "已拒绝", "取消授权", "退訂",
        ),
        "no": (
            "n", "false", "0", "否", "未同意", "不同意", "未授权", "未订阅", "not_given", "none",
        ),
    }
)
"""What a consent is -> words that say so. `no` may mean two things."""

LANGUAGES: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "zh-CN": ("zh", "zh_hans", "chinese", "中文", "简体中文", "汉语", "普通话", "中国大陆"),
        "en": ("english", "en_us", "en_gb", "英文", "英语", "英語"),
    }
)
"""Language of messages -> other words that mean it."""
# fmt: on

_TELLING = frozenset(
    {"client_id", *ADDRESSES, "address", "channel", "consent", *PURPOSES_TOLD, "stated_at"}
)
PEOPLE = Vocabulary(
    columns=_COLUMNS,
    telling=_TELLING,
    tables=tuple(
        frozenset({"client_id", each})
        for each in (*ADDRESSES, "address", "consent", *PURPOSES_TOLD)
    ),
    questions=(
        *("day_order", "time_of_day", "time_zone", "purpose", "consent_channel", "no"),
        *("since", "evidence", "text_version"),
    ),
)
"""Contacts and consents of clients."""
