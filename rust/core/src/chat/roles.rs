//! The roles that messages may have.

use crate::rules::{Reject, Rule};

/// Roles that templates of real models know. Any other is likely a role of the data set that needs
/// a mapping; many templates would drop its messages without a word.
pub const KNOWN_ROLES: [&str; 8] = [
    "user",
    "assistant",
    "system",
    "tool",
    "developer",
    "function",
    "ipython",
    "tool_results",
];

/// The reject of a role that nothing maps.
pub(super) fn unknown_role(role: &str) -> Reject {
    let reason = format!("the role `{role}` is not known; map it, such as --roles {role}=user");
    Reject::new(Rule::UnknownRole, reason)
}
