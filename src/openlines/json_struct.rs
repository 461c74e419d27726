//! Between `google.protobuf.Struct` and JSON.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as ProtoValue};
use serde_json::{Map, Number, Value};

/// The largest whole number that a double holds exactly, 2^53.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

/// A number in the struct is infinite or not a number: JSON has no such thing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotFinite;

/// The JSON form of a struct. Whole numbers become integers: to Bitrix24 `5.0` is not `5`.
pub(super) fn to_json(source: &Struct) -> Result<Value, NotFinite> {
    let entries = source
        .fields
        .iter()
        .map(|(key, value)| Ok((key.clone(), value_to_json(value)?)));
    Ok(Value::Object(entries.collect::<Result<Map<_, _>, _>>()?))
}

fn value_to_json(value: &ProtoValue) -> Result<Value, NotFinite> {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Ok(Value::Null),
        Some(Kind::BoolValue(on)) => Ok(Value::Bool(*on)),
        Some(Kind::StringValue(text)) => Ok(Value::String(text.clone())),
        Some(Kind::NumberValue(number)) => number_to_json(*number),
        Some(Kind::StructValue(map)) => to_json(map),
        Some(Kind::ListValue(list)) => list
            .values
            .iter()
            .map(value_to_json)
            .collect::<Result<_, _>>()
            .map(Value::Array),
    }
}

fn number_to_json(number: f64) -> Result<Value, NotFinite> {
    if number.fract() == 0.0 && number.abs() <= LARGEST_EXACT {
        // Exact: a whole number prints without a fraction.
        if let Ok(integer) = format!("{number:.0}").parse::<i64>() {
            return Ok(Value::from(integer));
        }
    }
    Number::from_f64(number).map(Value::Number).ok_or(NotFinite)
}

/// The struct form of JSON.
pub(super) fn from_json(value: &Value) -> ProtoValue {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(on) => Kind::BoolValue(*on),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(items) => Kind::ListValue(ListValue {
            values: items.iter().map(from_json).collect(),
        }),
        Value::Object(map) => {
            let fields = map
                .iter()
                .map(|(key, value)| (key.clone(), from_json(value)));
            Kind::StructValue(Struct {
                fields: fields.collect(),
            })
        }
    };
    ProtoValue { kind: Some(kind) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(json: &Value) -> Struct {
        match from_json(json).kind {
            Some(Kind::StructValue(map)) => map,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn json_survives_the_way_there_and_back() {
        let json = json!({"a": [1, -2.5, "x", null, true], "b": {"c": {}}, "d": 9_007_199_254_740_992_i64});
        assert_eq!(to_json(&of(&json)), Ok(json));
    }

    #[test]
    fn whole_numbers_travel_as_integers() {
        assert_eq!(
            to_json(&of(&json!({"n": 5.0}))).unwrap().to_string(),
            r#"{"n":5}"#
        );
    }

    #[test]
    fn numbers_that_json_does_not_know_are_refused() {
        let mut source = of(&json!({"n": 1}));
        source.fields.insert(
            "n".into(),
            ProtoValue {
                kind: Some(Kind::NumberValue(f64::NAN)),
            },
        );
        assert_eq!(to_json(&source), Err(NotFinite));
    }
}
