//! From text to terms: jaq's lexer and parser, and every name looked up.
//!
//! Owns what of jq's language an expression may use. Promises: what compiles names only functions and variables that
//! exist, defines none, loads nothing, and says of everything else what was found, where, and what is nearest. Never
//! evaluates.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{self, BinaryOp};
use jaq_core::load::{Lexer, Parser};
use jaq_core::{ops, path};

use super::Error;
use super::functions::{self, DEFINITIONS, Definition};
use super::guard;
use super::term::{Change, Compare, Fold, Format, Math, OrElse, Part, PathStep, Pattern, Piece, Term};
use crate::nearest::nearest;

type Tree<'s> = parse::Term<&'s str>;

/// Compiles a text.
pub(super) fn compile(text: &str) -> Result<Term, Error> {
    guard::text(text)?;
    Compiler { text, scope: Vec::new(), arguments: Vec::new() }.text(text)
}

struct Compiler<'s> {
    /// To say where something stands.
    text: &'s str,
    /// Variables and labels, outermost first; labels without their `$`.
    scope: Vec<String>,
    /// What a definition was called with.
    arguments: Vec<(&'static str, Term)>,
}

impl Compiler<'_> {
    fn text(&mut self, text: &str) -> Result<Term, Error> {
        let tokens = Lexer::new(text).lex().map_err(|errors| {
            let (reason, found) = match errors.first() {
                Some((expect, found)) => {
                    let shown = found.chars().next().map_or_else(|| "the end".to_owned(), |c| format!("`{c}`"));
                    (format!("found {shown}, expected {}", expect.as_str()), *found)
                }
                None => ("this is no expression".to_owned(), text),
            };
            self.wrong(found, reason)
        })?;
        guard::tokens(&tokens)?;
        let tree = Parser::new(&tokens).parse(|parser| parser.term()).map_err(|errors| match errors.first() {
            Some((expect, Some(found))) => {
                let shown: String = found.as_str().chars().take(40).collect();
                self.wrong(found.as_str(), format!("found `{shown}`, expected {}", expected(expect)))
            }
            Some((expect, None)) => self.wrong("", format!("found the end, expected {}", expected(expect))),
            None => self.wrong("", "this is no expression".to_owned()),
        })?;
        self.term(&tree)
    }

    /// Something is wrong at `place`, a piece of the text; the end where it is empty.
    fn wrong(&self, place: &str, reason: String) -> Error {
        let offset = (place.as_ptr() as usize).checked_sub(self.text.as_ptr() as usize);
        let before = offset.filter(|_| !place.is_empty()).and_then(|offset| self.text.get(..offset));
        Error::Syntax { at: before.unwrap_or(self.text).chars().count() + 1, reason }
    }

    fn boxed(&mut self, tree: &Tree<'_>) -> Result<Box<Term>, Error> {
        self.term(tree).map(Box::new)
    }

    fn optional(&mut self, tree: Option<&Tree<'_>>) -> Result<Option<Box<Term>>, Error> {
        tree.map(|tree| self.boxed(tree)).transpose()
    }

    fn term(&mut self, tree: &Tree<'_>) -> Result<Term, Error> {
        Ok(match tree {
            parse::Term::Id => Term::Id,
            parse::Term::Recurse => Term::Everything,
            parse::Term::Num(number) => self.number(number)?,
            parse::Term::Str(format, pieces) => {
                let format = format.map_or(Ok(Format::Text), |name| self.format(name))?;
                Term::Text(format, self.pieces(pieces)?)
            }
            parse::Term::Arr(items) => Term::List(self.optional(items.as_deref())?),
            parse::Term::Obj(fields) => {
                let fields = fields.iter().map(|(key, value)| self.field(key, value.as_ref()));
                Term::Map(fields.collect::<Result<_, _>>()?)
            }
            parse::Term::Neg(of) => Term::Negate(self.boxed(of)?),
            parse::Term::BinOp(left, operator, right) => self.operator(left, operator, right)?,
            parse::Term::Label(name, body) => {
                Term::Label(Box::new(self.within(&[label(name)], |inner| inner.term(body))?))
            }
            parse::Term::Break(name) => Term::Break(self.find(&label(name)).ok_or_else(|| {
                self.wrong(name, format!("found `break {name}`, and no `label {name}` stands around it"))
            })?),
            parse::Term::Fold(kind, source, pattern, arguments) => self.fold(kind, source, pattern, arguments)?,
            parse::Term::TryCatch(body, catch) => Term::Try(self.boxed(body)?, self.optional(catch.as_deref())?),
            parse::Term::IfThenElse(branches, otherwise) => {
                let last = otherwise.as_deref().map_or(Ok(Term::Id), |tree| self.term(tree))?;
                branches.iter().rev().try_fold(last, |otherwise, (when, then)| {
                    Ok(Term::If(self.boxed(when)?, self.boxed(then)?, Box::new(otherwise)))
                })?
            }
            parse::Term::Def(definitions, _) => {
                let name = definitions.first().map_or("", |definition| definition.name);
                return Err(self.wrong(name, format!("found `def {name}`, and an expression defines no functions")));
            }
            parse::Term::Call(name, arguments) => self.call(name, arguments)?,
            parse::Term::Var(name) => Term::Variable(self.find(name).ok_or_else(|| {
                let known = self.scope.iter().map(String::as_str).filter(|known| known.starts_with('$'));
                let hint = nearest(name, known).map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
                self.wrong(name, format!("found `{name}`, and nothing binds this variable{hint}"))
            })?),
            parse::Term::Path(base, path) => Term::Path(self.boxed(base)?, self.path(path)?),
        })
    }

    fn number(&self, number: &str) -> Result<Term, Error> {
        if let Some(whole) = number.parse::<i128>().ok().filter(|whole| *whole <= i128::from(u64::MAX)) {
            return Ok(Term::Whole(whole));
        }
        match number.parse::<f64>() {
            Ok(float) if float.is_finite() => Ok(Term::Float(float)),
            Ok(_) | Err(_) => Err(self.wrong(number, format!("found `{number}`, expected a number below 1.8e308"))),
        }
    }

    fn format(&self, name: &str) -> Result<Format, Error> {
        functions::FORMATS.iter().find(|(known, _)| *known == name).map(|(_, format)| *format).ok_or_else(|| {
            let known: Vec<&str> = functions::FORMATS.iter().map(|(known, _)| *known).collect();
            self.wrong(name, format!("found the format `{name}`, expected one of {}", known.join(", ")))
        })
    }

    fn pieces<'s>(&mut self, pieces: &[StrPart<&'s str, Tree<'s>>]) -> Result<Vec<Piece>, Error> {
        let mut read: Vec<Piece> = Vec::new();
        let push = |read: &mut Vec<Piece>, more: &str| match read.last_mut() {
            Some(Piece::Text(text)) => text.push_str(more),
            Some(Piece::Value(_)) | None => read.push(Piece::Text(more.to_owned())),
        };
        for piece in pieces {
            match piece {
                StrPart::Str(text) => push(&mut read, text),
                StrPart::Char(c) => push(&mut read, c.encode_utf8(&mut [0; 4])),
                StrPart::Term(tree) => read.push(Piece::Value(self.term(tree)?)),
            }
        }
        Ok(read)
    }

    /// `k: v`, or `k` and `$k` alone.
    fn field(&mut self, key: &Tree<'_>, value: Option<&Tree<'_>>) -> Result<(Term, Term), Error> {
        match (key, value) {
            (parse::Term::Var(name), None) => Ok((Term::literal(&name[1..]), self.term(key)?)),
            (_, None) => {
                let key = self.term(key)?;
                let part = Part { step: PathStep::Index(key.clone()), or: OrElse::Error };
                Ok((key, Term::Path(Box::new(Term::Id), vec![part])))
            }
            (_, Some(value)) => Ok((self.term(key)?, self.term(value)?)),
        }
    }

    fn operator(&mut self, left: &Tree<'_>, operator: &BinaryOp<&str>, right: &Tree<'_>) -> Result<Term, Error> {
        let change = match operator {
            BinaryOp::Comma => return self.several(left, right),
            BinaryOp::Pipe(Some(pattern)) => {
                let source = self.boxed(left)?;
                let (pattern, body) = self.bound(pattern, |inner| inner.boxed(right))?;
                return Ok(Term::Bind(source, pattern, body));
            }
            BinaryOp::Pipe(None) => return Ok(Term::Pipe(self.boxed(left)?, self.boxed(right)?)),
            BinaryOp::Alt => return Ok(Term::Else(self.boxed(left)?, self.boxed(right)?)),
            BinaryOp::Or => return Ok(Term::Or(self.boxed(left)?, self.boxed(right)?)),
            BinaryOp::And => return Ok(Term::And(self.boxed(left)?, self.boxed(right)?)),
            BinaryOp::Math(op) => return Ok(Term::Math(self.boxed(left)?, math(*op), self.boxed(right)?)),
            BinaryOp::Cmp(op) => return Ok(Term::Compare(self.boxed(left)?, compare(*op), self.boxed(right)?)),
            BinaryOp::Assign => Change::Set,
            BinaryOp::Update => Change::Update,
            BinaryOp::UpdateMath(op) => Change::Math(math(*op)),
            BinaryOp::UpdateAlt => Change::Else,
        };
        Ok(Term::Change(self.boxed(left)?, change, self.boxed(right)?))
    }

    /// `a, b, c` stands as `(a, b), c` in the tree; flat it needs no stack.
    fn several(&mut self, left: &Tree<'_>, right: &Tree<'_>) -> Result<Term, Error> {
        let mut trees = vec![right];
        let mut rest = left;
        while let parse::Term::BinOp(left, BinaryOp::Comma, right) = rest {
            trees.push(right);
            rest = left;
        }
        trees.push(rest);
        Ok(Term::Several(trees.into_iter().rev().map(|tree| self.term(tree)).collect::<Result<_, _>>()?))
    }

    fn fold(
        &mut self,
        kind: &str,
        source: &Tree<'_>,
        pattern: &parse::Pattern<&str>,
        arguments: &[Tree<'_>],
    ) -> Result<Term, Error> {
        let (init, update, extract) = match (kind, arguments) {
            (_, [init, update]) => (init, update, None),
            ("foreach", [init, update, extract]) => (init, update, Some(extract)),
            (_, others) => {
                return Err(
                    self.wrong(kind, format!("found `{kind}` with {} parts, expected `(init; update)`", others.len()))
                );
            }
        };
        let source = self.term(source)?;
        let init = self.term(init)?;
        let (pattern, (update, extract)) =
            self.bound(pattern, |inner| Ok((inner.term(update)?, inner.optional(extract)?)))?;
        let fold = Box::new(Fold { source, pattern, init, update });
        Ok(if kind == "reduce" { Term::Reduce(fold) } else { Term::Foreach(fold, extract) })
    }

    fn path(&mut self, path: &path::Path<Tree<'_>>) -> Result<Vec<Part>, Error> {
        let parts = path.0.iter().map(|(part, opt)| {
            let step = match part {
                path::Part::Index(tree) => PathStep::Index(self.term(tree)?),
                path::Part::Range(None, None) => PathStep::Each,
                path::Part::Range(from, to) => {
                    let mut end = |tree: &Option<Tree<'_>>| tree.as_ref().map(|tree| self.term(tree)).transpose();
                    PathStep::Slice(end(from)?, end(to)?)
                }
            };
            let or = match opt {
                path::Opt::Essential => OrElse::Error,
                path::Opt::Optional => OrElse::Nothing,
            };
            Ok(Part { step, or })
        });
        parts.collect()
    }

    /// A pattern, and what is compiled with its variables bound.
    fn bound<T>(
        &mut self,
        pattern: &parse::Pattern<&str>,
        within: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<(Pattern, T), Error> {
        let mut names = Vec::new();
        let pattern = self.pattern(pattern, &mut names)?;
        Ok((pattern, self.within(&names, within)?))
    }

    fn pattern(&mut self, pattern: &parse::Pattern<&str>, names: &mut Vec<String>) -> Result<Pattern, Error> {
        Ok(match pattern {
            parse::Pattern::Var(name) => {
                names.push((*name).to_owned());
                Pattern::Variable
            }
            parse::Pattern::Arr(items) => {
                Pattern::List(items.iter().map(|item| self.pattern(item, names)).collect::<Result<_, _>>()?)
            }
            parse::Pattern::Obj(fields) => {
                let fields = fields.iter().map(|(key, value)| Ok((self.term(key)?, self.pattern(value, names)?)));
                Pattern::Map(fields.collect::<Result<_, Error>>()?)
            }
        })
    }

    fn within<T>(&mut self, names: &[String], inner: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        let outer = self.scope.len();
        self.scope.extend_from_slice(names);
        let compiled = inner(self);
        self.scope.truncate(outer);
        compiled
    }

    /// How many bindings further out a name stands.
    fn find(&self, name: &str) -> Option<usize> {
        self.scope.iter().rev().position(|known| known == name)
    }

    fn call(&mut self, name: &str, arguments: &[Tree<'_>]) -> Result<Term, Error> {
        if arguments.is_empty() {
            if let Some((_, given)) = self.arguments.iter().find(|(known, _)| *known == name) {
                return Ok(given.clone());
            }
            match name {
                "null" => return Ok(Term::Null),
                "true" => return Ok(Term::Bool(true)),
                "false" => return Ok(Term::Bool(false)),
                _ => {}
            }
            if name.starts_with('@') {
                return Ok(Term::Text(self.format(name)?, vec![Piece::Value(Term::Id)]));
            }
        }
        let count = arguments.len();
        let native = functions::native(name, count);
        let definition = DEFINITIONS.iter().find(|known| known.name == name && known.parameters.len() == count);
        if native.is_none() && definition.is_none() {
            return Err(self.unknown(name, count));
        }
        let arguments = arguments.iter().map(|tree| self.term(tree)).collect::<Result<Vec<_>, _>>()?;
        match (native, definition) {
            (Some(native), _) => Ok(Term::Call(native, arguments)),
            (None, Some(definition)) => self.define(definition, arguments),
            (None, None) => Err(self.unknown(name, count)),
        }
    }

    /// What a definition stands for: its text, with the arguments in place of its parameters. It binds no variable, so
    /// that those of the arguments stand as far out as before.
    fn define(&self, definition: &'static Definition, arguments: Vec<Term>) -> Result<Term, Error> {
        let arguments = definition.parameters.iter().copied().zip(arguments).collect();
        Compiler { text: definition.text, scope: Vec::new(), arguments }.text(definition.text)
    }

    fn unknown(&self, name: &str, count: usize) -> Error {
        let arities: Vec<String> = functions::arities(name).iter().map(usize::to_string).collect();
        let reason = if arities.is_empty() {
            let meant = nearest(name, functions::names()).map(|meant| format!("; did you mean `{meant}`?"));
            format!("found the function `{name}`, which an expression may not call{}", meant.unwrap_or_default())
        } else {
            let noun = if count == 1 { "argument" } else { "arguments" };
            format!("found `{name}` with {count} {noun}, expected {}", arities.join(" or "))
        };
        self.wrong(name, reason)
    }
}

/// Labels and variables of one name are not the same.
fn label(name: &str) -> String {
    format!("label {name}")
}

fn expected<'a>(expect: &parse::Expect<&'a str>) -> &'a str {
    match expect.as_str() {
        "" => "the end",
        "nothing" => "the end",
        named => named,
    }
}

fn math(op: ops::Math) -> Math {
    match op {
        ops::Math::Add => Math::Add,
        ops::Math::Sub => Math::Subtract,
        ops::Math::Mul => Math::Multiply,
        ops::Math::Div => Math::Divide,
        ops::Math::Rem => Math::Remainder,
    }
}

fn compare(op: ops::Cmp) -> Compare {
    match op {
        ops::Cmp::Lt => Compare::Less,
        ops::Cmp::Le => Compare::LessOrEqual,
        ops::Cmp::Gt => Compare::More,
        ops::Cmp::Ge => Compare::MoreOrEqual,
        ops::Cmp::Eq => Compare::Equal,
        ops::Cmp::Ne => Compare::Unequal,
    }
}
