"""The words by which a file may name its columns and events, in English and in Chinese."""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

_WIDE = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)} | {0x3000: " ", 0xFFE5: "¥"}
_JOINTS = re.compile(r"[\s_-]+")

# fmt: off
COLUMNS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "client_id": (
            "client", "customer_id", "member_id", "student_id",
            "客户编号", "客户号", "客户id", "客户", "来访者编号", "来访者id", "会员编号", "会员号",
            "顾客编号", "用户编号", "用户id", "学员编号", "客戶編號", "會員編號",
        ),
        "happened_at": (
            "happened", "time", "date", "date_time", "timestamp",
            "发生时间", "发生日期", "时间", "日期", "日期时间", "發生時間", "時間",
        ),
        "event": (
            "event_type", "type", "status", "state",
            "事件", "事件类型", "类型", "状态", "預約狀態", "预约状态", "業務類型", "業務类型",
            "狀態", "類型",
        ),
        "id": (
            "order_id", "order_no", "reference",
            "单号", "编号", "订单号", "订单编号", "流水号", "單號", "訂單編號",
        ),
        "booking_id": ("appointment_id", "预约编号", "预约号", "预约单号", "預約編號"),
        "payment_id": ("付款单号", "支付单号", "付款編號"),
        "amount": ("sum", "金额", "金额(元)", "金额元", "金額", "金額(元)"),
        "currency": ("currency_code", "币种", "货币", "币别", "幣種", "貨幣"),
        "starts_at": (
            "starts", "start", "start_time", "begins_at", "appointment_time",
            "预约时间", "开始时间", "预约开始时间", "咨询时间", "上课时间", "預約時間", "開始時間",
        ),
        "event_id": ("事件编号",),
        "booked_at": ("created_at", "booked_on", "创建时间", "下单时间", "建立時間"),
        "changed_at": ("updated_at", "modified_at", "更新时间", "修改时间", "更新時間"),
        "counsellor_id": ("counselor_id", "therapist_id", "咨询师编号", "老师编号"),
        "service_code": ("服务编码", "项目编码"),
        "site": ("site_code", "门店编码", "校区编码"),
        "product": ("product_code", "产品编码"),
        "package_id": ("package", "package_code", "套餐编号", "课包编号", "次卡编号", "套餐編號"),
        "units": ("hours_in_package", "套餐次数", "课时数", "套餐課時"),
        "payer": ("payer_id", "付款人编号", "付款人編號"),
        "replaces": ("replaces_id", "rescheduled_from", "原预约编号", "原预约号", "原預約編號"),
        "cancelled_by": ("canceled_by", "取消方"),
        "cancelled_at": ("canceled_at", "cancelled_on", "取消时间", "取消時間"),
        "signal_id": ("信号编号", "訊號編號"),
        "channel": ("渠道", "来源渠道", "管道"),
        "engagement": ("互动方式", "参与方式"),
        "code": ("代码", "編碼"),
        "clarity": ("明确程度",),
        "urgency": ("紧急程度", "紧迫程度"),
        "outcome": ("结案结果", "个案结果"),
        "tier": ("等级", "分级", "等級"),
        "reason": ("reason_code", "原因编码"),
        "until": ("until_day", "截止日期", "有效期至"),
        "refund_id": ("refund_no", "退款单号", "退款编号", "退款單號"),
        "chargeback_id": ("dispute_id", "拒付编号", "拒付單號"),
    }
)
"""Field -> other headers that mean it. Codes are found by such headers alone as name a code: a
column of words may say what a client comes for."""

MONEY: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "due": (
            "price", "due", "amount_due", "total_due", "fee", "应收", "应收金额", "应付",
            "应付金额", "价格", "单价", "标价", "原价", "订单金额", "應收金額",
        ),
        "paid": (
            "paid", "amount_paid", "paid_amount", "支付金额", "收款金额", "实收", "实收金额",
            "实付", "实付金额", "已付金额", "實收金額",
        ),
        "net": (
            "net", "net_amount", "amount_net", "payout", "净额", "净收入", "到账金额", "结算金额",
            "淨額",
        ),
    }
)
"""What an amount is -> headers that say so: due, paid, or net of fees."""

STATES = frozenset({"status", "state", "状态", "狀態", "预约状态", "預約狀態"})
"""Headers of `event` that speak of how a thing is now, not of what happened."""

