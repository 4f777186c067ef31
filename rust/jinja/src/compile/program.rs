//! A compiled template: the syntax tree with every name resolved to a slot.

use crate::builtins::filters::Filter;
use crate::builtins::methods::Method;
use crate::builtins::predicates::Test;
use crate::syntax::ast::{BinaryOperator, Comparison};

/// A variable: how many calls outwards, and its slot there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Slot {
    pub(crate) depth: u32,
    pub(crate) index: u32,
}

/// What happens to a variable when its scope is entered.
#[derive(Clone, Debug)]
pub(crate) enum Load {
    /// Looked up among the render's variables and globals.
    Resolve(u32, Box<str>),
    /// Starts with the value of an outer variable.
    Alias(u32, Slot),
    /// Starts undefined.
    Clear(u32),
}

/// Arguments.
#[derive(Debug, Default)]
pub(crate) struct CallArgs {
    pub(crate) positional: Box<[Node]>,
    pub(crate) keyword: Box<[(Box<str>, Node)]>,
    pub(crate) star: Option<Node>,
    pub(crate) star_star: Option<Node>,
}

/// An expression.
#[derive(Debug)]
pub(crate) enum Node {
    Text(Box<str>),
    None,
    Bool(bool),
    Int(i64),
    BigInt(Box<str>),
    Float(f64),
    Variable(Slot, Box<str>),
    List(Box<[Self]>),
    Tuple(Box<[Self]>),
    Dict(Box<[(Self, Self)]>),
    Negative(Box<Self>),
    Positive(Box<Self>),
    Not(Box<Self>),
    And(Box<(Self, Self)>),
    Or(Box<(Self, Self)>),
    Binary(BinaryOperator, Box<(Self, Self)>),
    Compare(Box<Self>, Box<[(Comparison, Self)]>),
    Concat(Box<[Self]>),
    Conditional(Box<(Self, Self, Option<Self>)>, u32),
    Attribute(Box<Self>, Box<str>),
    Item(Box<(Self, Self)>),
    Slice(Box<Self>, Box<[Option<Self>; 3]>),
    Call(Box<(Self, CallArgs)>),
    /// A call of a method by a name that some type has.
    MethodCall(Box<(Self, CallArgs)>, Method, Box<str>),
    /// Without a node: the text of the filter block.
    Filter(Option<Box<Self>>, Result<Filter, Box<str>>, Box<CallArgs>),
    Test(Box<Self>, Result<Test, Box<str>>, Box<CallArgs>),
}

/// What is assigned to.
#[derive(Debug)]
pub(crate) enum Target {
    Variable(Slot),
    NamespaceItem(Slot, Box<str>),
    Tuple(Box<[Self]>),
}

/// A statement with its line.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) line: u32,
    pub(crate) kind: StepKind,
}

/// A scope inside a call: its variables and what runs in it.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) loads: Box<[Load]>,
    pub(crate) body: Box<[Step]>,
}

/// A statement.
#[derive(Debug)]
pub(crate) enum StepKind {
    Data(Box<str>),
    Print(Node),
    Set(Target, Node),
    SetBlock(Target, Option<Node>, Scope),
    If(Box<[(Node, Box<[Step]>)]>, Box<[Step]>),
    For(Box<ForLoop>),
    With(Box<[(Target, Node)]>, Scope),
    Scope(Scope),
    Macro(Slot, Box<MacroFunction>),
    /// The call, and the body as the `caller` macro.
    CallBlock(Box<(Node, CallArgs)>, Box<MacroFunction>),
    FilterBlock(Node, Scope),
    Generation(Box<MacroFunction>),
    Break,
    Continue,
}

/// Scope, target and condition of `for … if`.
pub(crate) type LoopTest = (Box<[Load]>, Target, Node);

/// Name, slot and default of a parameter.
pub(crate) type Parameter = (Box<str>, u32, Option<Node>);

/// A loop.
#[derive(Debug)]
pub(crate) struct ForLoop {
    pub(crate) iter: Node,
    pub(crate) target: Target,
    /// Scope, target and condition of `for … if`.
    pub(crate) test: Option<LoopTest>,
    /// The slot of `loop` where the body reads it.
    pub(crate) loop_slot: Option<u32>,
    pub(crate) body: Scope,
    pub(crate) otherwise: Option<Scope>,
    /// Slots of the loop's own call if it is recursive.
    pub(crate) recursive: Option<u32>,
}

/// A macro, a call block or the body of a generation block: what Python compiles to a function.
#[derive(Debug)]
pub(crate) struct MacroFunction {
    pub(crate) name: Box<str>,
    pub(crate) slots: u32,
    /// Names and slots of the parameters, with their defaults.
    pub(crate) parameters: Box<[Parameter]>,
    pub(crate) caller: Option<u32>,
    pub(crate) explicit_caller: bool,
    pub(crate) kwargs: Option<u32>,
    pub(crate) varargs: Option<u32>,
    pub(crate) scope: Scope,
}

/// A compiled template.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) slots: u32,
    pub(crate) scope: Scope,
    /// Template text and string constants.
    pub(crate) literals: Vec<String>,
    pub(crate) has_generation: bool,
    /// Names it looks up among the render's variables.
    pub(crate) variables: Vec<String>,
}
