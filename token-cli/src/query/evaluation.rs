//! What a query finds.

use std::cmp::Ordering;
use std::sync::Arc;

use super::QueryError;
use super::functions::{self, Argument};
use super::parser::{Comparator, Node, Slice};
use crate::value::{Object, Origin, Value, compare_numbers};

pub(super) fn evaluate(node: &Node, value: &Value) -> Result<Value, QueryError> {
    Ok(match node {
        Node::Current => value.clone(),
        Node::Literal(literal) => literal.clone(),
        Node::Field(name) => match value {
            Value::Object(object) => object.get(name).cloned().unwrap_or(Value::Null),
            _ => Value::Null,
        },
        Node::Index(index) => element(value, *index).unwrap_or(Value::Null),
        Node::Slice(part) => match value {
            Value::List(items) => slice(items, part)?,
            _ => Value::Null,
        },
        Node::Then(first, then) => evaluate(then, &evaluate(first, value)?)?,
        Node::Indexed(steps) => steps.iter().try_fold(value.clone(), |value, step| evaluate(step, &value))?,
        Node::Flatten(list) => match evaluate(list, value)? {
            Value::List(items) => flat(&items),
            _ => Value::Null,
        },
        Node::Each(list, then) => match evaluate(list, value)? {
            Value::List(items) => project(items.iter(), then)?,
            _ => Value::Null,
        },
        Node::EachValue(object, then) => match evaluate(object, value)? {
            Value::Object(object) => project(object.iter().map(|(_, value)| value), then)?,
            _ => Value::Null,
        },
        Node::Filtered { list, condition, then } => match evaluate(list, value)? {
            Value::List(items) => {
                let mut found = Vec::new();
                for item in items.iter() {
                    if is_true(&evaluate(condition, item)?) {
                        found.push(item);
                    }
                }
                project(found.into_iter(), then)?
            }
            _ => Value::Null,
        },
        Node::Or(left, right) => match evaluate(left, value)? {
            found if is_true(&found) => found,
            _ => evaluate(right, value)?,
        },
        Node::And(left, right) => match evaluate(left, value)? {
            found if is_true(&found) => evaluate(right, value)?,
            found => found,
        },
        Node::Not(inner) => Value::Bool(!is_true(&evaluate(inner, value)?)),
        Node::Compared(comparator, left, right) => {
            compare(*comparator, &evaluate(left, value)?, &evaluate(right, value)?)?
        }
        Node::List(_) | Node::Hash(_) if value.is_null() => Value::Null,
        Node::List(elements) => {
            elements.iter().map(|node| evaluate(node, value)).collect::<Result<Vec<_>, _>>()?.into()
        }
        Node::Hash(fields) => {
            let mut object = Object::new(Origin::Query);
            for (name, node) in fields {
                object.put(Arc::clone(name), evaluate(node, value)?);
            }
            Value::Object(Arc::new(object))
        }
        Node::Call(name, arguments) => {
            let given: Result<Vec<_>, _> = arguments
                .iter()
                .map(|node| match node {
                    Node::Reference(expression) => Ok(Argument::Expression(expression)),
                    node => evaluate(node, value).map(Argument::Value),
                })
                .collect();
            functions::call(name, &given?)?
        }
        Node::Reference(_) => {
            return Err(QueryError(
                "an expression behind & is good for an argument and for nothing else".to_owned(),
            ));
        }
    })
}

/// All that the node finds in these and is not null.
fn project<'a>(items: impl Iterator<Item = &'a Value>, node: &Node) -> Result<Value, QueryError> {
    let mut found = Vec::new();
    for item in items {
        let value = evaluate(node, item)?;
        if !value.is_null() {
            found.push(value);
        }
    }
    Ok(found.into())
}

fn element(list: &Value, index: i128) -> Option<Value> {
    let Value::List(items) = list else { return None };
    let index = if index < 0 { index.checked_add(i128::try_from(items.len()).ok()?)? } else { index };
    items.get(usize::try_from(index).ok()?).cloned()
}

