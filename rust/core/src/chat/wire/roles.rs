//! Roles that stand for others.

use super::{Correction, fields};
use crate::chat::conversation::Message;
use crate::rules::Rule;
use crate::value::Value;

/// Gives the message the role under which the template prints it. `developer`: it prints that role.
pub(super) fn read<'a>(
    message: &mut Message<'a>,
    developer: bool,
    correction: &mut Correction<'_, 'a>,
) {
    let (role, rule) = match message.role {
        "function" => ("tool", Rule::FunctionCallRead),
        "developer" if !developer => ("system", Rule::DeveloperAsSystem),
        _ => return,
    };
    message.role = role;
    message.fields = fields::with(message.fields, "role", Value::Str(role), correction.arena);
    correction.count(rule);
}
