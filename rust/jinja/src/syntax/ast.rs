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
    List(Vec<Self>),
    Tuple(Vec<Self>),
    Dict(Vec<(Self, Self)>),
    Negative(Box<Self>),
    Positive(Box<Self>),
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Binary(BinaryOperator, Box<Self>, Box<Self>),
    Compare(Box<Self>, Vec<(Comparison, Self)>),
    Concat(Vec<Self>),
    Conditional(Box<[Self; 2]>, Option<Box<Self>>, u32),
    Attribute(Box<Self>, String),
    Item(Box<Self>, Box<Self>),
    /// `[start:stop:step]`, only inside [`Expr::Item`].
    Slice(Box<[Option<Self>; 3]>),
    Call(Box<Self>, Box<Args>),
    /// No input: the body of a filter block.
    Filter(Option<Box<Self>>, String, Box<Args>, u32),
    Test(Box<Self>, String, Box<Args>, u32),
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
