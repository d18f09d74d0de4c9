//! Lists and objects that stand in a document more than once: written once, with a name, and named afterwards. A
//! query makes them, as in `[user, user]`.

use std::collections::HashMap;
use std::sync::Arc;

use crate::value::{Origin, Value};

#[derive(Debug)]
pub(super) struct References(HashMap<usize, Reference>);

#[derive(Debug)]
struct Reference {
    name: String,
    written: bool,
}

/// How a value that has a name is marked.
#[derive(Debug)]
pub(super) enum Mark {
    First(String),
    Again(String),
}

impl References {
    pub(super) fn within(value: &Value) -> Self {
        let mut seen = Vec::new();
        let mut names = HashMap::new();
        // Azure CLI takes what holds an object of a query through JSON first, and there all are different.
        if !has_queried_object(value) {
            collect(value, &mut seen, &mut names);
        }
        Self(names)
    }

    pub(super) fn mark(&mut self, value: &Value) -> Option<Mark> {
        let reference = self.0.get_mut(&identity(value)?)?;
        let name = reference.name.clone();
        Some(if std::mem::replace(&mut reference.written, true) {
            Mark::Again(name)
        } else {
            Mark::First(name)
        })
    }
}

fn has_queried_object(value: &Value) -> bool {
    match value {
        Value::List(items) => items.iter().any(has_queried_object),
        Value::Object(object) => {
            object.origin() == Origin::Query || object.iter().any(|(_, value)| has_queried_object(value))
        }
        _ => false,
    }
}

/// Names are given in the order in which something is met again.
fn collect(value: &Value, seen: &mut Vec<usize>, names: &mut HashMap<usize, Reference>) {
    let Some(identity) = identity(value) else { return };
    if seen.contains(&identity) {
        let name = format!("id{:03}", names.len() + 1);
        names.entry(identity).or_insert(Reference { name, written: false });
        return;
    }
    seen.push(identity);
    match value {
        Value::List(items) => items.iter().for_each(|item| collect(item, seen, names)),
        Value::Object(object) => {
            object.sorted().into_iter().for_each(|(_, value)| collect(value, seen, names));
        }
        _ => {}
    }
}

/// Where a list or an object is; texts and numbers are always written out.
fn identity(value: &Value) -> Option<usize> {
    match value {
        Value::List(items) => Some(Arc::as_ptr(items).addr()),
        Value::Object(object) => Some(Arc::as_ptr(object).addr()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::document;
    use crate::query::Query;
    use crate::value::json;

    #[test]
    fn what_is_there_twice_is_written_once() {
        let value = json::parse(r#"{"user": {"name": "ada"}, "roles": [], "tags": ["x"]}"#).unwrap();
        let yaml = |query: &str| {
            let query: Query = query.parse().unwrap();
            document(&query.search(&value).unwrap())
        };
        insta::assert_snapshot!(yaml("[tags, user, user, roles, [user, roles, tags], @.user.name, user.name]"), @r"
        - &id003
          - x
        - &id001
          name: ada
        - *id001
        - &id002 []
        - - *id001
          - *id002
          - *id003
        - ada
        - ada
        ");
        insta::assert_snapshot!(yaml("{a: user, b: user}"), @r"
        a:
          name: ada
        b:
          name: ada
        ");
    }
}
