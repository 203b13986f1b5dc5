use super::expression::{Comparison, Expression, Factor, Sign};
use super::lexer::{Token, TokenKind, tokens};
use super::like::Pattern;
use super::{Selector, SelectorError};

/// Reads a selector: one method for each level of precedence, the weakest first.
pub(super) struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

type Parsed = Result<Expression, SelectorError>;

impl Parser {
    pub(super) fn new(text: &str) -> Result<Self, SelectorError> {
        Ok(Self { tokens: tokens(text)?, at: 0, depth: 0 })
    }

    pub(super) fn parse(mut self) -> Parsed {
        let expression = self.or()?;
        match self.peek() {
            TokenKind::End => Ok(expression),
            _ => Err(self.unexpected("an operator or the end")),
        }
    }

    fn or(&mut self) -> Parsed {
        let mut terms = vec![self.and()?];
        while self.take_keyword("OR") {
            terms.push(self.and()?);
        }
        Ok(single(terms, |term| term).unwrap_or_else(Expression::Or))
    }

    fn and(&mut self) -> Parsed {
        let mut terms = vec![self.not()?];
        while self.take_keyword("AND") {
            terms.push(self.not()?);
        }
        Ok(single(terms, |term| term).unwrap_or_else(Expression::And))
    }

    fn not(&mut self) -> Parsed {
        if !self.take_keyword("NOT") {
            return self.comparison();
        }
        self.nested(|parser| Ok(Expression::Not(Box::new(parser.not()?))))
    }

    fn comparison(&mut self) -> Parsed {
        let left = self.sum()?;
        if let Some(comparison) = self.take_comparison() {
            let right = self.sum()?;
            return Ok(Expression::Compare(Box::new(left), comparison, Box::new(right)));
        }
        if self.take_keyword("IS") {
            let negated = self.take_keyword("NOT");
            self.expect_keyword("NULL", "NULL")?;
            let is_null = Expression::IsNull(Box::new(left));
            return Ok(if negated { Expression::Not(Box::new(is_null)) } else { is_null });
        }
        let negated = self.take_keyword("NOT");
        let condition = match self.peek() {
            TokenKind::Keyword("BETWEEN") => self.between(left)?,
            TokenKind::Keyword("IN") => self.is_in(left)?,
            TokenKind::Keyword("LIKE") => self.like(left)?,
            _ if negated => return Err(self.unexpected("BETWEEN, IN or LIKE")),
            _ => return Ok(left),
        };
        Ok(if negated { Expression::Not(Box::new(condition)) } else { condition })
    }

    fn between(&mut self, value: Expression) -> Parsed {
        self.at += 1;
        let low = Box::new(self.sum()?);
        self.expect_keyword("AND", "AND")?;
        let high = Box::new(self.sum()?);
        Ok(Expression::Between { value: Box::new(value), low, high })
    }

    fn is_in(&mut self, value: Expression) -> Parsed {
        self.at += 1;
        self.expect_symbol("(", "an opening parenthesis")?;
        let mut texts = vec![self.text()?];
        while self.take_symbol(",") {
            texts.push(self.text()?);
        }
        self.expect_symbol(")", "a comma or a closing parenthesis")?;
        Ok(Expression::In(Box::new(value), texts))
    }

    fn like(&mut self, value: Expression) -> Parsed {
        self.at += 1;
        let at = self.position();
        let text = self.text()?;
        let escape = if self.take_keyword("ESCAPE") { Some(self.escape()?) } else { None };
        if text.len() > Selector::LIKE_OCTETS_MAX {
            return Err(SelectorError::InvalidPattern { at });
        }
        let pattern = Pattern::new(&text, escape).ok_or(SelectorError::InvalidPattern { at })?;
        Ok(Expression::Like(Box::new(value), pattern))
    }