/// As Python slices: what is out of bounds is at the bounds.
fn slice(items: &[Value], part: &Slice) -> Result<Value, QueryError> {
    let length = i128::try_from(items.len()).unwrap_or(i128::MAX);
    let step = part.step.unwrap_or(1);
    if step == 0 {
        return Err(QueryError("slice step cannot be zero".to_owned()));
    }
    // Counted down, the bounds are one lower: before the first, and the last.
    let (low, high) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let bound = |end: Option<i128>, missing: i128| {
        end.map_or(missing, |end| if end < 0 { end.saturating_add(length) } else { end }.clamp(low, high))
    };
    let (first, last) = if step > 0 { (low, high) } else { (high, low) };
    let (mut index, stop) = (bound(part.start, first), bound(part.stop, last));
    let mut found = Vec::new();
    while if step > 0 { index < stop } else { index > stop } {
        found.extend(usize::try_from(index).ok().and_then(|index| items.get(index)).cloned());
        index = index.saturating_add(step);
    }
    Ok(found.into())
}

fn flat(items: &[Value]) -> Value {
    let mut found = Vec::new();
    for item in items {
        match item {
            Value::List(inner) => found.extend(inner.iter().cloned()),
            other => found.push(other.clone()),
        }
    }
    found.into()
}

/// False are only null, false, and the empty text, list and object; every number is true.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Integer(_) | Value::Float(_) => true,
        Value::Text(text) => !text.is_empty(),
        Value::List(items) => !items.is_empty(),
        Value::Object(object) => !object.is_empty(),
    }
}

fn compare(comparator: Comparator, left: &Value, right: &Value) -> Result<Value, QueryError> {
    let order = match (comparator, left, right) {
        (Comparator::Equal, ..) => return Ok(Value::Bool(are_equal(left, right))),
        (Comparator::NotEqual, ..) => return Ok(Value::Bool(!are_equal(left, right))),
        (_, Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        (_, Value::Text(_), Value::Integer(_) | Value::Float(_))
        | (_, Value::Integer(_) | Value::Float(_), Value::Text(_)) => {
            return Err(QueryError("a number and a string have no order".to_owned()));
        }
        (_, Value::Integer(_) | Value::Float(_), Value::Integer(_) | Value::Float(_)) => {
            compare_numbers(left, right)
        }
        _ => return Ok(Value::Null),
    };
    Ok(Value::Bool(match comparator {
        Comparator::Less => order == Some(Ordering::Less),
        Comparator::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Comparator::Greater => order == Some(Ordering::Greater),
        _ => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    }))
}

/// As `==`: a truth value is no number.
fn are_equal(left: &Value, right: &Value) -> bool {
    matches!(left, Value::Bool(_)) == matches!(right, Value::Bool(_)) && are_equal_in_python(left, right)
}

/// As Python compares, to which true is 1, and for which the order of fields counts where queries made both objects.
pub(super) fn are_equal_in_python(left: &Value, right: &Value) -> bool {
    let number = |value: &Value| match value {
        Value::Bool(truth) => Value::Integer((*truth).into()),
        other => other.clone(),
    };
    match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::Text(left), Value::Text(right)) => left == right,
        (Value::List(left), Value::List(right)) => {
            left.len() == right.len()
                && left.iter().zip(right.iter()).all(|(left, right)| are_equal_in_python(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            let ordered = left.origin() == Origin::Query && right.origin() == Origin::Query;
            let same_order = || left.iter().map(|(name, _)| name).eq(right.iter().map(|(name, _)| name));
            left.len() == right.len()
                && (!ordered || same_order())
                && left.iter().all(|(name, value)| {
                    right.get(name).is_some_and(|other| are_equal_in_python(value, other))
                })
        }
        _ => compare_numbers(&number(left), &number(right)) == Some(Ordering::Equal),
    }
}
