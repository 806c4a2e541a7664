//! What templates are filled in with.

use std::collections::BTreeMap;

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::{Number, Value};

/// A value in a template. Written as JSON, it is what docker prints.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Data {
    /// What a map does not have.
    Missing,
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Data>),
    /// Keys that can be any.
    Map(BTreeMap<String, Data>),
    /// Keys that are fixed, in the order in which they are shown.
    Record(Vec<Field>),
}

/// A part of a record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) value: Data,
    presence: Presence,
}

/// Whether JSON shows a field that has nothing in it. Templates know it anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Always,
    IfSet,
}

impl Field {
    pub(crate) fn always(name: &'static str, value: impl Into<Data>) -> Field {
        Field {
            name,
            value: value.into(),
            presence: Presence::Always,
        }
    }

    pub(crate) fn if_set(name: &'static str, value: impl Into<Data>) -> Field {
        Field {
            presence: Presence::IfSet,
            ..Field::always(name, value)
        }
    }
}

/// A record of these fields.
pub(crate) fn record(fields: impl IntoIterator<Item = Field>) -> Data {
    Data::Record(fields.into_iter().collect())
}

impl Data {
    pub(crate) fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Data {
        Data::List(
            texts
                .into_iter()
                .map(|text| Data::Text(text.into()))
                .collect(),
        )
    }

    /// Whether `if` takes the first branch: everything but false, 0, and what is empty.
    pub(crate) fn is_true(&self) -> bool {
        match self {
            Data::Missing | Data::Null => false,
            Data::Bool(is_true) => *is_true,
            Data::Number(number) => number.as_f64().is_none_or(|number| number != 0.0),
            Data::Text(text) => !text.is_empty(),
            Data::List(list) => !list.is_empty(),
            Data::Map(map) => !map.is_empty(),
            Data::Record(_) => true,
        }
    }

    /// What this is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Data::Missing | Data::Null => "nothing",
            Data::Bool(_) => "a truth value",
            Data::Number(_) => "a number",
            Data::Text(_) => "a text",
            Data::List(_) => "a list",
            Data::Map(_) => "a map",
            Data::Record(_) => "a record",
        }
    }
}

impl From<&str> for Data {
    fn from(text: &str) -> Data {
        Data::Text(text.to_string())
    }
}

impl From<String> for Data {
    fn from(text: String) -> Data {
        Data::Text(text)
    }
}

impl From<bool> for Data {
    fn from(is_true: bool) -> Data {
        Data::Bool(is_true)
    }
}

impl From<u64> for Data {
    fn from(number: u64) -> Data {
        Data::Number(number.into())
    }
}

impl From<i64> for Data {
    fn from(number: i64) -> Data {
        Data::Number(number.into())
    }
}

impl From<Value> for Data {
    fn from(value: Value) -> Data {
        match value {
            Value::Null => Data::Null,
            Value::Bool(is_true) => Data::Bool(is_true),
            Value::Number(number) => Data::Number(number),
            Value::String(text) => Data::Text(text),
            Value::Array(list) => Data::List(list.into_iter().map(Data::from).collect()),
            Value::Object(map) => {
                let entries = map.into_iter().map(|(key, value)| (key, Data::from(value)));
                Data::Map(entries.collect())
            }
        }
    }
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Data::Missing | Data::Null => serializer.serialize_unit(),
            Data::Bool(is_true) => serializer.serialize_bool(*is_true),
            Data::Number(number) => number.serialize(serializer),
            Data::Text(text) => serializer.serialize_str(text),
            Data::List(list) => {
                let mut sequence = serializer.serialize_seq(Some(list.len()))?;
                for element in list {
                    sequence.serialize_element(element)?;
                }
                sequence.end()
            }
            Data::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
            Data::Record(fields) => {
                let mut map = serializer.serialize_map(None)?;
                for field in fields {
                    if field.presence == Presence::Always || field.value.is_true() {
                        map.serialize_entry(field.name, &field.value)?;
                    }
                }
                map.end()
            }
        }
    }
}
