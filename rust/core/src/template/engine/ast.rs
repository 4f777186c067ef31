//! The syntax tree.

/// Arguments of a call, filter or test.
#[derive(Debug, Default)]
pub(crate) struct Args {
    pub(crate) positional: Vec<Expr>,
    pub(crate) keyword: Vec<(String, Expr)>,
    pub(crate) star: Option<Expr>,
    pub(crate) star_star: Option<Expr>,
}

/// An operator between two numbers, strings or lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BinaryOperator {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Mod,
    Pow,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    NotIn,
}

/// An expression.
#[derive(Debug)]
pub(crate) enum Expr {
    /// Template text between tags.
    Data(String),
    Str(String),
    None,
    Bool(bool),
    Int(i64),
    BigInt(String),
    Float(f64),
    Name(String),
    /// `namespace.attribute` as a target.
    NamespaceItem(String, String),
    List(Vec<Expr>),
    Tuple(Vec<Expr>),
    Dict(Vec<(Expr, Expr)>),
    Negative(Box<Expr>),
    Positive(Box<Expr>),
    Not(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Binary(BinaryOperator, Box<Expr>, Box<Expr>),
    Compare(Box<Expr>, Vec<(Comparison, Expr)>),
    Concat(Vec<Expr>),
    Conditional(Box<[Expr; 2]>, Option<Box<Expr>>, u32),
    Attribute(Box<Expr>, String),
    Item(Box<Expr>, Box<Expr>),
    /// `[start:stop:step]`, only inside [`Expr::Item`].
    Slice(Box<[Option<Expr>; 3]>),
    Call(Box<Expr>, Box<Args>),
    /// No input: the body of a filter block.
    Filter(Option<Box<Expr>>, String, Box<Args>, u32),
    Test(Box<Expr>, String, Box<Args>, u32),
}

/// Parameters of a macro, with the defaults of the last ones.
#[derive(Debug, Default)]
pub(crate) struct Signature {
    pub(crate) names: Vec<String>,
    pub(crate) defaults: Vec<Expr>,
}

/// A statement with its line.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) line: u32,
    pub(crate) kind: StatementKind,
}

/// A statement.
#[derive(Debug)]
pub(crate) enum StatementKind {
    Output(Vec<(u32, Expr)>),
    For(Box<For>),
    If(Vec<(Expr, Vec<Statement>)>, Vec<Statement>),
    Macro(String, Signature, Vec<Statement>),
    CallBlock(Signature, Expr, Vec<Statement>),
    FilterBlock(Expr, Vec<Statement>),
    Set(Expr, Expr),
    SetBlock(Expr, Option<Expr>, Vec<Statement>),
    With(Vec<(Expr, Expr)>, Vec<Statement>),
    Generation(Vec<Statement>),
    Scope(Vec<Statement>),
    Break,
    Continue,
}

/// A loop.
#[derive(Debug)]
pub(crate) struct For {
    pub(crate) target: Expr,
    pub(crate) iter: Expr,
    pub(crate) test: Option<Expr>,
    pub(crate) recursive: bool,
    pub(crate) body: Vec<Statement>,
    pub(crate) otherwise: Vec<Statement>,
}
