//! Global functions.

/// A function that every template can call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Range,
    Dict,
    Namespace,
    RaiseException,
    StrftimeNow,
    Cycler,
    Joiner,
    Lipsum,
}

impl Function {
    /// The function of a name.
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "range" => Self::Range,
            "dict" => Self::Dict,
            "namespace" => Self::Namespace,
            "raise_exception" => Self::RaiseException,
            "strftime_now" => Self::StrftimeNow,
            "cycler" => Self::Cycler,
            "joiner" => Self::Joiner,
            "lipsum" => Self::Lipsum,
            _ => return None,
        })
    }
}

/// `jinja2.sandbox.MAX_RANGE`.
pub(crate) const MAX_RANGE: i64 = 100_000;
