//! Values as Go prints them.

use crate::template::data::Data;

/// The text of a value (Go's `fmt`, verb `%v`).
pub(super) fn shown(data: &Data) -> String {
    match data {
        Data::Missing => "<no value>".to_string(),
        Data::Null => "<nil>".to_string(),
        Data::Bool(is_true) => is_true.to_string(),
        Data::Number(number) => number.to_string(),
        Data::Text(text) => text.clone(),
        Data::List(list) => {
            let elements: Vec<String> = list.iter().map(shown).collect();
            format!("[{}]", elements.join(" "))
        }
        Data::Map(map) => {
            let entries = map
                .iter()
                .map(|(key, value)| format!("{key}:{}", shown(value)));
            format!("map[{}]", entries.collect::<Vec<_>>().join(" "))
        }
        Data::Record(fields) => {
            let values: Vec<String> = fields.iter().map(|field| shown(&field.value)).collect();
            format!("{{{}}}", values.join(" "))
        }
    }
}
