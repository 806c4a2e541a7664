//! Values that are lists: `type=oci,"dest=a,b"`.

use jettison_dockerfile::mount_fields;

/// One element of a list: a key in lower case, and what stands after the first `=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) key: String,
    pub(crate) value: Option<String>,
}

/// Splits a list at its commas; an element in double quotes may have commas in it. buildx reads its options so
/// (go-csvvalue: `Fields`).
pub(crate) fn fields(text: &str) -> Result<Vec<Field>, String> {
    let fields = mount_fields(text).map_err(|error| match text {
        "" => "it is empty".to_string(),
        _ => error.to_string(),
    })?;
    Ok(fields
        .into_iter()
        .map(|field| Field {
            key: field.key.trim().to_string(),
            value: field.value,
        })
        .collect())
}

/// Splits a list of `key=value`.
pub(crate) fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    fields(text)?
        .into_iter()
        .map(|Field { key, value }| match value {
            Some(value) => Ok((key, value)),
            None => Err(format!("`{key}` is not `key=value`")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_may_be_quoted() {
        let read = pairs("Type=local, \"dest=a,b\"").unwrap_err();
        assert!(read.contains("bare"), "{read}");
        let pair = |key: &str, value: &str| (key.to_string(), value.to_string());
        assert_eq!(
            pairs("Type=local,\"dest=a,\"\"b\",empty=,x=1=2"),
            Ok(vec![
                pair("type", "local"),
                pair("dest", "a,\"b"),
                pair("empty", ""),
                pair("x", "1=2"),
            ])
        );
        assert!(pairs("type=local,dest").is_err());
        assert_eq!(pairs(""), Err("it is empty".to_string()));
    }
}
