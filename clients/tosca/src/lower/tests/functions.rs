//! Each function of TOSCA, over values that are known only when it is calculated.

use gorch_schema::Expression;
use serde_json::{Value, json};

use crate::function::Function::{self, *};
use crate::lower::function::call;

#[test]
fn every_function_comes_to_what_tosca_says() {
    let table: Vec<(Function, Value, Value)> = vec![
        (And, json!([true, "true"]), json!(true)),
        (And, json!([true, "false"]), json!(false)),
        (Or, json!([false, "true"]), json!(true)),
        (Or, json!([false, "no"]), json!(false)),
        (Not, json!(["false"]), json!(true)),
        (Xor, json!(["true", false]), json!(true)),
        (Xor, json!([true, true]), json!(false)),
        (Equal, json!(["80", 80]), json!(true)),
        (Equal, json!(["a", "b"]), json!(false)),
        (GreaterThan, json!(["9", 10]), json!(false)),
        (GreaterOrEqual, json!([10, "10"]), json!(true)),
        (LessThan, json!(["9", "10"]), json!(true)),
        (LessThan, json!(["b", "a"]), json!(false)),
        (LessOrEqual, json!([1.5, 1]), json!(false)),
        (ValidValues, json!(["2", [1, 2]]), json!(true)),
        (ValidValues, json!([3, [1, 2]]), json!(false)),
        (InRange, json!(["5", [1, 9]]), json!(true)),
        (InRange, json!([5, [6, "UNBOUNDED"]]), json!(false)),
        (InRange, json!([5, ["UNBOUNDED", 5]]), json!(true)),
        (Matches, json!(["abc", "a.c"]), json!(true)),
        (Matches, json!(["abcd", "a.c|x"]), json!(false)),
        (HasSuffix, json!(["abc", "bc"]), json!(true)),
        (HasSuffix, json!([[1, 2, 3], [2, 3]]), json!(true)),
        (HasPrefix, json!(["abc", "bc"]), json!(false)),
        (HasPrefix, json!([[1, 2, 3], [1]]), json!(true)),
        (Contains, json!(["abc", "b"]), json!(true)),
        (Contains, json!([[1, 2, 3], [2, 3]]), json!(true)),
        (Contains, json!([[1, 2, 3], [1, 3]]), json!(false)),
        (HasEntry, json!([[1, "a"], "a"]), json!(true)),
        (HasEntry, json!([{"k": "v"}, "v"]), json!(true)),
        (HasEntry, json!([{"k": "v"}, "k"]), json!(false)),
        (HasKey, json!([{"k": "v"}, "k"]), json!(true)),
        (HasAllEntries, json!([[1, 2, 3], [1, 3]]), json!(true)),
        (HasAllEntries, json!([[1, 2, 3], [1, 4]]), json!(false)),
        (HasAllKeys, json!([{"a": 1, "b": 2}, ["a", "b"]]), json!(true)),
        (HasAllKeys, json!([{"a": 1}, ["a", "b"]]), json!(false)),
        (HasAnyEntry, json!([[1, 2], [4, 2]]), json!(true)),
        (HasAnyKey, json!([{"a": 1}, ["x", "y"]]), json!(false)),
        (Length, json!(["abc"]), json!(3)),
        (Concat, json!(["http://", "h", ":", 80]), json!("http://h:80")),
        (Concat, json!([[1], [2, 3]]), json!([1, 2, 3])),
        (Join, json!([["a", 1], "-"]), json!("a-1")),
        (Join, json!([["a", "b"]]), json!("ab")),
        (Token, json!(["a:b:c", ":", 1]), json!("b")),
        (Union, json!([[2, 1], [1, 3]]), json!([2, 1, 3])),
        (Intersection, json!([[3, 2, 1, 2], [1, 2], [2, 1]]), json!([2, 1])),
        (Sum, json!([1, "2", 3]), json!(6)),
        (Difference, json!([5, "2"]), json!(3)),
        (Product, json!([2, "3", 4]), json!(24)),
        (Quotient, json!([7, 2]), json!(3.5)),
        (Remainder, json!(["7", 4]), json!(3)),
        (Round, json!(["1.5"]), json!(2)),
        (Floor, json!([1.9]), json!(1)),
        (Ceil, json!([1.1]), json!(2)),
    ];
    for (function, arguments, expected) in table {
        let count = arguments.as_array().unwrap().len();
        let references: Vec<String> = (0..count).map(|n| format!(".item[{n}]")).collect();
        let context = json!({"item": arguments});
        let text = call(function, &references);
        // Nothing around a function changes it.
        let text = format!("[{text}, {text}] | .[0]");
        let given =
            Expression::parse(&text).unwrap_or_else(|error| panic!("{function:?}: {error}: {text}")).evaluate(&context);
        assert_eq!(given, Ok(expected), "{function:?} of {}", context["item"]);
    }
}

#[test]
fn too_few_arguments_say_so() {
    let text = call(Equal, &[]);
    assert!(Expression::parse(&text).unwrap().evaluate(&json!({})).unwrap_err().to_string().contains("too few"));
}
