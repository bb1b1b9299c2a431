//! Is a text small enough to be read?
//!
//! Owns the bounds on the text of an expression. Promises: what passes can be lexed, parsed, compiled and dropped on a
//! small stack, since all of these go into an expression by calling themselves. Never says whether it makes sense.

use jaq_core::load::lex::{StrPart, Tok, Token};

use super::Error;

/// Longest text of an expression, in bytes.
pub const MAX_TEXT: usize = 16 << 10;
/// Most parentheses, brackets, braces and strings inside each other.
const MAX_BRACKETS: usize = 48;
/// Most operators and keywords that wait for each other.
const MAX_CHAIN: usize = 128;
/// Most commas beside each other.
const MAX_COMMAS: usize = 1_000;

/// Before the text is lexed: its length, and how deep its brackets go.
pub(super) fn text(text: &str) -> Result<(), Error> {
    if text.len() > MAX_TEXT {
        return Err(Error::Syntax {
            at: 1,
            reason: format!("the text has {} bytes, and {MAX_TEXT} are the most", text.len()),
        });
    }
    // What is open, outermost first: a bracket, or a string.
    let mut open = Vec::new();
    let mut chars = text.chars().enumerate();
    while let Some((at, c)) = chars.next() {
        let in_string = open.last() == Some(&'"');
        match (c, in_string) {
            ('\\', true) => {
                if chars.next().is_some_and(|(_, escaped)| escaped == '(') {
                    open.push('(');
                }
            }
            ('"', true) => {
                open.pop();
            }
            (_, true) => {}
            ('(' | '[' | '{' | '"', false) => open.push(c),
            (')' | ']' | '}', false) => {
                open.pop();
            }
            // The one thing that would make the lexer see other brackets than this scan does.
            ('#', false) => {
                return Err(Error::Syntax {
                    at: at + 1,
                    reason: "an expression has no comments: found `#`".to_owned(),
                });
            }
            (_, false) => {}
        }
        if open.len() > MAX_BRACKETS {
            return Err(Error::Syntax {
                at: at + 1,
                reason: format!("more than {MAX_BRACKETS} brackets in each other"),
            });
        }
    }
    Ok(())
}

/// Before the tokens are parsed: how many wait for each other.
pub(super) fn tokens(tokens: &[Token<&str>]) -> Result<(), Error> {
    let chain = longest(tokens);
    let too_many = |what: &str, most: usize| Error::Syntax { at: 1, reason: format!("more than {most} {what}") };
    if chain.operators > MAX_CHAIN {
        return Err(too_many("operators and keywords that wait for each other", MAX_CHAIN));
    }
    if chain.commas > MAX_COMMAS {
        return Err(too_many("commas beside each other", MAX_COMMAS));
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, Default)]
struct Chain {
    operators: usize,
    commas: usize,
}

/// The longest chain from the outermost token to an innermost one.
fn longest(tokens: &[Token<&str>]) -> Chain {
    let mut own = Chain::default();
    let mut inner = Chain::default();
    let mut deeper = |chain: Chain| {
        inner.operators = inner.operators.max(chain.operators);
        inner.commas = inner.commas.max(chain.commas);
    };
    for Token(text, kind) in tokens {
        match kind {
            Tok::Sym if *text == "," => own.commas += 1,
            Tok::Sym => own.operators += usize::from(!text.starts_with(['.', ':', ';', '?', ')', ']', '}'])),
            Tok::Word => {
                let waits = ["try", "catch", "if", "elif", "reduce", "foreach", "label", "def", "as", "and", "or"];
                own.operators += usize::from(waits.contains(text));
            }
            Tok::Block(tokens) => deeper(longest(tokens)),
            Tok::Str(pieces) => {
                for piece in pieces {
                    match piece {
                        StrPart::Term(token) => deeper(longest(std::slice::from_ref(token))),
                        StrPart::Str(_) | StrPart::Char(_) => {}
                    }
                }
            }
            Tok::Var | Tok::Fmt | Tok::Num => {}
        }
    }
    Chain { operators: own.operators + inner.operators, commas: own.commas + inner.commas }
}
