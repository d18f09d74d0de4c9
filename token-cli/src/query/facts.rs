//! Facts about jmespath.py 1.1.0: what it finds and what it says, captured from it.

use super::Query;
use crate::value::json;

const DATA: &str = r#"{"name": "foo", "n": 3, "f": 1.5, "neg": -2, "yes": true, "no": false, "none": null, "empty": {}, "list": [3, 1, 2], "texts": ["b", "a", "é"], "deep": [[1], [2, [3]], 4], "people": [{"name": "ada", "age": 36, "tags": ["x", "y"]}, {"name": "bob", "age": 25}, {"name": "cy", "age": null, "tags": []}], "odd key": {"b": 1, "a": {"z": 0}}}"#;

const FACTS: &[(&str, &str)] = &[
    (
        "@",
        r#"{"name":"foo","n":3,"f":1.5,"neg":-2,"yes":true,"no":false,"none":null,"empty":{},"list":[3,1,2],"texts":["b","a","\u00e9"],"deep":[[1],[2,[3]],4],"people":[{"name":"ada","age":36,"tags":["x","y"]},{"name":"bob","age":25},{"name":"cy","age":null,"tags":[]}],"odd key":{"b":1,"a":{"z":0}}}"#,
    ),
    ("name", r#""foo""#),
    ("nosuch", "null"),
    (r#""odd key".b"#, "1"),
    (r#""odd key".*"#, r#"[1,{"z":0}]"#),
    (r#""odd\u0020key".a.z"#, "0"),
    ("name.nosuch", "null"),
    ("list[0]", "3"),
    ("list[-1]", "2"),
    ("list[9]", "null"),
    ("name[0]", "null"),
    ("list[1:]", "[1,2]"),
    ("list[::-1]", "[2,1,3]"),
    ("list[-2:]", "[1,2]"),
    ("list[5:0:-2]", "[2]"),
    ("list[:99999999999999999999]", "[3,1,2]"),
    ("list[0:0]", "[]"),
    ("list[1:2 3]", "[1,2]"),
    ("list[0][0:1]", "null"),
    ("deep[]", "[1,2,[3],4]"),
    ("deep[][]", "[1,2,3,4]"),
    ("deep[][0]", "[3]"),
    ("deep[1][0]", "2"),
    ("deep[1][1][0:1].x", "null"),
    ("people[*].name", r#"["ada","bob","cy"]"#),
    ("people[*].tags", r#"[["x","y"],[]]"#),
    ("people[].tags[]", r#"["x","y"]"#),
    ("people[*].tags[0]", r#"["x"]"#),
    ("people[*].[name, age]", r#"[["ada",36],["bob",25],["cy",null]]"#),
    ("people[*].{N: name, A: age}", r#"[{"N":"ada","A":36},{"N":"bob","A":25},{"N":"cy","A":null}]"#),
    ("people[?age].name", r#"["ada","bob"]"#),
    ("people[?age > `25`].name", r#"["ada"]"#),
    ("people[?age >= `25` && name != 'ada'].name | [0]", r#""bob""#),
    ("people[?!tags].name", r#"["bob","cy"]"#),
    ("people[?tags][]", r#"[{"name":"ada","age":36,"tags":["x","y"]}]"#),
    ("people[?name == 'ada'] | [0].age", "36"),
    ("people[*].*", r#"[["ada",36,["x","y"]],["bob",25],["cy",[]]]"#),
    ("*.name", "[]"),
    ("*.*", r#"[[],[1,{"z":0}]]"#),
    ("[name, nosuch, n]", r#"["foo",null,3]"#),
    ("{a: name, b: {c: n}}", r#"{"a":"foo","b":{"c":3}}"#),
    ("{b: name a: n}", r#"{"b":"foo","a":3}"#),
    ("none.{a: name}", "null"),
    ("none.[name]", "null"),
    ("name || n", r#""foo""#),
    ("none || n", "3"),
    ("empty || list", "[3,1,2]"),
    ("n && name", r#""foo""#),
    ("no && name", "false"),
    ("!no", "true"),
    ("!n", "false"),
    ("!`0`", "false"),
    ("!none", "true"),
    ("!!name", "true"),
    ("!name.nosuch", "null"),
    ("(name)", r#""foo""#),
    ("name == 'foo'", "true"),
    ("yes == `true`", "true"),
    ("yes == `1`", "false"),
    ("list == `[3, 1, 2]`", "true"),
    ("`[1]` == `[true]`", "true"),
    ("{a: n, b: f} == {b: f, a: n}", "false"),
    (r#"{a: n, b: f} == `{"b": 1.5, "a": 3}`"#, "true"),
    ("n == `3.0`", "true"),
    ("n < f", "false"),
    ("name < 'goo'", "true"),
    ("name < none", "null"),
    ("yes < no", "null"),
    ("'raw' | @", r#""raw""#),
    (r#"'it\'s'"#, r#""it's""#),
    (r#"'a\\b'"#, r#""a\\\\b""#),
    (r#"`"text"`"#, r#""text""#),
    ("`text`", r#""text""#),
    ("` text`", r#""text""#),
    ("`1.0`", "1.0"),
    ("`1e3`", "1000.0"),
    ("`123456789012345678901234567890`", "123456789012345678901234567890"),
    (r#"`{"b": 1, "a": 2, "b": 3}`"#, r#"{"b":3,"a":2}"#),
    (r#"`\`x`"#, r#""`x""#),
    ("'日本' | length(@)", "2"),
    ("abs(neg)", "2"),
    ("abs(f)", "1.5"),
    ("avg(list)", "2.0"),
    ("avg(`[]`)", "null"),
    ("ceil(f)", "2"),
    ("floor(f)", "1"),
    ("ceil(n)", "3"),
    ("contains(name, 'oo')", "true"),
    ("contains(list, `3.0`)", "true"),
    ("contains(`[true]`, `1`)", "true"),
    ("ends_with(name, 'oo')", "true"),
    ("starts_with(name, 'f')", "true"),
    ("join(', ', texts)", r#""b, a, \u00e9""#),
    (
        "keys(@)",
        r#"["name","n","f","neg","yes","no","none","empty","list","texts","deep","people","odd key"]"#,
    ),
    (r#"keys("odd key")"#, r#"["b","a"]"#),
    (r#"values("odd key")"#, r#"[1,{"z":0}]"#),
    ("length(@)", "13"),
    ("length(texts)", "3"),
    ("map(&name, people)", r#"["ada","bob","cy"]"#),
    ("map(&nosuch, people)", "[null,null,null]"),
    ("max(list)", "3"),
    ("max(texts)", r#""\u00e9""#),
    ("max(`[]`)", "null"),
    ("min(list)", "1"),
    ("min(`[1, 1.0]`)", "1"),
    ("max_by(people[?age], &age).name", r#""ada""#),
    ("min_by(people, &name).age", "36"),
    ("max_by(`[]`, &x)", "null"),
    (r#"merge("odd key", {b: `2`, c: `3`})"#, r#"{"b":2,"a":{"z":0},"c":3}"#),
    ("not_null(none, nosuch, name)", r#""foo""#),
    ("not_null(none)", "null"),
    ("reverse(list)", "[2,1,3]"),
    ("reverse(name)", r#""oof""#),
    ("sort(list)", "[1,2,3]"),
    ("sort(texts)", r#"["a","b","\u00e9"]"#),
    ("sort_by(people, &name)[*].name", r#"["ada","bob","cy"]"#),
    ("sort_by(people[?age], &age)[*].name", r#"["bob","ada"]"#),
    ("sort_by(`[]`, &x)", "[]"),
    ("sum(list)", "6"),
    ("sum(`[]`)", "0"),
    ("sum(`[1, 0.5]`)", "1.5"),
    ("to_array(name)", r#"["foo"]"#),
    ("to_array(list)", "[3,1,2]"),
    ("to_number('12')", "12"),
    ("to_number(' 1_0 ')", "10"),
    ("to_number('1.50')", "1.5"),
    ("to_number('1e3')", "1000.0"),
    ("to_number('x')", "null"),
    ("to_number(yes)", "null"),
    ("to_number(n)", "3"),
    ("to_string(@.people[0])", r#""{\"name\":\"ada\",\"age\":36,\"tags\":[\"x\",\"y\"]}""#),
    (r#"to_string(`"é"`)"#, r#""\u00e9""#),
    ("to_string(texts)", r#""[\"b\",\"a\",\"\\u00e9\"]""#),
    ("to_string(f)", r#""1.5""#),
    ("to_string(`[true, null]`)", r#""[true,null]""#),
    ("to_string({b: n, a: f})", r#""{\"b\":3,\"a\":1.5}""#),
    ("type(n)", r#""number""#),
    ("type(none)", r#""null""#),
    ("type({a: n})", r#""object""#),
    ("length(name,)", "3"),
    ("join(', ' texts)", r#""b, a, \u00e9""#),
    ("people[*].name | sort(@) | [0]", r#""ada""#),
    ("people[*].not_null(age, name)", r#"[36,25,"cy"]"#),
    ("nofunc(@)", "error: Unknown function: nofunc()"),
    (
        "abs(name)",
        r#"error: In function abs(), invalid type for value: foo, expected one of: ['number'], received: "string""#,
    ),
    ("abs()", "error: Expected 1 argument for function abs(), received 0"),
    ("abs(n, n)", "error: Expected 1 argument for function abs(), received 2"),
    ("not_null()", "error: Expected at least 1 argument for function not_null(), received 0"),
    (
        "length(n)",
        r#"error: In function length(), invalid type for value: 3, expected one of: ['string', 'array', 'object'], received: "number""#,
    ),
    (
        "avg(texts)",
        r#"error: In function avg(), invalid type for value: b, expected one of: ['array-number'], received: "str""#,
    ),
    (
        "avg(`[1, null]`)",
        r#"error: In function avg(), invalid type for value: None, expected one of: ['array-number'], received: "NoneType""#,
    ),
    (
        r#"max(`[1, "a"]`)"#,
        r#"error: In function max(), invalid type for value: a, expected one of: ['array-number', 'array-string'], received: "str""#,
    ),
    (
        "max(`[null]`)",
        r#"error: In function max(), invalid type for value: None, expected one of: ['array-number', 'array-string'], received: "NoneType""#,
    ),
    (
        "sort(`[{}]`)",
        r#"error: In function sort(), invalid type for value: {}, expected one of: ['array-string', 'array-number'], received: "dict""#,
    ),
    (
        r#"join(name, `["a", 1]`)"#,
        r#"error: In function join(), invalid type for value: 1, expected one of: ['array-string'], received: "int""#,
    ),
    (
        "keys(list)",
        r#"error: In function keys(), invalid type for value: [3, 1, 2], expected one of: ['object'], received: "array""#,
    ),
    (
        "map(name, list)",
        r#"error: In function map(), invalid type for value: foo, expected one of: ['expref'], received: "string""#,
    ),
    (
        "sort_by(people, &age)",
        r#"error: In function sort_by(), invalid type for value: None, expected one of: ['number'], received: "null""#,
    ),
    (
        "sort_by(people, &tags)",
        r#"error: In function sort_by(), invalid type for value: {'name': 'ada', 'age': 36, 'tags': ['x', 'y']}, expected one of: ['string', 'number'], received: "array""#,
    ),
    (
        "max_by(people, &age)",
        r#"error: In function max_by(), invalid type for value: None, expected one of: ['number', 'string'], received: "null""#,
    ),
    (
        r#"abs(`{"a": [null, "it's", 1.0]}`)"#,
        r#"error: In function abs(), invalid type for value: {'a': [None, "it's", 1.0]}, expected one of: ['number'], received: "object""#,
    ),
    (
        "people[*].abs(name)",
        r#"error: In function abs(), invalid type for value: ada, expected one of: ['number'], received: "string""#,
    ),
];

const NO_QUERIES: &[&str] = &[
    "",
    "bad[",
    ".",
    "a.",
    "a..b",
    "[",
    "a b",
    "a,",
    "{a: b,}",
    "{a}",
    "{}",
    "[a,]",
    "foo(",
    "(a",
    "a[1",
    "a[b]",
    "a[1:2:3:4]",
    r#""a"#,
    "'a",
    "`a",
    r#"`{"a": nope}`"#,
    "a = b",
    "-",
    "a-b",
    r#""f"(a)"#,
    "@(a)",
    "a[*",
    "a.'b'",
    "a.1",
    "*a",
    "a[?b",
    "#",
    "é",
    r#""\x""#,
];

#[test]
fn queries_find_what_jmespath_py_finds() {
    let data = json::parse(DATA).unwrap();
    for (query, wanted) in FACTS {
        let found =
            match query.parse::<Query>().unwrap_or_else(|error| panic!("{query}: {error}")).search(&data) {
                Ok(value) => json::compact(&value),
                Err(error) => format!("error: {error}"),
            };
        assert_eq!(found, *wanted, "{query}");
    }
}

#[test]
fn what_is_no_query_is_told_with_its_place() {
    for text in NO_QUERIES {
        assert!(text.parse::<Query>().is_err(), "{text}");
    }
    let said = |text: &str| text.parse::<Query>().unwrap_err().to_string();
    assert_eq!(said(""), "it is empty, at column 1");
    assert_eq!(said("bad["), "something is missing, at column 5");
    assert_eq!(said("é b"), "'é' means nothing here, at column 1");
    assert_eq!(said("name = 'x'"), "'=' alone; equality is '==', at column 6");
    assert_eq!(said("[a, 'it]"), "' is not closed, at column 5");
}

/// What Azure CLI ends with a traceback for.
#[test]
fn what_cannot_be_found_is_an_error_and_no_panic() {
    let data = json::parse(DATA).unwrap();
    let said = |text: &str| text.parse::<Query>().unwrap().search(&data).unwrap_err().to_string();
    assert_eq!(said("name < n"), "a number and a string have no order");
    assert_eq!(said("list[::0]"), "slice step cannot be zero");
    assert_eq!(said("&name"), "an expression behind & is good for an argument and for nothing else");
    assert_eq!(said("not_null(&name)"), "function not_null() takes no expression behind &");
    assert_eq!(said("ceil(`1e999`)"), "inf is between no integers");
    assert_eq!(said("max_by(`[1, \"a\"]`, &@)"), "In function max_by(), a number and a string have no order");
}

#[test]
fn no_text_is_too_much() {
    let data = json::parse(DATA).unwrap();
    for (query, _) in FACTS {
        let characters: Vec<char> = query.chars().collect();
        for gone in 0..characters.len() {
            let cut: String = characters[..gone].iter().collect();
            let holed: String = characters[..gone].iter().chain(&characters[gone + 1..]).collect();
            for text in [cut, holed] {
                // Whatever comes of it.
                drop(text.parse::<Query>().map(|query| query.search(&data).is_ok()));
            }
        }
    }
    for (part, behind) in
        [("(", ""), ("a.", "a"), ("!", "a"), ("[", ""), ("a|", "a"), ("a[0:1]", ""), ("&", "a"), ("f(", "")]
    {
        assert!((part.repeat(100_000) + behind).parse::<Query>().is_err(), "{part}…");
    }
    assert!((String::from("[") + &"a, ".repeat(1000) + "a]").parse::<Query>().is_ok());
}
