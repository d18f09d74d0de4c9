//! What commands print and queries work on: JSON as Python has it, since Azure CLI's output shows through which
//! order fields have, which numbers are integers, and which objects a query made.

pub(crate) mod json;

use std::cmp::Ordering;
use std::fmt::Write as _;
use std::sync::Arc;

/// A value. What is nested is shared: whatever a query makes of it copies no texts.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(Arc<str>),
    List(Arc<Vec<Self>>),
    Object(Arc<Object>),
}

/// Fields in the order they were put in.
#[derive(Debug)]
pub(crate) struct Object {
    fields: Vec<(Arc<str>, Value)>,
    origin: Origin,
}

/// Where an object comes from. Azure CLI sorts the fields of some and not of others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Origin {
    /// A command's result, or a literal.
    Data,
    /// A multi-select hash: its order is the query's.
    Query,
}

impl Object {
    pub(crate) fn new(origin: Origin) -> Self {
        Self { fields: Vec::new(), origin }
    }

    /// A later value takes the place of an earlier one.
    pub(crate) fn put(&mut self, name: Arc<str>, value: Value) {
        match self.fields.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.fields.push((name, value)),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(known, _)| &**known == name).map(|(_, value)| value)
    }

    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }

    pub(crate) fn len(&self) -> usize {
        self.fields.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Value)> {
        self.fields.iter().map(|(name, value)| (name, value))
    }

    /// By name, in the order of code points.
    pub(crate) fn sorted(&self) -> Vec<(&Arc<str>, &Value)> {
        let mut fields: Vec<_> = self.iter().collect();
        fields.sort_unstable_by_key(|(name, _)| *name);
        fields
    }
}

impl Value {
    /// An object with these fields in this order.
    pub(crate) fn object<'a>(fields: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        let fields = fields.into_iter().map(|(name, value)| (name.into(), value)).collect();
        Self::Object(Arc::new(Object { fields, origin: Origin::Data }))
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// As Python's `str` writes it: a text as it is, everything else as [`Self::python`] has it.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.to_string(),
            other => other.python(),
        }
    }

    /// As Python's `repr` writes it.
    pub(crate) fn python(&self) -> String {
        let all = |parts: &mut dyn Iterator<Item = String>| parts.collect::<Vec<_>>().join(", ");
        match self {
            Self::Null => "None".to_owned(),
            Self::Bool(true) => "True".to_owned(),
            Self::Bool(false) => "False".to_owned(),
            Self::Integer(number) => number.to_string(),
            Self::Float(number) => float(*number),
            Self::Text(text) => quoted(text),
            Self::List(items) => format!("[{}]", all(&mut items.iter().map(Self::python))),
            Self::Object(object) => {
                let field =
                    |(name, value): (&Arc<str>, &Self)| format!("{}: {}", quoted(name), value.python());
                let fields = all(&mut object.iter().map(field));
                match object.origin {
                    Origin::Data => format!("{{{fields}}}"),
                    Origin::Query if object.is_empty() => "OrderedDict()".to_owned(),
                    Origin::Query => format!("OrderedDict({{{fields}}})"),
                }
            }
        }
    }
}

/// A float as Python writes it: the shortest text that reads back, with a point or an exponent.
pub(crate) fn float(number: f64) -> String {
    if !number.is_finite() {
        return if number.is_nan() {
            "nan"
        } else if number > 0.0 {
            "inf"
        } else {
            "-inf"
        }
        .to_owned();
    }
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>().unwrap_or(0) {
        exponent @ -4..16 => {
            let plain = number.to_string();
            if exponent < 0 || plain.contains('.') { plain } else { plain + ".0" }
        }
        exponent => format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs()),
    }
}

/// Numbers in their order, integers exactly; `None` for what is no number and with no order.
pub(crate) fn compare_numbers(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Integer(left), Value::Integer(right)) => Some(left.cmp(right)),
        (Value::Float(left), Value::Float(right)) => left.partial_cmp(right),
        (Value::Integer(left), Value::Float(right)) => compare_mixed(*left, *right),
        (Value::Float(left), Value::Integer(right)) => compare_mixed(*right, *left).map(Ordering::reverse),
        _ => None,
    }
}