    fn escape(&mut self) -> Result<char, SelectorError> {
        let unexpected = self.unexpected("one character in quotes");
        let text = self.text()?;
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(escape), None) => Ok(escape),
            _ => Err(unexpected),
        }
    }

    fn sum(&mut self) -> Parsed {
        let mut terms = vec![(Sign::Plus, self.product()?)];
        loop {
            let sign = match self.peek() {
                TokenKind::Symbol("+") => Sign::Plus,
                TokenKind::Symbol("-") => Sign::Minus,
                _ => break,
            };
            self.at += 1;
            terms.push((sign, self.product()?));
        }
        Ok(single(terms, |(_, term)| term).unwrap_or_else(Expression::Sum))
    }

    fn product(&mut self) -> Parsed {
        let mut terms = vec![(Factor::Times, self.signed()?)];
        loop {
            let factor = match self.peek() {
                TokenKind::Symbol("*") => Factor::Times,
                TokenKind::Symbol("/") => Factor::Over,
                _ => break,
            };
            self.at += 1;
            terms.push((factor, self.signed()?));
        }
        Ok(single(terms, |(_, term)| term).unwrap_or_else(Expression::Product))
    }

    fn signed(&mut self) -> Parsed {
        let sign = match self.peek() {
            TokenKind::Symbol("+") => Sign::Plus,
            TokenKind::Symbol("-") => Sign::Minus,
            _ => return self.primary(),
        };
        self.at += 1;
        self.nested(|parser| Ok(Expression::Sum(vec![(sign, parser.signed()?)])))
    }

    fn primary(&mut self) -> Parsed {
        let expression = match self.peek().clone() {
            TokenKind::Identifier(name) => Expression::Header(name),
            TokenKind::Text(text) => Expression::Text(text),
            TokenKind::Integer(number) => Expression::Integer(number),
            TokenKind::Decimal(number) => Expression::Decimal(number),
            TokenKind::Keyword("TRUE") => Expression::Truth(true),
            TokenKind::Keyword("FALSE") => Expression::Truth(false),
            TokenKind::Symbol("(") => {
                self.at += 1;
                let inner = self.nested(Self::or)?;
                self.expect_symbol(")", "a closing parenthesis")?;
                return Ok(inner);
            }
            _ => return Err(self.unexpected("a header name, a value or a parenthesis")),
        };
        self.at += 1;
        Ok(expression)
    }

    fn nested(&mut self, parse: impl FnOnce(&mut Self) -> Parsed) -> Parsed {
        if self.depth == Selector::DEPTH_MAX {
            return Err(SelectorError::TooDeep { depth_max: Selector::DEPTH_MAX });
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn text(&mut self) -> Result<Box<str>, SelectorError> {
        match self.peek().clone() {
            TokenKind::Text(text) => {
                self.at += 1;
                Ok(text)
            }
            _ => Err(self.unexpected("a text in single quotes")),
        }
    }

    fn take_comparison(&mut self) -> Option<Comparison> {
        let TokenKind::Symbol(symbol) = self.peek() else { return None };
        let comparison = match *symbol {
            "=" => Comparison::Equal,
            "<>" | "!=" => Comparison::NotEqual,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            _ => return None,
        };
        self.at += 1;
        Some(comparison)
    }

    fn take_keyword(&mut self, keyword: &'static str) -> bool {
        let found = *self.peek() == TokenKind::Keyword(keyword);
        self.at += usize::from(found);
        found
    }

    fn take_symbol(&mut self, symbol: &'static str) -> bool {
        let found = *self.peek() == TokenKind::Symbol(symbol);
        self.at += usize::from(found);
        found
    }

    fn expect_keyword(
        &mut self,
        keyword: &'static str,
        expected: &'static str,
    ) -> Result<(), SelectorError> {
        if self.take_keyword(keyword) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    fn expect_symbol(
        &mut self,
        symbol: &'static str,
        expected: &'static str,
    ) -> Result<(), SelectorError> {
        if self.take_symbol(symbol) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    fn peek(&self) -> &TokenKind {
        &self.tokens[self.at].kind
    }

    fn position(&self) -> usize {
        self.tokens[self.at].at
    }

    fn unexpected(&self, expected: &'static str) -> SelectorError {
        SelectorError::Unexpected { at: self.position(), found: self.peek().shown(), expected }
    }
}

/// The only term, or all of them.
fn single<T>(mut terms: Vec<T>, only: fn(T) -> Expression) -> Result<Expression, Vec<T>> {
    match terms.pop() {
        Some(term) if terms.is_empty() => Ok(only(term)),
        last => {
            terms.extend(last);
            Err(terms)
        }
    }
}
