//! What people read when an expression is wrong, or fails.

use insta::assert_snapshot;

use super::*;

fn wrong(text: &str) -> String {
    said(text, &json!({"a": {"b": "text"}, "list": [1, 2], "n": 3}))
}

#[test]
fn what_cannot_be_read_is_said_with_its_place() {
    assert_snapshot!(wrong(""), @"found the end, expected term at character 1");
    assert_snapshot!(wrong("1 +"), @"found the end, expected term at character 4");
    assert_snapshot!(wrong("(1"), @"found the end, expected closing parenthesis at character 3");
    assert_snapshot!(wrong(".a | ] 2"), @"found `]`, expected token at character 6");
    assert_snapshot!(wrong("é & 1"), @"found `é`, expected token at character 1");
    assert_snapshot!(wrong(r#""\q""#), @"found `q`, expected string escape sequence at character 3");
    assert_snapshot!(wrong("if 1 then 2"), @"found the end, expected else or end at character 12");
    assert_snapshot!(wrong("{a b}"), @"found `b`, expected comma or right brace at character 4");
    assert_snapshot!(wrong("1 # one"), @"an expression has no comments: found `#` at character 3");
    assert_snapshot!(wrong("def f: 1; f"), @"found `def f`, and an expression defines no functions at character 5");
    assert_snapshot!(wrong(r#"import "a" as a; 1"#), @r#"found `"a"`, expected the end at character 8"#);
    assert_snapshot!(wrong("1e999"), @"found `1e999`, expected a number below 1.8e308 at character 1");
    assert_snapshot!(wrong(&"(".repeat(100)), @"more than 48 brackets in each other at character 49");
    assert_snapshot!(wrong(&".|".repeat(200)), @"more than 128 operators and keywords that wait for each other at character 1");
}

#[test]
fn names_that_do_not_exist_are_said_with_the_nearest() {
    assert_snapshot!(wrong(".list | lenght"), @"found the function `lenght`, which an expression may not call; did you mean `length`? at character 9");
    assert_snapshot!(wrong("now"), @"found the function `now`, which an expression may not call; did you mean `not`? at character 1");
    assert_snapshot!(wrong("map"), @"found `map` with 0 arguments, expected 1 at character 1");
    assert_snapshot!(wrong("range(1; 2; 3; 4)"), @"found `range` with 4 arguments, expected 1 or 2 or 3 at character 1");
    assert_snapshot!(wrong(".n as $size | $sise"), @"found `$sise`, and nothing binds this variable; did you mean `$size`? at character 15");
    assert_snapshot!(wrong("$ENV.HOME"), @"found `$ENV`, and nothing binds this variable at character 1");
    assert_snapshot!(wrong("break $out"), @"found `break $out`, and no `label $out` stands around it at character 7");
    assert_snapshot!(wrong("@bas64"), @"found the format `@bas64`, expected one of @text, @json, @csv, @tsv, @html, @uri, @sh, @base64, @base64d at character 1");
    assert_snapshot!(wrong("env.HOME"), @"found the function `env`, which an expression may not call at character 1");
    assert_snapshot!(wrong("a::b"), @"found the function `a::b`, which an expression may not call at character 1");
}

#[test]
fn what_fails_says_on_what() {
    assert_snapshot!(wrong(".a.b.c"), @r#"cannot index string "text" with string "c""#);
    assert_snapshot!(wrong(".n[]"), @"cannot iterate over number 3");
    assert_snapshot!(wrong(".a + .n"), @r#"cannot calculate object with "b" + number 3"#);
    assert_snapshot!(wrong(".n / 0"), @"cannot divide number 3 by zero");
    assert_snapshot!(wrong(".list | keys | join(1)"), @"`join` cannot use number 1");
    assert_snapshot!(wrong(".a.b | tonumber"), @r#"`tonumber` cannot use string "text""#);
    assert_snapshot!(wrong(r#".a.b | test("(")"#), @r#"string "(" is no pattern: unclosed group"#);
    assert_snapshot!(wrong(r#".a.b | fromjson"#), @"`fromjson` cannot read it: expected ident at line 1 column 2");
    assert_snapshot!(wrong(r#"error("no \(.n)")"#), @"no 3");
    assert_snapshot!(wrong("error({a: 1})"), @r#"error: object with "a""#);
    assert_snapshot!(wrong("{(.n): 1}"), @"a key of an object is a string, and not number 3");
    assert_snapshot!(wrong("empty"), @"it gives no value, expected one");
    assert_snapshot!(wrong(".list[]"), @"it gives more than one value, expected one: `[...]` makes an array of them, `first(...)` takes the first");
    assert_snapshot!(wrong("last(repeat(1))"), @"it takes more than 1000000 steps");
    assert_snapshot!(wrong("reduce range(1000) as $i (0; [.])"), @"it takes values or terms nested more than 256 deep");
    assert_snapshot!(wrong(r#""x" * 2000000"#), @"it takes a result of more than 1 MiB");
    assert_snapshot!(wrong(r#""x" * 2000000000"#), @"it takes values of more than 16 MiB");
}
