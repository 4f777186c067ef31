//! Arguments of a call in progress, bound to parameter names as Python does.

use crate::error::{Error, Result};
use crate::value::Val;

/// Evaluated arguments.
#[derive(Clone, Copy, Default)]
pub(crate) struct Given<'r> {
    pub(crate) positional: &'r [Val<'r>],
    pub(crate) keyword: &'r [(&'r str, Val<'r>)],
}

impl<'r> Given<'r> {
    /// The arguments by parameter; `None` if one was not given.
    pub(crate) fn bind<const N: usize>(
        &self,
        callee: &str,
        names: [&str; N],
    ) -> Result<[Option<Val<'r>>; N]> {
        let mut bound = [None; N];
        if self.positional.len() > N {
            return Err(Error::raised(format!(
                "{callee}() takes at most {N} arguments ({} given)",
                self.positional.len()
            )));
        }
        for (slot, value) in bound.iter_mut().zip(self.positional) {
            *slot = Some(*value);
        }
        for (name, value) in self.keyword {
            let Some(index) = names.iter().position(|known| known == name) else {
                return Err(Error::raised(format!(
                    "{callee}() got an unexpected keyword argument '{name}'"
                )));
            };
            if bound[index].is_some() {
                return Err(Error::raised(format!(
                    "{callee}() got multiple values for argument '{name}'"
                )));
            }
            bound[index] = Some(*value);
        }
        Ok(bound)
    }

    /// As [`Given::bind`] for a callee that takes no keywords.
    pub(crate) fn positional_only<const N: usize>(
        &self,
        callee: &str,
    ) -> Result<[Option<Val<'r>>; N]> {
        if !self.keyword.is_empty() {
            return Err(Error::raised(format!(
                "{callee}() takes no keyword arguments"
            )));
        }
        self.bind(callee, [""; N])
    }
}

/// The argument, or an error that it is missing.
pub(crate) fn required<'r>(value: Option<Val<'r>>, callee: &str) -> Result<Val<'r>> {
    value.ok_or_else(|| Error::raised(format!("{callee}() missing a required argument")))
}

/// An integer argument.
pub(crate) fn integer(value: Val<'_>) -> Result<i64> {
    match value {
        Val::Int(number) => Ok(number),
        Val::Bool(flag) => Ok(i64::from(flag)),
        _ => Err(Error::raised(format!(
            "'{}' object cannot be interpreted as an integer",
            value.type_name()
        ))),
    }
}