fn compare_mixed(integer: i128, float: f64) -> Option<Ordering> {
    let whole = float.trunc();
    // A float beyond the integers becomes the last of them, and nothing but that one is equal to it.
    let order = if float.is_nan() { None } else { Some(integer.cmp(&(whole as i128))) }?;
    Some(order.then(0.0.partial_cmp(&(float - whole)).unwrap_or(Ordering::Equal)))
}

fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut quoted = String::from(quote);
    for c in text.chars() {
        // Writing to a String cannot fail.
        let _ = match c {
            '\n' => quoted.write_str("\\n"),
            '\r' => quoted.write_str("\\r"),
            '\t' => quoted.write_str("\\t"),
            '\\' => quoted.write_str("\\\\"),
            c if c == quote => write!(quoted, "\\{c}"),
            c if is_printable(c) => quoted.write_char(c),
            c if c <= '\u{ff}' => write!(quoted, "\\x{:02x}", u32::from(c)),
            c if c <= '\u{ffff}' => write!(quoted, "\\u{:04x}", u32::from(c)),
            c => write!(quoted, "\\U{:08x}", u32::from(c)),
        };
    }
    quoted.push(quote);
    quoted
}

/// Not the separators, marks of direction and private signs that Python escapes.
fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{a0}' | '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{1680}'
            | '\u{180e}' | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}' | '\u{3000}'
            | '\u{e000}'..='\u{f8ff}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..)
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number.into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Vec<Self>> for Value {
    fn from(items: Vec<Self>) -> Self {
        Self::List(Arc::new(items))
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Its fields are sorted already, so there is no other order to keep.
impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(truth) => Self::Bool(truth),
            serde_json::Value::Number(number) => match number.as_i128() {
                Some(integer) => Self::Integer(integer),
                None => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            serde_json::Value::String(text) => text.into(),
            serde_json::Value::Array(items) => items.into_iter().map(Self::from).collect::<Vec<_>>().into(),
            serde_json::Value::Object(fields) => {
                let fields = fields.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
                Self::Object(Arc::new(Object { fields, origin: Origin::Data }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_python_writes_them() {
        for (number, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1.5, "1.5"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.25e-7, "1.25e-07"),
            (1e15, "1000000000000000.0"),
            (9_999_999_999_999_998.0, "9999999999999998.0"),
            (1e16, "1e+16"),
            (1.5e16, "1.5e+16"),
            (1e300, "1e+300"),
            (5e-324, "5e-324"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(float(number), text);
        }
    }

    #[test]
    fn values_are_shown_as_python_shows_them() {
        let value =
            json::parse(r#"{"b": [null, true, 1.0], "a": "it's", "c": "\"'\n\u0007\u200b€"}"#).unwrap();
        assert_eq!(value.python(), r#"{'b': [None, True, 1.0], 'a': "it's", 'c': '"\'\n\x07\u200b€'}"#);
        let mut object = Object::new(Origin::Query);
        assert_eq!(Value::Object(Arc::new(Object::new(Origin::Query))).python(), "OrderedDict()");
        object.put("a".into(), Value::Null);
        assert_eq!(Value::Object(Arc::new(object)).python(), "OrderedDict({'a': None})");
    }

    #[test]
    fn numbers_compare_exactly() {
        let (big, float) = (Value::Integer(9_007_199_254_740_993), Value::Float(9_007_199_254_740_992.0));
        assert_eq!(compare_numbers(&big, &float), Some(Ordering::Greater));
        assert_eq!(compare_numbers(&float, &big), Some(Ordering::Less));
        assert_eq!(compare_numbers(&Value::Integer(-1), &Value::Float(-1.5)), Some(Ordering::Greater));
        assert_eq!(compare_numbers(&Value::Integer(1), &Value::Float(1.0)), Some(Ordering::Equal));
        assert_eq!(compare_numbers(&Value::Integer(1), &Value::Float(f64::NAN)), None);
        assert_eq!(compare_numbers(&Value::Integer(1), &Value::Float(f64::INFINITY)), Some(Ordering::Less));
    }
}
