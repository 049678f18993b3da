//! Conditions that depend on how much traffic there was.

use serde_json::Value;

use super::text;
use crate::rule::Rate;

/// `limit rate 5/minute burst 3 packets`: an ordinary first packet is below the rate.
pub(super) fn limit(value: &Value) -> Option<Rate> {
    let (rate, per) = (value.get("rate")?.as_u64()?, text(value, "per")?);
    let inverted = value.get("inv").and_then(Value::as_bool).unwrap_or(false);
    let over = if inverted { "over " } else { "" };
    let burst = value.get("burst").and_then(Value::as_u64).unwrap_or(0);
    let text = match (text(value, "rate_unit"), text(value, "burst_unit")) {
        (None, _) if burst == 0 || burst == 5 => format!("limit rate {over}{rate}/{per}"),
        (None, _) => format!("limit rate {over}{rate}/{per} burst {burst} packets"),
        (Some(unit), _) if burst == 0 => format!("limit rate {over}{rate} {unit}/{per}"),
        (Some(unit), burst_unit) => {
            format!("limit rate {over}{rate} {unit}/{per} burst {burst} {}", burst_unit.unwrap_or("bytes"))
        }
    };
    Some(Rate { text: text.into(), usually: !inverted })
}

/// `quota over 5 mbytes`: by itself, or an object, which counts in bytes.
pub(super) fn quota(value: &Value) -> Option<Rate> {
    let amount = value.get("val").or_else(|| value.get("bytes"))?.as_u64()?;
    let unit = text(value, "val_unit").unwrap_or("bytes");
    let used = value.get("used").and_then(Value::as_u64).unwrap_or(0);
    let inverted = value.get("inv").and_then(Value::as_bool).unwrap_or(false);
    let over = if inverted { "over " } else { "" };
    let in_bytes = amount.checked_mul(factor(unit)?)?;
    let used_in_bytes = used.checked_mul(factor(text(value, "used_unit").unwrap_or("bytes"))?)?;
    let exhausted = used_in_bytes >= in_bytes;
    let shown_used =
        if used == 0 { String::new() } else { format!(" used {used} {}", text(value, "used_unit").unwrap_or("bytes")) };
    Some(Rate { text: format!("quota {over}{amount} {unit}{shown_used}").into(), usually: inverted == exhausted })
}

fn factor(unit: &str) -> Option<u64> {
    match unit {
        "bytes" => Some(1),
        "kbytes" => Some(1 << 10),
        "mbytes" => Some(1 << 20),
        "gbytes" => Some(1 << 30),
        _ => None,
    }
}

/// `ct count over 3`: an ordinary first packet is the only connection (`nft_connlimit_eval`,
/// `net/netfilter/nft_connlimit.c`).
pub(super) fn connection_count(value: &Value) -> Option<Rate> {
    let count = value.get("val")?.as_u64()?;
    let inverted = value.get("inv").and_then(Value::as_bool).unwrap_or(false);
    let over = if inverted { "over " } else { "" };
    Some(Rate { text: format!("ct count {over}{count}").into(), usually: (count < 1) == inverted })
}
