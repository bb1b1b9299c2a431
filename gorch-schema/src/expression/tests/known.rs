//! What jq says: each line is an expression, its context, and the result that the manual of jq or jq itself gives.

use super::*;

const KNOWN: &str = r#"
. <- 1 -> 1
.a.b <- {"a":{"b":2}} -> 2
.a["b"] <- {"a":{"b":2}} -> 2
."a-b" <- {"a-b":3} -> 3
.a.b.c <- {"a":null} -> null
.[1] <- [1,2,3] -> 2
.[-1] <- [1,2,3] -> 3
.[9] <- [1,2,3] -> null
.[1:] <- [1,2,3] -> [2,3]
.[:-1] <- [1,2,3] -> [1,2]
.[1:2] <- "aéb" -> "é"
[.[]] <- {"b":1,"a":2} -> [2,1]
[.[]?] <- 1 -> []
[.a?, .b?] <- [1] -> []
[..] <- [[1]] -> [[[1]],[1],1]
[.[] | (1, 2)] <- [0,0] -> [1,2,1,2]
{a, "b": 2, (.c): 3, $__x: 4} <- {} -> error
{a, "b": 2, (.c): 3} <- {"a":1,"c":"d"} -> {"a":1,"b":2,"d":3}
. as $x | {$x} <- 1 -> {"x":1}
{"a\(1 + 1)": true} <- null -> {"a2":true}
[{a: (1, 2)} | .a] <- null -> [1,2]
1 + 2 * 3 - 4 / 2 <- null -> 5
7 % 3 <- null -> 1
-7 % 3 <- null -> -1
5 % -2.9 <- null -> 1
1 / 3 * 3 <- null -> 1
6 / 4 <- null -> 1.5
-(1 + 2) <- null -> -3
1 / 0 <- null -> error
1e308 * 10 <- null -> error
18446744073709551615 <- null -> 18446744073709551615
[18446744073709551615 * 18446744073709551615 > 3e38] <- null -> [true]
-9223372036854775808 * -9223372036854775808 - 1 > 8e37 <- null -> true
.[18446744073709551615] = 1 <- null -> error
.[-1] = 1 <- [] -> error
9223372036854775807 + 1 <- null -> 9223372036854775808
-9223372036854775808 <- null -> -9223372036854775808
"a" + "b" <- null -> "ab"
null + 1 <- null -> 1
[1] + [2] <- null -> [1,2]
{a: 1} + {a: 2, b: 3} <- null -> {"a":2,"b":3}
[1, 2, 1] - [1] <- null -> [2]
"ab" * 3 <- null -> "ababab"
"ab" * 0 <- null -> null
{a: {b: 1}} * {a: {c: 2}} <- null -> {"a":{"b":1,"c":2}}
"a,b" / "," <- null -> ["a","b"]
{} + 1 <- null -> error
[1 < 2, "a" >= "b", [] == [], {} != {}, 1 == 1.0] <- null -> [true,false,true,false,true]
[null, true, false, 0, "", [], {}] | sort <- null -> [null,false,true,0,"",[],{}]
[1 <= 1, 1 >= 1, 1 > 1, "a" < "a"] <- null -> [true,true,false,false]
true and null or 1 <- null -> true
[true, false | not] <- null -> [false,true]
.a // 5 <- {"a":false} -> 5
[(false, null, 1, 2) // 3] <- null -> [1,2]
error("x") // 1 <- null -> 1
[.[] // empty] <- [1,null] -> [1]
if . > 1 then "big" elif . == 1 then "one" else "small" end <- 1 -> "one"
if . then 1 end <- 0 -> 1
[.[] | if . then 1 else 2 end] <- [true,null] -> [1,2]
try error("x") catch . <- null -> "x"
try error({a: 1}) catch .a <- null -> 1
[.[] | try tonumber] <- ["1","x"] -> [1]
error <- "boom" -> error
[limit(2; .[])] <- [1,2,3] -> [1,2]
[first(range(5)), last(range(5)), nth(2; range(5))] <- null -> [0,4,2]
[first, last, nth(1)] <- [1,2,3] -> [1,3,2]
[range(3)], [range(1; 3)], [range(5; 0; -2)] | [.] | add <- null -> error
[range(3)] + [range(1; 3)] + [range(5; 0; -2)] <- null -> [0,1,2,1,2,5,3,1]
[.[] | select(. > 1)] <- [1,2,3] -> [2,3]
map(. + 1) <- [1,2] -> [2,3]
map_values(. + 1) <- {"a":1} -> {"a":2}
map_values(empty) <- {"a":1} -> {}
add <- [1,2,3] -> 6
add <- [] -> null
add <- {"a":"x","b":"y"} -> "xy"
add(.[].a) <- [{"a":1},{"a":2}] -> 3
any, all | [.] | add <- [true] -> error
[any, all] <- [true,false] -> [true,false]
[any(. > 2), all(. > 0)] <- [1,2,3] -> [true,true]
[any(.a, .b; . == 2), all(.a, .b; . == 2)] <- {"a":1,"b":2} -> [true,false]
length <- "aé" -> 2
length <- {"a":1} -> 1
length <- -3 -> 3
utf8bytelength <- "é" -> 2
keys <- {"b":1,"a":2} -> ["a","b"]
keys <- [5,6] -> [0,1]
[has("a"), has("b")] <- {"a":1} -> [true,false]
has(1) <- [1] -> false
[.[] | in({"a": 1})] <- ["a","b"] -> [true,false]
contains({a: ["x"]}) <- {"a":["xyz"],"b":1} -> true
inside("foobar") <- "bar" -> true
to_entries <- {"a":1} -> [{"key":"a","value":1}]
from_entries <- [{"name":"a","value":1},{"k":2,"v":3}] -> {"2":3,"a":1}
from_entries <- [{"key":null,"k":"a","value":1},{"key":false},{}] -> {"a":1,"false":null,"null":null}
to_entries <- ["x"] -> [{"key":0,"value":"x"}]
with_entries(.value += 1) <- {"a":1} -> {"a":2}
[min, max] <- [2,1,3] -> [1,3]
[min_by(.a), max_by(.a)] <- [{"a":2},{"a":1}] -> [{"a":1},{"a":2}]
min <- [] -> null
sort_by(.a, .b) <- [{"a":1,"b":2},{"a":1,"b":1}] -> [{"a":1,"b":1},{"a":1,"b":2}]
group_by(.a) <- [{"a":2},{"a":1},{"a":2}] -> [[{"a":1}],[{"a":2},{"a":2}]]
unique <- [2,1,2] -> [1,2]
unique_by(length) <- ["aa","b","cc"] -> ["b","aa"]
reverse <- [1,2] -> [2,1]
reverse <- "ab" -> "ba"
flatten <- [1,[2,[3]]] -> [1,2,3]
flatten <- {"a":[1,[2]],"b":3} -> [1,2,3]
flatten(1) <- [1,[2,[3]]] -> [1,2,[3]]
[floor, ceil, round] <- 1.5 -> [1,2,2]
[sqrt, abs] <- 9 -> [3,9]
[.[] | type] <- [null,true,1,"",[],{}] -> ["null","boolean","number","string","array","object"]
[.[] | tostring] <- [1,"a",[1]] -> ["1","a","[1]"]
[.[] | tonumber] <- ["1","1.5",2] -> [1,1.5,2]
[tojson, (tojson | fromjson)] <- {"a":[1]} -> ["{\"a\":[1]}",{"a":[1]}]
[ascii_downcase, ascii_upcase] <- "aBé" -> ["abé","ABé"]
[ltrimstr("a"), rtrimstr("c"), ltrimstr("x")] <- "abc" -> ["bc","ab","abc"]
[trim, ltrim, rtrim] <- " a " -> ["a","a "," a"]
[startswith("a"), endswith("a")] <- "ab" -> [true,false]
[explode, (explode | implode)] <- "aé" -> [[97,233],"aé"]
split(", ") <- "a, b" -> ["a","b"]
split("") <- "ab" -> ["a","b"]
split(", *"; null) <- "a,b,  c" -> ["a","b","c"]
[splits(", *")] <- "a,b,  c" -> ["a","b","c"]
join("-") <- ["a",1,null,true] -> "a-1--true"
[index("a"), rindex("a"), indices("a")] <- "banana" -> [1,5,[1,3,5]]
indices([1, 2]) <- [0,1,2,1,2] -> [1,3]
[test("^b"), test("B"), test("B"; "i")] <- "banana" -> [true,false,true]
[match("a"; "g").offset] <- "banana" -> [1,3,5]
match("(?<x>n)(z)?") <- "banana" -> {"captures":[{"length":1,"name":"x","offset":2,"string":"n"},{"length":0,"name":null,"offset":-1,"string":null}],"length":1,"offset":2,"string":"n"}
capture("(?<a>[a-z]+)-(?<n>[0-9]+)") <- "xyz-14" -> {"a":"xyz","n":"14"}
[scan("[a-z]([0-9])")] <- "a1b2" -> [["1"],["2"]]
[scan("[0-9]")] <- "a1b2" -> ["1","2"]
sub("a"; "o") <- "banana" -> "bonana"
gsub("(?<x>[an])"; "<\(.x)>") <- "ban" -> "b<a><n>"
gsub("^"; ">") <- "a" -> ">a"
[paths] <- {"a":[1]} -> [["a"],["a",0]]
[paths(type == "number")] <- {"a":[1]} -> [["a",0]]
[path(.a[0], .b)] <- {"a":[1]} -> [["a",0],["b"]]
path(1) <- null -> error
getpath(["a", "b"]) <- {"a":{"b":1}} -> 1
getpath(["a", "b"]) <- null -> null
setpath(["a", 0]; 1) <- null -> {"a":[1]}
delpaths([["a"], ["b", 0]]) <- {"a":1,"b":[1,2]} -> {"b":[2]}
del(.a, .b[0, 1]) <- {"a":1,"b":[1,2,3]} -> {"b":[3]}
del(.[] | select(. > 1)) <- [1,2,3,0] -> [1,0]
.a = 1 <- {} -> {"a":1}
.a |= . + 1 <- {"a":1} -> {"a":2}
.[] += 1 <- [1,2] -> [2,3]
.a //= 3 <- {} -> {"a":3}
.a[1].b = 2 <- null -> {"a":[null,{"b":2}]}
(.a | select(. > 1)) |= 0 <- {"a":2} -> {"a":0}
[.[] as [$a, {b: $c}] | $a + $c] <- [[1,{"b":2}]] -> [3]
. as {a: $x, "b": [$y]} | [$x, $y] <- {"a":1,"b":[2]} -> [1,2]
reduce .[] as $x (0; . + $x) <- [1,2,3] -> 6
reduce empty as $x (7; 8) <- null -> 7
[foreach .[] as $x (0; . + $x)] <- [1,2,3] -> [1,3,6]
[foreach .[] as $x (0; . + $x; [$x, .])] <- [1,2] -> [[1,1],[2,3]]
[label $f | range(10) | ., (select(. == 1) | break $f)] <- null -> [0,1]
[recurse(if . < 3 then . + 1 else empty end)] <- 0 -> [0,1,2,3]
[recurse(. * .; . < 20)] <- 2 -> [2,4,16]
[recurse] <- [[1]] -> [[[1]],[1],1]
[while(. < 8; . * 2)] <- 1 -> [1,2,4]
until(. > 100; . * 2) <- 1 -> 128
[limit(3; repeat(. * 2))] <- 1 -> [1,2,4]
[isempty(empty), isempty(1, error("x"))] <- null -> [true,false]
transpose <- [[1,2],[3]] -> [[1,3],[2,null]]
transpose <- [[1,2],null] -> [[1,null],[2,null]]
[nth(2; 1, 2), nth(0, 1; 1, 2)] <- null -> [1,2]
nth(-1; 1, 2) <- null -> error
path(nth(1; .[])) <- [5,6] -> [1]
toarray <- 1 -> [1]
[.[] | values] <- [1,null] -> [1]
[.[] | numbers, strings, scalars] <- [1,"a",[]] -> [1,1,"a","a"]
@csv <- [1,"a\"b",null,true] -> "1,\"a\"\"b\",,true"
@tsv <- ["a\tb",1] -> "a\\tb\t1"
@html <- "<&'\">" -> "&lt;&amp;&#39;&quot;&gt;"
@uri <- "a b/é~" -> "a%20b%2F%C3%A9~"
@sh <- ["it's",1] -> "'it'\\''s' 1"
@sh "echo \(.)" <- "a b" -> "echo 'a b'"
[@base64, (@base64 | @base64d)] <- "hello" -> ["aGVsbG8=","hello"]
@json "x\(.)" <- "a" -> "x\"a\""
"\(1, 2)-\(3)" | length <- null -> error
"\t\u00e9\"\\" <- null -> "\té\"\\"
[splits("a+"; "i")] <- "xAay" -> ["x","y"]
ltrimstr(1) <- "a" -> "a"
$ENV <- null -> error
env <- null -> error
now <- null -> error
input <- null -> error
halt <- null -> error
debug <- null -> error
$__loc__ <- null -> error
def f: 1; f <- null -> error
import "a" as a; 1 <- null -> error
include "a"; 1 <- null -> error
"#;

#[test]
fn expressions_mean_what_they_mean_in_jq() {
    let mut wrong = Vec::new();
    for line in KNOWN.lines().filter(|line| !line.is_empty()) {
        let (text, rest) = line.split_once(" <- ").unwrap();
        let (context, expected) = rest.rsplit_once(" -> ").unwrap();
        let context = serde_json::from_str(context).unwrap();
        let found = over(text, &context);
        let good = match (&found, expected) {
            (Ok(value), expected) => expected != "error" && *value == serde_json::from_str::<Json>(expected).unwrap(),
            (Err(_), expected) => expected == "error",
        };
        if !good {
            wrong.push(format!("{line}\n    found {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
