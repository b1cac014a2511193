//! `expect`: when exports should arrive.

use serde_json::{Value, json};

use super::kinds::object;

pub(super) fn expect() -> Value {
    let mut expect = object(
        "When an export of each tenant should have arrived. What has not is reported; nothing else depends on it.",
        json!({
            "every": {
                "description": "The time between two deadlines.",
                "enum": ["1h", "2h", "3h", "4h", "6h", "8h", "12h", "1d"], "default": "1d"
            },
            "by": {
                "description": "The deadline, as a time of day in the zone. With hours between deadlines, any one of them.",
                "type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$", "examples": ["06:00"]
            },
            "zone": {
                "description": "The time zone, by its name in the IANA database.",
                "type": "string", "default": "UTC", "examples": ["Europe/Vienna"]
            },
            "window": {
                "description": "How long before its deadline an export may come; at most the time between two deadlines. By default half of every.",
                "type": "string", "pattern": "^[0-9]+[mhd]$", "examples": ["8h"]
            },
            "days": {
                "description": "The days that have deadlines, if these are not all.",
                "type": "array", "minItems": 1, "uniqueItems": true,
                "items": { "enum": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] }
            },
            "tenants": {
                "description": "The tenants that should deliver. By default all that ever have.",
                "type": "array", "minItems": 1, "uniqueItems": true,
                "items": { "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]*$", "maxLength": 128 }
            }
        }),
    );
    expect["required"] = json!(["by"]);
    expect
}