EVENTS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "booked": (
            "booking", "booking.created", "confirmed", "预约", "已预约", "预订", "已预订", "已确认",
            "預約", "已預約",
        ),
        "requested": (
            "pending", "booking.requested", "待确认", "申请预约", "已申请", "待確認",
        ),
        "rescheduled": (
            "moved", "booking.rescheduled", "改期", "已改期", "改约", "已改约", "已改約",
        ),
        "cancelled": ("canceled", "booking.cancelled", "取消", "已取消", "取消预约"),
        "completed": (
            "attended", "booking.completed", "完成", "已完成", "到访", "已到访", "已到訪",
        ),
        "assumed": ("presumed", "默认完成", "视为完成", "默認完成"),
        "no_show": (
            "noshow", "missed", "booking.no_show", "爽约", "未到", "未到访", "缺席", "爽約",
        ),
        "settled": (
            "paid", "payment", "payment.settled", "付款", "已付款", "支付", "已支付", "支付成功",
            "收款", "已收款", "到账", "已到账",
        ),
        "refunded": ("refund", "payment.refunded", "退款", "已退款", "退款成功"),
        "failed": ("payment.failed", "支付失败", "付款失败", "支付失敗"),
        "refunded_total": (
            "refund_total", "payment.refunded_total", "累计退款", "退款总额", "累計退款",
        ),
        "refund_failed": ("payment.refund_failed", "退款失败", "退款失敗"),
        "charged_back": ("chargeback", "payment.charged_back", "拒付"),
        "chargeback_reversed": (
            "chargeback_won", "payment.chargeback_reversed", "拒付撤销", "拒付撤銷",
        ),
        "consulted": ("signal.consulted", "售前咨询", "顾问沟通"),
        "visited": ("walk_in", "signal.visited", "到店", "来店"),
        "enquired": ("inquired", "enquiry", "inquiry", "signal.enquired", "询问", "询价"),
        "referral_made": ("referral", "signal.referral_made", "转介绍", "轉介紹"),
        "referral_converted": ("signal.referral_converted", "转介绍成功", "轉介紹成功"),
        "engaged": ("signal.engaged", "互动", "互動"),
        "need_noted": ("signal.need_noted", "需求记录", "需求記錄"),
        "case_opened": ("signal.case_opened", "开案", "開案"),
        "case_closed": ("signal.case_closed", "结案", "結案"),
        "arrears_opened": ("arrears", "signal.arrears_opened", "欠费", "欠費"),
        "arrears_cleared": ("signal.arrears_cleared", "欠费结清", "欠費結清"),
        "need_consent_given": ("signal.need_consent_given", "同意考虑需求"),
        "need_consent_withdrawn": ("signal.need_consent_withdrawn", "撤回考虑需求"),
        "override_begun": ("signal.override_begun", "人工定级", "人工定級"),
        "override_ended": ("signal.override_ended", "人工定级结束", "人工定級結束"),
        "neutral_begun": ("signal.neutral_begun", "不分级", "不分級"),
        "neutral_ended": ("signal.neutral_ended", "恢复分级", "恢復分級"),
        "signal_withdrawn": ("signal.withdrawn", "信号撤回", "訊號撤回"),
    }
)
"""Event -> other words that mean it."""

CARE: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "survey_answered": ("survey", "care.survey_answered", "问卷", "问卷回答"),
        "mood_reported": ("mood", "care.mood_reported", "心情", "情绪"),
        "complaint_opened": ("complaint", "care.complaint_opened", "投诉", "投訴"),
        "complaint_closed": ("care.complaint_closed", "投诉解决", "投訴解決"),
        "risk_noted": ("risk", "care.risk_noted", "风险", "風險"),
        "risk_cleared": ("care.risk_cleared", "风险解除", "風險解除"),
        "consent_given": ("consent", "care.consent_given", "同意", "已同意"),
        "consent_withdrawn": ("care.consent_withdrawn", "撤回同意"),
    }
)
"""Signal of care -> other words that mean it; no file of events tells one."""

CANCELLED_BY: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "client": ("customer", "patient", "客户", "来访者", "会员", "顾客", "学员", "客戶"),
        "counsellor": ("counselor", "therapist", "provider", "咨询师", "老师", "諮商師", "老師"),
        "system": ("automatic", "系统", "自动", "系統"),
    }
)
"""Who cancelled a booking -> other words that mean it."""

ENGAGEMENTS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "reply": ("回复", "回覆"), "article": ("文章", "阅读文章"), "group": ("社群", "入群"),
        "event": ("活动", "活動"),
    }
)
CLARITIES: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "clear": ("明确", "明確"), "growing": ("渐明", "漸明"), "vague": ("模糊",),
        "unknown": ("未知",), "shelved": ("搁置", "擱置"),
    }
)
URGENCIES: Mapping[str, Sequence[str]] = MappingProxyType(
    {"high": ("高",), "medium": ("中",), "low": ("低",)}
)
OUTCOMES: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "completed": ("完成", "已完成"), "transferred": ("转介", "转出", "轉介"),
        "stopped": ("中止", "脱落", "终止"),
    }
)
"""A word of a signal -> other words that mean it."""

SUMS = frozenset(
    {"total", "subtotal", "grandtotal", "合计", "总计", "小计", "共计", "合計", "總計"}
)
"""Words of a row that adds up others, as `plain_word` gives them."""
# fmt: on


def half_width(text: str) -> str:
    """Digits, letters and punctuation of an East Asian keyboard as ASCII; nothing else changes."""
    return text if text.isascii() else text.translate(_WIDE)


def plain_word(text: str) -> str:
    """A word to compare: half width, small letters, without blanks, `_` and `-`."""
    return _JOINTS.sub("", half_width(text)).casefold()


def meanings(words: Mapping[str, Sequence[str]]) -> Mapping[str, str]:
    """Each word and its aliases, as `plain_word` gives them -> the word."""
    return MappingProxyType(
        {plain_word(each): word for word, aliases in words.items() for each in (word, *aliases)}
    )
