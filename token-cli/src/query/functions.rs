//! The functions of JMESPath.

use std::cmp::Ordering;
use std::sync::Arc;

use super::QueryError;
use super::evaluation::{are_equal_in_python, evaluate};
use super::parser::Node;
use crate::value::{Object, Origin, Value, compare_numbers, json};

/// What a function is given.
#[derive(Debug)]
pub(super) enum Argument<'a> {
    Value(Value),
    /// `&expression`, to be applied by the function.
    Expression(&'a Node),
}

struct Function {
    name: &'static str,
    /// The types each parameter may have; none where any will do. `array-number` is a list of nothing but numbers.
    parameters: &'static [&'static [&'static str]],
    /// Whether more arguments may follow the last.
    variadic: bool,
    call: fn(&[Argument<'_>]) -> Result<Value, QueryError>,
}

const fn function(
    name: &'static str,
    parameters: &'static [&'static [&'static str]],
    call: fn(&[Argument<'_>]) -> Result<Value, QueryError>,
) -> Function {
    Function { name, parameters, variadic: false, call }
}

const ANY: &[&str] = &[];
const NUMBER: &[&str] = &["number"];
const STRING: &[&str] = &["string"];
const ARRAY: &[&str] = &["array"];
const OBJECT: &[&str] = &["object"];
const EXPRESSION: &[&str] = &["expref"];
const NUMBERS: &[&str] = &["array-number"];
const STRINGS: &[&str] = &["array-string"];
const NUMBERS_OR_STRINGS: &[&str] = &["array-number", "array-string"];

const FUNCTIONS: &[Function] = &[
    function("abs", &[NUMBER], |given| Ok(absolute(value(given, 0)))),
    function("avg", &[NUMBERS], |given| Ok(average(list(given, 0)))),
    function("ceil", &[NUMBER], |given| rounded(value(given, 0), f64::ceil)),
    function("contains", &[&["array", "string"], ANY], contains),
    function("ends_with", &[STRING, STRING], |given| Ok(text(given, 0).ends_with(text(given, 1)).into())),
    function("floor", &[NUMBER], |given| rounded(value(given, 0), f64::floor)),
    function("join", &[STRING, STRINGS], |given| Ok(join(text(given, 0), list(given, 1)))),
    function("keys", &[OBJECT], |given| Ok(keys(value(given, 0)))),
    function("length", &[&["string", "array", "object"]], |given| Ok(length(value(given, 0)))),
    function("map", &[EXPRESSION, ARRAY], map),
    function("max", &[NUMBERS_OR_STRINGS], |given| Ok(extreme(list(given, 0), Ordering::Greater))),
    function("max_by", &[ARRAY, EXPRESSION], |given| extreme_by(given, "max_by", Ordering::Greater)),
    Function { name: "merge", parameters: &[OBJECT], variadic: true, call: merge },
    function("min", &[NUMBERS_OR_STRINGS], |given| Ok(extreme(list(given, 0), Ordering::Less))),
    function("min_by", &[ARRAY, EXPRESSION], |given| extreme_by(given, "min_by", Ordering::Less)),
    Function { name: "not_null", parameters: &[ANY], variadic: true, call: not_null },
    function("reverse", &[&["array", "string"]], |given| Ok(reversed(value(given, 0)))),
    function("sort", &[&["array-string", "array-number"]], |given| Ok(sorted(list(given, 0)))),
    function("sort_by", &[ARRAY, EXPRESSION], sort_by),
    function("starts_with", &[STRING, STRING], |given| Ok(text(given, 0).starts_with(text(given, 1)).into())),
    function("sum", &[NUMBERS], |given| Ok(sum(list(given, 0)))),
    function("to_array", &[ANY], |given| Ok(to_array(value(given, 0)))),
    function("to_number", &[ANY], |given| Ok(to_number(value(given, 0)))),
    function("to_string", &[ANY], |given| Ok(to_string(value(given, 0)))),
    function("type", &[ANY], |given| Ok(kind(value(given, 0)).into())),
    function("values", &[OBJECT], |given| Ok(values(value(given, 0)))),
];

/// Calls a function with as many arguments as it takes, of the types it takes.
pub(super) fn call(name: &str, arguments: &[Argument<'_>]) -> Result<Value, QueryError> {
    let function = FUNCTIONS
        .iter()
        .find(|function| function.name == name)
        .ok_or_else(|| QueryError(format!("Unknown function: {name}()")))?;
    let (wanted, given) = (function.parameters.len(), arguments.len());
    if given < wanted || (given > wanted && !function.variadic) {
        let at_least = if function.variadic { "at least " } else { "" };
        let plural = if wanted == 1 { "" } else { "s" };
        return Err(QueryError(format!(
            "Expected {at_least}{wanted} argument{plural} for function {name}(), received {given}"
        )));
    }
    for (argument, types) in arguments.iter().zip(function.parameters) {
        check(name, argument, types)?;
    }
    // What is not checked above is no function's affair but that of those who take anything.
    let takes_no_expression = |(index, argument): (usize, &Argument<'_>)| {
        matches!(argument, Argument::Expression(_))
            && function.parameters.get(index).is_none_or(|types| types.is_empty())
    };
    if arguments.iter().enumerate().any(takes_no_expression) {
        return Err(QueryError(format!("function {name}() takes no expression behind &")));
    }
    (function.call)(arguments)
}

fn check(name: &str, argument: &Argument<'_>, types: &[&str]) -> Result<(), QueryError> {
    if types.is_empty() {
        return Ok(());
    }
    let actual = match argument {
        Argument::Value(value) => kind(value),
        Argument::Expression(_) => "expref",
    };
    let matching = |wanted: &&&str| wanted.split('-').next() == Some(actual);
    if types.iter().find(matching).is_none() {
        return Err(match argument {
            Argument::Value(value) => mistyped(name, value, types, actual),
            Argument::Expression(_) => mistyped(name, &"&".into(), types, actual),
        });
    }
    // Of the types a list's elements may have, all have that of the first.
    let subtypes: Vec<&str> =
        types.iter().filter_map(|wanted| wanted.split_once('-')).map(|(_, of)| of).collect();
    let (Argument::Value(Value::List(items)), false) = (argument, subtypes.is_empty()) else { return Ok(()) };
    let first = items.first().map(kind);
    let allowed = match &subtypes[..] {
        [only] => Some(*only),
        several => several.iter().copied().find(|subtype| Some(*subtype) == first),
    };
    match items.iter().find(|item| Some(kind(item)) != allowed) {
        Some(item) => Err(mistyped(name, item, types, python_type(item))),
        None => Ok(()),
    }
}

fn mistyped(function: &str, value: &Value, wanted: &[&str], received: &str) -> QueryError {
    let wanted = Value::from(wanted.iter().map(|name| Value::from(*name)).collect::<Vec<_>>());
    QueryError(format!(
        "In function {function}(), invalid type for value: {}, expected one of: {}, received: \"{received}\"",
        value.text(),
        wanted.python()
    ))
}

/// What JMESPath calls the type of a value.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Integer(_) | Value::Float(_) => "number",
        Value::Text(_) => "string",
        Value::List(_) => "array",
        Value::Object(_) => "object",
    }
}

/// What Python calls it, as jmespath.py does where it means an element.
fn python_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Integer(_) => "int",
        Value::Float(_) => "float",
        Value::Text(_) => "str",
        Value::List(_) => "list",
        Value::Object(object) if object.origin() == Origin::Query => "OrderedDict",
        Value::Object(_) => "dict",
    }
}

/// An argument whose type was checked.
fn value<'a>(arguments: &'a [Argument<'_>], index: usize) -> &'a Value {
    match arguments.get(index) {
        Some(Argument::Value(value)) => value,
        _ => &Value::Null,
    }
}

fn text<'a>(arguments: &'a [Argument<'_>], index: usize) -> &'a str {
    match value(arguments, index) {
        Value::Text(text) => text,
        _ => "",
    }
}

fn list<'a>(arguments: &'a [Argument<'_>], index: usize) -> &'a [Value] {
    match value(arguments, index) {
        Value::List(items) => items,
        _ => &[],
    }
}

fn expression<'a>(arguments: &[Argument<'a>], index: usize) -> &'a Node {
    match arguments.get(index) {
        Some(Argument::Expression(node)) => node,
        _ => &Node::Current,
    }
}

fn absolute(number: &Value) -> Value {
    match number {
        Value::Integer(number) => Value::Integer(number.saturating_abs()),
        Value::Float(number) => Value::Float(number.abs()),
        other => other.clone(),
    }
}

/// The sum of integers is one.
fn sum(numbers: &[Value]) -> Value {
    let integer = |sum: Option<i128>, number: &Value| match number {
        Value::Integer(number) => sum?.checked_add(*number),
        _ => None,
    };
    match numbers.iter().fold(Some(0), integer) {
        Some(sum) => Value::Integer(sum),
        None => Value::Float(float_sum(numbers)),
    }
}

/// With what rounding lost carried along (Neumaier's sum), as Python adds floats.
fn float_sum(numbers: &[Value]) -> f64 {
    let (mut sum, mut lost) = (0.0_f64, 0.0_f64);
    for number in numbers.iter().map(as_float) {
        let next = sum + number;
        lost += if sum.abs() >= number.abs() { (sum - next) + number } else { (number - next) + sum };
        sum = next;
    }
    if lost.is_finite() { sum + lost } else { sum }
}

fn as_float(number: &Value) -> f64 {
    match number {
        Value::Integer(number) => *number as f64,
        Value::Float(number) => *number,
        _ => 0.0,
    }
}

fn average(numbers: &[Value]) -> Value {
    if numbers.is_empty() {
        return Value::Null;
    }
    Value::Float(as_float(&sum(numbers)) / numbers.len() as f64)
}

fn rounded(number: &Value, round: fn(f64) -> f64) -> Result<Value, QueryError> {
    match number {
        Value::Float(number) if !number.is_finite() => {
            Err(QueryError(format!("{} is between no integers", number)))
        }
        Value::Float(number) => Ok(Value::Integer(round(*number) as i128)),
        other => Ok(other.clone()),
    }
}

fn contains(given: &[Argument<'_>]) -> Result<Value, QueryError> {
    match (value(given, 0), value(given, 1)) {
        (Value::Text(text), Value::Text(part)) => Ok(text.contains(&**part).into()),
        (Value::Text(_), other) => Err(mistyped("contains", other, &["string"], kind(other))),
        (Value::List(items), wanted) => Ok(items.iter().any(|item| are_equal_in_python(item, wanted)).into()),
        _ => Ok(false.into()),
    }
}

fn join(separator: &str, texts: &[Value]) -> Value {
    texts.iter().map(Value::text).collect::<Vec<_>>().join(separator).into()
}

fn keys(object: &Value) -> Value {
    let Value::Object(object) = object else { return Value::Null };
    object.iter().map(|(name, _)| Value::Text(Arc::clone(name))).collect::<Vec<_>>().into()
}

fn values(object: &Value) -> Value {
    let Value::Object(object) = object else { return Value::Null };
    object.iter().map(|(_, value)| value.clone()).collect::<Vec<_>>().into()
}

fn length(value: &Value) -> Value {
    let length = match value {
        Value::Text(text) => text.chars().count(),
        Value::List(items) => items.len(),
        Value::Object(object) => object.len(),
        _ => 0,
    };
    Value::Integer(length as i128)
}

fn map(given: &[Argument<'_>]) -> Result<Value, QueryError> {
    let node = expression(given, 0);
    let found: Result<Vec<_>, _> = list(given, 1).iter().map(|item| evaluate(node, item)).collect();
    Ok(found?.into())
}

fn merge(given: &[Argument<'_>]) -> Result<Value, QueryError> {
    let mut merged = Object::new(Origin::Data);
    for argument in given {
        match argument {
            Argument::Value(Value::Object(object)) => {
                for (name, value) in object.iter() {
                    merged.put(Arc::clone(name), value.clone());
                }
            }
            Argument::Value(other) => return Err(mistyped("merge", other, OBJECT, kind(other))),
            Argument::Expression(_) => {}
        }
    }
    Ok(Value::Object(Arc::new(merged)))
}

fn not_null(given: &[Argument<'_>]) -> Result<Value, QueryError> {
    let first = (0..given.len()).map(|index| value(given, index)).find(|value| !value.is_null());
    Ok(first.cloned().unwrap_or(Value::Null))
}

fn reversed(value: &Value) -> Value {
    match value {
        Value::Text(text) => text.chars().rev().collect::<String>().into(),
        Value::List(items) => items.iter().rev().cloned().collect::<Vec<_>>().into(),
        _ => Value::Null,
    }
}

fn to_array(value: &Value) -> Value {
    match value {
        Value::List(_) => value.clone(),
        other => vec![other.clone()].into(),
    }
}

fn to_string(value: &Value) -> Value {
    match value {
        Value::Text(_) => value.clone(),
        other => json::compact(other).into(),
    }
}

/// As Python's `int`, else as its `float`: spaces around, and single underscores between digits.
fn to_number(value: &Value) -> Value {
    let Value::Text(text) = value else {
        return if kind(value) == "number" { value.clone() } else { Value::Null };
    };
    let text = text.trim();
    let between_digits = |(at, _): (usize, &str)| {
        let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        is_digit(text[..at].chars().next_back()) && is_digit(text[at + 1..].chars().next())
    };
    if !text.match_indices('_').all(between_digits) {
        return Value::Null;
    }
    let digits = text.replace('_', "");
    let integer = digits.parse().ok().map(Value::Integer);
    integer.or_else(|| digits.parse().ok().map(Value::Float)).unwrap_or(Value::Null)
}

/// Numbers or texts in their order.
fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        _ => compare_numbers(left, right),
    }
}

/// The first of those than which none is further in this direction.
fn extreme(items: &[Value], direction: Ordering) -> Value {
    let further = |best: &'_ Value, item: &'_ Value| order(item, best) == Some(direction);
    items
        .iter()
        .cloned()
        .reduce(|best, item| if further(&best, &item) { item } else { best })
        .unwrap_or(Value::Null)
}

fn extreme_by(given: &[Argument<'_>], name: &str, direction: Ordering) -> Result<Value, QueryError> {
    let mut best: Option<(Value, &Value)> = None;
    for (key, item) in keyed(given, name, &["number", "string"])? {
        best = match best {
            None => Some((key, item)),
            Some((known, _)) if kind(&known) != kind(&key) => {
                return Err(QueryError(format!("In function {name}(), a number and a string have no order")));
            }
            Some((known, _)) if order(&key, &known) == Some(direction) => Some((key, item)),
            known => known,
        };
    }
    Ok(best.map_or(Value::Null, |(_, item)| item.clone()))
}

fn sorted(items: &[Value]) -> Value {
    let mut items = items.to_vec();
    items.sort_by(|left, right| order(left, right).unwrap_or(Ordering::Equal));
    items.into()
}

fn sort_by(given: &[Argument<'_>]) -> Result<Value, QueryError> {
    let Some(first) = list(given, 0).first() else { return Ok(value(given, 0).clone()) };
    // All keys have the type of the first.
    let wanted = kind(&evaluate(expression(given, 1), first)?);
    if !matches!(wanted, "number" | "string") {
        return Err(mistyped("sort_by", first, &["string", "number"], wanted));
    }
    let mut keyed = keyed(given, "sort_by", &[wanted])?;
    keyed.sort_by(|(left, _), (right, _)| order(left, right).unwrap_or(Ordering::Equal));
    Ok(keyed.into_iter().map(|(_, item)| item.clone()).collect::<Vec<_>>().into())
}

/// Each element with the key it is compared by.
fn keyed<'a>(
    given: &'a [Argument<'_>],
    name: &str,
    types: &[&str],
) -> Result<Vec<(Value, &'a Value)>, QueryError> {
    let node = expression(given, 1);
    let key = |item: &'a Value| {
        let key = evaluate(node, item)?;
        if types.contains(&kind(&key)) {
            Ok((key, item))
        } else {
            Err(mistyped(name, &key, types, kind(&key)))
        }
    };
    list(given, 0).iter().map(key).collect()
}
