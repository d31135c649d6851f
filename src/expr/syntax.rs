//! Text to sqlparser's tree, with places in bytes and errors in our words.

use super::ExprError;
use sqlparser::ast::{Expr as Ast, Spanned};
use sqlparser::dialect::GenericDialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer};
use std::ops::Range;

/// More operators than this in one expression are refused, so that no walk over its tree runs out of stack.
const MOST_OPERATORS: usize = 1_000;

/// The text of an expression, with its lines.
pub struct Text<'a> {
    pub text: &'a str,
    /// The byte offset at which each line starts.
    lines: Vec<usize>,
}

impl<'a> Text<'a> {
    /// Wraps the text of an expression.
    pub fn new(text: &'a str) -> Text<'a> {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1)).collect();
        Text { text, lines }
    }

    /// Returns the bytes of a place in the parser's tree; the whole text if the parser does not know it.
    pub fn range(&self, span: Span) -> Range<usize> {
        if span.start.line == 0 {
            return 0..self.text.len();
        }
        let start = self.offset(span.start);
        start..self.offset(span.end).max(start)
    }

    /// Returns the bytes of a part of the parser's tree.
    pub fn of(&self, ast: &Ast) -> Range<usize> {
        match ast {
            // A minus sign is not in the parser's span.
            Ast::UnaryOp { expr, .. } => {
                let range = self.of(expr);
                let before = self.text[..range.start].trim_end();
                if before.ends_with(['-', '+']) { before.len() - 1..range.end } else { range }
            }
            // Nor are closing brackets.
            Ast::Function(_) => {
                let range = self.range(ast.span());
                let inside = &self.text[range.clone()];
                let mut open = inside.matches('(').count().saturating_sub(inside.matches(')').count());
                let mut end = range.end;
                for (i, c) in self.text[range.end..].char_indices() {
                    match c {
                        ')' if open > 0 => (open, end) = (open - 1, range.end + i + 1),
                        c if open > 0 && c.is_whitespace() => {}
                        _ => break,
                    }
                }
                range.start..end
            }
            _ => self.range(ast.span()),
        }
    }

    fn offset(&self, at: Location) -> usize {
        let Some(start) = self.lines.get((at.line as usize).saturating_sub(1)) else { return self.text.len() };
        let columns = (at.column as usize).saturating_sub(1);
        self.text[*start..].char_indices().nth(columns).map_or(self.text.len(), |(i, _)| start + i)
    }

    /// Parses the text as one expression.
    pub fn parse(&self) -> Result<Ast, ExprError> {
        let dialect = GenericDialect {};
        let tokens = Tokenizer::new(&dialect, self.text).tokenize_with_location().map_err(|error| {
            let at = self.offset(error.location);
            ExprError::new(
                "bad-expression",
                "the expression cannot be read",
                at..self.text.len(),
                lower(&error.message),
            )
        })?;
        let meaningful = |token: &&TokenWithSpan| !matches!(token.token, Token::Whitespace(_) | Token::EOF);
        if !tokens.iter().any(|token| meaningful(&token)) {
            let whole = 0..self.text.len();
            return Err(ExprError::new(
                "bad-expression",
                "the expression is empty",
                whole,
                "an expression is wanted here",
            ));
        }
        if tokens.iter().filter(|token| is_operator(&token.token)).count() > MOST_OPERATORS {
            let title = format!("the expression has more than {MOST_OPERATORS} operators");
            return Err(ExprError::new("bad-expression", title, 0..self.text.len(), "too long")
                .help("compute parts of it as columns first"));
        }
        let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens);
        let ast = parser.parse_expr().map_err(|error| self.error(&parser, error))?;
        let next = parser.peek_token();
        if next.token == Token::EOF {
            return Ok(ast);
        }
        let range = self.range(next.span);
        let label = format!("`{}` cannot follow a complete expression", &self.text[range.clone()]);
        let error = ExprError::new("bad-expression", "the expression goes on after its end", range, label);
        Err(match next.token {
            Token::SingleQuotedString(_) => error,
            Token::Word(word) if word.keyword == Keyword::AS => {
                error.help("a column's name is the key: `name = \"expression\"`")
            }
            _ => error.help(
                "an operator such as `and` may be missing; a name with blanks or signs is quoted: `\"my column\"`",
            ),
        })
    }

    fn error(&self, parser: &Parser, error: ParserError) -> ExprError {
        let message = match error {
            ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
            ParserError::RecursionLimitExceeded => {
                let whole = 0..self.text.len();
                return ExprError::new(
                    "bad-expression",
                    "the expression is nested too deeply",
                    whole,
                    "too many levels",
                )
                .help("compute parts of it as columns first");
            }
        };
        // The parser's message ends with the place; its next token is a fallback.
        let (words, place) = message.split_once(" at Line: ").unwrap_or((&message, ""));
        let place = place.split_once(", Column: ").and_then(|(line, column)| {
            Some(Location { line: line.trim().parse().ok()?, column: column.trim().parse().ok()? })
        });
        let start = match place {
            Some(place) => self.offset(place),
            None if words.contains("EOF") => self.text.len(),
            None => self.range(parser.peek_token().span).start,
        };
        let word =
            self.text[start..].find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.text.len() - start);
        let end = match self.text[start..].chars().next() {
            Some(first) => start + word.max(first.len_utf8()),
            None => start,
        };
        let words = lower(words).replace("found: eof", "found the end").replace("found: EOF", "found the end");
        ExprError::new("bad-expression", "the expression cannot be read", start..end, words)
    }
}

fn is_operator(token: &Token) -> bool {
    match token {
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::AND
                | Keyword::OR
                | Keyword::NOT
                | Keyword::IS
                | Keyword::IN
                | Keyword::LIKE
                | Keyword::ILIKE
                | Keyword::BETWEEN
        ),
        Token::Number(..) | Token::SingleQuotedString(_) | Token::Comma | Token::Whitespace(_) | Token::EOF => false,
        Token::LParen | Token::RParen | Token::RBracket => false,
        _ => true,
    }
}

fn lower(message: &str) -> String {
    let mut chars = message.chars();
    chars.next().map_or(String::new(), |first| first.to_lowercase().chain(chars).collect())
}
